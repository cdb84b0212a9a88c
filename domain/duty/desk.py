"""Where people look at duty records, confirm them, object, and where an objection is decided."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from domain.approvals import require_second
from domain.clock import Clock
from domain.duty.book import Occasions
from domain.duty.following import Occasion
from domain.duty.judging import Change, changed, delegations, handles, looks, require_next
from domain.duty.record import (
    DutyState,
    DutyStore,
    Origin,
    Place,
    Record,
    Tally,
    Wanted,
)
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog
from domain.roster import Card
from domain.rules import begin_of
from domain.todo import TodoItem

_WAITING = 50
_STRUCK = frozenset({DutyState.REGISTERED, DutyState.PENDING, DutyState.VERIFYING})


class Seen(NamedTuple):
    """A record with the name of its person; ``handles``: the one who looks may decide about it."""

    record: Record
    name: str
    handles: bool = False


class Cards(Protocol):
    """Knows the roster."""

    async def many(self, person_ids: frozenset[str]) -> dict[str, Card]:
        """Answer the cards that exist, by person id."""


class Lists(Protocol):
    """Knows the dictionaries."""

    async def require(self, dictionary: str, codes: Collection[str], *, field: str) -> None:
        """Do nothing if all codes can be chosen today."""


class DeskPorts(NamedTuple):
    """What the desk works with."""

    store: DutyStore
    occasions: Occasions
    cards: Cards
    lists: Lists


class DutyDesk:
    """Shows records and takes what people say about them. A ``TodoSource`` of what waits."""

    def __init__(self, ports: DeskPorts, *, audit: AuditLog, clock: Clock) -> None:
        self._store, self._occasions, self._cards, self._lists = ports
        self._audit = audit
        self._clock = clock

    # -- one's own -------------------------------------------------------------------------------

    async def mine(
        self, wanted: Wanted, *, after: Place | None = None, limit: int, by: Person
    ) -> Sequence[Record]:
        """Answer one's own records, those that began last first."""
        return await self._store.of_person(by.id, wanted, after=after, limit=limit)

    async def sums(self, wanted: Wanted, *, by: Person) -> Sequence[Tally]:
        """Count one's own records by kind and state."""
        return await self._store.sums({"person_id": by.id}, wanted)

    async def confirm(self, record_id: str, *, by: Person) -> Record:
        """Confirm one's own record; saying it again changes nothing.

        Raises:
            NotFound: It is not theirs.
            BadState: There is nothing to confirm: the meeting goes on, or an objection is open.
            Conflict: Somebody changed it at this moment.
        """
        by.require(Permission.DUTY_CONFIRM)
        record = await self._own(record_id, by)
        if record.state is DutyState.CONFIRMED:
            return record
        return await self._move(record, DutyState.CONFIRMED, by)

    async def object(self, record_id: str, *, reason: str, by: Person) -> Record:
        """Object to one's own record, with the reason.

        Raises:
            NotFound: It is not theirs.
            BadState: It was confirmed, objected to or decided before.
            Conflict: Somebody changed it at this moment.
        """
        by.require(Permission.DUTY_CONFIRM)
        record = await self._own(record_id, by)
        return await self._move(record, DutyState.OBJECTED, by, reason=reason)

    async def todo(self, person: Person) -> Sequence[TodoItem]:
        """Answer the records that wait to be confirmed, oldest first."""
        wanted = Wanted(state=DutyState.PENDING)
        found = await self._store.of_person(person.id, wanted, after=None, limit=_WAITING)
        items = [
            TodoItem(
                kind="duty.confirm",
                obj=f"duty:{record.id}",
                title=f"履职记录待确认：{record.facts.title}",
                since=record.at,
            )
            for record in found
        ]
        return sorted(items, key=lambda item: item.since)

    # -- others' ---------------------------------------------------------------------------------

    async def show(self, record_id: str, *, by: Person) -> Seen:
        """Answer a record with its history, to its person and to who has to do with it.

        Raises:
            NotFound: There is none, or they may not know of it.
        """
        record = await self._store.get(record_id)
        if record is None:
            raise NotFound
        meeting = await self._occasions.get(record.meeting_id)
        if record.person_id != by.id and not looks(by, meeting, record.delegation_id):
            raise NotFound
        (seen,) = await self._seen([record], meeting, by)
        return seen

    async def of_meeting(
        self,
        meeting_id: str,
        state: DutyState | None,
        *,
        after: str = "",
        limit: int,
        by: Person,
    ) -> Sequence[Seen]:
        """Answer a meeting's records: all to its staff, those of a delegation to its liaison.

        Raises:
            NotFound: There is no such meeting.
            Forbidden: The person has nothing to do with it.
        """
        meeting, wanted = await self._watched(meeting_id, by)
        found = await self._store.of_meeting(
            meeting_id, wanted.model_copy(update={"state": state}), after=after, limit=limit
        )
        return await self._seen(found, meeting, by)

    async def sums_of_meeting(self, meeting_id: str, *, by: Person) -> Sequence[Tally]:
        """Count a meeting's records by kind and state, as far as the person may see them.

        Raises:
            NotFound: There is no such meeting.
            Forbidden: The person has nothing to do with it.
        """
        _, wanted = await self._watched(meeting_id, by)
        return await self._store.sums({"meeting_id": meeting_id}, wanted)

    async def verify(self, record_id: str, *, by: Person) -> Seen:
        """Take an objection up.

        Raises:
            NotFound: There is no such record, or they may not know of it.
            Forbidden: It is their own, or they may only look.
            BadState: Nobody objects, or somebody has taken it up.
        """
        record, meeting = await self._handled(record_id, by)
        moved = await self._move(record, DutyState.VERIFYING, by)
        return (await self._seen([moved], meeting, by))[0]

    async def correct(self, record_id: str, change: Change, *, reason: str, by: Person) -> Seen:
        """Decide that an objection is right: new facts, the old ones stay in the history.

        Raises:
            NotFound: There is no such record, or they may not know of it.
            Forbidden: It is their own, or they may only look.
            BadState: The objection has not been taken up, or was decided.
            Invalid: The new facts make no sense, or nothing would change.
        """
        record, meeting = await self._handled(record_id, by)
        require_next(record, DutyState.CORRECTED)
        facts = changed(record.facts, change, now=self._clock())
        if facts == record.facts:
            raise Invalid("没有更正任何内容", field="kind")
        await self._lists.require("duty.kind", [facts.kind], field="kind")
        moved = record.moved(
            DutyState.CORRECTED, at=self._clock(), by=by.id, reason=reason, facts=facts
        )
        await self._keep(record, moved, by)
        return (await self._seen([moved], meeting, by))[0]

    async def keep(self, record_id: str, *, reason: str, by: Person) -> Seen:
        """Decide that the record stays as it is, with the reason.

        Raises:
            NotFound: There is no such record, or they may not know of it.
            Forbidden: It is their own, or they may only look.
            BadState: The objection has not been taken up, or was decided.
        """
        record, meeting = await self._handled(record_id, by)
        moved = await self._move(record, DutyState.KEPT, by, reason=reason)
        return (await self._seen([moved], meeting, by))[0]

    async def strike(self, record_id: str, *, reason: str, by: Person) -> Seen:
        """Take back what was written by hand and never was, unless it was confirmed or decided.

        Raises:
            NotFound: There is no such record, or they may not know of it.
            Forbidden: It is their own, or they may only look.
            BadState: A check-in wrote it, so the check-in is to be taken back; or it is locked.
        """
        record, meeting = await self._handled(record_id, by)
        if record.origin is not Origin.HAND:
            raise BadState("由签到生成的记录，请先撤销签到", allowed=())
        if record.state not in _STRUCK:
            raise BadState("履职记录当前状态不能执行此操作", allowed=())
        moved = await self._move(record, DutyState.VOID, by, reason=reason)
        return (await self._seen([moved], meeting, by))[0]

    # -- inside ----------------------------------------------------------------------------------

    async def _own(self, record_id: str, by: Person) -> Record:
        record = await self._store.get(record_id)
        if record is None or record.person_id != by.id:
            raise NotFound
        return record

    async def _watched(self, meeting_id: str, by: Person) -> tuple[Occasion, Wanted]:
        meeting = await self._occasions.get(meeting_id)
        if meeting is None:
            raise NotFound
        if looks(by, meeting, None):
            return meeting, Wanted()
        own = delegations(by)
        if not own:
            raise Forbidden(detail={"permission": Permission.DUTY_REGISTER.value})
        return meeting, Wanted(delegations=own)

    async def _handled(self, record_id: str, by: Person) -> tuple[Record, Occasion | None]:
        seen = await self.show(record_id, by=by)
        record = seen.record
        # Nobody decides about themselves, whatever they are besides.
        require_second(by, first=record.person_id)
        meeting = await self._occasions.get(record.meeting_id)
        if not handles(by, meeting, record.delegation_id):
            raise Forbidden(detail={"permission": Permission.DUTY_REGISTER.value})
        return record, meeting

    async def _seen(
        self, records: Sequence[Record], meeting: Occasion | None, by: Person
    ) -> list[Seen]:
        cards = await self._cards.many(frozenset(it.person_id for it in records))
        return [
            Seen(
                it,
                cards[it.person_id].name if it.person_id in cards else "",
                handles=it.person_id != by.id and handles(by, meeting, it.delegation_id),
            )
            for it in records
        ]

    async def _move(self, record: Record, to: DutyState, by: Person, *, reason: str = "") -> Record:
        moved = record.moved(to, at=self._clock(), by=by.id, reason=reason)
        await self._keep(record, moved, by)
        return moved

    async def _keep(self, was: Record, record: Record, by: Person) -> None:
        require_next(was, record.state)
        if not await self._store.put(record, was=was.v):
            raise Conflict("履职记录已变更，请刷新后重试")
        # Why somebody objects may be private; the audit says that they do.
        detail = {"person": record.person_id, "meeting": record.meeting_id, "v": record.v}
        await self._audit.record(
            f"duty.{record.state.value}", by=by.id, obj=f"duty:{record.id}", detail=detail
        )


def of_year(year: int | None, *, kind: str | None = None, state: DutyState | None = None) -> Wanted:
    """Answer what is wanted of a calendar year in Shanghai, or of all."""
    wanted = Wanted(kind=kind, state=state)
    if year is None:
        return wanted
    bounds = {"since": begin_of(date(year, 1, 1)), "until": begin_of(date(year + 1, 1, 1))}
    return wanted.model_copy(update=bounds)
