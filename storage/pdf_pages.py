"""Pages of A4 as PDF: text in Chinese, and codes as rectangles, sharp on any printer.

Chinese is set in STSong-Light, which every PDF reader for Chinese knows; it is not embedded, so a
sheet of a thousand cards stays small and no font has to be licensed.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
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

WIDTH, HEIGHT = 595, 842
"""A4 in points."""


def file(title: str, pages: Iterable[Iterable[str]]) -> bytes:
    """Answer a PDF of pages, each the strokes of its content."""
    writer = PdfWriter()
    writer.add_metadata({"/Title": title})
    font = writer._add_object(_font())  # noqa: SLF001 - pypdf has no public way to add an object
    for strokes in pages:
        page = writer.add_blank_page(WIDTH, HEIGHT)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        content = DecodedStreamObject()
        content.set_data("\n".join(strokes).encode())
        # Thirty-five codes are half a megabyte of numbers, and a twentieth of that deflated.
        page[NameObject("/Contents")] = writer._add_object(content.flate_encode())  # noqa: SLF001
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def code(text: str, left: float, bottom: float, side: float) -> Iterator[str]:
    """Yield the strokes of a QR code with its quiet zone."""
    rows = list(segno.make(text, error="m", micro=False).matrix_iter(border=4))
    module = side / len(rows)
    yield "0 g"
    for y, row in enumerate(rows):
        for dark, run in groupby(enumerate(row), key=lambda it: it[1]):
            columns = [x for x, _ in run]
            if dark:
                x, down = left + columns[0] * module, bottom + side - (y + 1) * module
                yield f"{x:.3f} {down:.3f} {len(columns) * module:.3f} {module:.3f} re"
    yield "f"


def frame(left: float, bottom: float, wide: float, high: float) -> str:
    """Answer the stroke of a thin grey frame."""
    return f"0.7 G 0.5 w {left:.2f} {bottom:.2f} {wide:.2f} {high:.2f} re S"


def text(line: str, middle: float, base: float, size: int) -> str:
    """Answer the stroke of a line around its middle."""
    coded = line.encode("utf-16-be", "replace").hex()
    left = middle - width(line, size) / 2
    return f"0 g BT /F1 {size} Tf {left:.2f} {base:.2f} Td <{coded}> Tj ET"


def width(line: str, size: int) -> float:
    """Answer how wide a line is: letters and digits are half as wide as characters."""
    return sum(0.5 if char.isascii() else 1.0 for char in line) * size


def wrapped(line: str, room: float, size: int, most: int) -> list[str]:
    """Answer a line in at most so many lines that fit the room; what is left over is cut off."""
    lines: list[str] = []
    rest = line
    while rest and len(lines) < most:
        end = len(rest)
        while end > 1 and width(rest[:end], size) > room:
            end -= 1
        lines.append(rest[:end])
        rest = rest[end:]
    if rest:
        last = lines[-1]
        while last and width(f"{last}…", size) > room:
            last = last[:-1]
        lines[-1] = f"{last}…"
    return lines


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
