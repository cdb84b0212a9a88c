"""The use cases of duty records in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.duty.book import DutyBook
from domain.duty.desk import DutyDesk
from domain.duty.registering import DutyRegistry


@dataclass(frozen=True, kw_only=True)
class Duty:
    """Everything a handler may ask about duty records."""

    book: DutyBook
    desk: DutyDesk
    registry: DutyRegistry
