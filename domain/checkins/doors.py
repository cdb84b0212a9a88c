"""The doors: every scan, from the first look at the code to the record and its announcement.

Record first, then the scan, then the announcement. Each step may be repeated: the attendance record
remembers the scan that marked it, the scan has an id of its own, the event too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from domain.attendance import Marked, Passage, Presence
from domain.checkins.case import Case, waves, written
from domain.checkins.judging import (
    Clocked,
    DoorPlan,
    Passing,
    Standing,
    Times,
    clocked,
    judge,
    outcome,
    presence,
)
from domain.checkins.reading import Reader, Shown
from domain.checkins.scan import (
    Attempt,
    Direction,
    Result,
    Scan,
    ScanStore,
    Seen,
    Way,
    event_of,
)
from domain.clock import Clock, NewId
from domain.errors import Invalid
from domain.hall.meeting import Meeting, Meetings, driven
from domain.people import Person
from domain.permissions import Permission
from domain.ports import Bus

TOLERANCE, OPENS, LATE = "checkin.clock", "checkin.opens", "checkin.late"

_PATIENCE = timedelta(seconds=3)


class Facts(Protocol):
    """Knows people at the doors of a meeting."""

    async def standings(
        self, meeting_id: str, person_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """Answer what is known of people, of each of them."""

    async def plan(self, meeting_id: str) -> DoorPlan:
        """Answer the doors of a meeting; the empty plan if nobody has made one."""

    async def names(self, person_ids: Collection[str]) -> Mapping[str, str]:
        """Answer the names of people, of those who are on the roster."""


class Roll(Protocol):
    """The attendance record."""

    async def pass_by(
        self,
        meeting_id: str,
        passages: Sequence[Passage],
        *,
        capacities: Mapping[str, str] | None = None,
    ) -> Sequence[Marked]:
        """Mark people who came through a door."""


class Clocks(Protocol):
    """Knows the times that rules name."""

    async def duration(self, key: str) -> timedelta:
        """Answer the time in force now."""


class DoorPorts(NamedTuple):
    """What the doors need."""

    scans: ScanStore
    facts: Facts
    meetings: Meetings
    roll: Roll
    rules: Clocks
    reader: Reader


class DoorService:
    """Judges scans and lets people in."""

    def __init__(self, ports: DoorPorts, *, bus: Bus, clock: Clock, new_id: NewId) -> None:
        self.scans, self._facts, self._meetings, self._roll, self._rules, self.reader = ports
        self._bus = bus
        self._clock = clock
        self._new_id = new_id

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
        now, tolerance = self._clock(), await self._rules.duration(TOLERANCE)
        known = await self.scans.many(f"{by.id}:{it.nonce}" for it in attempts)
        new = [it for it in attempts if f"{by.id}:{it.nonce}" not in known]
        pairs = [(it, clocked(it.at, sent=sent, now=now, tolerance=tolerance)) for it in new]
        shown = await self.reader.read(pairs, now=now, tolerance=tolerance, by=by)
        cases = [
            Case(f"{by.id}:{attempt.nonce}", attempt, clock, one)
            for (attempt, clock), one in zip(pairs, shown, strict=True)
        ]
        cases, meetings = await self._permitted(cases, by)
        done, names = await asyncio.gather(
            self.pass_all(cases, meetings=meetings, by=by), self._named(cases, known.values())
        )
        seen = {scan_id: (scan, True) for scan_id, scan in known.items()}
        seen |= {scan.id: (scan, False) for scan in done}
        return _seen([seen[f"{by.id}:{it.nonce}"] for it in attempts], names)

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
            cases.append(Case(f"{by.id}:{one.nonce}", one, Clocked(at, None, sure=True), shown))
        known = await self.scans.many(it.id for it in cases)
        new = [it for it in cases if it.id not in known]
        passed = await self.pass_all(new, meetings={meeting_id: meeting}, reason=reason, by=by)
        done = {it.id: it for it in passed}
        names = await self._named(cases, known.values())
        return _seen(
            [(known[it.id], True) if it.id in known else (done[it.id], False) for it in cases],
            names,
        )

    async def by_face(self, case: Case, *, meeting: Meeting, reason: str = "", by: Person) -> Seen:
        """Let somebody pass whom a gate has recognised, or keep why it has not.

        Whether the device may scan for this meeting is judged before.
        """
        if known := await self.scans.many([case.id]):
            (scan,) = known.values()
            again = True
        else:
            (scan,) = await self.pass_all(
                [case], meetings={meeting.id: meeting}, reason=reason, by=by
            )
            again = False
        names = await self._named([case], known.values())
        return _seen([(scan, again)], names)[0]

    async def catch_up(self) -> int:
        """Announce what a process that died has kept and not told; answer how many. A job."""
        left = await self.scans.untold(self._clock() - _PATIENCE)
        await self._announce(left)
        return len(left)

    async def pass_all(
        self,
        cases: Sequence[Case],
        *,
        meetings: Mapping[str, Meeting],
        reason: str = "",
        by: Person,
    ) -> list[Scan]:
        """Judge, mark, keep and announce; the earlier scan of a person first."""
        times = Times(await self._rules.duration(OPENS), await self._rules.duration(LATE))
        done: list[Scan] = []
        for wave in waves(sorted(cases, key=lambda it: it.shown.at)):
            judged = await self._judged(wave, times, meetings, reason=reason, by=by)
            kept = [it for it in judged if await self.scans.add(it)]
            # Somebody handed the same scan in at the same moment: theirs was kept.
            lost = {it.id for it in judged} - {it.id for it in kept}
            twice = await self.scans.many(lost) if lost else {}
            await self._announce(kept)
            done += [*kept, *twice.values()]
        return done

    async def _permitted(
        self, cases: Sequence[Case], by: Person
    ) -> tuple[list[Case], dict[str, Meeting]]:
        """Refuse who scans for a meeting that is none of theirs; the hall code is anybody's.

        Answers the cases, and the meetings that it has looked at.
        """
        meetings: dict[str, Meeting] = {}
        at_door = [it for it in cases if by.is_device or it.shown.way is not Way.HALL]
        if not by.may(Permission.PASS_SCAN):
            if any(it.shown.way is not Way.UNREAD for it in at_door):
                by.require(Permission.PASS_SCAN)
            # What somebody says who stands at no door is no business of any meeting.
            nowhere = [it._replace(shown=it.shown._replace(meeting_id=None)) for it in cases]
            pairs = zip(cases, nowhere, strict=True)
            return [it if it.shown.way is Way.HALL else other for it, other in pairs], meetings
        for meeting_id in {it.attempt.meeting_id for it in at_door}:
            if meeting_id is None:
                raise Invalid("请指明会议", field="meeting_id")
            meetings[meeting_id] = await driven(
                self._meetings, meeting_id, by=by, permission=Permission.PASS_SCAN
            )
        return list(cases), meetings

    async def _judged(
        self,
        wave: Sequence[Case],
        times: Times,
        meetings: Mapping[str, Meeting],
        *,
        reason: str,
        by: Person,
    ) -> list[Scan]:
        """Judge cases about different people, and mark those who may pass."""
        scans: list[Scan] = []
        for meeting_id in {it.shown.meeting_id for it in wave}:
            some = [it for it in wave if it.shown.meeting_id == meeting_id]
            meeting = meetings.get(meeting_id) if meeting_id else None
            if meeting is None and meeting_id:
                meeting = await self._meetings.get(meeting_id)
            if meeting is None:
                flaw = Result.UNKNOWN if meeting_id is None else Result.WRONG_MEETING
                scans += [self._scan(it, it.shown.flaw or flaw, by=by) for it in some]
            else:
                scans += await self._at(meeting, some, times, reason=reason, by=by)
        return scans

    async def _at(
        self,
        meeting: Meeting,
        some: Sequence[Case],
        times: Times,
        *,
        reason: str,
        by: Person,
    ) -> list[Scan]:
        people = {it.shown.person_id for it in some if it.shown.person_id and not it.shown.flaw}
        plan, known = await asyncio.gather(
            self._facts.plan(meeting.id),
            self._facts.standings(meeting.id, people, self._clock()),
        )
        refused: list[Scan] = []
        let_in: list[tuple[Case, Passage, Standing]] = []
        for case in some:
            standing = known.get(case.shown.person_id or "", Standing(None))
            # A list that is handed in afterwards says what happened while the meeting went on.
            afterwards = case.attempt.offline or case.shown.way is Way.IMPORT
            passing = Passing(
                case.attempt.dir,
                case.shown.gate,
                by.id if by.is_device else "",
                case.shown.at,
                afterwards,
            )
            plain = case.shown.way in {Way.MANUAL, Way.IMPORT}
            rules = DoorPlan(meeting_id=meeting.id, late_at=plan.late_at) if plain else plan
            flaw = case.shown.flaw or judge(meeting, rules, standing, passing, times)
            if flaw is None and case.shown.claim_id:
                flaw = await self._claimed(case)
            if flaw is not None or case.shown.person_id is None:
                refused.append(self._scan(case, flaw or Result.UNKNOWN, reason=reason, by=by))
                continue
            passage = Passage(
                case.shown.person_id,
                presence(meeting, plan, passing, times),
                case.shown.at,
                case.shown.way.value,
                by.id,
                case.shown.gate,
                case.id,
            )
            let_in.append((case, passage, standing))
        # Whoever may pass takes part; that has just been asked.
        capacities = {it.person_id: one.capacity or "" for _, it, one in let_in}
        marked = await self._mark(meeting.id, [it for _, it, _ in let_in], capacities)
        return refused + [
            self._settled(case, one, standing, reason=reason, by=by)
            for (case, _, standing), one in zip(let_in, marked, strict=True)
        ]

    async def _mark(
        self, meeting_id: str, passages: Sequence[Passage], capacities: Mapping[str, str]
    ) -> Sequence[Marked]:
        if not passages:
            return []
        marked = list(await self._roll.pass_by(meeting_id, passages, capacities=capacities))
        # Who was in and comes back is not late.
        back = [
            at
            for at, (it, one) in enumerate(zip(passages, marked, strict=True))
            if it.state is Presence.LATE
            and one.outcome == "refused"
            and one.record is not None
            and one.record.state is Presence.LEFT
        ]
        if back:
            again = [passages[at]._replace(state=Presence.PRESENT) for at in back]
            done = await self._roll.pass_by(meeting_id, again, capacities=capacities)
            for at, one in zip(back, done, strict=True):
                marked[at] = one
        return marked

    async def _claimed(self, case: Case) -> Result | None:
        mine = await self.scans.claim(
            case.shown.claim_id,
            person_id=case.shown.person_id or "",
            scan_id=case.id,
            at=self._clock(),
        )
        return None if mine else Result.CLAIM_USED

    def _settled(
        self, case: Case, one: Marked, standing: Standing, *, reason: str, by: Person
    ) -> Scan:
        if one.outcome == "marked":
            result = outcome(standing)
            if case.attempt.offline and not case.clock.sure:
                result = Result.OFFLINE_UNVERIFIED
            return self._scan(case, result, reason=reason, note=standing.attention, by=by)
        if one.outcome == "not_invited":
            return self._scan(case, Result.NOT_INVITED, reason=reason, by=by)
        into = case.attempt.dir is Direction.IN
        result = Result.ALREADY_IN if into else Result.ALREADY_OUT
        return self._scan(case, result, reason=reason, first=one.record, by=by)

    def _scan(self, case: Case, result: Result, *, by: Person, **more: Any) -> Scan:
        return written(case, result, now=self._clock(), eid=self._new_id(), by=by.id, **more)

    async def _named(self, cases: Sequence[Case], known: Collection[Scan]) -> Mapping[str, str]:
        people = {it.shown.person_id for it in cases} | {it.person_id for it in known}
        wanted = {it for it in people if it}
        return await self._facts.names(wanted) if wanted else {}

    async def _announce(self, scans: Sequence[Scan]) -> None:
        for scan in scans:
            if scan.meeting_id is None:
                continue
            event = event_of(scan)
            channels = [f"mtgstaff:{scan.meeting_id}"]
            if scan.accepted:
                channels.append(f"user:#{scan.person_id}")
            await asyncio.gather(*(self._bus.publish(it, event) for it in channels))
        await self.scans.told(scans)


def _seen(scans: Sequence[tuple[Scan, bool]], names: Mapping[str, str]) -> list[Seen]:
    return [Seen(scan, names.get(scan.person_id or "", ""), again=again) for scan, again in scans]
