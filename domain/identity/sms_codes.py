"""Six digits by text message: kept only as a keyed hash, good for minutes, few tries.

A code for somebody unknown is made, kept and judged in the same way as any other; only nobody is
sent it, and no digits are right. So neither body nor timing tells the two apart.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from domain.errors import Unauthenticated
from domain.identity.attempts import Attempt, AttemptStore
from domain.identity.courier import Courier
from domain.identity.lockout import Lockout
from domain.identity.surroundings import Surroundings
from domain.ports import Limiter, Vault
from domain.roster import PHONE_DOMAIN

TEMPLATE = "login_code"
"""Template of the message; parameters ``code`` and ``minutes``."""

_KIND = "code"
_HASH_DOMAIN = "sms_code"
_DAY = 86_400


class SmsCodes:
    """Sends codes and judges them."""

    def __init__(
        self,
        store: AttemptStore,
        vault: Vault,
        lockout: Lockout,
        limiter: Limiter,
        courier: Courier,
        around: Surroundings,
    ) -> None:
        self._store = store
        self._vault = vault
        self._lockout = lockout
        self._limiter = limiter
        self._courier = courier
        self._around = around

    async def send(
        self, purpose: str, phone: str, *, person_id: str, data: Mapping[str, Any] | None = None
    ) -> Attempt:
        """Send a code and answer the attempt it belongs to.

        Args:
            purpose: What the code is for; it is good for nothing else.
            phone: The number as typed.
            person_id: Whom it would prove, or empty if nobody is there: then nothing is sent.
            data: What the purpose wants to find again.

        Raises:
            RateLimited: One a minute and ten a day for each number; ``locked`` after five wrong.
        """
        phone_h = self._vault.blind(phone, domain=PHONE_DOMAIN)
        await self._lockout.require_open("sms", phone_h)
        await self._limiter.hit(f"sms:{phone_h}", limit=1, seconds=60)
        await self._limiter.hit(f"sms-day:{phone_h}", limit=10, seconds=_DAY)
        at, policy = self._around.clock(), self._around.policy
        attempt_id, code = self._around.new_id(), f"{secrets.randbelow(1_000_000):06d}"
        attempt = Attempt(
            id=attempt_id,
            kind=_KIND,
            person_id=person_id,
            data={
                **(data or {}),
                "purpose": purpose,
                "phone_h": phone_h,
                "code_h": self._hash(attempt_id, code),
            },
            created_at=at,
            until=at + policy.sms_code,
        )
        await self._store.add(attempt)
        if person_id:
            minutes = str(int(policy.sms_code.total_seconds() // 60))
            self._courier.send(phone, TEMPLATE, {"code": code, "minutes": minutes})
        return attempt

    async def judge(self, purpose: str, attempt_id: str, code: str) -> Attempt:
        """Answer the attempt whose code this is; it can still be judged again, see ``use``.

        Raises:
            Unauthenticated: ``code_wrong``: wrong, over, used, or of nobody; never which.
            RateLimited: ``locked`` after five wrong ones.
        """
        found = await self._store.get(_KIND, attempt_id, at=self._around.clock())
        if found is None or found.state != "open" or found.data["purpose"] != purpose:
            raise _wrong()
        await self._lockout.attempt("sms", found.data["phone_h"])
        right = hmac.compare_digest(found.data["code_h"], self._hash(attempt_id, code))
        # ``and`` after the comparison: nobody's code is compared like everybody's.
        if not (right and found.person_id):
            await self._lockout.failed("sms")
            raise _wrong()
        await self._lockout.passed("sms", found.data["phone_h"])
        return found

    async def use(self, attempt: Attempt) -> None:
        """Use a code up.

        Raises:
            Unauthenticated: ``code_wrong``: somebody was faster.
        """
        at = self._around.clock()
        if await self._store.move(_KIND, attempt.id, at=at, was="open", to="used") is None:
            raise _wrong()

    def _hash(self, attempt_id: str, code: str) -> str:
        return self._vault.blind(f"{attempt_id}:{code}", domain=_HASH_DOMAIN)


def _wrong() -> Unauthenticated:
    return Unauthenticated("信息或验证码不正确，或验证码已失效", code="code_wrong")
