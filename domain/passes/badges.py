"""Badges: printed codes that hold for the whole meeting, and are taken back one by one.

Somebody has one badge at a meeting at a time; a new one voids the one before. The code of the phone
needs no badge: it is made afresh whenever it is asked for and holds for seconds
(rule ``checkin.person.life``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.errors import BadState, Invalid, NotFound
from domain.hall.meeting import Meeting, Meetings, driven, find
from domain.passes.code import Form, Personal
from domain.passes.keys import KeyBook
from domain.passes.sheets import MOST_CARDS, Card, SheetPrinter
from domain.people import Person
from domain.ports import AuditLog

LIFE = "checkin.person.life"

_LONGEST = timedelta(days=31)
_AFTERWARDS = timedelta(days=1)


class BadgeState(StrEnum):
    """States of a badge."""

    ACTIVE = "active"
    REVOKED = "revoked"


class Badge(BaseModel):
    """One badge.

    Attributes:
        serial: Its number at the meeting, printed below the code.
        until: When it stops holding by itself.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    meeting_id: str
    person_id: str
    serial: int
    state: BadgeState = BadgeState.ACTIVE
    issued_at: datetime
    issued_by: str
    until: datetime
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    reason: str = ""

    @property
    def claims(self) -> Personal:
        """What its code says."""
        return Personal(self.id, self.meeting_id, self.issued_at, self.until, Form.BADGE)


class Coded(NamedTuple):
    """A badge with its code, and whose it is."""

    badge: Badge
    code: str
    name: str


class PhonePass(NamedTuple):
    """The code of a phone; ``life`` is how long it holds."""

    meeting: Meeting
    code: str
    until: datetime
    life: timedelta


class BadgeStore(Protocol):
    """Keeps badges."""

    async def many(self, badge_ids: Collection[str]) -> Mapping[str, Badge]:
        """Answer badges by id."""

    async def of(self, meeting_id: str) -> Sequence[Badge]:
        """Answer every badge of a meeting, by number."""

    async def add(self, badge: Badge) -> bool:
        """Keep a new badge; ``False`` if the person has one that holds."""

    async def revoke(
        self, badge_id: str, meeting_id: str, *, at: datetime, by: str, reason: str
    ) -> Badge | None:
        """Void a badge that holds and answer it, or ``None``."""

    async def serials(self, meeting_id: str, count: int) -> int:
        """Draw ``count`` numbers in a row; answer the first."""


class Names(Protocol):
    """Knows who takes part, and what they are called."""

    async def invited(self, meeting_id: str) -> Sequence[str]:
        """Answer the ids of everybody who takes part."""

    async def names(self, person_ids: Collection[str]) -> Mapping[str, str]:
        """Answer the names of people, of those who are on the roster."""


class Lives(Protocol):
    """Knows the times that rules name."""

    async def duration(self, key: str) -> timedelta:
        """Answer the time in force now."""


class BadgePorts(NamedTuple):
    """Where badges are kept, and what must be known beside."""

    store: BadgeStore
    meetings: Meetings
    people: Names
    rules: Lives
    printer: SheetPrinter


class BadgeDesk:
    """Makes codes for phones, and badges."""

    def __init__(
        self, ports: BadgePorts, keys: KeyBook, *, audit: AuditLog, clock: Clock, new_id: NewId
    ) -> None:
        self._store, self._meetings, self._people, self._rules, self._printer = ports
        self._keys = keys
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def mine(self, meeting_id: str, *, by: Person) -> PhonePass:
        """Answer a fresh code for one's own phone.

        Raises:
            NotFound: There is no such meeting, or the person does not take part.
        """
        meeting = await find(self._meetings, meeting_id)
        if not await self._meetings.capacities(meeting_id, [by.id]):
            raise NotFound
        life, now = await self._rules.duration(LIFE), self._clock()
        code = await self._keys.sign(Personal(by.id, meeting_id, now, now + life, Form.PHONE))
        return PhonePass(meeting, code, now + life, life)

    async def issue(
        self, meeting_id: str, people: Collection[str] | None, *, by: Person
    ) -> Sequence[Coded]:
        """Issue badges to people, or to everybody who takes part; who has one keeps it.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: Somebody does not take part.
        """
        meeting = await driven(self._meetings, meeting_id, by=by)
        invited = frozenset(await self._people.invited(meeting_id))
        wanted = invited if people is None else frozenset(people)
        if not wanted <= invited:
            raise NotFound("有人不在本次会议参加人员名单中")
        held = {it.person_id: it for it in await self._held(meeting_id)}
        missing = sorted(wanted - held.keys())
        now = self._clock()
        first = await self._store.serials(meeting_id, len(missing)) if missing else 0
        for serial, person_id in enumerate(missing, first):
            badge = Badge(
                id=self._new_id(),
                meeting_id=meeting_id,
                person_id=person_id,
                serial=serial,
                issued_at=now,
                issued_by=by.id,
                until=_until(meeting, now),
            )
            # Somebody else may have given one at the same moment; then theirs holds.
            await self._store.add(badge)
        if missing:
            await self._note("badge.issue", meeting_id, by, count=len(missing))
        return [it for it in await self.list(meeting_id, by=by) if it.badge.person_id in wanted]

    async def list(self, meeting_id: str, *, by: Person) -> Sequence[Coded]:
        """Answer the badges of a meeting that hold, by number, with their codes.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        await driven(self._meetings, meeting_id, by=by)
        held = await self._held(meeting_id)
        names = await self._people.names({it.person_id for it in held})
        return [
            Coded(it, await self._keys.sign(it.claims), names.get(it.person_id, "")) for it in held
        ]

    async def sheet(self, meeting_id: str, *, by: Person) -> bytes:
        """Answer the badges of a meeting that hold as a PDF for the printer, by number.

        Raises:
            Forbidden: The person does not drive this meeting.
            Invalid: There are more than fit into one file.
        """
        held = await self.list(meeting_id, by=by)
        if len(held) > MOST_CARDS:
            raise Invalid(f"一次最多打印 {MOST_CARDS} 张证件", field="badges")
        meeting = await find(self._meetings, meeting_id)
        cards = [Card(it.code, (it.name, meeting.title, f"No. {it.badge.serial}")) for it in held]
        file = await self._printer.sheet(meeting.title, cards)
        await self._note("badge.print", meeting_id, by, count=len(held))
        return file

    async def revoke(self, meeting_id: str, badge_id: str, *, reason: str, by: Person) -> Badge:
        """Void a badge, because it is lost or was copied.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: There is no such badge.
            BadState: It was voided before.
        """
        await driven(self._meetings, meeting_id, by=by)
        badge = await self._store.revoke(
            badge_id, meeting_id, at=self._clock(), by=by.id, reason=reason
        )
        if badge is None:
            there = (await self._store.many([badge_id])).get(badge_id)
            if there is None or there.meeting_id != meeting_id:
                raise NotFound
            raise BadState("证件已作废")
        await self._note("badge.revoke", meeting_id, by, badge=badge_id, person=badge.person_id)
        return badge

    async def _held(self, meeting_id: str) -> Sequence[Badge]:
        found = await self._store.of(meeting_id)
        return [it for it in found if it.state is BadgeState.ACTIVE]

    async def _note(self, action: str, meeting_id: str, by: Person, **detail: str | int) -> None:
        await self._audit.record(action, by=by.id, obj=f"meeting:{meeting_id}", detail=detail)


def _until(meeting: Meeting, now: datetime) -> datetime:
    end = meeting.ends_at or meeting.starts_at
    return max(end + _AFTERWARDS, now + _AFTERWARDS) if end else now + _LONGEST
