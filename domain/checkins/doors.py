"""The doors: every scan, from the first look at the code to the answer.

Record first, then the scan, then the announcement; each step may be repeated, and each event has an
id of its own. Scans that arrive at the same moment, at whichever gate, go through together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.checkins.case import Case
from domain.checkins.judging import TOLERANCE, Clocked, clocked
from domain.checkins.reading import Reader, Shown
from domain.checkins.scan import Attempt, Direction, Scan, ScanStore, Seen, Way, event_of
from domain.checkins.threshold import Clocks, Facts, Kept, Roll, Threshold
from domain.clock import Clock, NewId
from domain.errors import DomainError, Forbidden, Invalid, NotFound
from domain.hall.meeting import Meeting, Meetings, driven, runs
from domain.people import Person
from domain.permissions import Permission
from domain.ports import Bus
from domain.together import Together

_PATIENCE = timedelta(seconds=3)
_TOGETHER = 50
_FEW = 10
"""Scans in one call; whoever hands in more goes alone and makes nobody wait."""


class DoorPorts(NamedTuple):
    """What the doors need."""

    scans: ScanStore
    facts: Facts
    meetings: Meetings
    roll: Roll
    rules: Clocks
    reader: Reader


class _Call(NamedTuple):
    """What one caller hands in."""

    attempts: Sequence[Attempt]
    sent: datetime | None
    by: Person

    @property
    def ids(self) -> list[str]:
        return [f"{self.by.id}:{it.nonce}" for it in self.attempts]


class DoorService:
    """Judges scans and lets people in."""

    def __init__(self, ports: DoorPorts, *, bus: Bus, clock: Clock, new_id: NewId) -> None:
        self.scans, self._facts, self._meetings, self._roll, self._rules, self.reader = ports
        self._clock = clock
        self._threshold = Threshold(
            self.scans,
            self._facts,
            self._meetings,
            self._roll,
            self._rules,
            clock=clock,
            new_id=new_id,
        )
        self._bus = bus
        self._together = Together(self._scanned, most=_TOGETHER)

    async def scan(
        self, attempts: Sequence[Attempt], *, sent: datetime | None = None, by: Person
    ) -> list[Seen]:
        """Judge scans and answer what came of each, in their order.

        ``sent`` is what the clock of the device said when it sent them. A scan that was handed in
        before is answered as it was then.

        Raises:
            Forbidden: Somebody who is not of the staff of the meeting shows another's code.
            Invalid: A device does not say which meeting it scans for.
        """
        by.require(Permission.CHECK_IN)
        call = _Call(attempts, sent, by)
        if len(attempts) <= _FEW:
            return await self._together.ask(call)
        (answer,) = await self._scanned([call])
        if isinstance(answer, DomainError):
            raise answer
        return answer

    async def by_hand(
        self,
        meeting_id: str,
        people: Mapping[str, datetime | None],
        *,
        nonce: str,
        to: Direction,
        reason: str,
        way: Way = Way.MANUAL,
        gates: Mapping[str, str] = {},
        by: Person,
    ) -> list[Seen]:
        """Let people pass whom the staff know, with the reason; ``gates`` where that is known.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        meeting = await driven(
            self._meetings, meeting_id, by=by, permission=Permission.CHECKIN_REVERSE
        )
        now = self._clock()
        cases = []
        for person_id, said in people.items():
            one = Attempt(nonce=f"{nonce}.{person_id}", code="", meeting_id=meeting_id, dir=to)
            at = min(said, now) if said else now
            shown = Shown(way, meeting_id, person_id, gates.get(person_id, ""), at)
            cases.append(Case(f"{by.id}:{one.nonce}", one, Clocked(at, None, sure=True), shown, by))
        known = await self.scans.many(it.id for it in cases)
        new = [it for it in cases if it.id not in known]
        passed = await self._pass_all(new, {meeting_id: meeting}, reason=reason)
        done = {it.id: it for it in passed}
        names = await self._named(cases, known.values())
        return _seen(
            [(known[it.id], True) if it.id in known else (done[it.id], False) for it in cases],
            names,
        )

    async def by_face(self, case: Case, *, meeting: Meeting, reason: str = "") -> Seen:
        """Let somebody pass whom a gate has recognised, or keep why it has not.

        Whether the device may scan for this meeting is judged before.
        """
        if known := await self.scans.many([case.id]):
            (scan,) = known.values()
            again = True
        else:
            (scan,) = await self._pass_all([case], {meeting.id: meeting}, reason=reason)
            again = False
        names = await self._named([case], known.values())
        return _seen([(scan, again)], names)[0]

    async def catch_up(self) -> int:
        """Announce what a process that died has kept and not told; answer how many. A job."""
        left = await self.scans.untold(self._clock() - _PATIENCE)
        await self._announce(left)
        return len(left)

    async def _scanned(self, calls: Sequence[_Call]) -> list[list[Seen] | DomainError]:
        """Answer each caller, or why it is refused; harmless if done again."""
        now, tolerance = self._clock(), await self._rules.duration(TOLERANCE)
        known, meetings = await asyncio.gather(
            self.scans.many(it for call in calls for it in call.ids), self._looked_at(calls)
        )
        read = await asyncio.gather(*(self._read(it, known, now, tolerance) for it in calls))
        permitted = [
            _permitted(cases, meetings, by=call.by) for call, cases in zip(calls, read, strict=True)
        ]
        cases = [it for some in permitted if not isinstance(some, DomainError) for it in some]
        done, names = await asyncio.gather(
            self._pass_all(cases, meetings),
            self._named(cases, known.values()),
        )
        seen = {scan_id: (scan, True) for scan_id, scan in known.items()}
        seen |= {scan.id: (scan, False) for scan in done}
        return [
            some if isinstance(some, DomainError) else _seen([seen[it] for it in call.ids], names)
            for call, some in zip(calls, permitted, strict=True)
        ]

    async def _pass_all(
        self, cases: Sequence[Case], meetings: Mapping[str, Meeting], *, reason: str = ""
    ) -> list[Scan]:
        kept = await self._threshold.pass_all(cases, meetings=meetings, reason=reason)
        await self._announce(kept.new, kept)
        return [*kept.new, *kept.twice]

    async def _announce(self, scans: Sequence[Scan], kept: Kept | None = None) -> None:
        """Tell what came of scans, after the marks that were ``kept`` with them."""
        said = list(kept.news) if kept else []
        for scan in scans:
            if scan.meeting_id is None:
                continue
            event = event_of(scan)
            said.append((f"mtgstaff:{scan.meeting_id}", event))
            if scan.accepted:
                said.append((f"user:#{scan.person_id}", event))
        await self._bus.publish_all(said)
        await asyncio.gather(self.scans.told(scans), self._roll.told(kept.marked if kept else ()))

    async def _read(
        self, call: _Call, known: Collection[str], now: datetime, tolerance: timedelta
    ) -> list[Case]:
        new = [it for it in call.attempts if f"{call.by.id}:{it.nonce}" not in known]
        pairs = [(it, clocked(it.at, sent=call.sent, now=now, tolerance=tolerance)) for it in new]
        shown = await self.reader.read(pairs, now=now, tolerance=tolerance, by=call.by)
        return [
            Case(f"{call.by.id}:{attempt.nonce}", attempt, clock, one, call.by)
            for (attempt, clock), one in zip(pairs, shown, strict=True)
        ]

    async def _looked_at(self, calls: Sequence[_Call]) -> dict[str, Meeting]:
        """Answer the meetings that are scanned for at doors, those that exist."""
        wanted = {
            it.meeting_id
            for call in calls
            if call.by.may(Permission.PASS_SCAN)
            for it in call.attempts
            if it.meeting_id
        }
        found = await asyncio.gather(*(self._meetings.get(it) for it in sorted(wanted)))
        return {it.id: it for it in found if it is not None}

    async def _named(self, cases: Sequence[Case], known: Collection[Scan]) -> Mapping[str, str]:
        people = {it.shown.person_id for it in cases} | {it.person_id for it in known}
        wanted = {it for it in people if it}
        return await self._facts.names(wanted) if wanted else {}


def _permitted(
    cases: Sequence[Case], meetings: Mapping[str, Meeting], *, by: Person
) -> list[Case] | DomainError:
    """Refuse who scans for a meeting that is none of theirs; the hall code is anybody's."""
    at_door = [it for it in cases if by.is_device or it.shown.way is not Way.HALL]
    if not by.may(Permission.PASS_SCAN):
        if any(it.shown.way is not Way.UNREAD for it in at_door):
            return Forbidden(detail={"permission": Permission.PASS_SCAN.value})
        # What somebody says who stands at no door is no business of any meeting.
        nowhere = [it._replace(shown=it.shown._replace(meeting_id=None)) for it in cases]
        pairs = zip(cases, nowhere, strict=True)
        return [it if it.shown.way is Way.HALL else other for it, other in pairs]
    for meeting_id in {it.attempt.meeting_id for it in at_door}:
        if meeting_id is None:
            return Invalid("请指明会议", field="meeting_id")
        meeting = meetings.get(meeting_id)
        if meeting is None:
            return NotFound()
        if not runs(by, meeting, Permission.PASS_SCAN):
            return Forbidden(detail={"permission": Permission.PASS_SCAN.value})
    return list(cases)


def _seen(scans: Sequence[tuple[Scan, bool]], names: Mapping[str, str]) -> list[Seen]:
    return [Seen(scan, names.get(scan.person_id or "", ""), again=again) for scan, again in scans]
