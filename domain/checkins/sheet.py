"""A list of who came, as a table: which columns it has, and what a line must look like.

The row that names the columns may stand below a watermark, so that a list that was exported can be
filled in and handed in again. A line is judged on its own here; whom it means is for
``domain.checkins.importing``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time

from pydantic import BaseModel, ConfigDict

from domain.clock import SHANGHAI
from domain.errors import Invalid
from domain.tables import MOST_ROWS, Columns, Fault, cleaned, headings

COLUMNS: Columns = {
    "name": ("姓名",),
    "deputy_no": ("代表证号", "证号"),
    "at": ("签到时间", "时间"),
    "gate": ("入口",),
}
"""Field → headings under which it may stand."""

_ABOVE = 2
"""Most rows above the one that names the columns."""

_TIME = re.compile(
    r"(?:(\d{4})(?:[-/.]|年)(\d{1,2})(?:[-/.]|月)(\d{1,2})日?[ T]*)?"
    r"(\d{1,2})[:：](\d{2})(?:[:：](\d{2})(?:\.\d+)?)?",
    re.ASCII,
)


class Line(BaseModel):
    """One person as the table says; ``line`` counts from 1 with the headings, as Excel shows it."""

    model_config = ConfigDict(frozen=True)

    line: int
    name: str
    deputy_no: str
    at: datetime | None
    gate: str
    faults: tuple[Fault, ...] = ()

    def with_fault(self, field: str, msg: str) -> Line:
        """Answer the line with one more fault."""
        return self.model_copy(update={"faults": (*self.faults, Fault(field=field, msg=msg))})


class Table(BaseModel):
    """The lines of a table, and the headings that nobody knows."""

    model_config = ConfigDict(frozen=True)

    lines: tuple[Line, ...]
    unknown: tuple[str, ...]


def read_lines(rows: Sequence[Sequence[str]], *, day: date | None) -> Table:
    """Read cells into lines; a time without a date is of ``day``, in Shanghai.

    Raises:
        Invalid: There is no row, a heading is missing or there twice, or there are too many rows.
    """
    if not rows:
        raise Invalid("文件中没有内容", field="content")
    if len(rows) > MOST_ROWS + 1 + _ABOVE:
        raise Invalid(f"一次最多导入 {MOST_ROWS} 行", field="content")
    at = next((n for n, row in enumerate(rows[: _ABOVE + 1]) if "姓名" in map(cleaned, row)), 0)
    places, unknown = headings(rows[at], COLUMNS)
    for field in ("name", "at"):
        if field not in places:
            raise Invalid(f"须有“{COLUMNS[field][0]}”列", field="content")
    lines = [
        _line(number, {field: row[n] if n < len(row) else "" for field, n in places.items()}, day)
        for number, row in enumerate(rows[at + 1 :], start=at + 2)
        if any(cell.strip() for cell in row)
    ]
    return Table(lines=tuple(lines), unknown=tuple(unknown))


def instant(text: str, *, day: date | None) -> datetime | None:
    """Answer the instant that a cell names in Shanghai, or ``None`` if it names none."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    year, month, date_, hour, minute, second = found.groups()
    try:
        on = date(int(year), int(month), int(date_)) if year else day
        if on is None or not 2000 <= on.year < 2200:
            return None
        clock = time(int(hour), int(minute), int(second or 0))
    except ValueError:
        return None
    return datetime.combine(on, clock, SHANGHAI).astimezone(UTC)


def _line(number: int, raw: Mapping[str, str], day: date | None) -> Line:
    # A text that a spreadsheet program would take for a formula was written with a mark before it.
    cells = {field: cleaned(raw.get(field, "")).removeprefix("'") for field in COLUMNS}
    line = Line(
        line=number,
        name=cells["name"][:40],
        deputy_no=cells["deputy_no"][:20],
        at=instant(cells["at"], day=day),
        gate=cells["gate"][:40],
    )
    if not cells["name"]:
        line = line.with_fault("name", "姓名不能为空")
    if not cells["at"]:
        line = line.with_fault("at", "签到时间不能为空")
    elif line.at is None:
        line = line.with_fault("at", "签到时间格式不正确")
    return line
