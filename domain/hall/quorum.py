"""Quorum: are enough members present, by the rule of this kind of meeting.

=============  ====================  ==========================================================
kind           rule                  source (``rule_param`` row, with its edition)
=============  ====================  ==========================================================
npc            ``quorum.npc``        at least ⅔ of all deputies
presidium      ``quorum.presidium``  at least ⅔ of its members
npcsc          ``quorum.npcsc``      more than ½ of its members
committee      ``quorum.committee``  more than ½ of its members
=============  ====================  ==========================================================

Other meetings have no quorum, and nothing is said of it.

A count takes a ticket before it reads and is kept only if nobody has taken a later one: whoever
changes a record counts afterwards, so the last ticket has seen every change, on every process.
Whether enough are present therefore changes in one write, by one process, and is announced once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple, Protocol

from cachetools import LRUCache

from domain.clock import Clock, NewId
from domain.events import Event
from domain.hall.events import QuorumChanged, QuorumCounted, addresses
from domain.hall.meeting import Meeting, Meetings
from domain.hall.state import Figures, Quorum
from domain.ports import Bus

_PATIENCE = timedelta(seconds=3)
PACE = 1.0
"""Seconds between two counts of a meeting in one process."""
_REST = 5
"""Where a count takes long, the next begins so many times as long after it began."""


class QuorumRule(NamedTuple):
    """A rule, and whether its share must be exceeded or only reached."""

    key: str
    exceeded: bool


RULES: Mapping[str, QuorumRule] = {
    "npc": QuorumRule("quorum.npc", exceeded=False),
    "presidium": QuorumRule("quorum.presidium", exceeded=False),
    "npcsc": QuorumRule("quorum.npcsc", exceeded=True),
    "committee": QuorumRule("quorum.committee", exceeded=True),
}


class Shares(Protocol):
    """Knows the shares that rules demand."""

    async def fraction(self, key: str) -> Fraction:
        """Answer the share in force now."""


class QuorumStore(Protocol):
    """Counts who is present, and keeps the result under a ticket."""

    async def open(self, meeting_id: str) -> None:
        """Note that something is about to change, so that a count is due whatever happens."""

    async def ticket(self, meeting_id: str) -> Quorum:
        """Take the next ticket, and answer the quorum as it was last kept."""

    async def is_present(self, meeting_id: str, person_id: str) -> bool:
        """Tell whether somebody is in the hall by the record."""

    async def present(self, meeting_id: str) -> int:
        """Count the members who are in the hall."""

    async def settle(self, meeting_id: str, quorum: Quorum, flip: Figures | None) -> bool:
        """Keep a count, and the flip if it is one, if its ticket is still the last one."""

    async def opened(self) -> Sequence[str]:
        """Answer the meetings where a count is due."""

    async def told(self, meeting_id: str, flip: Figures) -> None:
        """Note that a flip has been announced."""

    async def untold(self, before: datetime) -> Sequence[tuple[str, Figures]]:
        """Answer the flips of before an instant that have not been announced."""


class QuorumCounter:
    """Counts, at most once a second for each meeting, and announces what changed."""

    def __init__(
        self,
        store: QuorumStore,
        meetings: Meetings,
        rules: Shares,
        *,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._meetings = meetings
        self._rules = rules
        self._bus = bus
        self._clock = clock
        self._new_id = new_id
        self._timer = timer
        self._counted: LRUCache[str, float] = LRUCache(1000)
        self._took: LRUCache[str, float] = LRUCache(1000)
        self._due: set[str] = set()

    async def present(self, meeting_id: str, person_id: str) -> bool:
        """Tell whether somebody is in the hall by the record."""
        return await self._store.is_present(meeting_id, person_id)

    async def open(self, meeting_id: str) -> None:
        """Say that records of a meeting are about to change; ``touch`` or ``soon`` must follow."""
        await self._store.open(meeting_id)

    def soon(self, meeting_id: str) -> None:
        """Count within a second; who changed the records does not wait for it."""
        self._due.add(meeting_id)

    async def touch(self, meeting_id: str) -> None:
        """Count now, or within a second if this process has just counted."""
        last = self._counted.get(meeting_id)
        if last is not None and self._timer() - last < PACE:
            self._due.add(meeting_id)
            return
        await self.count(meeting_id)

    async def flush(self) -> None:
        """Count what is due in this process."""
        for meeting_id in tuple(self._due):
            await self.count(meeting_id)

    async def beat(self) -> None:
        """Count what is due in this process, sparing a database that is busy; a job of a second."""
        for meeting_id in tuple(self._due):
            rest = _REST * self._took.get(meeting_id, 0.0)
            if self._timer() - self._counted.get(meeting_id, -rest) >= rest:
                await self.count(meeting_id)

    async def sweep(self) -> int:
        """Count and announce where a process has died before it could; answer how often."""
        silent = await self._store.untold(self._clock() - _PATIENCE)
        for meeting_id, flip in silent:
            await self._announce(meeting_id, flip)
        left = await self._store.opened()
        for meeting_id in left:
            await self.count(meeting_id)
        return len(left) + len(silent)

    async def count(self, meeting_id: str) -> None:
        """Count, keep and announce; harmless at any time."""
        self._due.discard(meeting_id)
        begun = self._counted[meeting_id] = self._timer()
        try:
            await self._count(meeting_id)
        finally:
            self._took[meeting_id] = self._timer() - begun

    async def _count(self, meeting_id: str) -> None:
        was = await self._store.ticket(meeting_id)
        meeting = await self._meetings.get(meeting_id)
        if meeting is None:
            return
        total = await self._meetings.members(meeting_id)
        needed = await self._needed(meeting, total)
        present = await self._store.present(meeting_id)
        figures = {
            "present": present,
            "total": total,
            "needed": needed,
            "reached": needed > 0 and present >= needed,
            "open": False,
        }
        now = was.model_copy(update=figures)
        changed = was.model_copy(update={"open": False}) != now
        if changed:
            stamp = {"v": was.v + 1, "at": self._clock(), "eid": self._new_id()}
            now = now.model_copy(update=stamp)
        flip = None
        if now.reached is not was.reached:
            flip = Figures(eid=now.eid, **now.shown())
        if not await self._store.settle(meeting_id, now, flip) or not changed:
            return
        if flip is not None:
            await self._announce(meeting_id, flip)
        else:
            await self._publish(meeting_id, QuorumCounted(id=now.eid, **now.shown()))

    async def _announce(self, meeting_id: str, flip: Figures) -> None:
        event = QuorumChanged(id=flip.eid, **flip.model_dump(exclude={"eid"}))
        await self._publish(meeting_id, event)
        await self._store.told(meeting_id, flip)

    async def _publish(self, meeting_id: str, event: Event) -> None:
        for channel in addresses(event, meeting_id):
            await self._bus.publish(channel, event)

    async def _needed(self, meeting: Meeting, total: int) -> int:
        """Answer how many must be present; 0 where there is no such rule."""
        rule = RULES.get(meeting.kind)
        if rule is None or total == 0:
            return 0
        share = await self._rules.fraction(rule.key) * total
        return floor(share) + 1 if rule.exceeded else ceil(share)
