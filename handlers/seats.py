"""Seats: ``/api/v1/meetings/{meeting_id}/seats``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints

from domain.errors import BadState, Conflict, NotFound
from domain.permissions import Permission
from domain.seats import Given, Seat, SeatState, Spot
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.routing import route
from handlers.snapshot import PositionView, SnapshotView
from handlers.text import Draft, Id

No = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,16}$")]
"""The number of a seat as people read it, such as ``12-07``."""

Outcome = Literal["assigned", "already", "seat_taken", "has_seat", "not_invited", "no_seat"]


class SpotDraft(Draft):
    """A seat on the map."""

    no: No
    row: Annotated[int, Field(ge=1, le=200)]
    col: Annotated[int, Field(ge=1, le=200)]
    block: Annotated[str, StringConstraints(max_length=20)] = ""


class MapDraft(Draft):
    """The whole map of a hall."""

    seats: Annotated[tuple[SpotDraft, ...], Field(max_length=3000)]


class PersonDraft(Draft):
    """Who is given the seat."""

    person_id: Id


class WishDraft(PersonDraft):
    """A seat, and who is given it."""

    no: No


class WishesDraft(Draft):
    """Up to five hundred assignments."""

    assignments: Annotated[tuple[WishDraft, ...], Field(min_length=1, max_length=500)]


class SeatView(BaseModel):
    """A seat, as its event carries it."""

    no: str
    row: int
    col: int
    block: str
    state: SeatState
    person_id: str | None
    at: datetime
    v: int

    @classmethod
    def of(cls, seat: Seat) -> Self:
        """Show a seat."""
        return cls(**seat.model_dump())


class MapView(SnapshotView):
    """The map of a hall by row and column; of each seat the newest ``v`` holds."""

    seats: list[SeatView]


class GivenView(BaseModel):
    """What became of an assignment."""

    no: str
    person_id: str
    outcome: Outcome


class AssignmentsView(BaseModel):
    """What became of the assignments, in their order."""

    results: list[GivenView]


class SeatsHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/seats``."""

    @operation(SIGNED_IN)
    async def get(self, meeting_id: Id) -> MapView:
        """Show the map; follow it with ``seat.changed`` from ``position`` on."""
        channel = f"mtg:{meeting_id}"
        taken = await self.services.realtime.snapshot(
            channel, lambda: self.services.seats.of(meeting_id, by=self.user)
        )
        return MapView(
            channel=channel,
            position=PositionView.of(taken.position),
            seats=[SeatView.of(seat) for seat in taken.state],
        )

    @operation(Permission.CONSOLE_RUN)
    async def put(self, meeting_id: Id, body: MapDraft) -> None:
        """Lay the hall out anew; seats that stay keep who was given them."""
        spots = [Spot(**spot.model_dump()) for spot in body.seats]
        await self.services.seats.lay_out(meeting_id, spots, by=self.user)

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, body: WishesDraft) -> AssignmentsView:
        """Give many seats at once; what cannot be done is named, the rest is done."""
        wishes = [(it.no, it.person_id) for it in body.assignments]
        given = await self.services.seats.assign(meeting_id, wishes, by=self.user)
        return AssignmentsView(results=[GivenView(**it._asdict()) for it in given])


class AssignHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/seats/{no}/assign``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, no: No, body: PersonDraft) -> GivenView:
        """Give a seat to somebody; 409 if it is another's, or they have another one."""
        pair = [(no, body.person_id)]
        (given,) = await self.services.seats.assign(meeting_id, pair, by=self.user)
        return GivenView(**_granted(given)._asdict())


class FreeHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/seats/{no}/free``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, no: No) -> SeatView:
        """Take a seat back."""
        return SeatView.of(await self.services.seats.free(meeting_id, no, by=self.user))


class TakeHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/seats/{no}/take``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, no: No) -> SeatView:
        """Note that whoever was given the seat sits on it."""
        return SeatView.of(await self.services.seats.take(meeting_id, no, by=self.user))


def _granted(given: Given) -> Given:
    match given.outcome:
        case "seat_taken":
            raise Conflict("座位已安排给他人", code="seat_taken")
        case "has_seat":
            raise Conflict("该人员已有座位", code="has_seat")
        case "not_invited":
            raise BadState("该人员不参加本次会议", allowed=())
        case "no_seat":
            raise NotFound
    return given


_SEATS = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/seats"
_SEAT = rf"{_SEATS}/(?P<no>[0-9A-Za-z-]{{1,16}})"

ROUTES = [
    route(_SEATS, SeatsHandler),
    route(rf"{_SEAT}/assign", AssignHandler),
    route(rf"{_SEAT}/free", FreeHandler),
    route(rf"{_SEAT}/take", TakeHandler),
]
