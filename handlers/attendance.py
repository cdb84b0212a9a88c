"""The roll-call: ``/api/v1/meetings/{meeting_id}/attendance``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from domain.attendance import Attendance, Mark, Marked, Presence
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.routing import route
from handlers.snapshot import PositionView, SnapshotView
from handlers.text import Draft, Id, Reason


class MarkDraft(Draft):
    """What the roll-call says of somebody."""

    person_id: Id
    state: Literal["present", "late", "left", "absent"]


class RollCallDraft(Draft):
    """Up to five hundred marks."""

    marks: Annotated[tuple[MarkDraft, ...], Field(min_length=1, max_length=500)]


class ReversalDraft(Draft):
    """Why a mark is taken back."""

    reason: Reason


class LineView(BaseModel):
    """What is on record of somebody, as its event carries it."""

    person_id: str
    capacity: str
    state: Presence
    at: datetime
    how: str
    v: int

    @classmethod
    def of(cls, record: Attendance) -> Self:
        """Show a record."""
        return cls(**record.model_dump(include=set(cls.model_fields)))


class MarkedView(BaseModel):
    """What became of a mark; ``state`` is what is on record now, if anything."""

    person_id: str
    outcome: Literal["marked", "already", "not_invited", "refused"]
    state: Presence | None

    @classmethod
    def of(cls, marked: Marked) -> Self:
        """Show an outcome."""
        state = marked.record.state if marked.record else None
        return cls(person_id=marked.person_id, outcome=marked.outcome, state=state)


class RollCallView(BaseModel):
    """What became of the marks, in their order."""

    results: list[MarkedView]


class AttendanceView(SnapshotView):
    """Every record of a meeting, by person id; of each person the newest ``v`` holds."""

    meeting_id: str
    lines: list[LineView]


class AttendanceHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/attendance``."""

    @operation(Permission.CONSOLE_RUN)
    async def get(self, meeting_id: Id) -> AttendanceView:
        """Show the roll; follow it with the event ``attendance`` from ``position`` on."""
        channel = f"mtgstaff:{meeting_id}"
        taken = await self.services.realtime.snapshot(
            channel, lambda: self.services.attendance.of(meeting_id, by=self.user)
        )
        return AttendanceView(
            channel=channel,
            position=PositionView.of(taken.position),
            meeting_id=meeting_id,
            lines=[LineView.of(record) for record in taken.state],
        )

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, body: RollCallDraft) -> RollCallView:
        """Call the roll; saying the same again changes nothing."""
        marks = [Mark(it.person_id, Presence(it.state)) for it in body.marks]
        done = await self.services.attendance.call(meeting_id, marks, by=self.user)
        return RollCallView(results=[MarkedView.of(it) for it in done])


class ReversalHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/attendance/{person_id}/reverse``."""

    @operation(Permission.CHECKIN_REVERSE)
    async def post(self, meeting_id: Id, person_id: Id, body: ReversalDraft) -> LineView:
        """Take a mark back; it stays in the history with the reason."""
        record = await self.services.attendance.reverse(
            meeting_id, person_id, reason=body.reason, by=self.user
        )
        return LineView.of(record)


_ATTENDANCE = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/attendance"

ROUTES = [
    route(_ATTENDANCE, AttendanceHandler),
    route(rf"{_ATTENDANCE}/(?P<person_id>[0-9A-Z]{{26}})/reverse", ReversalHandler),
]
