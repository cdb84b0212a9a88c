"""What others give to the owner of an account: an invitation, a password, a fresh authenticator."""

from __future__ import annotations

from domain.approvals import require_decider
from domain.errors import Forbidden, NotFound
from domain.identity.account import Account
from domain.identity.accounts import AccountService
from domain.identity.admission import Admission
from domain.identity.courier import Courier
from domain.identity.password_login import login_name
from domain.identity.passwords import generate
from domain.identity.sessions import SessionService
from domain.identity.surroundings import Surroundings
from domain.people import AccountState, Person
from domain.permissions import Permission
from domain.ports import Vault
from domain.role_grants import WATCHING, GrantStore
from domain.roster import Card, Roster, mobile_context

TEMPLATE = "invitation"
"""Template of the message; parameter ``name``."""


class Credentials:
    """Gives people what they log in with."""

    def __init__(
        self,
        accounts: AccountService,
        roster: Roster,
        admission: Admission,
        sessions: SessionService,
        grants: GrantStore,
        *,
        courier: Courier,
        vault: Vault,
        around: Surroundings,
    ) -> None:
        self._accounts = accounts
        self._roster = roster
        self._admission = admission
        self._sessions = sessions
        self._grants = grants
        self._courier = courier
        self._vault = vault
        self._around = around

    async def invite(self, person_id: str, *, by: Person) -> Account:
        """Invite somebody of the roster by SMS to bind their WeChat; again is harmless.

        Raises:
            NotFound: There is nobody, or not in the liaison's delegation.
        """
        card, account = await self.prepare(person_id, by=by)
        if card.mobile_enc is not None:
            phone = self._vault.open(card.mobile_enc, context=mobile_context(person_id))
            self._courier.send(phone, TEMPLATE, {"name": card.name})
        return account

    async def prepare(self, person_id: str, *, by: Person) -> tuple[Card, Account]:
        """Answer somebody of the roster whose account counts as invited from now on.

        Raises:
            NotFound: There is nobody, or not in the liaison's delegation.
        """
        card = await self._roster.get(person_id)
        if card is None or not card.active:
            raise NotFound
        if not by.may(Permission.ACCOUNT_INVITE, scope=f"deleg:{card.delegation_id}"):
            raise NotFound
        account = await self._accounts.prepare(person_id, by=by.id)
        if account.state is AccountState.IMPORTED:
            account = await self._accounts.advance(
                account, AccountState.INVITED, reason="邀请开通", by=by.id, also={}
            )
        return card, account

    async def reset_password(
        self, person_id: str, *, login: str | None = None, by: Person
    ) -> tuple[Account, str]:
        """Give an account a password that must be changed at the next login; answer it, once.

        The authenticator stays; see ``reset_totp``.

        Raises:
            Forbidden: It is one's own account, or that of somebody who watches.
            Conflict: The login name is taken.
        """
        require_decider(by, Permission.ACCOUNT_MANAGE)
        if person_id == by.id:
            raise Forbidden("不能重置本人密码", detail={"reason": "own_case"})
        await self._require_not_watching(person_id)
        account = await self._accounts.prepare(person_id, by=by.id)
        if login:
            named = {"login_name": login_name(login)}
            account = await self._accounts.keep(account, named, by=by.id)
        if account.state in {AccountState.IMPORTED, AccountState.INVITED}:
            account = await self._accounts.advance(
                account,
                AccountState.BOUND,
                AccountState.ACTIVE,
                reason="开通密码登录",
                by=by.id,
                also={},
            )
        password = generate()
        account = await self._admission.set_password(account, password, by=by.id, temporary=True)
        await self._sessions.revoke_all(person_id, by=by.id, reason="password_reset")
        return account, password

    async def reset_totp(self, person_id: str, *, reason: str, by: Person) -> Account:
        """Turn the authenticator of somebody off who has lost it; administrators enrol again.

        Raises:
            Forbidden: It is one's own account, or that of somebody who watches.
        """
        require_decider(by, Permission.ACCOUNT_MANAGE)
        if person_id == by.id:
            raise Forbidden("不能重置本人动态口令", detail={"reason": "own_case"})
        await self._require_not_watching(person_id)
        account = await self._accounts.get(person_id)
        off = {"totp_on": False, "totp_enc": None}
        account = await self._accounts.keep(account, off, by=by.id)
        await self._around.audit.record(
            "account.totp_reset", by=by.id, obj=f"person:{person_id}", detail={"reason": reason}
        )
        await self._sessions.revoke_all(person_id, by=by.id, reason="totp_reset")
        return account

    async def _require_not_watching(self, person_id: str) -> None:
        """Refuse where one administrator could become the second person of their own request.

        Who loses the way into such an account gives up the role, by two persons, and is given it
        anew; or an administrator is made at the command line.
        """
        for grant in await self._grants.in_force(person_id, self._around.clock()):
            if grant.role in WATCHING:
                raise Forbidden(
                    "管理员和审计员的登录凭据不能由他人重置", detail={"reason": "two_person"}
                )
