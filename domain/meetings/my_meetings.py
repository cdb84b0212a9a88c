"""The meetings that somebody takes part in, and their own part in each: as what, on which seat.

What is still to come is listed with the next one first, what is over with the latest first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from domain.attendance_record import Attendance, Presence
from domain.meetings.meeting import Capacity, Meeting, MeetingStore, Place, scopes_of
from domain.meetings.participants import ParticipantStore
from domain.people import Person
from domain.seats import Seat


class MyMeeting(NamedTuple):
    """A meeting and one's own part in it; no ``record`` where nothing holds any more."""

    meeting: Meeting
    capacity: Capacity
    seat: Seat | None
    record: Attendance | None


class Seats(Protocol):
    """Knows who sits where."""

    async def held_by(self, person_id: str, meeting_ids: Collection[str]) -> Mapping[str, Seat]:
        """Answer the seats that somebody was given at some meetings, by meeting."""


class Roll(Protocol):
    """Knows who was there."""

    async def of_person(
        self, person_id: str, meeting_ids: Collection[str]
    ) -> Mapping[str, Attendance]:
        """Answer what is on record of somebody at some meetings, by meeting."""


class MyMeetingsService:
    """Lists the meetings of one person; however many there are, it asks four times."""

    def __init__(
        self, store: MeetingStore, participants: ParticipantStore, seats: Seats, roll: Roll
    ) -> None:
        self._store = store
        self._participants = participants
        self._seats = seats
        self._roll = roll

    async def list(
        self, *, over: bool, by: Person, after: Place | None = None, limit: int = 20
    ) -> Sequence[MyMeeting]:
        """Answer the meetings a person takes part in and may see, of their latest five hundred.

        Args:
            over: Those that are over, the latest first; else those to come, the next first.
            by: Who asks, and whose part it is.
            after: Where the page before ended.
            limit: Most to answer.
        """
        mine = await self._participants.meetings_of(by.id)
        also = frozenset(
            scope for it, capacity in mine.items() for scope in scopes_of(it, capacity)
        )
        found = await self._store.among(
            mine.keys(), by, also=also, over=over, after=after, limit=limit
        )
        shown = [it.id for it in found]
        seats, records = await asyncio.gather(
            self._seats.held_by(by.id, shown), self._roll.of_person(by.id, shown)
        )
        return [
            MyMeeting(it, mine[it.id], seats.get(it.id), _holding(records.get(it.id)))
            for it in found
        ]


def _holding(record: Attendance | None) -> Attendance | None:
    return None if record is not None and record.state is Presence.VOID else record
