"""The meetings one takes part in: ``/api/v1/me/meetings``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import BaseModel

from domain.attendance_record import Attendance, Presence
from domain.meetings.meeting import Capacity
from domain.meetings.my_meetings import MyMeeting
from domain.seats import Seat, SeatState
from handlers.base import ApiHandler
from handlers.meetings import MeetingView
from handlers.operation import SIGNED_IN, operation
from handlers.paging import Page, PageQuery
from handlers.routing import route

_FIRST = datetime(2000, 1, 1, tzinfo=UTC)


class MySeatView(BaseModel):
    """One's own seat."""

    no: str
    row: int
    col: int
    block: str
    state: SeatState

    @classmethod
    def of(cls, seat: Seat) -> Self:
        """Show a seat."""
        return cls(**seat.model_dump(include=set(cls.model_fields)))


class MyAttendanceView(BaseModel):
    """What is on record of oneself: since when, by which door."""

    state: Presence
    at: datetime
    how: str
    gate: str

    @classmethod
    def of(cls, record: Attendance) -> Self:
        """Show a record."""
        return cls(**record.model_dump(include=set(cls.model_fields)))


class MyMeetingView(MeetingView):
    """A meeting with one's own part in it.

    ``seat`` is null where none was given, ``attendance`` where nothing is on record, or what was
    has been taken back.
    """

    capacity: Capacity
    seat: MySeatView | None
    attendance: MyAttendanceView | None

    @classmethod
    def mine(cls, it: MyMeeting) -> Self:
        """Show a meeting with one's own part."""
        return cls(
            **MeetingView.of(it.meeting).model_dump(),
            capacity=it.capacity,
            seat=MySeatView.of(it.seat) if it.seat else None,
            attendance=MyAttendanceView.of(it.record) if it.record else None,
        )


class MyMeetingsQuery(PageQuery):
    """What is still to come, the next one first; or what is over, the latest first."""

    over: bool = False


class MyMeetingsHandler(ApiHandler):
    """``/api/v1/me/meetings``."""

    @operation(SIGNED_IN)
    async def get(self, query: MyMeetingsQuery) -> Page[MyMeetingView]:
        """Show the meetings one takes part in, with one's own seat and attendance."""
        key = self.after(query)
        found = await self.services.meetings.mine.list(
            over=query.over,
            by=self.user,
            after=(datetime.fromisoformat(key[0]), key[1]) if key else None,
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        after = None
        if len(found) > query.limit:
            last = shown[-1].meeting
            after = [(last.starts_at or _FIRST).isoformat(), last.id]
        return self.page([MyMeetingView.mine(it) for it in shown], after)


ROUTES = [route(r"/api/v1/me/meetings", MyMeetingsHandler)]
