"""Sheets of badges for the printer: a port, and what stands on each badge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Card(NamedTuple):
    """One badge as it is printed: the code, and up to three lines below it."""

    code: str
    lines: tuple[str, ...]


class SheetPrinter(Protocol):
    """Lays badges out on pages."""

    async def sheet(self, title: str, cards: Sequence[Card]) -> bytes:
        """Answer a PDF with eight badges on each page of A4; the loop is not blocked meanwhile."""


MOST_CARDS = 1_000
"""Badges in one file."""
