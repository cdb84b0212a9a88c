"""The use cases of codes and badges in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.passes.keys import KeyBook


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Everything a handler may ask about codes."""

    keys: KeyBook
