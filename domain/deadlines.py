"""When something is due: a rule of the congress applied to a day, by the calendar it asks for.

The rule is the one in force when the clock starts, so a later change moves no deadline that is
running or over. Whoever starts a clock keeps the ``Due`` with the item. A term of days or months
ends with the last moment of its last day in Shanghai; ``at`` is the first instant after it.
"""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from domain.clock import local_day
from domain.rules import RuleBook, RuleParam, Unit, begin_of
from domain.workdays import WorkCalendar


class Due(BaseModel):
    """A deadline, with the rule it comes from.

    Attributes:
        day: Last day of the term.
        at: First instant at which it is overdue.
        provisional: It was counted through a year whose holidays are not published yet; whoever
            keeps it may count again when they are.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    day: date
    at: datetime
    source: str
    provisional: bool = False

    def days_left(self, now: datetime) -> int:
        """Answer how many calendar days are left after today; negative once it is overdue."""
        return (self.day - local_day(now)).days


class Deadlines:
    """Computes deadlines."""

    def __init__(self, rules: RuleBook, workdays: WorkCalendar) -> None:
        self._rules = rules
        self._workdays = workdays

    async def due(self, key: str, start: datetime) -> Due:
        """Answer when what began at ``start`` is due by a rule.

        Raises:
            UnknownRule: There is no such rule, or there was none then.
            TypeError: The rule is no term.
            RuleViolation: Working days are counted beyond the calendar.
        """
        row = await self._rules.row(key, start)
        return await self._counted(row, start)

    async def latest(self, key: str, before: datetime) -> Due:
        """Answer the last day on which something may happen that a rule demands *before* an event.

        A notice demanded 7 days before a meeting on the 20th may be sent on the 13th.

        Raises:
            TypeError: The rule is no term of hours, days or months.
        """
        row = await self._rules.row(key, before)
        n, day = _length(row), local_day(before)
        match row.unit:
            case Unit.HOURS | Unit.MINUTES | Unit.SECONDS:
                at = before - _span(row)
                return _due(row, local_day(at), at=at)
            case Unit.DAYS:
                return _due(row, day - timedelta(days=n))
            case Unit.MONTHS:
                return _due(row, add_months(day, -n))
        raise TypeError(f"{row.key} is in {row.unit}, which is not counted backwards")

    async def working_days_used(self, start: datetime, now: datetime) -> int:
        """Answer how many working days have passed since ``start``, today included."""
        return await self._workdays.working_days_between(local_day(start), local_day(now))

    async def _counted(self, row: RuleParam, start: datetime) -> Due:
        n, first = _length(row), local_day(start)
        match row.unit:
            case Unit.HOURS | Unit.MINUTES | Unit.SECONDS:
                at = start + _span(row)
                return _due(row, local_day(at), at=at)
            case Unit.DAYS:
                return _due(row, first + timedelta(days=n))
            case Unit.MONTHS:
                return _due(row, add_months(first, n))
            case Unit.WORKING_DAYS:
                table = await self._workdays.table()
                day = table.add_working_days(first, n)
                return _due(row, day, provisional=table.is_provisional(first, day))
        raise TypeError(f"{row.key} is in {row.unit}, which is no term")


def add_months(day: date, months: int) -> date:
    """Answer the same day of another month, or its last day where there is no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _due(
    row: RuleParam, day: date, *, at: datetime | None = None, provisional: bool = False
) -> Due:
    return Due(
        key=row.key,
        day=day,
        at=at or begin_of(day + timedelta(days=1)),
        source=row.source,
        provisional=provisional,
    )


def _length(row: RuleParam) -> int:
    if not isinstance(row.value, int) or isinstance(row.value, bool):
        raise TypeError(f"{row.key} is in {row.unit}, which is no term")
    return row.value


def _span(row: RuleParam) -> timedelta:
    return timedelta(**{row.unit.value: _length(row)})
