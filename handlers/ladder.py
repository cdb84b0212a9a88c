"""The notification ladder: its report, the call list, and consents to WeChat messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from domain.ladder.calls import Result
from domain.ladder.consents import Stock
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Draft, Id, Line, Token


class PartView(BaseModel):
    """One part of those a notice is for; the shares, in thousandths, add up to 1000."""

    key: str
    label: str
    count: int
    permille: int


class LeftOutView(BaseModel):
    """How many reminders of one way were not sent, and why."""

    way: str
    reason: str
    count: int


class LadderView(BaseModel):
    """How a notice came to its people; ``sent`` counts reminders by way."""

    total: int
    parts: list[PartView]
    sent: dict[str, int]
    left_out: list[LeftOutView]


class CallView(BaseModel):
    """Somebody to phone; ``mobile`` is empty where no number is known."""

    notice_id: str
    title: str
    person_id: str
    name: str
    delegation_id: str
    mobile: str
    published_at: datetime


class CallListView(BaseModel):
    """Whom to phone, the longest waiting first; at most five hundred at once."""

    items: list[CallView]


class CallDraft(Draft):
    """How a call ended; only ``reached`` takes the person off the list."""

    result: Result
    note: Line = ""


class CalledView(BaseModel):
    """What is on record; ``call_at`` is empty while the person is still to be phoned."""

    notice_id: str
    person_id: str
    call_at: datetime | None


class ConsentDraft(Draft):
    """What ``<wx-open-subscribe>`` says, by template id; ``id`` is the page's own for it."""

    id: Token
    answers: Annotated[
        Mapping[str, Literal["accept", "reject", "cancel", "filter"]], Field(max_length=10)
    ]


class ConsentView(BaseModel):
    """How many messages the person has agreed to; ``template`` is empty where none is in use."""

    template: str
    left: int
    long_term: bool
    refused: bool

    @classmethod
    def of(cls, stock: Stock) -> ConsentView:
        """Show what is left."""
        return cls(**stock.model_dump())


class LadderHandler(ApiHandler):
    """``/api/v1/notices/{notice_id}/ladder``."""

    @operation(Permission.RECEIPT_READ)
    async def get(self, notice_id: Id) -> LadderView:
        """Count by which way a notice came to its people; without names."""
        report = await self.services.ladder.reports.of(notice_id, by=self.user)
        return LadderView(
            total=report.total,
            parts=[
                PartView(key=one.key, label=one.label, count=one.number, permille=one.permille)
                for one in report.parts
            ],
            sent=dict(report.sent),
            left_out=[
                LeftOutView(way=way, reason=reason, count=count)
                for way, reason, count in report.left_out
            ],
        )


class CallListHandler(ApiHandler):
    """``/api/v1/call-list``."""

    @operation(Permission.PHONE_READ)
    async def get(self) -> CallListView:
        """Show whom one must phone; the look at the numbers is on record."""
        lines = await self.services.ladder.calls.show(by=self.user)
        return CallListView(items=[CallView(**vars(line)) for line in lines])


class CallHandler(ApiHandler):
    """``/api/v1/call-list/{notice_id}/{person_id}``."""

    @operation(Permission.PHONE_READ)
    async def post(self, notice_id: Id, person_id: Id, body: CallDraft) -> CalledView:
        """Note how a call ended."""
        receipt = await self.services.ladder.calls.note(
            notice_id, person_id, result=body.result, note=body.note, by=self.user
        )
        return CalledView(notice_id=receipt.n, person_id=receipt.p, call_at=receipt.call_at)


class ConsentsHandler(ApiHandler):
    """``/api/v1/wechat/consents``."""

    @operation(SIGNED_IN)
    async def get(self) -> ConsentView:
        """Show to how many WeChat messages one has agreed."""
        return ConsentView.of(await self.services.ladder.consents.stock(self.user.id))

    @operation(SIGNED_IN)
    async def post(self, body: ConsentDraft) -> ConsentView:
        """Report what ``<wx-open-subscribe>`` says; repeating a report changes nothing."""
        consents = self.services.ladder.consents
        key = f"page:{body.id}"
        return ConsentView.of(await consents.answered(self.user.id, body.answers, key=key))


ROUTES = [
    route(r"/api/v1/call-list", CallListHandler),
    route(
        r"/api/v1/call-list/(?P<notice_id>[0-9A-Z]{26})/(?P<person_id>[0-9A-Z]{26})", CallHandler
    ),
    route(r"/api/v1/notices/(?P<notice_id>[0-9A-Z]{26})/ladder", LadderHandler),
    route(r"/api/v1/wechat/consents", ConsentsHandler),
]
