"""Who is there and who is missing, by delegation, at this moment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.attendance import Attendance, Presence
from domain.checkins.judging import Standing
from domain.clock import Clock
from domain.hall.meeting import Meetings, driven
from domain.people import Person
from domain.roster import Card

ON_LEAVE, MISSING = "on_leave", "missing"


class Absentee(NamedTuple):
    """Somebody who takes part: ``status`` is what is on record, ``on_leave`` or ``missing``."""

    person_id: str
    name: str
    delegation_id: str
    capacity: str
    status: str


class Overview(NamedTuple):
    """Everybody who takes part, by status in each delegation (empty for those in none)."""

    counts: Mapping[str, Mapping[str, int]]
    people: Sequence[Absentee]


class Facts(Protocol):
    """Knows people at the doors of a meeting."""

    async def standings(
        self, meeting_id: str, person_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """Answer what is known of people, of each of them."""

    async def invited(self, meeting_id: str) -> Sequence[str]:
        """Answer the ids of everybody who takes part."""


class Cards(Protocol):
    """Knows the roster."""

    async def many(self, person_ids: frozenset[str]) -> dict[str, Card]:
        """Answer the cards that exist, by person id."""


class Roll(Protocol):
    """Knows who is in the hall."""

    async def of(self, meeting_id: str) -> Sequence[Attendance]:
        """Answer every record of a meeting."""


class OverviewPorts(NamedTuple):
    """What an overview is made of."""

    facts: Facts
    cards: Cards
    roll: Roll
    meetings: Meetings


class OverviewService:
    """Answers who is there."""

    def __init__(self, ports: OverviewPorts, *, clock: Clock) -> None:
        self._facts, self._cards, self._roll, self._meetings = ports
        self._clock = clock

    async def of(self, meeting_id: str, *, by: Person) -> Overview:
        """Answer everybody who takes part in a meeting, sorted by delegation and name.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        await driven(self._meetings, meeting_id, by=by)
        invited = frozenset(await self._facts.invited(meeting_id))
        cards = await self._cards.many(invited)
        known = await self._facts.standings(meeting_id, invited, self._clock())
        records = {it.person_id: it.state for it in await self._roll.of(meeting_id)}
        people = [
            Absentee(
                it,
                cards[it].name if it in cards else "",
                (cards[it].delegation_id or "") if it in cards else "",
                known[it].capacity or "",
                _status(records.get(it), known[it]),
            )
            for it in invited
        ]
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for one in people:
            counts[one.delegation_id][one.status] += 1
        people.sort(key=lambda it: (it.delegation_id, it.name, it.person_id))
        return Overview(counts, people)


def _status(state: Presence | None, standing: Standing) -> str:
    if state is None or state is Presence.VOID:
        return ON_LEAVE if standing.on_leave else MISSING
    return state.value
