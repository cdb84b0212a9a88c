"""The profile (“我的”, F13): a person's own card, and changes to it that another must verify.

Work unit, post and phone number are what the roster says. A person asks for another value, the
liaison of the delegation (for staff: an administrator) verifies it against the papers, and only
then the card changes (SH-办法 50)::

    submitted ──▶ verified ──▶ applied
        └──────▶ refused ◀────────┘      (the number was taken in the meantime)

A crash between ``verified`` and ``applied`` is made good by ``resume``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Forbidden, NotFound
from domain.events import Event
from domain.people import Person
from domain.permissions import Permission, Reach
from domain.ports import AuditLog, Bus, Vault
from domain.roster import PHONE_DOMAIN, Card, Roster, mobile_context
from domain.todo import TodoChanged, TodoItem


class ProfileField(StrEnum):
    """What cannot be changed without somebody verifying it."""

    WORK_UNIT = "work_unit"
    POST = "post"
    PHONE = "phone"


class ChangeState(StrEnum):
    """States of a change, see the module's drawing."""

    SUBMITTED = "submitted"
    VERIFIED = "verified"
    APPLIED = "applied"
    REFUSED = "refused"


class ProfileChange(BaseModel):
    """One asked-for change.

    Attributes:
        delegation_id: Delegation of the person when they asked; its liaisons verify.
        value: The new value; empty for a phone number, which is in ``value_enc`` only.
        reason: Why it was refused.
        v: Version as read; 0 for one that is not stored yet.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    person_name: str
    delegation_id: str | None
    field: ProfileField
    value: str = ""
    value_enc: bytes | None = Field(default=None, repr=False)
    state: ChangeState = ChangeState.SUBMITTED
    asked_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    reason: str = ""
    v: int = 0


class ProfileChangeStore(Protocol):
    """Keeps asked-for changes."""

    async def get(self, change_id: str) -> ProfileChange | None:
        """Answer one change, or ``None``."""

    async def put(self, change: ProfileChange) -> ProfileChange:
        """Store a change and answer it with the next version.

        Raises:
            Conflict: ``change.v`` is stale, or the person has another open change of the field.
        """

    async def of(self, person_id: str) -> list[ProfileChange]:
        """Answer somebody's changes, newest first."""

    async def submitted(self, delegations: frozenset[str] | None) -> list[ProfileChange]:
        """Answer what waits in some delegations, or everywhere with ``None``, oldest first."""

    async def verified(self) -> list[ProfileChange]:
        """Answer what was verified and not applied yet."""

    async def verifiers(self, delegation_id: str, at: datetime) -> list[str]:
        """Answer the ids of a delegation's liaisons, who verify its changes."""


class PhoneBook(Protocol):
    """Whoever else keeps a person's phone number and must hear of a new one."""

    async def taken(self, phone: str, *, by_other_than: str) -> bool:
        """Tell whether a number belongs to somebody else."""

    async def phone_changed(self, person_id: str, phone: str) -> None:
        """Take over a person's new number; doing it twice changes nothing."""


class ProfileApplied(Event):
    """A change of the receiver's profile was verified and is now on the card."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["profile.applied"] = "profile.applied"
    field: ProfileField


class ProfileRefused(Event):
    """A change of the receiver's profile was refused; the reason is on the change."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["profile.refused"] = "profile.refused"
    field: ProfileField


class ProfileService:
    """Takes changes of profiles from asking to the card. A ``TodoSource`` for who verifies."""

    def __init__(
        self,
        roster: Roster,
        store: ProfileChangeStore,
        *,
        vault: Vault,
        audit: AuditLog,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
        phones: Sequence[PhoneBook] = (),
    ) -> None:
        self._roster = roster
        self._store = store
        self._vault = vault
        self._audit = audit
        self._bus = bus
        self._clock = clock
        self._new_id = new_id
        self._phones = tuple(phones)

    async def card(self, person_id: str) -> Card | None:
        """Answer somebody's card, to be embedded in what they see of themselves."""
        return await self._roster.get(person_id)

    async def ask(self, field: ProfileField, value: str, *, by: Person) -> ProfileChange:
        """Ask for another value on one's own card; the old one stays until it is verified.

        Raises:
            NotFound: The person has no card.
            Conflict: The value is the present one, the number is taken, or a change of this field
                waits already.
        """
        card = await self._roster.get(by.id)
        if card is None:
            raise NotFound
        change = ProfileChange(
            id=self._new_id(),
            person_id=by.id,
            person_name=card.name,
            delegation_id=card.delegation_id,
            field=field,
            asked_at=self._clock(),
        )
        if field is ProfileField.PHONE:
            if await self._is_taken(value, by.id):
                raise Conflict("该手机号已被使用", field="value")
            sealed = self._vault.seal(value, context=_context(change.id))
            change = change.model_copy(update={"value_enc": sealed})
        elif value == getattr(card, field.value):
            raise Conflict("与现有内容相同", field="value")
        else:
            change = change.model_copy(update={"value": value})
        stored = await self._store.put(change)
        await self._record("ask", stored, by.id)
        await self._ring(stored)
        return stored

    async def mine(self, *, by: Person) -> list[ProfileChange]:
        """Answer one's own changes, newest first."""
        return await self._store.of(by.id)

    async def waiting(self, *, by: Person) -> list[ProfileChange]:
        """Answer what waits for this person to verify, oldest first."""
        by.require(Permission.PROFILE_VERIFY)
        found = await self._store.submitted(_verifies(by))
        return [change for change in found if change.person_id != by.id]

    def reveal(self, change: ProfileChange, *, by: Person) -> str:
        """Answer the new value for the person who asked and for those who verify it.

        Raises:
            NotFound: ``by`` is neither.
        """
        if change.person_id != by.id and not _may_verify(by, change):
            raise NotFound
        return self._value(change)

    async def decide(
        self, change_id: str, *, accept: bool, reason: str = "", v: int, by: Person
    ) -> ProfileChange:
        """Verify a change and put it on the card, or refuse it.

        Raises:
            NotFound: There is no such change, or it is another delegation's.
            Forbidden: It is one's own.
            BadState: It was decided before.
            Conflict: It is no longer at version ``v``.
        """
        by.require(Permission.PROFILE_VERIFY)
        change = await self._store.get(change_id)
        if change is None or not _may_verify(by, change):
            raise NotFound
        if change.person_id == by.id:
            raise Forbidden("不能核实本人的变更申请")
        if change.state is not ChangeState.SUBMITTED:
            raise BadState("该申请已处理", allowed=())
        if change.v != v:
            raise Conflict("内容已被他人修改，请刷新后重试", detail={"v": change.v})
        decided = await self._store.put(
            change.model_copy(
                update={
                    "state": ChangeState.VERIFIED if accept else ChangeState.REFUSED,
                    "decided_at": self._clock(),
                    "decided_by": by.id,
                    "reason": reason,
                }
            )
        )
        await self._record("verify" if accept else "refuse", decided, by.id)
        await self._ring(decided)
        if accept:
            return await self._apply(decided)
        await self._tell(decided)
        return decided

    async def resume(self) -> int:
        """Apply what was verified when the hub went down; answer how many changes that were."""
        changes = await self._store.verified()
        for change in changes:
            await self._apply(change)
        return len(changes)

    async def todo(self, person: Person) -> Sequence[TodoItem]:
        """Answer the changes that wait for this person to verify."""
        if not person.may(Permission.PROFILE_VERIFY):
            return ()
        return [
            TodoItem(
                kind="profile.verify",
                obj=f"profile_change:{change.id}",
                title=f"核实{change.person_name}的{_LABELS[change.field]}变更",
                since=change.asked_at,
            )
            for change in await self.waiting(by=person)
        ]

    async def _apply(self, change: ProfileChange) -> ProfileChange:
        card = await self._roster.get(change.person_id)
        value = self._value(change)
        if card is None or (
            change.field is ProfileField.PHONE and await self._is_taken(value, change.person_id)
        ):
            done = await self._store.put(
                change.model_copy(
                    update={"state": ChangeState.REFUSED, "reason": "该手机号已被使用"}
                )
            )
            await self._record("refuse", done, "system")
            await self._tell(done)
            return done
        update: dict[str, object] = {"updated_at": self._clock(), "updated_by": change.decided_by}
        if change.field is ProfileField.PHONE:
            update["mobile_h"] = self._vault.blind(value, domain=PHONE_DOMAIN)
            update["mobile_enc"] = self._vault.seal(value, context=mobile_context(card.id))
        else:
            update[change.field.value] = value
        await self._roster.put(card.model_copy(update=update))
        if change.field is ProfileField.PHONE:
            for book in self._phones:
                await book.phone_changed(card.id, value)
        done = await self._store.put(change.model_copy(update={"state": ChangeState.APPLIED}))
        await self._record("apply", done, change.decided_by)
        await self._tell(done)
        return done

    async def _is_taken(self, phone: str, person_id: str) -> bool:
        owner = await self._roster.by_mobile(self._vault.blind(phone, domain=PHONE_DOMAIN))
        if owner is not None and owner.id != person_id:
            return True
        for book in self._phones:
            if await book.taken(phone, by_other_than=person_id):
                return True
        return False

    def _value(self, change: ProfileChange) -> str:
        if change.value_enc is None:
            return change.value
        return self._vault.open(change.value_enc, context=_context(change.id))

    async def _record(self, verb: str, change: ProfileChange, by: str) -> None:
        await self._audit.record(
            f"profile.{verb}",
            by=by,
            obj=f"profile_change:{change.id}",
            detail={"person": change.person_id, "field": change.field.value},
        )

    async def _ring(self, change: ProfileChange) -> None:
        """Tell the liaisons that what waits for them has changed."""
        if change.delegation_id is None:
            return
        at = self._clock()
        for person_id in await self._store.verifiers(change.delegation_id, at):
            await self._bus.publish(f"user:#{person_id}", TodoChanged(id=self._new_id(), at=at))

    async def _tell(self, change: ProfileChange) -> None:
        kind = ProfileApplied if change.state is ChangeState.APPLIED else ProfileRefused
        event = kind(id=self._new_id(), v=change.v, at=self._clock(), field=change.field)
        await self._bus.publish(f"user:#{change.person_id}", event)


_LABELS = {
    ProfileField.WORK_UNIT: "工作单位",
    ProfileField.POST: "职务",
    ProfileField.PHONE: "手机号",
}


def _context(change_id: str) -> str:
    return f"profile_change.value:{change_id}"


def _may_verify(by: Person, change: ProfileChange) -> bool:
    return by.may(Permission.PROFILE_VERIFY, scope=f"deleg:{change.delegation_id}")


def _verifies(by: Person) -> frozenset[str] | None:
    """Answer the delegations whose changes somebody verifies, or ``None`` for all."""
    found: set[str] = set()
    for grant, cell in by.rights(Permission.PROFILE_VERIFY):
        if cell.reach is not Reach.SCOPE:
            return None
        found |= {scope.removeprefix("deleg:") for scope in grant.scopes if scope[:6] == "deleg:"}
    return frozenset(found)
