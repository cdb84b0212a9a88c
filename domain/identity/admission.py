"""From somebody who has proved who they are to a session: what is still missing for some.

An administrator shows an authenticator code whatever way they came, and enrols an authenticator
before anything else; a password that is expired, or known to somebody else, is changed first. Each
missing step is answered with a ticket in the place of a session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from domain.errors import Conflict, Invalid, Unauthenticated
from domain.identity.account import Account, AccountStore
from domain.identity.attempts import Attempt
from domain.identity.devices import DeviceSeen
from domain.identity.identities import Grants
from domain.identity.passwords import require_strong
from domain.identity.proofs import Proofs
from domain.identity.sessions import Opened, SessionService
from domain.identity.surroundings import Surroundings
from domain.permissions import Role

Step = Literal["totp", "enrol_totp", "change_password"]

PASSWORD = "password"


@dataclass(frozen=True)
class NextStep:
    """The proof was right, but more is needed; ``ticket`` opens that step."""

    step: Step
    ticket: str


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app reads; told once."""

    secret: str
    uri: str


class Admission:
    """Opens sessions, or says what is still missing."""

    def __init__(
        self,
        accounts: AccountStore,
        grants: Grants,
        sessions: SessionService,
        proofs: Proofs,
        around: Surroundings,
    ) -> None:
        self._accounts = accounts
        self._grants = grants
        self._sessions = sessions
        self._proofs = proofs
        self._around = around

    async def enter(
        self, account: Account, *, method: str, device: DeviceSeen, code: str = ""
    ) -> Opened | NextStep:
        """Let somebody in whose first proof was right, or answer the next step.

        Args:
            account: Whose it is; the caller has judged the proof.
            method: How they came: ``password``, ``wechat``, ``qr``.
            device: The browser.
            code: A code of the authenticator that came along, or empty.
        """
        if account.totp_on and (code or method == PASSWORD or await self._administers(account)):
            if not code:
                return await self._next("totp", account, method=method)
            await self.judge_code(account, code)
        elif await self._administers(account) and not account.totp_on:
            return await self._next("enrol_totp", account, method=method)
        return await self._go_on(account, method=method, device=device)

    async def with_code(self, ticket: str, code: str, *, device: DeviceSeen) -> Opened | NextStep:
        """Go on with a code of the authenticator.

        Raises:
            Unauthenticated: ``ticket_dead``, or ``bad_credentials`` if the code is wrong.
            RateLimited: ``locked`` after too many wrong codes.
        """
        account, kept = await self._of("totp", ticket)
        await self.judge_code(account, code)
        await self._proofs.tickets.take("totp", ticket)
        return await self._go_on(account, method=kept.data["method"], device=device)

    async def begin_enrolment(self, ticket: str) -> Enrolment:
        """Answer a fresh authenticator secret; it counts once a code of it was shown."""
        account, _ = await self._of("enrol_totp", ticket)
        return await self.new_secret(account)

    async def finish_enrolment(
        self, ticket: str, code: str, *, device: DeviceSeen
    ) -> Opened | NextStep:
        """Turn the authenticator on with its first code, and go on.

        Raises:
            Unauthenticated: ``ticket_dead``, or ``bad_credentials`` if the code is wrong.
        """
        account, kept = await self._of("enrol_totp", ticket)
        account = await self.turn_on(account, code)
        await self._proofs.tickets.take("enrol_totp", ticket)
        return await self._go_on(account, method=kept.data["method"], device=device)

    async def change_password(
        self, ticket: str, password: str, *, device: DeviceSeen
    ) -> Opened | NextStep:
        """Set a new password where the old one no longer lets anybody in, and go on.

        Raises:
            Unauthenticated: ``ticket_dead``.
            Invalid: The password is weak, or the old one.
        """
        account, kept = await self._of("change_password", ticket)
        account = await self.set_password(account, password, by=account.id)
        await self._proofs.tickets.take("change_password", ticket)
        return await self._go_on(account, method=kept.data["method"], device=device)

    async def judge_code(self, account: Account, code: str) -> None:
        """Do nothing if a code of the authenticator is right; it is used up.

        Raises:
            Unauthenticated: ``bad_credentials``: wrong, or shown before.
            RateLimited: ``locked`` after too many wrong codes.
        """
        await self._proofs.lockout.attempt("totp", account.id)
        if not await self._proofs.totp.accept(account, code):
            await self._proofs.lockout.failed("totp")
            raise bad_credentials()
        await self._proofs.lockout.passed("totp", account.id)

    async def new_secret(self, account: Account) -> Enrolment:
        """Keep a fresh authenticator secret that does not count yet, and answer it.

        Raises:
            Conflict: An authenticator is in use already.
        """
        if account.totp_on:
            raise Conflict("已绑定动态口令，请先解绑")
        totp = self._proofs.totp
        secret = totp.secret()
        await self._keep(account, {"totp_enc": totp.seal(account.id, secret)}, by=account.id)
        label = account.login_name or account.id
        return Enrolment(secret=secret, uri=totp.uri(secret, account=label))

    async def turn_on(self, account: Account, code: str) -> Account:
        """Turn the authenticator on with its first code.

        Raises:
            Conflict: It is on.
            Unauthenticated: ``bad_credentials``: the code is wrong.
        """
        if account.totp_on:
            raise Conflict("动态口令已启用")
        await self.judge_code(account, code)
        kept = await self._keep(account, {"totp_on": True}, by=account.id)
        await self._note("account.totp_on", account.id, by=account.id)
        return kept

    async def set_password(
        self, account: Account, password: str, *, by: str, temporary: bool = False
    ) -> Account:
        """Keep a new password.

        Raises:
            Invalid: It is weak, or the old one.
        """
        require_strong(password, login_name=account.login_name or "")
        hasher = self._proofs.hasher
        if account.password and await hasher.verify(account.password, password):
            raise Invalid("新密码不能与原密码相同", field="new_password")
        update = {
            "password": await hasher.hash(password),
            "password_at": self._around.clock(),
            "password_temporary": temporary,
        }
        kept = await self._keep(account, update, by=by)
        await self._note("account.password", account.id, by=by)
        return kept

    async def _go_on(
        self, account: Account, *, method: str, device: DeviceSeen
    ) -> Opened | NextStep:
        if method == PASSWORD and (account.password_temporary or await self._expired(account)):
            return await self._next("change_password", account, method=method)
        return await self._sessions.open(account.id, method=method, device=device)

    async def _expired(self, account: Account) -> bool:
        if not await self._administers(account):
            return False
        changed = account.password_at
        life = self._around.policy.password_life
        return changed is None or self._around.clock() - changed >= life

    async def _administers(self, account: Account) -> bool:
        grants = await self._grants.in_force(account.id, self._around.clock())
        return any(grant.role is Role.ADMIN for grant in grants)

    async def _next(self, step: Step, account: Account, *, method: str) -> NextStep:
        tickets = self._proofs.tickets
        data = {"method": method}
        return NextStep(step, await tickets.issue(step, person_id=account.id, data=data))

    async def _of(self, step: Step, ticket: str) -> tuple[Account, Attempt]:
        kept = await self._proofs.tickets.look(step, ticket)
        account = await self._accounts.get(kept.person_id)
        if account is None:
            raise bad_credentials()
        return account, kept

    async def _keep(self, account: Account, update: dict[str, object], *, by: str) -> Account:
        after = account.model_copy(
            update={
                **update,
                "updated_at": self._around.clock(),
                "updated_by": by,
                "v": account.v + 1,
            }
        )
        if not await self._accounts.change(after, was=account):
            raise Conflict("账号刚被变更，请重试", detail={"v": account.v})
        return after

    async def _note(self, action: str, person_id: str, *, by: str) -> None:
        await self._around.audit.record(action, by=by, obj=f"person:{person_id}")


def bad_credentials() -> Unauthenticated:
    """Answer the refusal that never says what was wrong."""
    return Unauthenticated("登录名、密码或验证码不正确", code="bad_credentials")
