"""Importing the roster: ``/api/v1/admin/roster/imports``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import Base64Bytes, BaseModel, Field, StringConstraints

from domain.permissions import Permission
from domain.roster_import import ImportRecord, Report
from domain.roster_plan import Fate, Outcome
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.text import Draft, Line, Title

DeputyNo = Annotated[str, StringConstraints(min_length=1, max_length=20)]
"""Number of a deputy's certificate."""


class ImportDraft(Draft):
    """A file, and what to do with it.

    Attributes:
        content: The file in base64; ``.xlsx`` or ``.csv``, at most 4 MB.
        dry_run: Only say what would happen; this is the default.
        confirmed: Deputy numbers of those whose leaving office is confirmed.
        document: Number of the document that orders it; needed where somebody leaves.
    """

    filename: Title
    content: Annotated[Base64Bytes, Field(max_length=6 * 1024 * 1024)]
    dry_run: bool = True
    confirmed: Annotated[tuple[DeputyNo, ...], Field(max_length=5_000)] = ()
    document: Line = ""


class FaultView(BaseModel):
    """What is wrong with one cell, or with the whole line where ``field`` is empty."""

    field: str
    msg: str


class OutcomeView(BaseModel):
    """What becomes of one line; ``line`` 0 stands for a deputy who is not in the file."""

    line: int
    fate: Fate
    name: str
    deputy_no: str
    person_id: str
    fields: list[str]
    faults: list[FaultView]
    ended: bool

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Show an outcome."""
        return cls(**outcome.model_dump())


class ReportView(BaseModel):
    """The whole import, done or only tried; ``import_id`` is empty for a dry run."""

    dry_run: bool
    import_id: str
    counts: dict[Fate, int]
    outcomes: list[OutcomeView]
    unknown_columns: list[str]

    @classmethod
    def of(cls, report: Report) -> Self:
        """Show a report."""
        return cls(
            dry_run=report.dry_run,
            import_id=report.import_id,
            counts={fate: report.count(fate) for fate in Fate},
            outcomes=[OutcomeView.of(outcome) for outcome in report.outcomes],
            unknown_columns=list(report.unknown_columns),
        )


class ImportView(BaseModel):
    """One past import: the file's hash and the numbers."""

    id: str
    filename: str
    sha256: str
    at: datetime
    by: str
    added: int
    changed: int
    unchanged: int
    returned: int
    faulty: int
    removed: int
    ended: int

    @classmethod
    def of(cls, record: ImportRecord) -> Self:
        """Show a record."""
        return cls(**record.model_dump())


class ImportsHandler(ApiHandler):
    """``/api/v1/admin/roster/imports``."""

    max_body = 6 * 1024 * 1024

    @operation(Permission.ROSTER_MANAGE)
    async def get(self, query: PageQuery) -> Page[ImportView]:
        """Show past imports, newest first."""
        after = self.after(query)
        found = await self.services.administration.roster.records(
            by=self.user, after=after[0] if after else "", limit=query.limit + 1
        )
        shown = found[: query.limit]
        more = len(found) > query.limit
        return self.page([ImportView.of(it) for it in shown], [shown[-1].id] if more else None)

    @operation(Permission.ROSTER_MANAGE, step_up=True)
    async def post(self, body: ImportDraft) -> ReportView:
        """Import a roster, or say what importing it would do."""
        report = await self.services.administration.roster.run(
            body.filename,
            body.content,
            dry_run=body.dry_run,
            confirmed=frozenset(body.confirmed),
            document=body.document,
            by=self.user,
        )
        return ReportView.of(report)


ROUTES = [route(r"/api/v1/admin/roster/imports", ImportsHandler)]
