"""One clockwork for every connection: who must be looked at, and when.

Entries sit in buckets by time; looking at somebody answers when to look again. There is no timer
and no coroutine for each connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

TICK = 0.25
"""Seconds between two looks."""

_log = logging.getLogger(__name__)


class Timed(Protocol):
    """Something that has deadlines."""

    def on_time(self, now: float) -> float | None:
        """Do what is due, and answer when to be called again, ``None`` for never."""


class Wheel:
    """Calls ``on_time`` of whoever is due, in batches of one tick."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[int, set[Timed]] = {}
        self._turned = int(now() / TICK)

    def at(self, when: float, whom: Timed) -> None:
        """Call ``whom`` at ``when``, or a little later; calling too often does no harm."""
        bucket = max(int(when / TICK) + 1, self._turned + 1)
        self._buckets.setdefault(bucket, set()).add(whom)

    def turn(self) -> None:
        """Call everybody who is due by now."""
        now = self._now()
        last = int(now / TICK)
        # After a long pause most buckets in between are empty: look only at those that exist.
        due = sorted(bucket for bucket in self._buckets if bucket <= last)
        self._turned = last
        for bucket in due:
            for whom in self._buckets.pop(bucket):
                try:
                    again = whom.on_time(now)
                except Exception:  # noqa: BLE001 - logged with its stack
                    # One connection's fault must not cost the others their pings.
                    _log.exception("deadline failed")
                    again = now + TICK
                if again is not None:
                    self.at(again, whom)
