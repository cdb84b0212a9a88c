"""Locks against guessing: after so many failures in a row, nobody tries for a while.

A try is counted before it is judged, so tries made at the same moment cannot all slip through. What
is counted may not exist: an unknown login name locks exactly like a known one and tells nothing.
"""

from __future__ import annotations

import hashlib
from collections import deque
from datetime import datetime
from typing import Protocol

from domain.errors import RateLimited
from domain.identity.events import AuthBurst
from domain.identity.surroundings import Surroundings

_BURST = 20
_BURST_SECONDS = 60


class TryStore(Protocol):
    """Where tries are counted."""

    async def count(self, key: str, *, at: datetime, limit: int, until: datetime) -> int | None:
        """Count a try and answer its number, from 1; ``None`` if ``limit`` were made already.

        ``until`` is when the count starts anew; each counted try moves it.
        """

    async def full(self, key: str, *, at: datetime, limit: int) -> bool:
        """Tell whether ``limit`` tries were made and the count has not started anew."""

    async def until(self, key: str) -> datetime | None:
        """Answer when the count of a key starts anew, or ``None``."""

    async def clear(self, key: str) -> None:
        """Forget the tries of a key."""


class Lockout:
    """Counts tries and says when it is enough."""

    def __init__(
        self,
        store: TryStore,
        around: Surroundings,
    ) -> None:
        self._store = store
        self._bus = around.bus
        self._clock = around.clock
        self._new_id = around.new_id
        self._policy = around.policy
        self._failures: deque[datetime] = deque(maxlen=_BURST)

    async def attempt(self, kind: str, key: str, *, tries: int = 0) -> int:
        """Count a try before it is judged; answer how many are left before the lock.

        Args:
            kind: What is tried: ``password``, ``pin``, ``totp``, ``sms``, ``face``.
            key: Whose; never a secret in the clear.
            tries: How many there are, where it is not as many as the policy says.

        Raises:
            RateLimited: The lock holds (code ``locked``).
        """
        at, tries = self._clock(), tries or self._policy.tries
        number = await self._store.count(
            f"{kind}:{key}", at=at, limit=tries, until=at + self._policy.lock
        )
        if number is None:
            raise await self._locked(f"{kind}:{key}", at)
        return tries - number

    async def require_open(self, kind: str, key: str, *, tries: int = 0) -> None:
        """Do nothing unless a lock holds.

        Raises:
            RateLimited: It does (code ``locked``).
        """
        at = self._clock()
        limit = tries or self._policy.tries
        if await self._store.full(f"{kind}:{key}", at=at, limit=limit):
            raise await self._locked(f"{kind}:{key}", at)

    async def failed(self, kind: str) -> None:
        """Note that a try was wrong; those who keep watch hear of many in a short time."""
        at = self._clock()
        self._failures.append(at)
        if len(self._failures) < _BURST:
            return
        seconds = (at - self._failures[0]).total_seconds()
        if seconds <= _BURST_SECONDS:
            self._failures.clear()
            event = AuthBurst(
                id=self._new_id(), at=at, kind=kind, count=_BURST, seconds=round(seconds)
            )
            await self._bus.publish("ops", event)

    async def passed(self, kind: str, key: str) -> None:
        """Start the count anew after a try that was right."""
        await self._store.clear(f"{kind}:{key}")

    async def passed_all(self, person_id: str, name: str) -> None:
        """Lift every lock of a person, because somebody who may has opened the account."""
        await self.passed("password", name)
        for kind in ("face", "pin", "totp", "step_up"):
            await self.passed(kind, person_id)

    async def _locked(self, key: str, at: datetime) -> Locked:
        until = await self._store.until(key)
        wait = (until - at).total_seconds() if until else self._policy.lock.total_seconds()
        return Locked(retry_after=wait)


class Locked(RateLimited):
    """Too many tries were wrong; ``detail.retry_after`` seconds until the next may be made."""

    code = "locked"

    def __init__(self, *, retry_after: float) -> None:
        super().__init__("尝试次数过多，请稍后再试", retry_after=retry_after)


def name_key(login_name: str | None) -> str:
    """Answer the key under which tries of a login name are counted, existing or not."""
    return hashlib.sha256((login_name or "").encode()).hexdigest()
