"""Sheets of badges as PDF: codes as rectangles, so that they are sharp on any printer.

Chinese is set in STSong-Light, which every PDF reader for Chinese knows; it is not embedded.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Sequence
from itertools import groupby

import segno
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from domain.passes.sheets import Card

WIDTH, HEIGHT = 595, 842
"""A4 in points."""

_COLUMNS, _ROWS = 2, 4
_CODE = 120.0
_TOP = 24.0


class PdfSheets:
    """Implements ``domain.passes.sheets.SheetPrinter``."""

    async def sheet(self, title: str, cards: Sequence[Card]) -> bytes:
        """Answer a PDF with eight badges on each page of A4; the loop is not blocked meanwhile."""
        return await asyncio.to_thread(pdf, title, cards)


def pdf(title: str, cards: Sequence[Card]) -> bytes:
    """Answer the file."""
    writer = PdfWriter()
    writer.add_metadata({"/Title": title})
    font = writer._add_object(_font())  # noqa: SLF001 - pypdf has no public way to add an object
    pages = groupby(enumerate(cards), key=lambda it: it[0] // (_COLUMNS * _ROWS))
    for _, some in pages:
        page = writer.add_blank_page(WIDTH, HEIGHT)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        content = DecodedStreamObject()
        content.set_data("\n".join(_page(title, [card for _, card in some])).encode())
        page[NameObject("/Contents")] = writer._add_object(content)  # noqa: SLF001
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def _page(title: str, cards: Sequence[Card]) -> Iterator[str]:
    wide, high = WIDTH / _COLUMNS, (HEIGHT - _TOP) / _ROWS
    yield from _text(title, WIDTH / 2, HEIGHT - 16, 9)
    for at, card in enumerate(cards):
        left, top = at % _COLUMNS * wide, HEIGHT - _TOP - at // _COLUMNS * high
        yield f"0.7 G 0.5 w {left:.2f} {top - high:.2f} {wide:.2f} {high:.2f} re S"
        yield from _code(card.code, left + (wide - _CODE) / 2, top - 6 - _CODE)
        for line, text in enumerate(card.lines):
            size = 14 if line == 0 else 9
            yield from _text(text, left + wide / 2, top - _CODE - 24 - 15 * line, size)


def _code(text: str, left: float, bottom: float) -> Iterator[str]:
    rows = list(segno.make(text, error="m", micro=False).matrix_iter(border=4))
    module = _CODE / len(rows)
    yield "0 g"
    for y, row in enumerate(rows):
        for dark, run in groupby(enumerate(row), key=lambda it: it[1]):
            columns = [x for x, _ in run]
            if dark:
                x, down = left + columns[0] * module, bottom + _CODE - (y + 1) * module
                yield f"{x:.3f} {down:.3f} {len(columns) * module:.3f} {module:.3f} re"
    yield "f"


def _text(text: str, middle: float, base: float, size: int) -> Iterator[str]:
    wide = sum(0.5 if char.isascii() else 1.0 for char in text) * size
    coded = text.encode("utf-16-be", "replace").hex()
    yield f"0 g BT /F1 {size} Tf {middle - wide / 2:.2f} {base:.2f} Td <{coded}> Tj ET"


def _font() -> DictionaryObject:
    """Answer the font: a reader's own Song, with letters and digits half as wide."""
    name = NameObject
    system = DictionaryObject(
        {
            name("/Registry"): TextStringObject("Adobe"),
            name("/Ordering"): TextStringObject("GB1"),
            name("/Supplement"): NumberObject(4),
        }
    )
    descriptor = DictionaryObject(
        {
            name("/Type"): name("/FontDescriptor"),
            name("/FontName"): name("/STSong-Light"),
            name("/Flags"): NumberObject(6),
            name("/FontBBox"): ArrayObject(NumberObject(it) for it in (-25, -254, 1000, 880)),
            name("/ItalicAngle"): NumberObject(0),
            name("/Ascent"): NumberObject(880),
            name("/Descent"): NumberObject(-120),
            name("/CapHeight"): NumberObject(880),
            name("/StemV"): NumberObject(93),
        }
    )
    half = ArrayObject([NumberObject(1), NumberObject(95), NumberObject(500)])
    glyphs = DictionaryObject(
        {
            name("/Type"): name("/Font"),
            name("/Subtype"): name("/CIDFontType0"),
            name("/BaseFont"): name("/STSong-Light"),
            name("/CIDSystemInfo"): system,
            name("/FontDescriptor"): descriptor,
            name("/DW"): NumberObject(1000),
            name("/W"): half,
        }
    )
    return DictionaryObject(
        {
            name("/Type"): name("/Font"),
            name("/Subtype"): name("/Type0"),
            name("/BaseFont"): name("/STSong-Light-UniGB-UTF16-H"),
            name("/Encoding"): name("/UniGB-UTF16-H"),
            name("/DescendantFonts"): ArrayObject([glyphs]),
        }
    )
