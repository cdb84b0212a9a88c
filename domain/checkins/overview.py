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
    """Somebody who takes part: ``status`` is what is on record, ``on_leave`` or ``missing``.

    ``on_leave`` is what they are once a mark is taken back, ``v`` the version of the record (0
    without one), and ``py`` and ``initials`` the name in pinyin.
    """

    person_id: str
    name: str
    delegation_id: str
    capacity: str
    status: str
    on_leave: bool
    v: int
    py: str
    initials: str


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
        records = {it.person_id: it for it in await self._roll.of(meeting_id)}
        people = [_absentee(it, cards.get(it), known[it], records.get(it)) for it in invited]
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for one in people:
            counts[one.delegation_id][one.status] += 1
        people.sort(key=lambda it: (it.delegation_id, it.name, it.person_id))
        return Overview(counts, people)


def _absentee(
    person_id: str, card: Card | None, standing: Standing, record: Attendance | None
) -> Absentee:
    return Absentee(
        person_id,
        name=card.name if card else "",
        delegation_id=(card.delegation_id or "") if card else "",
        capacity=standing.capacity or "",
        status=_status(record.state if record else None, standing),
        on_leave=standing.on_leave,
        v=record.v if record else 0,
        py=card.py if card else "",
        initials=card.initials if card else "",
    )


def _status(state: Presence | None, standing: Standing) -> str:
    if state is None or state is Presence.VOID:
        return ON_LEAVE if standing.on_leave else MISSING
    return state.value
