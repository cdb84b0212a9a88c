"""An account: by what a person is recognised, and in which state it is (PRODUCT.md §2.3).

Its id is the person id. What identifies a person outside, openid and mobile number, is kept twice:
sealed, and as a keyed hash by which it is found. Nobody, administrators included, is ever shown an
openid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from domain.people import AccountState

OPENID_DOMAIN = "openid"
"""Blind-index domain of openids."""

_S = AccountState

TRANSITIONS: Mapping[AccountState, frozenset[AccountState]] = {
    _S.IMPORTED: frozenset({_S.INVITED, _S.BOUND, _S.ENDED}),
    _S.INVITED: frozenset({_S.BOUND, _S.ENDED}),
    # Suspension and its end may meet an account that is bound but was never used.
    _S.BOUND: frozenset({_S.ACTIVE, _S.SUSPENDED, _S.ENDED}),
    _S.ACTIVE: frozenset({_S.LOCKED, _S.SUSPENDED, _S.ENDED}),
    _S.LOCKED: frozenset({_S.ACTIVE, _S.SUSPENDED, _S.ENDED}),
    _S.SUSPENDED: frozenset({_S.ACTIVE, _S.ENDED}),
    # Re-elected, or ended by mistake: the way back is open until the account is erased.
    _S.ENDED: frozenset({_S.ACTIVE, _S.ERASED}),
    _S.ERASED: frozenset(),
}
"""What may follow each state."""

MAY_LOG_IN = frozenset({_S.BOUND, _S.ACTIVE, _S.LOCKED, _S.SUSPENDED, _S.ENDED})
"""States in which a proof of identity opens a session; ``ended`` only while the archive is open."""


class StateChange(BaseModel):
    """One step of an account, past or planned.

    Attributes:
        document: Number of the document that orders it; empty where the person's own act does.
        by: Person id of the operator, or ``system``.
        effective_at: From when it holds; later than ``at`` where it was planned ahead.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    to: AccountState
    reason: str
    document: str = ""
    by: str
    at: datetime
    effective_at: datetime


class Account(BaseModel):
    """One account.

    Attributes:
        id: Person id.
        login_name: What is typed beside a password; lower case, unique; most deputies have none.
        password_temporary: Somebody else knows it, so it must be changed at the next login.
        totp_enc: Sealed secret of the authenticator app; counts only when ``totp_on``.
        totp_step: Number of the last 30-second step whose code was accepted; none older is.
        fail_count: Wrong passwords since the last login.
        locked_until: Until when too many failures keep the account shut.
        ended_at: When it became ``ended``.
        history: Every state change, oldest first.
        planned: State changes still to come.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    state: AccountState
    login_name: str | None = None
    openid_h: str | None = Field(default=None, repr=False)
    openid_enc: bytes | None = Field(default=None, repr=False)
    unionid_enc: bytes | None = Field(default=None, repr=False)
    phone_h: str | None = Field(default=None, repr=False)
    phone_enc: bytes | None = Field(default=None, repr=False)
    password: str | None = Field(default=None, repr=False)
    password_at: datetime | None = None
    password_temporary: bool = False
    totp_enc: bytes | None = Field(default=None, repr=False)
    totp_on: bool = False
    totp_step: int = 0
    pin: str | None = Field(default=None, repr=False)
    fail_count: int = 0
    locked_until: datetime | None = None
    last_login_at: datetime | None = None
    ended_at: datetime | None = None
    history: tuple[StateChange, ...] = ()
    planned: tuple[StateChange, ...] = ()
    v: int = 1
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str

    def state_at(self, at: datetime) -> AccountState:
        """Answer the state, where a lock whose time is over counts no more."""
        unlocked = self.locked_until is None or self.locked_until <= at
        if self.state is AccountState.LOCKED and unlocked:
            return AccountState.ACTIVE
        return self.state


def openid_context(person_id: str) -> str:
    """Answer the vault context of an account's openid."""
    return f"account.openid:{person_id}"


def unionid_context(person_id: str) -> str:
    """Answer the vault context of an account's unionid."""
    return f"account.unionid:{person_id}"


def phone_context(person_id: str) -> str:
    """Answer the vault context of an account's mobile number."""
    return f"account.phone:{person_id}"


def totp_context(person_id: str) -> str:
    """Answer the vault context of an account's authenticator secret."""
    return f"account.totp:{person_id}"


class AccountStore(Protocol):
    """Where accounts are kept."""

    async def get(self, person_id: str) -> Account | None:
        """Answer an account, or ``None``."""

    async def by_login_name(self, login_name: str) -> Account | None:
        """Answer the account with a login name, or ``None``."""

    async def by_openid(self, openid_h: str) -> Account | None:
        """Answer the account bound to a blinded openid, or ``None``."""

    async def by_phone(self, phone_h: str) -> Account | None:
        """Answer the account with a blinded mobile number, or ``None``."""

    async def add(self, account: Account) -> bool:
        """Keep a new account; tell whether there was none of this person.

        Raises:
            Conflict: Its login name, openid or mobile number is another's.
        """

    async def change(self, account: Account, *, was: Account) -> bool:
        """Keep what differs from ``was``, if nobody changed it meanwhile; tell whether so.

        Raises:
            Conflict: Its login name, openid or mobile number is another's.
        """

    async def failed(self, login_name: str) -> None:
        """Count a wrong password; a name that nobody has takes the same time."""

    async def logged_in(self, person_id: str, at: datetime) -> int:
        """Note a login; answer how many wrong passwords there were since the last one."""

    async def accept_step(self, person_id: str, step: int) -> bool:
        """Use up an authenticator step; tell whether it was later than every one before."""

    async def due(self, at: datetime, *, limit: int) -> Sequence[Account]:
        """Answer accounts with a planned change whose time has come."""
