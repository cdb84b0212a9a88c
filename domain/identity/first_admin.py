"""The first administrator, made at the command line: nobody is built in, nobody has a default."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from domain.errors import Conflict
from domain.identity.account import Account, AccountStore
from domain.identity.password_login import login_name
from domain.identity.passwords import Hasher, generate
from domain.identity.surroundings import Surroundings
from domain.identity.totp import Totp
from domain.people import AccountState
from domain.permissions import Role
from domain.roster import Card, Kind, Roster


class Installer(Protocol):
    """Gives roles without a second person."""

    async def install(self, person_id: str, role: Role, *, by: str, reason: str) -> object:
        """Give a role."""


class Holders(Protocol):
    """Knows who holds a role."""

    async def holders(self, role: Role, at: datetime) -> frozenset[str]:
        """Answer the ids of the people who hold a role at an instant."""


@dataclass(frozen=True)
class Created:
    """What the command prints, once; it is kept nowhere.

    ``totp_uri`` goes into an authenticator app; ``password`` must be changed at the first login.
    """

    person_id: str
    login_name: str
    password: str = field(repr=False)
    totp_uri: str = field(repr=False)


class FirstAdmin:
    """Makes administrators from outside, where there is none who could do it from inside."""

    def __init__(
        self,
        roster: Roster,
        accounts: AccountStore,
        installer: Installer,
        holders: Holders,
        *,
        hasher: Hasher,
        totp: Totp,
        around: Surroundings,
    ) -> None:
        self._roster = roster
        self._accounts = accounts
        self._installer = installer
        self._holders = holders
        self._hasher = hasher
        self._totp = totp
        self._around = around

    async def create(self, name: str, login: str, *, force: bool = False) -> Created:
        """Make an administrator with a generated password and an authenticator.

        Raises:
            Conflict: ``admin_exists`` unless forced, or the login name is taken.
        """
        around, login = self._around, login_name(login)
        at = around.clock()
        if not force and await self._holders.holders(Role.ADMIN, at):
            raise Conflict("已有系统管理员", code="admin_exists")
        if await self._accounts.by_login_name(login) is not None:
            raise Conflict("该登录名已被使用", field="login_name")
        card = await self._roster.put(Card(id=around.new_id(), kind=Kind.STAFF, name=name))
        password, secret = generate(), self._totp.secret()
        account = Account(
            id=card.id,
            state=AccountState.ACTIVE,
            login_name=login,
            password=await self._hasher.hash(password),
            password_at=at,
            password_temporary=True,
            totp_enc=self._totp.seal(card.id, secret),
            totp_on=True,
            created_at=at,
            created_by="system",
            updated_at=at,
            updated_by="system",
        )
        await self._accounts.add(account)
        await self._installer.install(card.id, Role.ADMIN, by="system", reason="命令行创建管理员")
        await around.audit.record(
            "admin.create", by="system", obj=f"person:{card.id}", detail={"forced": force}
        )
        uri = self._totp.uri(secret, account=login)
        return Created(card.id, login, password=password, totp_uri=uri)
