"""A limiter for what every request counts: one number for each caller, however high the limit.

The generic cell rate algorithm: remember the instant at which the caller's burst would be paid
off, and refuse while that lies further ahead than the window. It allows ``limit`` calls at once and
``limit`` per window in the long run. Times come from a monotonic clock.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from domain.errors import RateLimited


class Throttle:
    """The port ``Limiter`` for one process and for large limits.

    Args:
        keys: Most keys remembered; the ones not hit for longest are forgotten first.
        now: Answers seconds that never go back.
    """

    def __init__(self, *, keys: int = 100_000, now: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._now = now
        self._paid_off: OrderedDict[str, float] = OrderedDict()

    async def hit(self, key: str, *, limit: int, seconds: float) -> None:
        """Count one attempt under ``key``.

        Raises:
            RateLimited: The caller is ahead of its rate by a whole window.
        """
        now = self._now()
        step = seconds / limit
        paid_off = max(self._paid_off.get(key, now), now) + step
        # Half a step of slack keeps rounding from refusing the last call of a burst.
        early = paid_off - now - seconds - step / 2
        if early > 0:
            raise RateLimited(retry_after=early)
        self._paid_off[key] = paid_off
        self._paid_off.move_to_end(key)
        if len(self._paid_off) > self._keys:
            self._paid_off.popitem(last=False)
