"""The administrators' desk for accounts: finding them, and undoing what ties them to a person.

``domain.identity.accounts`` judges changes of state. Nobody is shown an openid or a number here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import require_decider
from domain.clock import Clock
from domain.errors import BadState, Conflict, NotFound
from domain.grants import GrantService
from domain.identity.account import Account, AccountStore
from domain.identity.accounts import AccountService
from domain.identity.sessions import SessionService
from domain.listing import Order, Slice
from domain.people import AccountState, Person
from domain.permissions import Permission, Role
from domain.ports import AuditLog
from domain.roster import Kind


class AccountRow(BaseModel):
    """One account in the list, with the card it belongs to.

    Attributes:
        bound: Whether a WeChat account is tied to it; which one, nobody is told.
        roles: Roles in force.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    kind: Kind
    deputy_no: str | None
    delegation_id: str | None
    state: AccountState
    bound: bool
    login_name: str | None
    roles: frozenset[Role]
    last_login_at: datetime | None
    locked_until: datetime | None
    ended_at: datetime | None
    planned: int
    v: int


BY_ID = Slice(Order())
"""How accounts are listed unless another order is asked for."""


class DeskStore(Protocol):
    """Finds accounts with their cards."""

    async def search(
        self,
        *,
        q: str,
        state: AccountState | None,
        role: Role | None,
        at: datetime,
        part: Slice,
    ) -> Sequence[AccountRow]:
        """Answer one part of the rows."""


class AccountDesk:
    """Lists accounts, changes their state, unbinds them and ends their sessions."""

    def __init__(
        self,
        store: DeskStore,
        accounts: AccountStore,
        states: AccountService,
        sessions: SessionService,
        grants: GrantService,
        *,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._states = states
        self._sessions = sessions
        self._grants = grants
        self._audit = audit
        self._clock = clock

    async def search(
        self,
        *,
        by: Person,
        q: str = "",
        state: AccountState | None = None,
        role: Role | None = None,
        part: Slice = BY_ID,
    ) -> Sequence[AccountRow]:
        """Answer accounts by name, state and role; auditors may look too."""
        by.require(Permission.ACCOUNT_MANAGE)
        return await self._store.search(q=q, state=state, role=role, at=self._clock(), part=part)

    async def get(self, person_id: str, *, by: Person) -> Account:
        """Answer an account with its history; auditors may look too.

        Raises:
            NotFound: The person has none.
        """
        by.require(Permission.ACCOUNT_MANAGE)
        return await self._get(person_id)

    async def change_state(
        self,
        person_id: str,
        to: AccountState,
        *,
        reason: str,
        document: str,
        by: Person,
        effective_at: datetime | None = None,
    ) -> Account:
        """Order a change of state; see ``AccountService``, which judges it.

        An administrator whose account opens again counts as one at once.
        """
        account = await self._states.change_state(
            person_id, to, reason=reason, document=document, by=by, effective_at=effective_at
        )
        if account.state is AccountState.ACTIVE:
            await self._grants.reinstate(person_id)
        return account

    async def unlock(self, person_id: str, *, reason: str, by: Person) -> Account:
        """Open an account that too many failures have locked, before the lock is over.

        Raises:
            BadState: It is not locked.
        """
        require_decider(by, Permission.ACCOUNT_MANAGE)
        account = await self._get(person_id)
        if account.state is not AccountState.LOCKED:
            raise BadState("该账号未被锁定")
        return await self._states.change_state(
            person_id, AccountState.ACTIVE, reason=reason, document="", by=by
        )

    async def unbind(self, person_id: str, *, reason: str, by: Person) -> None:
        """Untie the WeChat account, so that another can be bound; every session ends.

        Raises:
            BadState: None is tied to it.
            Conflict: The account just changed.
        """
        require_decider(by, Permission.ACCOUNT_MANAGE)
        account = await self._get(person_id)
        if account.openid_h is None:
            raise BadState("该账号未绑定微信")
        untied = account.model_copy(
            update={
                "openid_h": None,
                "openid_enc": None,
                "unionid_enc": None,
                "updated_at": self._clock(),
                "updated_by": by.id,
                "v": account.v + 1,
            }
        )
        if not await self._accounts.change(untied, was=account):
            raise Conflict("账号刚被他人变更，请刷新后重试", detail={"v": account.v})
        await self._audit.record(
            "account.unbind", by=by.id, obj=f"person:{person_id}", detail={"reason": reason}
        )
        await self._sessions.revoke_all(person_id, by=by.id, reason="unbound")

    async def revoke_sessions(self, person_id: str, *, reason: str, by: Person) -> int:
        """End every session of a person; answer how many there were."""
        require_decider(by, Permission.ACCOUNT_MANAGE)
        await self._get(person_id)
        await self._audit.record(
            "account.revoke_sessions",
            by=by.id,
            obj=f"person:{person_id}",
            detail={"reason": reason},
        )
        return await self._sessions.revoke_all(person_id, by=by.id, reason="revoked_by_admin")

    async def _get(self, person_id: str) -> Account:
        account = await self._accounts.get(person_id)
        if account is None:
            raise NotFound
        return account
