"""Spreadsheets with a watermark, written in a worker thread."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from domain.sheet_export import Sheet

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings that a spreadsheet program would take for a formula."""


class XlsxWriter:
    """Implements ``domain.sheet_export.SheetWriter``."""

    async def write(self, sheet: Sheet) -> bytes:
        """Answer a spreadsheet as an xlsx file; the loop is not blocked meanwhile."""
        return await asyncio.to_thread(xlsx, sheet)


def xlsx(sheet: Sheet) -> bytes:
    """Answer the file: watermark in the first row, on every printed page and in the properties."""
    book = Workbook(write_only=True)
    page = book.create_sheet(sheet.title)
    page.freeze_panes = "A3"
    page.oddFooter.center.text = sheet.watermark
    page.oddHeader.center.text = sheet.watermark
    _append(page, [sheet.watermark], Font(italic=True, color="999999"))
    _append(page, sheet.head, Font(bold=True))
    for row in sheet.rows:
        page.append([_text(cell) for cell in row])
    book.properties.description = sheet.watermark
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def _append(page: WriteOnlyWorksheet, texts: Sequence[str], font: Font) -> None:
    cells = [WriteOnlyCell(page, value=_text(text)) for text in texts]
    for cell in cells:
        cell.font = font
    page.append(cells)


def _text(value: str) -> str:
    # What somebody typed into a profile must not run in somebody else's spreadsheet.
    return f"'{value}" if value.startswith(_FORMULA) else value
