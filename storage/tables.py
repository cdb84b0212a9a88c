"""Tables that people hand in as files, read with care.

A file comes from outside: what it unpacks to, how many rows and columns it has and how long a cell
is are limited before anything is kept, and a document type declaration is refused. ``read_table``
computes; call it off the event loop.
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterable, Sequence

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from domain.errors import Invalid, TypeRefused
from domain.tables import MOST_ROWS

MOST_BYTES = 4 * 1024 * 1024
MOST_UNPACKED = 32 * 1024 * 1024
MOST_PARTS = 200
MOST_COLUMNS = 40
MOST_CELL = 1_000

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, InvalidFileException, LookupError, ValueError, TypeError,
    AttributeError, SyntaxError, EOFError, OSError, ArithmeticError, AssertionError, RuntimeError,
)  # fmt: skip
"""What the libraries raise on damaged input; ``SyntaxError`` is the XML parser's."""


def read_table(filename: str, data: bytes) -> list[list[str]]:
    """Answer the cells of a CSV or XLSX file as texts.

    Raises:
        TypeRefused: It is neither, or not what its name says.
        Invalid: It is too large in some way, or damaged.
    """
    if len(data) > MOST_BYTES:
        raise Invalid("文件不能超过 4 MB", field="content")
    if filename.lower().endswith(".xlsx"):
        return _xlsx(data)
    if filename.lower().endswith((".csv", ".txt")):
        return _csv(data)
    raise TypeRefused("只能导入 .xlsx 或 .csv 文件", field="filename")


def _csv(data: bytes) -> list[list[str]]:
    text = _decoded(data)
    if "\0" in text:
        raise TypeRefused("文件内容不是 CSV", field="content")
    head = text.partition("\n")[0]
    delimiter = "\t" if head.count("\t") > head.count(",") else ","
    try:
        return _bounded(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        raise Invalid("CSV 格式有误", field="content") from None


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TypeRefused("文件编码须为 UTF-8 或 GB18030", field="content")


def _xlsx(data: bytes) -> list[list[str]]:
    if not data.startswith(b"PK\x03\x04"):
        raise TypeRefused("文件内容不是 XLSX", field="content")
    try:
        _inspect(data)
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            if not book.worksheets:
                raise Invalid("文件中没有工作表", field="content")
            rows = book.worksheets[0].iter_rows(max_col=MOST_COLUMNS, values_only=True)
            return _bounded([_text(cell) for cell in row] for row in rows)
        finally:
            book.close()
    except _DAMAGE as error:
        raise Invalid("XLSX 文件已损坏，无法读取", field="content") from error


def _inspect(data: bytes) -> None:
    """Unpack once under limits: what the file says about its own sizes is not believed."""
    left = MOST_UNPACKED
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        if len(parts.infolist()) > MOST_PARTS:
            raise Invalid("XLSX 文件结构异常", field="content")
        for part in parts.infolist():
            if part.flag_bits & 1:
                raise Invalid("不能读取加密的文件", field="content")
            with parts.open(part) as unpacked:
                content = unpacked.read(left + 1)
            left -= len(content)
            if left < 0:
                raise Invalid("文件解压后过大", field="content")
            xml = part.filename.lower().endswith((".xml", ".rels", ".vml"))
            if xml and b"<!DOCTYPE" in content[:8192].replace(b"\0", b"").upper():
                raise Invalid("XLSX 文件结构异常", field="content")


def _bounded(rows: Iterable[Sequence[str]]) -> list[list[str]]:
    """Keep rows under limits, without empty cells and rows at the ends."""
    kept: list[list[str]] = []
    for row in rows:
        if len(row) > MOST_COLUMNS:
            raise Invalid(f"列数不能超过 {MOST_COLUMNS}", field="content")
        if any(len(cell) > MOST_CELL for cell in row):
            raise Invalid(f"单元格不能超过 {MOST_CELL} 字", field="content")
        if len(kept) > 2 * MOST_ROWS:
            raise Invalid(f"一次最多导入 {MOST_ROWS} 行", field="content")
        filled = max((at for at, cell in enumerate(row, start=1) if cell), default=0)
        kept.append(list(row[:filled]))
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _text(cell: object) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "是" if cell else "否"
        case float() if cell.is_integer():
            # Excel keeps 13800000000 as a floating point number.
            return str(int(cell))
    return str(cell)
