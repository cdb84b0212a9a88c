"""Sheets for the printer: a port, what stands on each card, and how cards lie on a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Card(NamedTuple):
    """One card as it is printed: the text of the code, and up to four lines below it."""

    code: str
    lines: tuple[str, ...]


class Layout(NamedTuple):
    """How cards lie on a page of A4; sizes in points.

    Attributes:
        code: Side of the code, its quiet zone included.
        first: Size of the first line, which may take ``wraps`` lines of paper.
        rest: Size of the other lines.
    """

    columns: int
    rows: int
    code: float
    first: int
    rest: int
    wraps: int = 1


BADGES = Layout(columns=2, rows=4, code=120, first=14, rest=9)
PAPERS = Layout(columns=5, rows=7, code=82, first=8, rest=7, wraps=2)
"""Thirty-five on a page: the papers of a session fit on one leaflet."""
SEATS = Layout(columns=2, rows=4, code=110, first=20, rest=12)
CONTACTS = Layout(columns=2, rows=5, code=100, first=13, rest=9)


class Poster(NamedTuple):
    """A page for a wall: where it hangs, how people come in, and the address in its code.

    Attributes:
        doors: The ways to come in, each with a sentence; they are drawn alike.
    """

    link: str
    title: str
    gate: str
    doors: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


class SheetPrinter(Protocol):
    """Lays cards and posters out on pages; the loop is not blocked meanwhile."""

    async def sheet(self, title: str, cards: Sequence[Card], layout: Layout = BADGES) -> bytes:
        """Answer a PDF of cards on pages of A4, in their order."""

    async def posters(self, title: str, posters: Sequence[Poster]) -> bytes:
        """Answer a PDF with each poster on a page of A4."""


MOST_CARDS = 1_000
"""Cards in one file."""
