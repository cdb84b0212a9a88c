"""Proving once more who one is, right before an act that matters; and the PIN, one of the ways.

Every way is open to everybody who has set it up. Face recognition is never the only one: whoever
has a mobile number can always use SMS.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from domain.errors import Conflict, Invalid, Unauthenticated
from domain.identity.account import Account, phone_context
from domain.identity.accounts import AccountService
from domain.identity.admission import Admission
from domain.identity.attempts import Attempt
from domain.identity.proofs import Proofs
from domain.identity.sessions import SessionService
from domain.identity.surroundings import Surroundings
from domain.people import Person
from domain.ports import Vault

_PURPOSE = "step_up"

_STRAIGHT = "0123456789" * 2


class Method(StrEnum):
    """Ways to prove oneself again."""

    SMS = "sms"
    PIN = "pin"
    TOTP = "totp"
    PASSWORD = "password"


class StepUp:
    """Judges fresh proofs."""

    def __init__(
        self,
        accounts: AccountService,
        sessions: SessionService,
        admission: Admission,
        proofs: Proofs,
        vault: Vault,
        around: Surroundings,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._admission = admission
        self._proofs = proofs
        self._vault = vault
        self._around = around

    async def methods(self, *, by: Person) -> list[Method]:
        """Answer the ways this person has set up."""
        account = await self._accounts.get(by.id)
        return [method for method, has in _has(account).items() if has]

    async def send_code(self, *, by: Person) -> Attempt:
        """Send an SMS code to one's own mobile number.

        Raises:
            Conflict: No number is known.
            RateLimited: One code a minute and ten a day.
        """
        account = await self._accounts.get(by.id)
        if account.phone_enc is None:
            raise Conflict("账号未登记手机号", code="not_set_up")
        phone = self._vault.open(account.phone_enc, context=phone_context(by.id))
        return await self._proofs.codes.send(_PURPOSE, phone, person_id=by.id)

    async def prove(
        self, method: Method, secret: str, *, by: Person, attempt_id: str = ""
    ) -> datetime:
        """Open the window in which the session may do what matters; answer when it closes.

        Args:
            method: The way.
            secret: PIN, password, authenticator code or SMS code.
            by: Who proves themselves.
            attempt_id: With ``sms``, which message the code came in.

        Raises:
            Unauthenticated: ``proof_wrong``.
            RateLimited: ``locked`` after five wrong ones.
            Conflict: ``not_set_up``: the person does not have this way.
        """
        account = await self._accounts.get(by.id)
        if not _has(account)[method]:
            raise Conflict("尚未设置该验证方式", code="not_set_up")
        match method:
            case Method.SMS:
                attempt = await self._proofs.codes.judge(_PURPOSE, attempt_id, secret)
                if attempt.person_id != by.id:
                    raise _wrong()
                await self._proofs.codes.use(attempt)
            case Method.TOTP:
                await self._admission.judge_code(account, secret)
            case Method.PIN:
                await self._judge("pin", account.id, account.pin, secret)
            case Method.PASSWORD:
                await self._judge("step_up", account.id, account.password, secret)
        return await self._sessions.prove(by=by, method=method.value)

    async def set_pin(self, pin: str, *, by: Person) -> None:
        """Set one's PIN; the endpoint demands a fresh proof.

        Raises:
            Invalid: It is one of those that are guessed first.
        """
        if len(set(pin)) < 3 or pin in _STRAIGHT or pin in _STRAIGHT[::-1]:
            raise Invalid("PIN 过于简单", field="pin")
        account = await self._accounts.get(by.id)
        hashed = await self._proofs.hasher.hash(pin)
        await self._accounts.keep(account, {"pin": hashed}, by=by.id)
        await self._proofs.lockout.passed("pin", by.id)
        await self._note("account.pin", by)

    async def change_password(self, old: str, new: str, *, by: Person) -> None:
        """Change one's password; every other session ends.

        Raises:
            Unauthenticated: ``proof_wrong``: the old one is wrong.
            Invalid: The new one is weak, or the old one.
            Conflict: ``not_set_up``: the account has no password.
        """
        account = await self._accounts.get(by.id)
        if account.password is None:
            raise Conflict("账号未设置密码", code="not_set_up")
        await self._judge("step_up", account.id, account.password, old)
        await self._admission.set_password(account, new, by=by.id)
        await self._sessions.revoke_all(
            by.id, by=by.id, reason="password_changed", keep=by.session_id
        )

    async def drop_totp(self, *, by: Person) -> None:
        """Turn one's authenticator off; the endpoint demands a fresh proof.

        Administrators who do so must enrol again at the next login.
        """
        account = await self._accounts.get(by.id)
        await self._accounts.keep(account, {"totp_on": False, "totp_enc": None}, by=by.id)
        await self._note("account.totp_off", by)

    async def _judge(self, kind: str, key: str, kept: str | None, secret: str) -> None:
        await self._proofs.lockout.attempt(kind, key)
        if not await self._proofs.hasher.verify(kept, secret):
            await self._proofs.lockout.failed(kind)
            raise _wrong()
        await self._proofs.lockout.passed(kind, key)

    async def _note(self, action: str, by: Person) -> None:
        await self._around.audit.record(action, by=by.id, obj=f"person:{by.id}")


def _has(account: Account) -> Mapping[Method, bool]:
    return {
        Method.SMS: account.phone_enc is not None,
        Method.PIN: account.pin is not None,
        Method.TOTP: account.totp_on,
        Method.PASSWORD: account.password is not None,
    }


def _wrong() -> Unauthenticated:
    return Unauthenticated("验证未通过", code="proof_wrong")
