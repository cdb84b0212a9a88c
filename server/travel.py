"""Time for tests of a whole hub: ``X-Test-Now`` moves the clock of one request.

Deadlines of months need not be waited for. ``server.assembly`` uses this clock only where
``HUB_ENV`` is ``test``.
"""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime

from domain.clock import Clock


class TravelClock:
    """A clock that each request may set for itself and for what it starts."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self._moved: ContextVar[datetime | None] = ContextVar("moved", default=None)

    def __call__(self) -> datetime:
        """Answer the instant the present request has asked for, or the time it is."""
        return self._moved.get() or self._base()

    def travel(self, instant: datetime) -> None:
        """Set the time of the present request."""
        self._moved.set(instant.replace(microsecond=instant.microsecond // 1000 * 1000))
