"""Attendance: who is in the hall, one record for each participant of a meeting.

::

    – ──→ present | late | absent        absent ──→ present | late
    present | late ──→ left ──→ present

A record is written by the staff's roll-call; doors that scan or recognise write the same record. It
is never deleted: taking a mark back needs a reason and leaves what was marked in the history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domain.attendance_record import (
    IN_THE_HALL,
    MARKS,
    Attendance,
    Mark,
    Marked,
    Passage,
    Presence,
    Turn,
    following,
    judged,
)
from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, NotFound
from domain.events import Event
from domain.hall.meeting import Meeting, Meetings, driven
from domain.hall.quorum import QuorumCounter
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus

__all__ = [
    "IN_THE_HALL",
    "MARKS",
    "Attendance",
    "AttendanceMarked",
    "AttendanceService",
    "Mark",
    "Marked",
    "Passage",
    "Presence",
    "Turn",
]

_OVER = frozenset({"archived", "cancelled"})
_AT_ONCE = 50
_PATIENCE = timedelta(seconds=3)
_TRIES = 10


class Line(BaseModel):
    """A record as it is announced."""

    model_config = ConfigDict(frozen=True)

    person_id: str
    capacity: str
    state: Presence
    at: datetime
    how: str
    v: int

    @classmethod
    def of(cls, record: Attendance) -> Line:
        """Answer the line of a record."""
        return cls(**record.model_dump(include=set(cls.model_fields)))


class AttendanceMarked(Event):
    """People were marked; of each person the line with the newest ``v`` holds."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}",)

    type: Literal["attendance"] = "attendance"
    lines: tuple[Line, ...]


class AttendanceStore(Protocol):
    """Keeps records. Every change is conditional on the version it starts from."""

    async def get(self, meeting_id: str, person_id: str) -> Attendance | None:
        """Answer a record, or ``None``."""

    async def of(self, meeting_id: str) -> Sequence[Attendance]:
        """Answer every record of a meeting, by person id."""

    async def many(self, meeting_id: str, person_ids: Collection[str]) -> Mapping[str, Attendance]:
        """Answer the records of people, of those who have one."""

    async def keep(self, records: Sequence[tuple[Attendance, int]]) -> Collection[str]:
        """Keep records as not told, each if the one before still has the version beside it.

        0 is for none before. Answers the people whose record was kept.
        """

    async def told(self, records: Iterable[Attendance]) -> None:
        """Take the mark from records that have not changed since."""

    async def untold(self, before: datetime) -> Sequence[Attendance]:
        """Answer some of those that changed before an instant and are still marked."""


class Absences(Protocol):
    """Is told of absences."""

    async def absent(self, meeting: Meeting, person_ids: Sequence[str]) -> None:
        """Somebody was marked absent."""


class AttendanceService:
    """Calls the roll."""

    def __init__(
        self,
        store: AttendanceStore,
        meetings: Meetings,
        quorum: QuorumCounter,
        absences: Absences,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._meetings = meetings
        self._quorum = quorum
        self._absences = absences
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def of(self, meeting_id: str, *, by: Person) -> Sequence[Attendance]:
        """Answer every record of a meeting to its staff, by person id.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        await driven(self._meetings, meeting_id, by=by)
        return await self._store.of(meeting_id)

    async def call(self, meeting_id: str, marks: Sequence[Mark], *, by: Person) -> Sequence[Marked]:
        """Mark people; answer what became of each. Saying the same again changes nothing.

        Raises:
            Forbidden: The person does not drive this meeting.
            BadState: The meeting is archived or cancelled.
        """
        meeting = await driven(self._meetings, meeting_id, by=by)
        if meeting.state in _OVER:
            raise BadState("会议已归档或取消，不能再签到", allowed=())
        at = self._clock()
        done = await self.pass_by(
            meeting_id, [Passage(it.person_id, it.state, at, "roll_call", by.id) for it in marks]
        )
        await self._announce(meeting_id, done)
        await self._quorum.touch(meeting_id)
        changed = _changed(done)
        if changed:
            await self._note("attendance.call", meeting_id, by, marked=len(changed))
        absent = [record.person_id for record in changed if record.state is Presence.ABSENT]
        if absent:
            await self._absences.absent(meeting, absent)
        return done

    async def pass_by(
        self,
        meeting_id: str,
        passages: Sequence[Passage],
        *,
        capacities: Mapping[str, str] | None = None,
    ) -> Sequence[Marked]:
        """Mark people who came through a door, each at most once in ``passages``.

        Whether the door may let them in is judged before. A scan that has marked already is
        answered as ``marked`` again, and changes nothing. ``capacities`` is for who has just asked
        in which capacity people take part. ``news`` must follow.
        """
        people = {it.person_id for it in passages}
        if capacities is None:
            capacities = await self._meetings.capacities(meeting_id, people)
        _, known = await asyncio.gather(
            self._quorum.open(meeting_id), self._store.many(meeting_id, people)
        )
        done: list[Marked] = []
        for start in range(0, len(passages), _AT_ONCE):
            some = passages[start : start + _AT_ONCE]
            done += await self._mark(meeting_id, some, capacities, known)
        return done

    def news(self, meeting_id: str, done: Sequence[Marked]) -> list[tuple[str, Event]]:
        """Answer what is to be announced of marks, by channel; ``told`` must follow.

        The count of those present follows within a second.
        """
        self._quorum.soon(meeting_id)
        said: list[tuple[str, Event]] = []
        records = _changed(done)
        for start in range(0, len(records), _AT_ONCE):
            lines = tuple(Line.of(it) for it in records[start : start + _AT_ONCE])
            event = AttendanceMarked(id=self._new_id(), at=self._clock(), lines=lines)
            said.append((f"mtgstaff:{meeting_id}", event))
        return said

    async def told(self, done: Sequence[Marked]) -> None:
        """Note that marks have been announced."""
        await self._store.told(_changed(done))

    async def foresee(
        self, meeting_id: str, passages: Sequence[Passage], capacities: Mapping[str, str]
    ) -> Sequence[Marked]:
        """Answer what ``pass_by`` would answer now, and change nothing."""
        known = await self._store.many(meeting_id, [it.person_id for it in passages])
        return [
            judged(meeting_id, known.get(it.person_id), it, capacities[it.person_id])
            if it.person_id in capacities
            else Marked(it.person_id, "not_invited", None)
            for it in passages
        ]

    async def reverse(
        self, meeting_id: str, person_id: str, *, reason: str, by: Person
    ) -> Attendance:
        """Take the last mark back; it stays in the history, with the reason.

        Raises:
            Forbidden: The person may not, at this meeting.
            NotFound: There is no record.
            BadState: It was taken back before.
        """
        await driven(self._meetings, meeting_id, by=by, permission=Permission.CHECKIN_REVERSE)
        await self._quorum.open(meeting_id)
        for _ in range(_TRIES):
            was = await self._store.get(meeting_id, person_id)
            if was is None:
                raise NotFound
            if was.state is Presence.VOID:
                raise BadState("签到已撤销", allowed=(mark.value for mark in MARKS[was.state]))
            void = Passage(person_id, Presence.VOID, self._clock(), "roll_call", by.id)
            record = following(was, void, reason=reason)
            if await self._store.keep([(record, was.v)]):
                break
        else:
            raise Conflict("操作过于集中，请稍后再试")
        await self._announce(meeting_id, [Marked(person_id, "marked", record)])
        await self._quorum.touch(meeting_id)
        # The reason may name what is private; the audit says who, and that there is one.
        await self._note("attendance.reverse", meeting_id, by, person=person_id, v=record.v)
        return record

    async def catch_up(self) -> int:
        """Announce what a process that died has kept and not told; answer how many."""
        left = await self._store.untold(self._clock() - _PATIENCE)
        for meeting_id in sorted({record.meeting_id for record in left}):
            some = [it for it in left if it.meeting_id == meeting_id]
            await self._announce(meeting_id, [Marked(it.person_id, "marked", it) for it in some])
        return len(left)

    async def _mark(
        self,
        meeting_id: str,
        some: Sequence[Passage],
        capacities: Mapping[str, str],
        known: Mapping[str, Attendance],
    ) -> list[Marked]:
        """Mark people; ``known`` are their records as they were a moment ago."""
        settled = {
            it.person_id: Marked(it.person_id, "not_invited", None)
            for it in some
            if it.person_id not in capacities
        }
        for at in range(_TRIES):
            left = [it for it in some if it.person_id not in settled]
            if not left:
                return [settled[it.person_id] for it in some]
            if at:
                known = await self._store.many(meeting_id, [it.person_id for it in left])
            next_ones: list[tuple[Attendance, int]] = []
            for it in left:
                was = known.get(it.person_id)
                marked = judged(meeting_id, was, it, capacities[it.person_id])
                if marked.record is None or marked.record is was:
                    settled[it.person_id] = marked
                else:
                    next_ones.append((marked.record, was.v if was else 0))
            # Where somebody was faster there is another look.
            kept = await self._store.keep(next_ones)
            for record, _ in next_ones:
                if record.person_id in kept:
                    settled[record.person_id] = Marked(record.person_id, "marked", record)
        raise Conflict("操作过于集中，请稍后再试")

    async def _announce(self, meeting_id: str, done: Sequence[Marked]) -> None:
        await self._bus.publish_all(self.news(meeting_id, done))
        await self.told(done)

    async def _note(self, action: str, meeting_id: str, by: Person, **detail: str | int) -> None:
        await self._audit.record(action, by=by.id, obj=f"meeting:{meeting_id}", detail=detail)


def _changed(done: Iterable[Marked]) -> list[Attendance]:
    return [it.record for it in done if it.outcome == "marked" and it.record]
