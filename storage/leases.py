"""Leases: what only one process may do at a time, for as long as it says that it is alive.

``lease {_id: name, owner, until, token}``; ``token`` grows whenever the lease changes hands, so a
document that keeps the token of its last writer can refuse one who lost the lease without noticing.
The clocks of the machines must agree to within a second or two (NTP).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from domain.clock import Clock
from domain.errors import Conflict, UpstreamDown
from storage.client import Database, Duplicate

log = logging.getLogger(__name__)


class LeaseTaken(Conflict):
    """Somebody else holds the lease."""


class Leases:
    """Takes, keeps and gives back leases on behalf of ``owner``, a name unique to the process."""

    def __init__(self, db: Database, clock: Clock, owner: str) -> None:
        self._leases = db["lease"]
        self._clock = clock
        self.owner = owner

    async def hold(self, name: str, seconds: float) -> int:
        """Take the lease, or keep it if it is ours, for ``seconds`` from now.

        Returns:
            The token, 1 or more; or 0 if somebody else holds the lease.
        """
        now = self._clock()
        until = now + timedelta(seconds=seconds)
        kept = await self._leases.find_one_and_update(
            {"_id": name, "owner": self.owner, "until": {"$gt": now}}, {"$set": {"until": until}}
        )
        if kept is None:
            try:
                kept = await self._leases.find_one_and_update(
                    {"_id": name, "until": {"$lte": now}},
                    {"$set": {"owner": self.owner, "until": until}, "$inc": {"token": 1}},
                    upsert=True,
                )
            except Duplicate:
                return 0
        return int(kept["token"]) if kept else 0

    async def release(self, name: str) -> None:
        """Give the lease back if it is ours; the token stays, so that it goes on growing."""
        now = self._clock()
        await self._leases.update_one(
            {"_id": name, "owner": self.owner, "until": {"$gt": now}}, {"$set": {"until": now}}
        )

    @asynccontextmanager
    async def holding(
        self, name: str, seconds: float, *, patience: float = 0.0
    ) -> AsyncIterator[int]:
        """Hold the lease for as long as the block runs, and answer the token.

        It is renewed three times in its span. If it is lost all the same, the block is cancelled
        and ``LeaseTaken`` raised, because somebody else may have begun.

        Args:
            name: What is leased.
            seconds: Span after which the lease of a process that died is free.
            patience: Seconds to wait for somebody else to finish.

        Raises:
            LeaseTaken: Somebody else holds the lease.
        """
        token = await self._win(name, seconds, patience)
        try:
            async with asyncio.timeout(None) as scope:
                keeper = asyncio.create_task(
                    self._keep(name, seconds, token, scope), name=f"lease {name}"
                )
                try:
                    yield token
                finally:
                    keeper.cancel()
                    await asyncio.wait((keeper,))
        except TimeoutError:
            if scope.expired():
                raise LeaseTaken(f"{name} 已由其他进程接管") from None
            raise
        finally:
            await self.release(name)

    async def _win(self, name: str, seconds: float, patience: float) -> int:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while not (token := await self.hold(name, seconds)):
            if loop.time() >= deadline:
                raise LeaseTaken(f"{name} 正由其他进程执行")
            await asyncio.sleep(min(0.25, seconds / 4))
        return token

    async def _keep(self, name: str, seconds: float, token: int, scope: asyncio.Timeout) -> None:
        """Renew until the lease is not the one that was taken; then end the block."""
        kept = token
        while kept == token:
            await asyncio.sleep(seconds / 3)
            try:
                kept = await self.hold(name, seconds)
            except UpstreamDown:
                # The span bridges a short absence, and nobody can take the lease meanwhile; the
                # token of the next renewal tells whether it changed hands.
                log.warning("lease %s: renewal not answered, trying again", name)
            except Exception:
                log.exception("lease %s: cannot be renewed", name)
                break
        scope.reschedule(asyncio.get_running_loop().time())
