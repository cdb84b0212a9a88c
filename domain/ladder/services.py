"""The use cases of the ladder, in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.ladder.calls import CallList
from domain.ladder.climb import Climb
from domain.ladder.consents import Consents
from domain.ladder.report import Reports


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Everything a handler may ask about the ladder."""

    calls: CallList
    climb: Climb
    consents: Consents
    reports: Reports
