"""The call list: whom a liaison must phone, because nothing else has brought an urgent notice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.clock import Clock
from domain.errors import Forbidden, NotFound
from domain.ladder.ports import Addresses, LadderStore
from domain.notices.notice import Notice
from domain.notices.receipt import Receipt, receipt_id
from domain.people import Person
from domain.permissions import Permission, Reach
from domain.ports import AuditLog
from domain.roster import Roster

_MOST = 500


class Result(StrEnum):
    """How a call ended; only ``reached`` takes somebody off the list."""

    REACHED = "reached"
    NO_ANSWER = "no_answer"
    WRONG_NUMBER = "wrong_number"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class CallLine:
    """Somebody to phone; ``mobile`` is empty where no number is known."""

    notice_id: str
    title: str
    person_id: str
    name: str
    delegation_id: str
    mobile: str
    published_at: datetime


class Shelf(Protocol):
    """Answers notices."""

    async def many(self, notice_ids: frozenset[str]) -> Mapping[str, Notice]:
        """Answer the notices that exist, by id."""


class CallList:
    """Shows who is to be phoned, by delegation, and takes down what came of it."""

    def __init__(
        self,
        store: LadderStore,
        shelf: Shelf,
        roster: Roster,
        addresses: Addresses,
        *,
        touch: Callable[[str], None],
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._roster = roster
        self._addresses = addresses
        self._touch = touch
        self._audit = audit
        self._clock = clock

    async def show(self, *, by: Person) -> Sequence[CallLine]:
        """Answer whom a person must phone, the longest waiting first; the look is on record.

        Raises:
            Forbidden: The person works for no delegation.
        """
        delegations = delegations_of(by)
        found = await self._store.to_call(delegations, _MOST)
        notices = await self._shelf.many(frozenset(one.n for one in found))
        cards = await self._roster.many(frozenset(one.p for one in found))
        lines = [
            CallLine(
                notice_id=one.n,
                title=notices[one.n].title,
                person_id=one.p,
                name=cards[one.p].name if one.p in cards else "",
                delegation_id=one.deleg,
                mobile=(await self._addresses.of(one.p)).phone,
                published_at=one.pub,
            )
            for one in found
            if one.n in notices
        ]
        if lines:
            people = sorted({line.person_id for line in lines})
            await self._audit.record(
                "call_list.read", by=by.id, obj=f"person:{by.id}", detail={"people": people}
            )
        return lines

    async def note(
        self, notice_id: str, person_id: str, *, result: Result, note: str, by: Person
    ) -> Receipt:
        """Note how a call ended, and answer the receipt.

        Raises:
            Forbidden: The person works for no delegation.
            NotFound: Nobody is to be phoned under this id, or not by this person.
        """
        delegations = delegations_of(by)
        key = receipt_id(notice_id, person_id)
        receipt = await self._store.called(
            key,
            within=delegations,
            at=self._clock(),
            by=by.id,
            result=result.value,
            note=note,
            reached=result is Result.REACHED,
        )
        if receipt is None:
            raise NotFound("此人不在电话通知名单中")
        await self._audit.record(
            "notice.call", by=by.id, obj=f"receipt:{key}", detail={"result": result.value}
        )
        self._touch(notice_id)
        return receipt


def delegations_of(by: Person) -> frozenset[str] | None:
    """Answer the delegations a person phones for; ``None``: everybody.

    Raises:
        Forbidden: For none.
    """
    found: set[str] = set()
    for grant, cell in by.rights(Permission.PHONE_READ):
        if cell.reach is Reach.ALL:
            return None
        if cell.reach is Reach.SCOPE and by.may(Permission.RECEIPT_READ):
            kinds = [scope.partition(":") for scope in grant.scopes]
            found |= {key for kind, _, key in kinds if kind == "deleg"}
    if not found:
        raise Forbidden(detail={"permission": Permission.PHONE_READ.value})
    return frozenset(found)
