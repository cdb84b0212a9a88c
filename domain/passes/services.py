"""The use cases of codes and badges in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.passes.badges import BadgeDesk
from domain.passes.hall_codes import HallCodes
from domain.passes.keys import KeyBook
from domain.passes.links import Links


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Everything a handler may ask about codes."""

    badges: BadgeDesk
    hall_codes: HallCodes
    keys: KeyBook
    links: Links
