"""Role grants: who is given which role over what, for how long.

A grant goes ``asked → granted → ended`` (or ``refused``); ``domain.grants`` says who may move it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.errors import BadState, Conflict
from domain.events import Event
from domain.listing import Slice
from domain.people import Grant
from domain.permissions import GuestFunction, Role

SCOPE_KINDS: Mapping[Role, frozenset[str]] = {
    Role.LIAISON: frozenset({"deleg"}),
    Role.CMTE_STAFF: frozenset({"cmte", "unit", "mtg"}),
    Role.GOV_DISPATCH: frozenset({"unit"}),
    Role.UNIT: frozenset({"unit"}),
    # The head of a committee signs what the committee answers as a unit.
    Role.UNIT_HEAD: frozenset({"unit", "cmte"}),
    # Also of a committee: they prepare every meeting of the standing committee.
    Role.MTG_STAFF: frozenset({"mtg", "session", "cmte"}),
    Role.MODERATOR: frozenset({"room"}),
    Role.EDITOR: frozenset({"room"}),
    Role.GUEST: frozenset({"mtg"}),
}
"""Which kinds of scope a role can have; a role that is not named has none."""

SCOPE_NEEDED = frozenset({Role.LIAISON, Role.UNIT, Role.UNIT_HEAD, Role.GUEST})
"""Roles that mean nothing without a scope."""

WATCHING = frozenset({Role.ADMIN, Role.AUDITOR})
"""Roles that keep an eye on each other: no one person takes them away from another."""


class GrantState(StrEnum):
    """States of a role grant, PRODUCT.md §5 M10."""

    ASKED = "asked"
    GRANTED = "granted"
    ENDED = "ended"
    REFUSED = "refused"


class RoleGrant(BaseModel):
    """One role for one person, with the history of how it came about.

    ``functions`` are a guest's. ``since``/``until`` bound the span in which it is in force;
    ``until`` is exclusive and empty for an open end. ``sole`` marks a grant that the only
    administrator approved alone.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    role: Role
    scopes: frozenset[str] = frozenset()
    functions: frozenset[GuestFunction] = frozenset()
    since: datetime
    until: datetime | None = None
    state: GrantState
    reason: str
    asked_by: str
    asked_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    end_asked_by: str | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None
    end_reason: str = ""
    sole: bool = False
    v: int = 1

    def holds(self, at: datetime) -> bool:
        """Tell whether the grant is in force at an instant."""
        return (
            self.state is GrantState.GRANTED
            and self.since <= at
            and (self.until is None or at < self.until)
        )

    @property
    def grant(self) -> Grant:
        """What ``Person`` carries of it."""
        return Grant(
            role=self.role,
            scopes=self.scopes,
            since=self.since,
            until=self.until,
            functions=self.functions,
        )


class RoleChanged(Event):
    """A person's roles changed; what they may do must be asked for again."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["role.changed"] = "role.changed"
    role: Role
    state: GrantState


class GrantStore(Protocol):
    """Where grants are kept. Every change is conditional on the state it starts from."""

    async def in_force(self, person_id: str, at: datetime) -> tuple[Grant, ...]:
        """Answer what a person holds at an instant."""

    async def get(self, grant_id: str) -> RoleGrant | None:
        """Answer one grant."""

    async def of(self, person_id: str) -> Sequence[RoleGrant]:
        """Answer every grant a person ever had, newest first."""

    async def list(
        self, *, role: Role | None, state: GrantState | None, part: Slice
    ) -> Sequence[RoleGrant]:
        """Answer one part of the grants."""

    async def add(self, grant: RoleGrant) -> None:
        """Keep a new grant.

        Raises:
            Conflict: The same role has already been asked for or granted to the person.
        """

    async def settle(self, grant: RoleGrant, *, was: RoleGrant) -> bool:
        """Keep the new form of a grant if it still is as it ``was``; tell whether it was.

        Raises:
            Conflict: The person holds a role that excludes this one.
        """

    async def lapsed(self, at: datetime) -> Sequence[RoleGrant]:
        """Answer granted ones whose span is over."""

    async def holders(self, role: Role, at: datetime) -> frozenset[str]:
        """Answer the ids of the people who hold a role at an instant."""

    async def ended_since(self, at: datetime) -> frozenset[str]:
        """Answer the ids of the people who lost a role at an instant or later."""

    async def others_administer(self, person_id: str, at: datetime) -> bool:
        """Tell whether anybody else is an administrator at an instant."""

    async def enter_administrator(self, grant: RoleGrant) -> None:
        """Count a grant among those that keep the hub administered; doing it twice is harmless."""

    async def leave_administrator(self, grant: RoleGrant, at: datetime) -> bool:
        """Stop counting a grant, unless nobody else would remain: then answer ``False``.

        One atomic step, so that the last two cannot leave at the same time.
        """

    async def may_act(self, person_id: str) -> bool:
        """Tell whether a person's account is one that can act, a short lock aside."""


class End(NamedTuple):
    """How a scope ends: whether it has, and when it is planned to, if that is known."""

    over: bool = False
    at: datetime | None = None


class Scopes(Protocol):
    """Knows which scopes there are."""

    async def missing(self, scopes: frozenset[str]) -> frozenset[str]:
        """Answer those that do not exist."""

    async def end(self, scope: str) -> End:
        """Answer how a scope ends; one that never does, or is not there, has no end."""


def not_from(grant: RoleGrant) -> BadState:
    """Answer the refusal of a step that does not lead on from where a grant is."""
    allowed = {GrantState.ASKED: ("granted", "refused"), GrantState.GRANTED: ("ended",)}
    return BadState("当前状态不能执行此操作", allowed=allowed.get(grant.state, ()))


def last_admin() -> Conflict:
    """Answer the refusal to take the last administrator away."""
    return Conflict("这是最后一名系统管理员，不能移除", code="last_admin")
