"""Login with name and password, for staff."""

from __future__ import annotations

from typing import Protocol

from domain.identity.account import Account, AccountStore
from domain.identity.admission import PASSWORD, Admission, NextStep, bad_credentials
from domain.identity.devices import DeviceSeen
from domain.identity.identities import require_open
from domain.identity.lockout import name_key
from domain.identity.proofs import Proofs
from domain.identity.sessions import Opened
from domain.identity.surroundings import Surroundings


class Locks(Protocol):
    """Puts locks on accounts and takes them off."""

    async def lock(self, account: Account | None) -> None:
        """Note that too many failures shut an account; ``None``: nobody has that name."""

    async def unlock(self, account: Account) -> Account:
        """Answer the account after a lock whose time is over is off."""


class PasswordLogin:
    """Lets staff in who know their password."""

    def __init__(
        self,
        accounts: AccountStore,
        admission: Admission,
        proofs: Proofs,
        locks: Locks,
        around: Surroundings,
    ) -> None:
        self._accounts = accounts
        self._admission = admission
        self._hasher = proofs.hasher
        self._lockout = proofs.lockout
        self._locks = locks
        self._around = around

    async def login(
        self, name: str, password: str, *, device: DeviceSeen, code: str = ""
    ) -> Opened | NextStep:
        """Open a session, or answer the ticket of the step that is still missing.

        Raises:
            Unauthenticated: ``bad_credentials``: name, password or code is wrong; never which.
            RateLimited: ``locked`` after too many failures, whether the name exists or not.
        """
        name = login_name(name)
        key = name_key(name)
        left = await self._lockout.attempt(PASSWORD, key)
        account = await self._accounts.by_login_name(name)
        right = await self._hasher.verify(account.password if account else None, password)
        if account is None or not right:
            await self._accounts.failed(name)
            await self._lockout.failed(PASSWORD)
            if not left:
                await self._locks.lock(account)
            raise bad_credentials()
        await self._lockout.passed(PASSWORD, key)
        require_open(account, self._around.clock(), policy=self._around.policy)
        account = await self._stronger(await self._locks.unlock(account), password)
        return await self._admission.enter(account, method=PASSWORD, device=device, code=code)

    async def _stronger(self, account: Account, password: str) -> Account:
        """Answer the account after its hash was made again, if it was made with old parameters."""
        if account.password is None or not self._hasher.outdated(account.password):
            return account
        stronger = account.model_copy(
            update={"password": await self._hasher.hash(password), "v": account.v + 1}
        )
        return stronger if await self._accounts.change(stronger, was=account) else account


def login_name(name: str) -> str:
    """Answer a login name as it is kept: without spaces around it, in lower case."""
    return name.strip().lower()
