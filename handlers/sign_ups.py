"""Signing up to attend or observe a meeting: ``/api/v1/meetings/{meeting_id}/sign-ups``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from domain.meetings.meeting import Capacity
from domain.meetings.sign_ups import MOST_IN_LINE, Entry, Line, SignUp, SignUpState
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Draft, Id

OpenTo = Literal["attend", "observe"]


class SignUpDraft(Draft):
    """In which capacity: ``attend`` (列席, deputies only) or ``observe`` (旁听)."""

    capacity: OpenTo = "attend"


class QuotaDraft(Draft):
    """How many may sign up; ``v`` is the version of the meeting."""

    v: Annotated[int, Field(ge=0, lt=2**31)]
    quota: Annotated[int, Field(ge=0, le=MOST_IN_LINE)]


class SignUpView(BaseModel):
    """One's sign-up. ``place`` is the place on the waiting list from 1, or 0."""

    capacity: Capacity
    state: SignUpState
    place: int
    at: datetime

    @classmethod
    def of(cls, it: SignUp) -> Self:
        """Show a sign-up."""
        return cls(capacity=it.capacity, state=it.state, place=it.place, at=it.entry.at)


class LineView(BaseModel):
    """How a line stands, without names."""

    capacity: Capacity
    quota: int
    accepted: int
    waiting: int

    @classmethod
    def of(cls, line: Line) -> Self:
        """Show a line."""
        return cls(
            capacity=line.capacity,
            quota=line.quota,
            accepted=len(line.accepted),
            waiting=len(line.waiting),
        )


class MineView(BaseModel):
    """The lines of a meeting, and one's own places in them."""

    lines: list[LineView]
    mine: list[SignUpView]


class EntryView(BaseModel):
    """Somebody in a line; ``no`` numbers the arrivals."""

    person_id: str
    no: int
    at: datetime
    state: SignUpState

    @classmethod
    def of(cls, entry: Entry, state: SignUpState) -> Self:
        """Show an entry."""
        return cls(person_id=entry.person_id, no=entry.no, at=entry.at, state=state)


class WholeLineView(LineView):
    """A line with everybody in it, in the order of arrival."""

    entries: list[EntryView]

    @classmethod
    def whole(cls, line: Line) -> Self:
        """Show a line to the staff."""
        entries = [EntryView.of(it, SignUpState.ACCEPTED) for it in line.accepted]
        entries += [EntryView.of(it, SignUpState.WAITING) for it in line.waiting]
        return cls(entries=entries, **LineView.of(line).model_dump())


class SignUpsHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/sign-ups``."""

    @operation(SIGNED_IN)
    async def get(self, meeting_id: Id) -> MineView:
        """Show how the lines stand, and one's own places."""
        lines, mine = await self.services.meetings.sign_ups.mine(meeting_id, by=self.user)
        return MineView(
            lines=[LineView.of(it) for it in lines], mine=[SignUpView.of(it) for it in mine]
        )

    @operation(SIGNED_IN, status=201)
    async def post(self, meeting_id: Id, body: SignUpDraft) -> SignUpView:
        """Sign up: accepted while there is room, else on the waiting list in the order of arrival.

        Doing it again answers the place one has.
        """
        found = await self.services.meetings.sign_ups.sign_up(
            meeting_id, Capacity(body.capacity), entry_id=self.web.new_id(), by=self.user
        )
        return SignUpView.of(found)


class LineHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/sign-ups/{capacity}``."""

    @operation(Permission.MEETING_MANAGE)
    async def get(self, meeting_id: Id, capacity: OpenTo) -> WholeLineView:
        """Show a whole line to the staff."""
        line = await self.services.meetings.sign_ups.line(
            meeting_id, Capacity(capacity), by=self.user
        )
        return WholeLineView.whole(line)

    @operation(Permission.MEETING_MANAGE)
    async def put(self, meeting_id: Id, capacity: OpenTo, body: QuotaDraft) -> WholeLineView:
        """Set the quota; a larger one lets in the first of those who wait."""
        sign_ups = self.services.meetings.sign_ups
        kind = Capacity(capacity)
        await sign_ups.open(meeting_id, kind, body.quota, v=body.v, by=self.user)
        return WholeLineView.whole(await sign_ups.line(meeting_id, kind, by=self.user))

    @operation(SIGNED_IN)
    async def delete(self, meeting_id: Id, capacity: OpenTo) -> None:
        """Give up one's own place; the first who waits gets it."""
        await self.services.meetings.sign_ups.cancel(meeting_id, Capacity(capacity), by=self.user)


class EntryHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/sign-ups/{capacity}/{person_id}``."""

    @operation(Permission.MEETING_MANAGE)
    async def delete(self, meeting_id: Id, capacity: OpenTo, person_id: Id) -> None:
        """Take somebody out of a line; the first who waits gets the place."""
        await self.services.meetings.sign_ups.cancel(
            meeting_id, Capacity(capacity), person_id=person_id, by=self.user
        )


_SIGN_UPS = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/sign-ups"
_LINE = rf"{_SIGN_UPS}/(?P<capacity>[a-z]{{1,10}})"

ROUTES = [
    route(_SIGN_UPS, SignUpsHandler),
    route(_LINE, LineHandler),
    route(rf"{_LINE}/(?P<person_id>[0-9A-Z]{{26}})", EntryHandler),
]
