"""Codes from an authenticator app (RFC 6238): six digits, thirty seconds, each good once."""

from __future__ import annotations

import hmac

import pyotp

from domain.clock import Clock
from domain.identity.account import Account, AccountStore, totp_context
from domain.ports import Vault

_STEP = 30
_DRIFT = 1  # steps a phone's clock may be wrong either way


class Totp:
    """Makes secrets and judges codes."""

    def __init__(
        self, accounts: AccountStore, vault: Vault, *, clock: Clock, issuer: str = "代表服务平台"
    ) -> None:
        self._accounts = accounts
        self._vault = vault
        self._clock = clock
        self._issuer = issuer

    def secret(self) -> str:
        """Answer a fresh secret of 160 bits in base32."""
        return pyotp.random_base32(32)

    def seal(self, person_id: str, secret: str) -> bytes:
        """Answer what is kept in the place of a secret."""
        return self._vault.seal(secret, context=totp_context(person_id))

    def uri(self, secret: str, *, account: str) -> str:
        """Answer the ``otpauth://`` address that an app reads from a QR code."""
        return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=self._issuer)

    def secret_of(self, account: Account) -> str:
        """Answer the secret of an account that has one; for showing it during enrolment only."""
        if account.totp_enc is None:
            raise LookupError(account.id)
        return self._vault.open(account.totp_enc, context=totp_context(account.id))

    async def accept(self, account: Account, code: str) -> bool:
        """Tell whether a code is right now, and use it up: the same one is refused afterwards."""
        if account.totp_enc is None:
            return False
        step = self._matching(self.secret_of(account), code)
        return step is not None and await self._accounts.accept_step(account.id, step)

    def _matching(self, secret: str, code: str) -> int | None:
        now = int(self._clock().timestamp()) // _STEP
        totp = pyotp.TOTP(secret)
        found = None
        # Every step is compared, so that the time taken says nothing about which one it was.
        for step in range(now - _DRIFT, now + _DRIFT + 1):
            if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
                found = step
        return found
