"""The working-day calendar: which days of which year are worked, as the State Council says.

Working days come from rows, one per day, never from weekday arithmetic: 调休 makes Saturdays
working days and Mondays free. Rows of a year whose list is not published yet are marked
``provisional`` and are replaced when it is; for a day without a row the calendar refuses to answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import require_decider
from domain.clock import Clock, local_day
from domain.errors import Invalid, RuleViolation
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog


class DayKind(StrEnum):
    """Why a day is worked or not."""

    WORKDAY = "workday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    """Part of a statutory holiday, its moved days included."""
    SHIFTED = "shifted"
    """调休: a Saturday or Sunday that is worked."""


class WorkDay(BaseModel):
    """One day of the calendar.

    Attributes:
        provisional: The national list for this year is not published yet.
        overridden: An administrator has said so; seeding leaves it alone.
    """

    model_config = ConfigDict(frozen=True)

    day: date
    working: bool
    kind: DayKind
    name: str = ""
    source: str
    provisional: bool = False
    overridden: bool = False


class WorkTable:
    """The rows as a value: answers without waiting."""

    def __init__(self, days: Iterable[WorkDay]) -> None:
        self._days = {row.day: row for row in days}
        self._working = sorted(row.day for row in self._days.values() if row.working)
        self._first = min(self._days, default=None)
        self._last = self._find_last()

    def _find_last(self) -> date | None:
        """The last day before the first gap: beyond it nothing can be counted."""
        if self._first is None:
            return None
        last = self._first
        while last + timedelta(days=1) in self._days:
            last += timedelta(days=1)
        return last

    def row(self, day: date) -> WorkDay:
        """Answer the row of a day.

        Raises:
            RuleViolation: The calendar does not reach that day.
        """
        self._require(day)
        return self._days[day]

    def is_working_day(self, day: date) -> bool:
        """Tell whether a day is worked.

        Raises:
            RuleViolation: The calendar does not reach that day.
        """
        return self.row(day).working

    def add_working_days(self, start: date, n: int) -> date:
        """Answer the ``n``-th working day after ``start``; the day itself does not count.

        With ``n`` 0 the answer is ``start``, worked or not.

        Raises:
            ValueError: ``n`` is negative.
            RuleViolation: The calendar does not reach that far.
        """
        if n < 0:
            raise ValueError("working days are counted forwards")
        self._require(start)
        if n == 0:
            return start
        place = bisect_right(self._working, start) + n - 1
        if place >= len(self._working):
            raise _beyond(start, self._last)
        day = self._working[place]
        self._require(day)
        return day

    def working_days_between(self, start: date, end: date) -> int:
        """Answer how many working days lie after ``start``, up to and including ``end``.

        Raises:
            ValueError: ``end`` is before ``start``.
            RuleViolation: The calendar does not reach that far.
        """
        if end < start:
            raise ValueError("the end is before the start")
        self._require(start)
        self._require(end)
        return bisect_right(self._working, end) - bisect_right(self._working, start)

    def is_provisional(self, start: date, end: date) -> bool:
        """Tell whether a count from ``start`` to ``end`` rests on an unpublished year."""
        self._require(start)
        self._require(end)
        length = (end - start).days + 1
        return any(self._days[start + timedelta(days=i)].provisional for i in range(length))

    def between(self, start: date, end: date) -> Sequence[WorkDay]:
        """Answer the rows there are from ``start`` to ``end``, both included, in order."""
        return [self._days[day] for day in sorted(self._days) if start <= day <= end]

    def _require(self, day: date) -> None:
        if self._first is None or self._last is None or not self._first <= day <= self._last:
            raise _beyond(day, self._last)


class WorkdayStore(Protocol):
    """Where the days are kept."""

    async def all(self) -> Sequence[WorkDay]:
        """Answer every day."""

    async def edition(self) -> str:
        """Answer a mark that changes whenever any day changes."""

    async def put(self, days: Sequence[WorkDay], *, at: datetime) -> None:
        """Keep days, in place of what was there."""


class WorkCalendar:
    """Answers working-day questions; an answer is at most ``STALE`` old on any process.

    ``shipped`` answers the national list for some years, first and last; the calendar keeps what it
    lacks of the years around today when it is first asked, and in each new year.
    """

    STALE = timedelta(seconds=1)

    def __init__(
        self,
        store: WorkdayStore,
        *,
        audit: AuditLog,
        clock: Clock,
        shipped: Callable[[int, int], Iterable[WorkDay]],
    ) -> None:
        self._store = store
        self._shipped = shipped
        self._seeded_in = 0
        self._audit = audit
        self._clock = clock
        self._table: WorkTable | None = None
        self._edition = ""
        self._read_at: datetime | None = None

    async def table(self) -> WorkTable:
        """Answer the calendar as one value, for whoever counts more than once."""
        now = self._clock()
        fresh = self._read_at is not None and timedelta(0) <= now - self._read_at < self.STALE
        if self._table is None or not fresh:
            if self._seeded_in != local_day(now).year:
                await self.seed()
            edition = await self._store.edition()
            if self._table is None or edition != self._edition:
                self._table, self._edition = WorkTable(await self._store.all()), edition
            self._read_at = now
        return self._table

    async def is_working_day(self, day: date) -> bool:
        """Tell whether a day is worked. Raises ``RuleViolation`` beyond the calendar."""
        return (await self.table()).is_working_day(day)

    async def add_working_days(self, start: date, n: int) -> date:
        """Answer the ``n``-th working day after ``start``; see ``WorkTable``."""
        return (await self.table()).add_working_days(start, n)

    async def working_days_between(self, start: date, end: date) -> int:
        """Answer how many working days lie after ``start``, up to and including ``end``."""
        return (await self.table()).working_days_between(start, end)

    async def seed(self) -> int:
        """Keep what is lacking from the year before last to next year; answer how many days.

        A published day replaces a provisional one; what an administrator has said stays.
        """
        year = local_day(self._clock()).year
        there = {row.day: row for row in await self._store.all()}
        changed = [
            row for row in self._shipped(year - 2, year + 1) if _supersedes(row, there.get(row.day))
        ]
        if changed:
            await self._put(changed)
        self._seeded_in = year
        return len(changed)

    async def override(
        self, day: date, *, working: bool, name: str, source: str, by: Person
    ) -> WorkDay:
        """Say otherwise for one day, with the document that says so.

        Raises:
            Invalid: The day is past: what was counted stays counted.
            RuleViolation: The calendar does not reach that day.
        """
        require_decider(by, Permission.CONTROL_CHANGE)
        if day < local_day(self._clock()):
            raise Invalid("不能更改已过去的日期", field="day")
        old = (await self.table()).row(day)
        row = _told(day, working=working, name=name, source=source)
        await self._put([row])
        await self._audit.record(
            "workday.override",
            by=by.id,
            obj=f"workday:{day.isoformat()}",
            detail={"before": old.working, "after": working, "name": name, "source": source},
        )
        return row

    async def publish(
        self,
        year: int,
        *,
        holidays: Mapping[date, str],
        shifted: Iterable[date],
        source: str,
        by: Person,
    ) -> int:
        """Enter the published list of a year in place of its provisional rows.

        Args:
            year: A coming year, or the present one.
            holidays: Every free day of a statutory holiday, with its name.
            shifted: The Saturdays and Sundays that are worked.
            source: The document, for example ``国办发明电〔2026〕…号``.
            by: An administrator.

        Raises:
            Invalid: A day is of another year, or a worked weekend day is not on a weekend.
        """
        require_decider(by, Permission.CONTROL_CHANGE)
        today, worked = local_day(self._clock()), frozenset(shifted)
        if not today.year <= year <= today.year + 2:
            raise Invalid("只能录入当年及以后两年的安排", field="year")
        if any(day.year != year for day in [*holidays, *worked]):
            raise Invalid("日期不属于该年份", field="holidays")
        if any(day.weekday() < 5 or day in holidays for day in worked):
            raise Invalid("调休上班日须为周末且不在假期内", field="shifted")
        length = (date(year + 1, 1, 1) - date(year, 1, 1)).days
        days = [date(year, 1, 1) + timedelta(days=i) for i in range(length)]
        rows = [
            _told(
                day,
                working=day in worked or (day.weekday() < 5 and day not in holidays),
                name=holidays.get(day, ""),
                source=source,
            )
            for day in days
            if day >= today
        ]
        await self._put(rows)
        await self._audit.record(
            "workday.publish",
            by=by.id,
            obj=f"workday:{year}",
            detail={
                "holidays": sorted(day.isoformat() for day in holidays),
                "shifted": sorted(day.isoformat() for day in worked),
                "source": source,
            },
        )
        return len(rows)

    async def _put(self, rows: Sequence[WorkDay]) -> None:
        await self._store.put(rows, at=self._clock())
        self._read_at = None


_KINDS = {
    (True, True): DayKind.SHIFTED,
    (True, False): DayKind.WORKDAY,
    (False, True): DayKind.WEEKEND,
    (False, False): DayKind.HOLIDAY,
}
"""Kind of a day by (worked, on a weekend)."""


def _told(day: date, *, working: bool, name: str, source: str) -> WorkDay:
    kind = _KINDS[working, day.weekday() >= 5]
    if name and not working:
        kind = DayKind.HOLIDAY
    return WorkDay(day=day, working=working, kind=kind, name=name, source=source, overridden=True)


def _supersedes(new: WorkDay, old: WorkDay | None) -> bool:
    if old is None:
        return True
    if old.overridden or old == new:
        return False
    return old.provisional or not new.provisional


def _beyond(day: date, last: date | None) -> RuleViolation:
    reach = last.isoformat() if last else ""
    return RuleViolation(
        "工作日历未覆盖该日期，请先录入当年节假日安排",
        rule="workday",
        detail={"day": day.isoformat(), "until": reach},
    )
