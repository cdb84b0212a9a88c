"""Sheets of cards, and posters, for the printer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby

from domain.passes.sheets import BADGES, Card, Layout, Poster
from storage.pdf_pages import HEIGHT, WIDTH, code, file, frame, text, width, wrapped

_TOP, _BOTTOM = 24.0, 14.0
_MARGIN = 48.0
_POSTER_CODE = 270.0


class PdfSheets:
    """Implements ``domain.passes.sheets.SheetPrinter``: in a thread, one file at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def sheet(self, title: str, cards: Sequence[Card], layout: Layout = BADGES) -> bytes:
        """Answer a PDF of cards on pages of A4, in their order."""
        async with self._turn:
            return await asyncio.to_thread(pdf, title, cards, layout)

    async def posters(self, title: str, posters: Sequence[Poster]) -> bytes:
        """Answer a PDF with each poster on a page of A4."""
        async with self._turn:
            return await asyncio.to_thread(file, title, [_poster(it) for it in posters])


def pdf(title: str, cards: Sequence[Card], layout: Layout) -> bytes:
    """Answer a file of cards."""
    of_page = layout.columns * layout.rows
    pages = groupby(enumerate(cards), key=lambda it: it[0] // of_page)
    return file(title, (_page(title, [card for _, card in some], layout) for _, some in pages))


def _page(title: str, cards: Sequence[Card], layout: Layout) -> Iterator[str]:
    wide, high = WIDTH / layout.columns, (HEIGHT - _TOP - _BOTTOM) / layout.rows
    yield text(title, WIDTH / 2, HEIGHT - 16, 9)
    for at, card in enumerate(cards):
        left, top = at % layout.columns * wide, HEIGHT - _TOP - at // layout.columns * high
        yield frame(left, top - high, wide, high)
        yield from code(
            card.code, left + (wide - layout.code) / 2, top - 6 - layout.code, layout.code
        )
        base = top - 8.0 - layout.code
        for place, line in enumerate(card.lines):
            size, most = (layout.rest, 1) if place else (layout.first, layout.wraps)
            for part in wrapped(line, wide - 8, size, most):
                base -= size * 1.2
                yield text(part, left + wide / 2, base, size)


def _poster(it: Poster) -> Iterator[str]:
    room, middle, base = WIDTH - 2 * _MARGIN, WIDTH / 2, HEIGHT - 60.0
    for part in wrapped(it.title, room, 30, 3):
        base -= 38
        yield text(part, middle, base, 30)
    base -= 62
    yield text("会议签到", middle, base, 46)
    if it.gate:
        base -= 46
        yield text(wrapped(it.gate, room, 32, 1)[0], middle, base, 32)
    base -= 20 + _POSTER_CODE
    yield from code(it.link, middle - _POSTER_CODE / 2, base, _POSTER_CODE)
    base -= 24
    wide = room / len(it.doors)
    for place, (name, says) in enumerate(it.doors):
        left = _MARGIN + place * wide
        yield frame(left + 4, base - 100, wide - 8, 100)
        yield text(name, left + wide / 2, base - 42, 28)
        for no, part in enumerate(wrapped(says, wide - 20, 11, 2)):
            yield text(part, left + wide / 2, base - 66 - 15 * no, 11)
    base -= 104
    for note in it.notes:
        base -= 20
        yield text(note, middle, base, 13)
    size = 9 if width(it.link, 9) <= room else 7
    yield text(it.link, middle, 28, size)
