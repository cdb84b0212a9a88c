"""Printed pages, as a printer would have them: drawn by somebody else's program, and read back."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import zxingcpp

from tests.needs import need

DOTS = 150
"""Dots to the inch: less than any office printer has."""


def drawn(pdf: bytes, folder: Path, *, dots: int = DOTS) -> list[memoryview]:
    """The pages of a PDF in greys, as poppler draws them."""
    tool = need("poppler", "pdftoppm")
    file = folder / "printed.pdf"
    file.write_bytes(pdf)
    for old in folder.glob("page-*.pgm"):
        old.unlink()
    done = subprocess.run(
        [tool, "-gray", "-r", str(dots), str(file), str(folder / "page")],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == b"", done.stderr
    return [_grey(path.read_bytes()) for path in sorted(folder.glob("page-*.pgm"))]


def codes(page: memoryview) -> list[str]:
    """The texts of the codes on a page, from the top left to the bottom right, row by row."""
    # Asked for every sort of code, it now and then takes a row of dots for a bar code.
    found = zxingcpp.read_barcodes(page, formats=zxingcpp.BarcodeFormat.QRCode)
    places = [(it.position.top_left.y, it.position.top_left.x, it.text) for it in found]
    # Codes of one row stand at the same height but for a dot or two.
    return [text for _, _, text in sorted((round(y / 20), x, text) for y, x, text in places)]


def ink(page: memoryview) -> float:
    """How much of a page is dark."""
    flat = page.cast("B")
    return sum(1 for it in flat if it < 128) / len(flat)


def _grey(pgm: bytes) -> memoryview:
    head = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s", pgm)
    wide, high = int(head[1]), int(head[2])
    return memoryview(pgm[head.end() :]).cast("B", (high, wide))
