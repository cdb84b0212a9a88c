"""Seats: ``free → assigned → taken``, one for each person, one person on each.

The map of a hall is laid out once for a meeting. A seat that is given twice is refused, whichever
way round: two people on one, or two seats for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Invalid, NotFound
from domain.events import Event
from domain.hall.meeting import Meetings, attends, driven_still, find
from domain.people import Person
from domain.ports import AuditLog, Bus

_AT_ONCE = 100
_PATIENCE = timedelta(seconds=3)


class SeatState(StrEnum):
    """States of a seat, PRODUCT.md §5 M04."""

    FREE = "free"
    ASSIGNED = "assigned"
    TAKEN = "taken"
    REMOVED = "removed"
    """Not on the map any more."""


class Spot(BaseModel):
    """Where a seat is: its number as people read it, and its place on the map."""

    model_config = ConfigDict(frozen=True)

    no: str
    row: int
    col: int
    block: str = ""

    @property
    def place(self) -> str:
        """How people are told where it is."""
        block = f"{self.block} 区 " if self.block else ""
        return f"{block}{self.row} 排 {self.col} 座（{self.no}）"


class Seat(Spot):
    """A seat at a meeting."""

    state: SeatState = SeatState.FREE
    person_id: str | None = None
    at: datetime
    v: int = 1


class Given(NamedTuple):
    """What became of an assignment: ``assigned``, ``already`` or why not."""

    no: str
    person_id: str
    outcome: Literal["assigned", "already", "seat_taken", "has_seat", "not_invited", "no_seat"]


class SeatChanged(Event):
    """Seats were given, freed, taken or laid out; of each the newest ``v`` holds."""

    channels: ClassVar[tuple[str, ...]] = ("mtg:{id}", "mtgstaff:{id}")

    type: Literal["seat.changed"] = "seat.changed"
    seats: tuple[Seat, ...]


class SeatStore(Protocol):
    """Keeps seats. Every change is conditional on the version it starts from."""

    async def of(self, meeting_id: str) -> Sequence[Seat]:
        """Answer the seats of a meeting by row and column, those removed left out."""

    async def get(self, meeting_id: str, no: str) -> Seat | None:
        """Answer a seat, removed or not, or ``None``."""

    async def held(self, meeting_id: str, person_id: str) -> Seat | None:
        """Answer the seat that somebody was given, or ``None``."""

    async def add(self, meeting_id: str, seats: Sequence[Seat]) -> None:
        """Keep new seats; those that are there already stay as they are."""

    async def put(self, meeting_id: str, seat: Seat, *, was: int) -> bool:
        """Keep a seat, marked as not told, if its version still is ``was``; tell whether.

        Raises:
            Conflict: The person has another seat (code ``has_seat``).
        """

    async def told(self, meeting_id: str, seats: Iterable[Seat]) -> None:
        """Take the mark from seats that have not changed since."""

    async def untold(self, before: datetime) -> Sequence[tuple[str, Seat]]:
        """Answer some (meeting, seat) that changed before an instant and are still marked."""


class SeatService:
    """Lays out halls and gives seats."""

    def __init__(
        self,
        store: SeatStore,
        meetings: Meetings,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._meetings = meetings
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def of(self, meeting_id: str, *, by: Person) -> Sequence[Seat]:
        """Answer the map of a meeting to whoever may follow it.

        Raises:
            NotFound: There is no such meeting, or it is none of theirs.
        """
        meeting = await find(self._meetings, meeting_id)
        if not await attends(self._meetings, meeting, by):
            raise NotFound
        return await self._store.of(meeting_id)

    async def lay_out(
        self, meeting_id: str, spots: Sequence[Spot], *, by: Person
    ) -> Sequence[Seat]:
        """Lay the hall out anew; seats that stay keep who was given them.

        Raises:
            Forbidden: The person does not drive this meeting.
            Invalid: Two seats have one number.
            Conflict: A seat that is to go was given to somebody.
        """
        await driven_still(self._meetings, meeting_id, by=by)
        wanted = {spot.no: spot for spot in spots}
        if len(wanted) != len(spots):
            raise Invalid("座位号重复", field="seats")
        at = self._clock()
        there = {seat.no: seat for seat in await self._store.of(meeting_id)}
        going = [seat for no, seat in there.items() if no not in wanted]
        if given := sorted(seat.no for seat in going if seat.person_id):
            raise Conflict("座位已安排人员，不能移除", detail={"seats": given[:20]})
        fresh = [Seat(**spot.model_dump(), at=at) for no, spot in wanted.items() if no not in there]
        await self._store.add(meeting_id, fresh)
        moved = [seat.model_copy(update={"state": SeatState.REMOVED}) for seat in going]
        moved += [
            there[no].model_copy(update=spot.model_dump())
            for no, spot in wanted.items()
            if no in there and Spot(**there[no].model_dump(include=set(Spot.model_fields))) != spot
        ]
        changed = [seat for seat in moved if await self._keep(meeting_id, seat)]
        # A seat that was removed once comes back under its old number.
        for seat in fresh:
            kept = await self._store.get(meeting_id, seat.no)
            if kept is not None and kept.state is SeatState.REMOVED:
                back = seat.model_copy(update={"v": kept.v})
                changed += [back] if await self._keep(meeting_id, back) else []
        await self._tell(meeting_id, fresh)
        await self._tell(meeting_id, [await self._now(meeting_id, it.no) for it in changed])
        await self._note("seats.lay_out", meeting_id, by, seats=len(wanted))
        return await self._store.of(meeting_id)

    async def assign(
        self, meeting_id: str, wishes: Sequence[tuple[str, str]], *, by: Person
    ) -> Sequence[Given]:
        """Give (seat, person) pairs; answer what became of each.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        await driven_still(self._meetings, meeting_id, by=by)
        people = {person_id for _, person_id in wishes}
        invited = await self._meetings.capacities(meeting_id, people)
        given = [
            await self._assign(meeting_id, no, person_id, invited=person_id in invited)
            for no, person_id in wishes
        ]
        done = [it for it in given if it.outcome == "assigned"]
        await self._tell(meeting_id, [await self._now(meeting_id, it.no) for it in done])
        await self._note("seats.assign", meeting_id, by, seats=len(done))
        return given

    async def take(self, meeting_id: str, no: str, *, by: Person) -> Seat:
        """Note that whoever was given the seat sits on it.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: There is no such seat.
            BadState: It was given to nobody, or is taken.
        """
        return await self._turn(
            meeting_id, no, {SeatState.ASSIGNED}, {"state": SeatState.TAKEN}, by=by
        )

    async def free(self, meeting_id: str, no: str, *, by: Person) -> Seat:
        """Take a seat back from whoever was given it.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: There is no such seat.
            BadState: It is free.
        """
        held = {SeatState.ASSIGNED, SeatState.TAKEN}
        nobody: Mapping[str, object] = {"state": SeatState.FREE, "person_id": None}
        return await self._turn(meeting_id, no, held, nobody, by=by)

    async def catch_up(self) -> int:
        """Announce what a process that died has kept and not told. A job."""
        left = await self._store.untold(self._clock() - _PATIENCE)
        for meeting_id in sorted({meeting_id for meeting_id, _ in left}):
            await self._tell(meeting_id, [seat for it, seat in left if it == meeting_id])
        return len(left)

    async def _assign(self, meeting_id: str, no: str, person_id: str, *, invited: bool) -> Given:
        if not invited:
            return Given(no, person_id, "not_invited")
        seat = await self._store.get(meeting_id, no)
        if seat is None or seat.state is SeatState.REMOVED:
            return Given(no, person_id, "no_seat")
        if seat.person_id == person_id:
            return Given(no, person_id, "already")
        if seat.state is not SeatState.FREE:
            return Given(no, person_id, "seat_taken")
        mine = seat.model_copy(update={"state": SeatState.ASSIGNED, "person_id": person_id})
        try:
            kept = await self._keep(meeting_id, mine)
        except Conflict:
            return Given(no, person_id, "has_seat")
        return Given(no, person_id, "assigned" if kept else "seat_taken")

    async def _turn(
        self,
        meeting_id: str,
        no: str,
        states: set[SeatState],
        changes: Mapping[str, object],
        *,
        by: Person,
    ) -> Seat:
        await driven_still(self._meetings, meeting_id, by=by)
        seat = await self._store.get(meeting_id, no)
        if seat is None or seat.state is SeatState.REMOVED:
            raise NotFound
        if seat.state not in states:
            raise BadState("座位当前状态不能执行此操作", allowed=())
        if not await self._keep(meeting_id, seat.model_copy(update=changes)):
            raise Conflict("座位已被他人更改，请刷新后重试")
        now = await self._now(meeting_id, no)
        await self._tell(meeting_id, [now])
        await self._note("seats.turn", meeting_id, by, no=no, state=now.state.value)
        return now

    async def _keep(self, meeting_id: str, seat: Seat) -> bool:
        """Keep the next version of a seat, as it is now but for its version and time."""
        changed = seat.model_copy(update={"v": seat.v + 1, "at": self._clock()})
        return await self._store.put(meeting_id, changed, was=seat.v)

    async def _now(self, meeting_id: str, no: str) -> Seat:
        seat = await self._store.get(meeting_id, no)
        if seat is None:
            raise NotFound
        return seat

    async def _tell(self, meeting_id: str, seats: Sequence[Seat]) -> None:
        for start in range(0, len(seats), _AT_ONCE):
            some = tuple(seats[start : start + _AT_ONCE])
            event = SeatChanged(id=self._new_id(), at=self._clock(), seats=some)
            for channel in (f"mtg:{meeting_id}", f"mtgstaff:{meeting_id}"):
                await self._bus.publish(channel, event)
            await self._store.told(meeting_id, some)

    async def _note(self, action: str, meeting_id: str, by: Person, **detail: str | int) -> None:
        await self._audit.record(action, by=by.id, obj=f"meeting:{meeting_id}", detail=detail)
