"""Counts attempts in sliding windows, in one process or for all processes at once.

``limit {_id: "<key>|<limit>|<seconds>", at: [newest hits, at most limit], exp}``; the server
removes what has expired. Each attempt is one conditional update, so that two processes cannot both
take the last place.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime, timedelta

from domain.clock import Clock
from domain.errors import RateLimited, UpstreamDown
from storage.client import Database, Duplicate

MOST = 1000
"""Largest limit that can be counted exactly; the times of so many hits are kept per key."""


class MemoryLimiter:
    """The port ``Limiter`` for one process.

    Args:
        clock: Tells the time.
        keys: Most keys remembered; the ones not hit for longest are forgotten first.
    """

    def __init__(self, clock: Clock, *, keys: int = 100_000) -> None:
        self._clock = clock
        self._keys = keys
        self._hits: OrderedDict[tuple[str, int, float], deque[datetime]] = OrderedDict()

    async def hit(self, key: str, *, limit: int, seconds: float) -> None:
        """Count one attempt under ``key``.

        Raises:
            RateLimited: ``limit`` attempts were already made in the last ``seconds``.
        """
        _check(limit)
        now = self._clock()
        hits = self._hits.setdefault((key, limit, seconds), deque(maxlen=limit))
        self._hits.move_to_end((key, limit, seconds))
        wait = _wait(hits[0], now, seconds) if len(hits) == limit else 0.0
        if wait > 0:
            raise RateLimited(retry_after=wait)
        hits.append(now)
        while len(self._hits) > self._keys:
            self._hits.popitem(last=False)


class MongoLimiter:
    """The port ``Limiter`` for every process that shares a database."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._limits = db["limit"]
        self._clock = clock

    async def hit(self, key: str, *, limit: int, seconds: float) -> None:
        """Count one attempt under ``key``.

        Raises:
            RateLimited: ``limit`` attempts were already made in the last ``seconds``.
        """
        _check(limit)
        name = f"{key}|{limit}|{seconds:g}"
        # A refusal and a lost race look the same; after a lost race the next round tells.
        for _ in range(5):
            now = self._clock()
            if await self._take(name, now, limit=limit, seconds=seconds):
                return
            kept = await self._limits.find_one({"_id": name})
            if kept is not None and len(kept["at"]) >= limit:
                wait = _wait(kept["at"][0], now, seconds)
                if wait > 0:
                    raise RateLimited(retry_after=wait)
        raise UpstreamDown("系统繁忙，请稍后再试", upstream="mongodb", retry_after=1)

    async def _take(self, name: str, now: datetime, *, limit: int, seconds: float) -> bool:
        """Note a hit where the oldest of the last ``limit`` hits has left the window."""
        room = [
            {f"at.{limit - 1}": {"$exists": False}},
            {"at.0": {"$lte": now - timedelta(seconds=seconds)}},
        ]
        try:
            await self._limits.update_one(
                {"_id": name, "$or": room},
                {
                    "$push": {"at": {"$each": [now], "$slice": -limit}},
                    "$max": {"exp": now + timedelta(seconds=seconds)},
                },
                upsert=True,
            )
        except Duplicate:
            return False
        return True


def _wait(oldest: datetime, now: datetime, seconds: float) -> float:
    return seconds - (now - oldest).total_seconds()


def _check(limit: int) -> None:
    if not 1 <= limit <= MOST:
        raise ValueError(f"a limit is from 1 to {MOST}, not {limit}")
