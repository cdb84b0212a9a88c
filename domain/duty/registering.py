"""Registering by hand: the organiser writes down whom no door has seen.

What somebody registers for themselves needs a second person, so it is refused. Nobody gets a
second record of the same meeting: who has one is answered as ``already``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol

from domain.clock import Clock, NewId, local_day
from domain.duty.book import DutyBook, Occasions
from domain.duty.following import Occasion, kind_of
from domain.duty.judging import MINUTES_A_DAY, Change, changed, handles
from domain.duty.record import (
    DutyState,
    DutyStore,
    Facts,
    Origin,
    Record,
    record_id,
)
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog
from domain.roster import Card, Kind
from domain.rules import begin_of

_BEGUN = frozenset({"in_session", "paused", "closed", "archived"})
_DAY = timedelta(days=1)
_TRIES = 10


class Registered(NamedTuple):
    """What became of somebody's registration.

    ``outcome`` is ``registered`` or ``already``, or why not: ``not_invited``, ``no_deputy``.
    ``overlaps`` are their confirmed records of the same time.
    """

    person_id: str
    outcome: Literal["registered", "already", "not_invited", "no_deputy"]
    record: Record | None = None
    overlaps: Sequence[Record] = ()


class Cards(Protocol):
    """Knows the roster."""

    async def many(self, person_ids: frozenset[str]) -> dict[str, Card]:
        """Answer the cards that exist, by person id."""


class Lists(Protocol):
    """Knows the dictionaries."""

    async def require(self, dictionary: str, codes: Collection[str], *, field: str) -> None:
        """Do nothing if all codes can be chosen today."""


class Capacities(Protocol):
    """Knows who takes part."""

    async def capacities(self, meeting_id: str, person_ids: Collection[str]) -> dict[str, str]:
        """Answer in which capacity people take part, those who do."""


class RegistryPorts(NamedTuple):
    """What registering works with."""

    store: DutyStore
    occasions: Occasions
    meetings: Capacities
    cards: Cards
    lists: Lists


class DutyRegistry:
    """Registers by hand."""

    def __init__(
        self,
        ports: RegistryPorts,
        book: DutyBook,
        *,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store, self._occasions, self._meetings, self._cards, self._lists = ports
        self._book = book
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def register(
        self, meeting_id: str, people: Sequence[str], change: Change, *, evidence: str, by: Person
    ) -> Sequence[Registered]:
        """Register people at a meeting that has begun; what is not said is as the meeting was.

        Raises:
            Forbidden: The person has nothing to do with it, or registers themselves.
            NotFound: There is no such meeting.
            BadState: It has not begun, or was cancelled.
            Invalid: Times or hours make no sense, or somebody's day would have more than 24 hours.
        """
        by.require(Permission.DUTY_REGISTER)
        meeting = await self._occasions.get(meeting_id)
        if meeting is None:
            raise NotFound
        cards = await self._cards.many(frozenset(people))
        _require_handled(by, meeting, people, cards)
        if meeting.state not in _BEGUN:
            raise BadState("会议尚未举行或已取消，不能登记履职", allowed=())
        capacities = await self._meetings.capacities(meeting_id, people)
        facts = await self._facts(meeting, set(capacities.values()), change)
        deputies = {it.id for it in cards.values() if it.kind is Kind.DEPUTY}
        mine = [it for it in people if it in deputies and it in capacities]
        overlaps = await self._overlaps(meeting_id, {it: facts[capacities[it]] for it in mine})
        done: list[Registered] = []
        for person_id in people:
            if person_id not in deputies:
                done.append(Registered(person_id, "no_deputy"))
            elif person_id not in capacities:
                done.append(Registered(person_id, "not_invited"))
            else:
                said = facts[capacities[person_id]]
                one = await self._one(meeting, cards[person_id], said, evidence, by)
                done.append(one._replace(overlaps=overlaps[person_id]))
        await self._settle(meeting_id, done, by)
        return done

    async def _facts(
        self, meeting: Occasion, capacities: Collection[str], change: Change
    ) -> Mapping[str, Facts]:
        """Answer what is registered, for each capacity: kinds differ if none is named."""
        start = change.start or meeting.starts_at
        if start is None:
            raise Invalid("请填写开始时间", field="start")
        if meeting.over and change.end is None and meeting.end is None:
            raise Invalid("请填写结束时间", field="end")
        # A time that is taken from the meeting is measured as one that was said.
        said = change.model_copy(update={"start": start, "end": change.end or meeting.end})
        facts = {}
        for capacity in capacities or {"member"}:
            plain = Facts(
                kind=kind_of(meeting, capacity),
                title=meeting.title,
                place=meeting.place,
                organiser=meeting.organiser,
                start=start,
            )
            facts[capacity] = changed(plain, said, now=self._clock())
        kinds = {it.kind for it in facts.values()}
        await self._lists.require("duty.kind", kinds, field="kind")
        return facts

    async def _overlaps(
        self, meeting_id: str, facts: Mapping[str, Facts]
    ) -> Mapping[str, Sequence[Record]]:
        """Answer people's confirmed records of the same time.

        Raises:
            Invalid: Somebody would have more than 24 hours on a day.
        """
        found: dict[str, Sequence[Record]] = dict.fromkeys(facts, ())
        full = []
        for person_id, said in facts.items():
            others = [
                it
                for it in await self._store.between([person_id], *_day_of(said))
                if it.meeting_id != meeting_id
            ]
            day = local_day(said.start)
            spent = sum(it.facts.minutes or 0 for it in others if local_day(it.facts.start) == day)
            if spent + (said.minutes or 0) > MINUTES_A_DAY and _one_day(said):
                full.append(person_id)
            found[person_id] = [
                it for it in others if it.state is DutyState.CONFIRMED and _meet(it.facts, said)
            ]
        if full:
            raise Invalid("当天履职时长合计超过 24 小时", field="hours", detail={"people": full})
        return found

    async def _one(
        self, meeting: Occasion, card: Card, facts: Facts, evidence: str, by: Person
    ) -> Registered:
        key = record_id(meeting.id, card.id)
        for _ in range(_TRIES):
            was = await self._store.get(key)
            if was is not None and was.state is not DutyState.VOID:
                return Registered(card.id, "already", was)
            record = self._record(was, meeting, card, facts, evidence, by)
            if await self._store.put(record, was=was.v if was else 0):
                return Registered(card.id, "registered", record)
        raise Conflict("操作过于集中，请稍后再试")

    def _record(
        self,
        was: Record | None,
        meeting: Occasion,
        card: Card,
        facts: Facts,
        evidence: str,
        by: Person,
    ) -> Record:
        at = self._clock()
        by_hand: dict[str, Any] = {"origin": Origin.HAND, "evidence": evidence, "by": by.id}
        if was is not None:
            again = was.moved(DutyState.REGISTERED, at=at, by=by.id, facts=facts)
            record = again.model_copy(update=by_hand)
        else:
            record = Record(
                id=record_id(meeting.id, card.id),
                person_id=card.id,
                delegation_id=card.delegation_id,
                meeting_id=meeting.id,
                facts=facts,
                state=DutyState.REGISTERED,
                at=at,
                created_at=at,
                eid=self._new_id(),
                **by_hand,
            )
        return record.moved(DutyState.PENDING, at=at, by=by.id) if meeting.over else record

    async def _settle(self, meeting_id: str, done: Sequence[Registered], by: Person) -> None:
        new = [it.record for it in done if it.outcome == "registered" and it.record]
        await self._book.announce([it for it in new if it.created_at == it.at])
        if new:
            await self._audit.record(
                "duty.register",
                by=by.id,
                obj=f"meeting:{meeting_id}",
                detail={"people": [it.person_id for it in new]},
            )


def _require_handled(
    by: Person, meeting: Occasion, people: Sequence[str], cards: Mapping[str, Card]
) -> None:
    if by.id in people:
        raise Forbidden("登记本人的履职须由另一人办理", detail={"reason": "second_person"})
    for person_id in people:
        home = cards[person_id].delegation_id if person_id in cards else None
        if not handles(by, meeting, home):
            raise Forbidden(detail={"permission": Permission.DUTY_REGISTER.value})


def _one_day(facts: Facts) -> bool:
    return facts.end is None or local_day(facts.start) == local_day(facts.end)


def _day_of(facts: Facts) -> tuple[datetime, datetime]:
    last = local_day(facts.end or facts.start)
    return begin_of(local_day(facts.start)), begin_of(last + _DAY)


def _meet(one: Facts, other: Facts) -> bool:
    ends = one.end is not None and other.end is not None
    return ends and one.start < other.end and other.start < one.end  # type: ignore[operator]
