"""The person who acts: who they are, which roles they hold over which scopes, what they may do.

``Person`` is what every service receives as ``by=``. It is built once per request from the login
session, the account and the roster, and is never stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from domain.errors import Forbidden
from domain.permissions import (
    DEVICE_ROLES,
    GuestFunction,
    Permission,
    Reach,
    Right,
    Role,
    right,
)


class AccountState(StrEnum):
    """States of an account, PRODUCT.md §2.3."""

    IMPORTED = "imported"
    INVITED = "invited"
    BOUND = "bound"
    ACTIVE = "active"
    LOCKED = "locked"
    SUSPENDED = "suspended"
    ENDED = "ended"
    ERASED = "erased"


class Flag(StrEnum):
    """What a deputy is besides being a deputy; flags add rights inside their scope."""

    DELEGATION_HEAD = "delegation_head"
    DELEGATION_DEPUTY_HEAD = "delegation_deputy_head"
    GROUP_CONVENER = "group_convener"
    NPCSC_MEMBER = "npcsc_member"
    COMMITTEE_MEMBER = "committee_member"
    LEAD_SPONSOR = "lead_sponsor"


class Grant(BaseModel):
    """One role over some scopes, for a time.

    ``scopes`` holds ``<kind>:<id>`` strings such as ``deleg:pudong`` or ``unit:jtw``; empty means
    the role needs none. ``since``/``until`` bound the grant; ``until`` is exclusive. ``functions``
    are what a guest is let into the meeting for.
    """

    model_config = ConfigDict(frozen=True)

    role: Role
    scopes: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    functions: frozenset[GuestFunction] = frozenset()

    def holds(self, at: datetime) -> bool:
        """Tell whether the grant is in force at an instant."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


class Person(BaseModel):
    """Somebody who is signed in, as the house sees them now.

    Attributes:
        id: Person id, a ULID; also the id of the account.
        grants: Roles in force now.
        flags: What the person is besides the role.
        session_id: The login session that speaks, or empty for the system.
        step_up_until: Until when a fresh proof of identity counts, or ``None``.
        break_glass_until: Until when an approved break-glass window is open, or ``None``.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    state: AccountState = AccountState.ACTIVE
    grants: tuple[Grant, ...] = ()
    flags: frozenset[Flag] = frozenset()
    delegation_id: str | None = None
    group_id: str | None = None
    committee_ids: frozenset[str] = frozenset()
    org_id: str | None = None
    session_id: str = ""
    device_id: str = ""
    step_up_until: datetime | None = None
    break_glass_until: datetime | None = None

    @property
    def roles(self) -> frozenset[Role]:
        """The roles in force."""
        return frozenset(grant.role for grant in self.grants)

    @property
    def is_device(self) -> bool:
        """Whether it is no person but a screen or a scanner."""
        return not self.roles.isdisjoint(DEVICE_ROLES)

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """Everything the person may do somewhere, in the order of the matrix."""
        return _permissions(self.state, self.roles)

    def rights(self, permission: Permission) -> Iterator[tuple[Grant, Right]]:
        """Yield each grant that gives the permission, with how far it goes."""
        if not _may_act(self.state, permission):
            return
        for grant in self.grants:
            cell = right(grant.role, permission)
            if cell is not None:
                yield grant, cell

    def may(self, permission: Permission, *, scope: str | None = None) -> bool:
        """Tell whether the person may do this kind of thing, and in ``scope`` if one is named."""
        return any(
            scope is None or cell.reach is not Reach.SCOPE or scope in grant.scopes
            for grant, cell in self.rights(permission)
        )

    def require(self, permission: Permission, *, scope: str | None = None) -> None:
        """Do nothing if the person may.

        Raises:
            Forbidden: The person may not.
        """
        if not self.may(permission, scope=scope):
            raise Forbidden(detail={"permission": permission.value})


SYSTEM = Person(id="system", name="系统")
"""The hub itself, where a job or a migration acts. It holds no role and passes no ``require``."""

_MAY_ACT = frozenset({AccountState.ACTIVE, AccountState.SUSPENDED})

_LEFT_WHEN_SUSPENDED = frozenset({Permission.DIRECTORY_READ})


def _may_act(state: AccountState, permission: Permission) -> bool:
    if state is AccountState.SUSPENDED:
        return permission in _LEFT_WHEN_SUSPENDED
    return state in _MAY_ACT


@lru_cache(maxsize=1024)
def _permissions(state: AccountState, roles: frozenset[Role]) -> tuple[Permission, ...]:
    return tuple(
        permission
        for permission in Permission
        if _may_act(state, permission)
        and any(right(role, permission) is not None for role in roles)
    )
