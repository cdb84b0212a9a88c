"""The book of duty: what writes records by itself, after a check-in and at the end of a meeting.

Whoever marks attendance leaves a mark on it that the book has not seen the change. The jobs here
take it away once the record follows, so the doors wait for nothing, and a process that dies leaves
the mark for the next one. Everything may be done twice and by several at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol

from domain.attendance import Attendance
from domain.clock import Clock, NewId
from domain.duty.following import Occasion, counts_for, follow
from domain.duty.record import DutyNew, DutyState, DutyStore, Origin, Record, record_id
from domain.errors import Conflict
from domain.people import SYSTEM
from domain.ports import Bus
from domain.roster import Card, Kind

_AT_ONCE = 50
_PATIENCE = timedelta(seconds=3)
_TRIES = 10


class Roll(Protocol):
    """Knows the attendance, and what of it the book has not seen."""

    async def get(self, meeting_id: str, person_id: str) -> Attendance | None:
        """Answer a record, or ``None``."""

    async def of(self, meeting_id: str) -> Sequence[Attendance]:
        """Answer every record of a meeting, by person id."""

    async def unbooked(self) -> Sequence[Attendance]:
        """Answer some of those that duty records have not followed yet."""

    async def booked(self, records: Iterable[Attendance]) -> None:
        """Take that mark from records that have not changed since."""


class Occasions(Protocol):
    """Knows meetings."""

    async def get(self, meeting_id: str) -> Occasion | None:
        """Answer a meeting, or ``None``."""


class Cards(Protocol):
    """Knows the roster."""

    async def many(self, person_ids: frozenset[str]) -> dict[str, Card]:
        """Answer the cards that exist, by person id."""


class BookPorts(NamedTuple):
    """Where records are kept, and what they follow."""

    store: DutyStore
    roll: Roll
    occasions: Occasions
    cards: Cards


class DutyBook:
    """Lets duty records follow the attendance."""

    def __init__(self, ports: BookPorts, *, bus: Bus, clock: Clock, new_id: NewId) -> None:
        self._store, self._roll, self._occasions, self._cards = ports
        self._bus = bus
        self._clock = clock
        self._new_id = new_id

    async def follow(self) -> int:
        """Let records follow the attendance that has changed; answer how much that was. A job."""
        changed = await self._roll.unbooked()
        for meeting_id in sorted({it.meeting_id for it in changed}):
            some = [it for it in changed if it.meeting_id == meeting_id]
            meeting = await self._occasions.get(meeting_id)
            if meeting is not None:
                await self._follow(meeting, some)
            await self._roll.booked(some)
        return len(changed)

    async def close(self) -> int:
        """Ask for confirmation of what took place; answer in how many meetings. A job."""
        ended = 0
        for meeting_id in await self._store.open_meetings():
            meeting = await self._occasions.get(meeting_id)
            if meeting is None or not (meeting.over or meeting.state == "cancelled"):
                continue
            roll = {it.person_id: it for it in await self._roll.of(meeting_id)}
            waiting = await self._store.open_at(meeting_id)
            await self._follow(
                meeting, [roll[it.person_id] for it in waiting if it.person_id in roll]
            )
            for record in waiting:
                if record.origin is Origin.HAND:
                    await self._end(meeting, record)
            ended += 1
        return ended

    async def catch_up(self) -> int:
        """Announce what a process that died has kept and not told; answer how many. A job."""
        left = await self._store.untold(self._clock() - _PATIENCE)
        await self.announce(left)
        return len(left)

    async def announce(self, records: Sequence[Record]) -> None:
        """Tell people of their new records; each is one event, however often it is told."""
        for record in records:
            event = DutyNew(
                id=record.eid,
                v=record.v,
                at=record.created_at,
                record_id=record.id,
                meeting_id=record.meeting_id,
                kind=record.facts.kind,
                title=record.facts.title,
            )
            await self._bus.publish(f"user:#{record.person_id}", event)
        await self._store.told(records)

    async def _end(self, meeting: Occasion, record: Record) -> None:
        """Ask for confirmation of what was registered by hand while the meeting went on."""
        facts = record.facts
        if facts.end is None and meeting.end is not None:
            end = max(meeting.end, facts.start)
            spent = facts.minutes or round((end - facts.start) / timedelta(minutes=1))
            facts = facts.model_copy(update={"end": end, "minutes": spent})
        pending = record.moved(DutyState.PENDING, at=self._clock(), by=SYSTEM.id, facts=facts)
        # Whoever was faster has asked, or struck it; the next turn looks again.
        await self._store.put(pending, was=record.v)

    async def _follow(self, meeting: Occasion, rolls: Sequence[Attendance]) -> None:
        rolls = [it for it in rolls if counts_for(it.capacity)]
        cards = await self._cards.many(frozenset(it.person_id for it in rolls))
        mine = [
            (it, cards[it.person_id])
            for it in rolls
            if it.person_id in cards and cards[it.person_id].kind is Kind.DEPUTY
        ]
        for start in range(0, len(mine), _AT_ONCE):
            some = mine[start : start + _AT_ONCE]
            known = await self._store.many(record_id(meeting.id, it.person_id) for it, _ in some)
            new = await asyncio.gather(
                *(
                    self._one(meeting, it, card, known.get(record_id(meeting.id, it.person_id)))
                    for it, card in some
                )
            )
            await self.announce([it for it in new if it is not None])

    async def _one(
        self, meeting: Occasion, roll: Attendance, card: Card, was: Record | None
    ) -> Record | None:
        """Bring one record up to date; answer it if it is new."""
        new: Record | None = None
        for _ in range(_TRIES):
            record = follow(
                was,
                roll,
                meeting,
                delegation_id=card.delegation_id,
                at=self._clock(),
                eid=self._new_id(),
            )
            if record is None:
                return new
            if await self._store.put(record, was=was.v if was else 0):
                new, was = new or (record if was is None else None), record
                # Who was faster may have seen more and found no record to change.
                roll = await self._roll.get(roll.meeting_id, roll.person_id) or roll
            else:
                was = await self._store.get(record.id)
        raise Conflict("操作过于集中，请稍后再试")
