"""Time and identity come in through the door: nothing in the house looks at a wall clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from ulid import ULID

Clock = Callable[[], datetime]
"""Answers the present instant, aware, in UTC, cut to the millisecond that MongoDB keeps."""

NewId = Callable[[], str]
"""Answers a fresh ULID: 26 characters, sortable by creation time."""

SHANGHAI = ZoneInfo("Asia/Shanghai")


def system_clock() -> datetime:
    """Answer the present instant of this machine."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def new_ulid() -> str:
    """Answer a fresh ULID from this machine's clock and randomness."""
    return str(ULID())


def local_day(instant: datetime) -> date:
    """Answer the calendar day in Shanghai on which ``instant`` falls."""
    return instant.astimezone(SHANGHAI).date()
