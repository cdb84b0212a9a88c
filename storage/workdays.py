"""The working-day calendar, one row per day, and the national list it is seeded from.

::

    workday {_id: "2026-10-01", working, kind, name, source, provisional, overridden, updated_at}
    counter {_id: "workday", n}    grows after every write: one look tells whether to read again
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import chinese_calendar
from pymongo import ReplaceOne

from domain.workdays import DayKind, WorkDay
from storage.client import Database
from storage.counters import Counters

_FIXED = {(1, 1): "元旦", (5, 1): "劳动节", (5, 2): "劳动节"} | {
    (10, day): "国庆节" for day in (1, 2, 3)
}
"""Statutory holidays with a date of their own; the others follow the moon or are moved."""

_DATA_EDITION = "chinesecalendar 1.11.0"


class WorkdayStore:
    """Keeps the calendar; implements ``domain.workdays.WorkdayStore``."""

    def __init__(self, db: Database) -> None:
        self._days = db["workday"]
        self._counters = Counters(db)

    async def all(self) -> Sequence[WorkDay]:
        """Answer every day in order."""
        return [_day(row) async for row in self._days.stream({}, sort=[("_id", 1)])]

    async def edition(self) -> str:
        """Answer a mark that changes whenever any day changes."""
        return str(await self._counters.current("workday"))

    async def put(self, days: Sequence[WorkDay], *, at: datetime) -> None:
        """Keep days, in place of what was there."""
        await self._days.bulk(
            [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in _rows(days, at)]
        )
        await self._counters.next("workday")


def national_days(first: int, provisional_until: int) -> Iterator[WorkDay]:
    """Yield the national list from the year ``first`` on, then provisional years.

    The last published year is the last one the package has holidays for; the years after it, up to
    and including ``provisional_until``, get weekdays and the holidays that have a fixed date, each
    row marked as provisional.
    """
    published = max(chinese_calendar.holidays).year
    day = date(first, 1, 1)
    while day.year <= provisional_until:
        yield _published(day) if day.year <= published else _provisional(day)
        day += timedelta(days=1)


def _published(day: date) -> WorkDay:
    working = bool(chinese_calendar.is_workday(day))
    weekend = day.weekday() >= 5
    _, name = chinese_calendar.get_holiday_detail(day)
    if working:
        kind = DayKind.SHIFTED if weekend else DayKind.WORKDAY
    else:
        kind = DayKind.HOLIDAY if name in _NAMES else DayKind.WEEKEND
    return WorkDay(
        day=day,
        working=working,
        kind=kind,
        name=_NAMES.get(name, ""),
        source=f"国务院办公厅{day.year}年部分节假日安排（{_DATA_EDITION}）",
    )


_NAMES: Mapping[str | None, str] = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "National Day": "国庆节",
    "Mid-autumn Festival": "中秋节",
    "Anti-Fascist 70th Day": "中国人民抗日战争暨世界反法西斯战争胜利70周年纪念日",
}


def _provisional(day: date) -> WorkDay:
    name = _FIXED.get((day.month, day.day), "")
    weekend = day.weekday() >= 5
    kind = DayKind.HOLIDAY if name else DayKind.WEEKEND if weekend else DayKind.WORKDAY
    return WorkDay(
        day=day,
        working=kind is DayKind.WORKDAY,
        kind=kind,
        name=name,
        source=f"{day.year}年安排尚未公布，按周末和固定日期的法定节假日暂列",
        provisional=True,
    )


def _rows(days: Sequence[WorkDay], at: datetime) -> Iterator[dict[str, Any]]:
    for day in days:
        row = day.model_dump(exclude={"day"})
        row["kind"] = day.kind.value
        yield {"_id": day.day.isoformat(), **row, "updated_at": at}


def _day(row: Mapping[str, Any]) -> WorkDay:
    kept = {name: row[name] for name in WorkDay.model_fields if name in row}
    return WorkDay.model_validate({**kept, "day": row["_id"]})
