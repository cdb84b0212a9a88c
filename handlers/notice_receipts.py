"""Receipts of notices: what a reader tells, and the board that fills meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import BaseModel, Field

from domain.notices.receipt import Counts, Mark, Receipt, Reply
from domain.notices.receipts import Line, Told
from domain.people import Person
from domain.permissions import Permission
from domain.services import Services
from handlers.base import ApiHandler
from handlers.operation import SELF_SERVICE_WHEN_SUSPENDED, SIGNED_IN, Written, operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.rpc import rpc
from handlers.snapshot import PositionView, SnapshotView
from handlers.text import Draft, Id
from handlers.text import Line as Text

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class IdsDraft(Draft):
    """Notices, up to a hundred at once."""

    ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=100)]


class AnswerDraft(Draft):
    """How one answers a notice that asks for confirmation; ``fields`` belong to its form."""

    reply: Reply = Reply.JOIN
    fields: Annotated[Mapping[str, Text], Field(max_length=20)] = {}


class ConfirmDraft(AnswerDraft):
    """A notice and the answer to it."""

    id: Id


class MarkView(BaseModel):
    """The instants of one receipt; the first of each kind holds."""

    notice_id: str
    delivered_at: datetime | None
    read_at: datetime | None
    confirmed_at: datetime | None

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Show a receipt."""
        return cls(
            notice_id=receipt.n,
            delivered_at=receipt.delivered_at,
            read_at=receipt.read_at,
            confirmed_at=receipt.confirmed_at,
        )


class MarksView(BaseModel):
    """What is on record now; ``missing`` are notices that did not go to this person."""

    receipts: list[MarkView]
    missing: list[str]
    unread: int | None

    @classmethod
    def of(cls, told: Told) -> Self:
        """Show what became of marks."""
        return cls(
            receipts=[MarkView.of(one) for one in told.receipts],
            missing=list(told.missing),
            unread=told.unread,
        )


class ReceiptView(BaseModel):
    """One line of the board with a name."""

    person_id: str
    name: str
    delegation_id: str
    state: str
    rung: str
    pushed_at: datetime | None
    wx_at: datetime | None
    sms_at: datetime | None
    call_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    confirmed_at: datetime | None
    nudged_at: datetime | None
    answer: dict[str, object] | None
    failed: str

    @classmethod
    def of(cls, line: Line) -> Self:
        """Show a line."""
        receipt = line.receipt
        own = {name: getattr(receipt, name) for name in cls.model_fields if hasattr(receipt, name)}
        return cls(person_id=receipt.p, name=line.name, delegation_id=receipt.deleg, **own)


class ReceiptsQuery(PageQuery):
    """Everybody, or those who have not read."""

    unread: bool = False


class DelegationCountsView(Counts):
    """How far a notice has come in one delegation."""

    delegation_id: str
    name: str


class ReportView(SnapshotView):
    """How far a notice has come, as a whole and by delegation; without names.

    ``receipt.count`` on ``channel`` brings new counts of the whole.
    """

    counts: Counts
    delegations: list[DelegationCountsView]


class VerdictView(BaseModel):
    """Whether receipts are as the audit knows them; false from ``broken_since`` on, if at all."""

    digests: int
    broken_since: datetime | None


class VerifyHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/receipts/verify``."""

    @operation(Permission.AUDIT_READ)
    async def get(self, notice_id: Id) -> VerdictView:
        """Compare the receipts of a notice with their digests in the audit."""
        verdict = await self.services.notices.chain.verify(notice_id, by=self.user)
        return VerdictView(**verdict._asdict())


class DeliveredHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/delivered``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def post(self, notice_id: Id) -> MarksView:
        """Say that a notice has arrived on this device."""
        receipts = self.services.notices.receipts
        return MarksView.of(await receipts.mark([notice_id], Mark.DELIVERED, by=self.user))


class ReadHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/read``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def post(self, notice_id: Id) -> MarksView:
        """Say that a notice was read; the badge on other devices follows."""
        receipts = self.services.notices.receipts
        return MarksView.of(await receipts.mark([notice_id], Mark.READ, by=self.user))


class ConfirmHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/confirm``."""

    @operation(SIGNED_IN)
    async def post(self, notice_id: Id, body: AnswerDraft) -> MarksView:
        """Confirm a notice and answer its form."""
        told = await self.services.notices.receipts.confirm(
            notice_id, reply=body.reply, fields=body.fields, by=self.user
        )
        return MarksView.of(told)


class ReceiptsHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/receipts``."""

    @operation(Permission.RECEIPT_READ)
    async def get(self, notice_id: Id, query: ReceiptsQuery) -> Page[ReceiptView]:
        """Show who has it, who read it, who confirmed: those one may see with names."""
        after = self.after(query)
        found = await self.services.notices.receipts.lines(
            notice_id,
            by=self.user,
            unread=query.unread,
            after=after[0] if after else "",
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        more = len(found) > query.limit
        last = [shown[-1].receipt.p] if more else None
        return self.page([ReceiptView.of(line) for line in shown], last)


class ReportHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/receipts/report``."""

    @operation(Permission.RECEIPT_READ)
    async def get(self, notice_id: Id) -> ReportView:
        """Count how far a notice has come, by delegation too."""
        receipts = self.services.notices.receipts
        channel = await receipts.channel(notice_id, by=self.user)
        taken = await self.services.realtime.snapshot(
            channel, lambda: receipts.report(notice_id, by=self.user)
        )
        report = taken.state
        return ReportView(
            channel=channel,
            position=PositionView.of(taken.position),
            counts=report.counts,
            delegations=[
                DelegationCountsView(delegation_id=key, name=name, **counts.model_dump())
                for key, name, counts in report.delegations
            ],
        )


class ReceiptsExportHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/receipts/export``."""

    @operation(Permission.RECEIPT_READ, produces=_XLSX)
    async def get(self, notice_id: Id) -> Written:
        """Get the receipts as a spreadsheet with a watermark; the export is on record."""
        export_id, file = await self.services.notices.receipts.export(notice_id, by=self.user)
        name = quote(f"通知回执-{export_id}.xlsx", safe="")
        self.set_header("Content-Type", _XLSX)
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{name}")
        self.set_header("Cache-Control", "no-store")
        self.write(file)
        return Written()


@rpc("notice.delivered", SELF_SERVICE_WHEN_SUSPENDED)
async def notice_delivered(services: Services, by: Person, params: IdsDraft) -> MarksView:
    """Say that notices have arrived on this device."""
    return MarksView.of(await services.notices.receipts.mark(params.ids, Mark.DELIVERED, by=by))


@rpc("notice.read", SELF_SERVICE_WHEN_SUSPENDED)
async def notice_read(services: Services, by: Person, params: IdsDraft) -> MarksView:
    """Say that notices were read; the badge on other devices follows."""
    return MarksView.of(await services.notices.receipts.mark(params.ids, Mark.READ, by=by))


@rpc("notice.confirm", SIGNED_IN)
async def notice_confirm(services: Services, by: Person, params: ConfirmDraft) -> MarksView:
    """Confirm a notice and answer its form."""
    told = await services.notices.receipts.confirm(
        params.id, reply=params.reply, fields=params.fields, by=by
    )
    return MarksView.of(told)


_ONE = r"/api/v1/notices/(?P<notice_id>[0-9A-Z]{26})"

ROUTES = [
    route(rf"{_ONE}/confirm", ConfirmHandler),
    route(rf"{_ONE}/delivered", DeliveredHandler),
    route(rf"{_ONE}/read", ReadHandler),
    route(rf"{_ONE}/receipts", ReceiptsHandler),
    route(rf"{_ONE}/receipts/export", ReceiptsExportHandler),
    route(rf"{_ONE}/receipts/report", ReportHandler),
    route(rf"{_ONE}/receipts/verify", VerifyHandler),
]

METHODS = [notice_confirm, notice_delivered, notice_read]
