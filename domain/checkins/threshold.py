"""The threshold: scans that have been read are judged, marked and kept, many at once.

Record first, then the scan. Each step may be repeated: the attendance record remembers the scan
that marked it, and the scan has an id of its own. However many people stand at the doors of a
meeting, each step is one question to the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from domain.attendance import Marked, Passage, Presence
from domain.checkins.case import Case, turned_away, waves, written
from domain.checkins.judging import (
    LATE,
    OPENS,
    DoorPlan,
    Passing,
    Standing,
    Times,
    judge,
    outcome,
    presence,
)
from domain.checkins.scan import Direction, Result, Scan, ScanStore, Use, Way
from domain.clock import Clock, NewId
from domain.events import Event
from domain.hall.meeting import Meeting, Meetings


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
        """Mark people who came through a door; ``news`` must follow."""

    def news(self, meeting_id: str, done: Sequence[Marked]) -> list[tuple[str, Event]]:
        """Answer what is to be announced of marks, by channel; ``told`` must follow."""

    async def told(self, done: Sequence[Marked]) -> None:
        """Note that marks have been announced."""


class Clocks(Protocol):
    """Knows the times that rules name."""

    async def duration(self, key: str) -> timedelta:
        """Answer the time in force now."""


class Kept(NamedTuple):
    """What is kept, and what is to be told of it.

    Attributes:
        new: Scans.
        twice: Scans that somebody handed in at the same moment.
        marked: Marks in the record.
        news: What is to be announced of the marks, by channel.
    """

    new: list[Scan]
    twice: list[Scan]
    marked: list[Marked]
    news: list[tuple[str, Event]]


class _Fit(NamedTuple):
    """Somebody who may pass."""

    case: Case
    passage: Passage
    standing: Standing


class Threshold:
    """Lets people pass who may."""

    def __init__(
        self,
        scans: ScanStore,
        facts: Facts,
        meetings: Meetings,
        roll: Roll,
        rules: Clocks,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._scans = scans
        self._facts = facts
        self._meetings = meetings
        self._roll = roll
        self._rules = rules
        self._clock = clock
        self._new_id = new_id

    async def pass_all(
        self, cases: Sequence[Case], *, meetings: Mapping[str, Meeting], reason: str = ""
    ) -> Kept:
        """Judge, mark and keep; the earlier scan of a person first.

        ``meetings`` are those that the caller has just looked at.
        """
        times = Times(await self._rules.duration(OPENS), await self._rules.duration(LATE))
        done = Kept([], [], [], [])
        for wave in waves(sorted(cases, key=lambda it: it.shown.at)):
            for meeting_id in dict.fromkeys(it.shown.meeting_id for it in wave):
                some = [it for it in wave if it.shown.meeting_id == meeting_id]
                meeting = meetings.get(meeting_id) if meeting_id else None
                if meeting is None and meeting_id:
                    meeting = await self._meetings.get(meeting_id)
                if meeting is not None:
                    scans = await self._at(meeting, some, times, done, reason=reason)
                else:
                    flaw = Result.UNKNOWN if meeting_id is None else Result.WRONG_MEETING
                    scans = [self._scan(it, it.shown.flaw or flaw) for it in some]
                new = await self._scans.add(scans)
                done.new.extend(it for it in scans if it.id in new)
                lost = {it.id for it in scans if it.id not in new}
                if lost:
                    done.twice.extend((await self._scans.many(lost)).values())
        return done

    async def _at(
        self, meeting: Meeting, some: Sequence[Case], times: Times, done: Kept, *, reason: str
    ) -> list[Scan]:
        """Judge cases about different people, and mark those who may pass."""
        people = {it.shown.person_id for it in some if it.shown.person_id and not it.shown.flaw}
        plan, known = await asyncio.gather(
            self._facts.plan(meeting.id),
            self._facts.standings(meeting.id, people, self._clock()),
        )
        refused: list[Scan] = []
        fit: list[_Fit] = []
        for case in some:
            one = _fitting(case, meeting, plan, known, times)
            turned = turned_away(case.attempt)
            if isinstance(one, Result):
                refused.append(self._scan(case, one, reason=reason))
            elif turned is not None:
                # They are not in the hall, whatever we would have said.
                scan = self._scan(case, turned, reason=reason)
                refused.append(scan.model_copy(update={"conflict": True}))
            else:
                fit.append(one)
        used = await self._used_before([it.case for it in fit])
        refused += [
            self._scan(it.case, Result.CLAIM_USED, reason=reason)
            for it in fit
            if it.case.id in used
        ]
        let_in = [it for it in fit if it.case.id not in used]
        marked = await self._mark(meeting.id, let_in)
        if marked:
            done.marked.extend(marked)
            done.news.extend(self._roll.news(meeting.id, marked))
        settled = [
            self._settled(it, one, reason=reason) for it, one in zip(let_in, marked, strict=True)
        ]
        return [*refused, *settled]

    async def _used_before(self, cases: Sequence[Case]) -> set[str]:
        """Use up the tickets that were shown; answer the scans whose ticket was used before."""
        uses = [
            Use(it.shown.claim_id, it.shown.person_id or "", it.id)
            for it in cases
            if it.shown.claim_id
        ]
        mine = await self._scans.claim(uses, at=self._clock()) if uses else ()
        return {it.scan_id for it in uses if it.scan_id not in mine}

    async def _mark(self, meeting_id: str, let_in: Sequence[_Fit]) -> Sequence[Marked]:
        if not let_in:
            return []
        passages = [it.passage for it in let_in]
        # Whoever may pass takes part; that has just been asked.
        capacities = {it.passage.person_id: it.standing.capacity or "" for it in let_in}
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

    def _settled(self, it: _Fit, one: Marked, *, reason: str) -> Scan:
        case, standing = it.case, it.standing
        if one.outcome == "marked":
            result = outcome(standing)
            if case.attempt.offline and not case.clock.sure:
                result = Result.OFFLINE_UNVERIFIED
            return self._scan(case, result, reason=reason, note=standing.attention)
        if one.outcome == "not_invited":
            return self._scan(case, Result.NOT_INVITED, reason=reason)
        into = case.attempt.dir is Direction.IN
        result = Result.ALREADY_IN if into else Result.ALREADY_OUT
        return self._scan(case, result, reason=reason, first=one.record)

    def _scan(self, case: Case, result: Result, **more: Any) -> Scan:
        return written(case, result, now=self._clock(), eid=self._new_id(), **more)


def _fitting(
    case: Case, meeting: Meeting, plan: DoorPlan, known: Mapping[str, Standing], times: Times
) -> _Fit | Result:
    """Answer the mark that somebody is to get, or why they may not pass."""
    shown, by = case.shown, case.by
    standing = known.get(shown.person_id or "", Standing(None))
    device = by.id if by.is_device else ""
    # A list that is handed in afterwards says what happened while the meeting went on.
    afterwards = case.attempt.offline or shown.way is Way.IMPORT
    passing = Passing(case.attempt.dir, shown.gate, device, shown.at, afterwards)
    plain = shown.way in {Way.MANUAL, Way.IMPORT}
    rules = DoorPlan(meeting_id=meeting.id, late_at=plan.late_at) if plain else plan
    flaw = shown.flaw or judge(meeting, rules, standing, passing, times)
    if flaw is not None or shown.person_id is None:
        return flaw or Result.UNKNOWN
    state = presence(meeting, plan, passing, times)
    return _Fit(
        case,
        Passage(shown.person_id, state, shown.at, shown.way.value, by.id, shown.gate, case.id),
        standing,
    )
