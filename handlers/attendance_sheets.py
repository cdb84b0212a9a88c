"""Attendance out and in as spreadsheets: ``/api/v1/meetings/{meeting_id}/attendance/export``."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import Base64Bytes, BaseModel, Field

from domain.checkins.importing import Outcome, Report
from domain.checkins.scan import SAYS, Result
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import Written, operation
from handlers.routing import route
from handlers.text import Draft, Id, Title

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MOST = 6 * 1024 * 1024


class ImportQuery(BaseModel):
    """``dry_run`` only says what would happen; this is the default."""

    dry_run: bool = True


class SheetDraft(Draft):
    """A list of who came.

    Attributes:
        content: The file in base64; ``.xlsx`` or ``.csv``, at most 4 MB, with the columns 姓名 and
            签到时间, and 代表证号 and 入口 where they are known.
    """

    filename: Title
    content: Annotated[Base64Bytes, Field(max_length=_MOST)]


class CellFaultView(BaseModel):
    """What is wrong with one cell, or with the whole line where ``field`` is empty."""

    field: str
    msg: str


class LineOutcomeView(BaseModel):
    """What becomes of one line, counted as Excel does; ``result`` is null where it is faulty.

    ``again``: the same list was handed in before, and this is what became of it then.
    """

    line: int
    name: str
    deputy_no: str
    person_id: str
    result: Result | None
    msg: str
    faults: list[CellFaultView]
    again: bool

    @classmethod
    def of(cls, it: Outcome) -> Self:
        """Show an outcome."""
        said = SAYS[it.result] if it.result else "；".join(fault.msg for fault in it.faults)
        faults = [CellFaultView(**fault.model_dump()) for fault in it.faults]
        return cls(**it._asdict() | {"faults": faults}, msg=said)


class AttendanceReportView(BaseModel):
    """The whole import, done or only tried; ``counts`` by result, faulty lines as ``faulty``."""

    dry_run: bool
    counts: dict[str, int]
    outcomes: list[LineOutcomeView]
    unknown_columns: list[str]

    @classmethod
    def of(cls, report: Report) -> Self:
        """Show a report."""
        words = (it.result.value if it.result else "faulty" for it in report.outcomes)
        return cls(
            dry_run=report.dry_run,
            counts=dict(sorted(Counter(words).items())),
            outcomes=[LineOutcomeView.of(it) for it in report.outcomes],
            unknown_columns=list(report.unknown),
        )


class SheetHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/attendance/export``."""

    @operation(Permission.CONSOLE_RUN, rate="export", produces=_XLSX)
    async def get(self, meeting_id: Id) -> Written:
        """Get the attendance as a spreadsheet with a watermark; the export is on record."""
        export_id, file = await self.services.checkins.export.write(meeting_id, by=self.user)
        name = quote(f"签到表-{export_id}.xlsx", safe="")
        self.set_header("Content-Type", _XLSX)
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{name}")
        self.set_header("Cache-Control", "no-store")
        self.write(file)
        return Written()


class SheetImportHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/attendance/import``."""

    max_body = _MOST

    @operation(Permission.CHECKIN_REVERSE)
    async def post(
        self, meeting_id: Id, query: ImportQuery, body: SheetDraft
    ) -> AttendanceReportView:
        """Import who came, or say what importing it would do; the same list changes nothing."""
        report = await self.services.checkins.imports.run(
            meeting_id, body.filename, body.content, dry_run=query.dry_run, by=self.user
        )
        return AttendanceReportView.of(report)


_ATTENDANCE = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/attendance"

ROUTES = [
    route(rf"{_ATTENDANCE}/export", SheetHandler),
    route(rf"{_ATTENDANCE}/import", SheetImportHandler),
]
