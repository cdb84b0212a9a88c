"""How fast one account, or one address that nobody is signed in at, may call each kind of endpoint.

These limits protect a process from one caller, so they count per process. What must be counted
for the whole hub (codes sent to a phone, failed logins) is the business of the feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from domain.ports import Limiter


class Rate(NamedTuple):
    """So many calls in so many seconds."""

    limit: int
    seconds: float


DEFAULT_RATES: Mapping[str, Rate] = {
    # A whole congress sits behind one address of the hall's network: be generous.
    "public": Rate(6000, 60),
    "read": Rate(1200, 60),
    "write": Rate(300, 60),
    "upload": Rate(60, 60),
    "export": Rate(10, 60),
    "search": Rate(240, 60),
}


class Limits:
    """Counts calls by endpoint class and caller."""

    def __init__(self, limiter: Limiter, rates: Mapping[str, Rate] = DEFAULT_RATES) -> None:
        self._limiter = limiter
        self._rates = rates

    async def hit(self, kind: str, caller: str) -> None:
        """Count one call.

        Raises:
            RateLimited: The caller was too fast.
        """
        rate = self._rates[kind]
        await self._limiter.hit(f"{kind}:{caller}", limit=rate.limit, seconds=rate.seconds)
