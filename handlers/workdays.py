"""The working-day calendar, for everybody: ``/api/v1/workdays``."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, Field

from domain.errors import Invalid
from domain.workdays import DayKind, WorkDay
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Draft

MOST_DAYS = 400


class WorkDayView(BaseModel):
    """One day. ``provisional``: the national list of its year is not published yet."""

    day: date
    working: bool
    kind: DayKind
    name: str
    source: str
    provisional: bool
    overridden: bool

    @classmethod
    def of(cls, row: WorkDay) -> Self:
        """Show a day."""
        return cls(**row.model_dump())


class WorkDaysView(BaseModel):
    """Days in order."""

    days: list[WorkDayView]


class WorkDaysQuery(Draft):
    """``?first=2026-10-01&last=2026-10-31``, both included."""

    first: date
    last: date


class DueQuery(Draft):
    """``?start=2026-09-28&n=7``."""

    start: date
    n: Annotated[int, Field(ge=0, le=500)]


class DueView(BaseModel):
    """The ``n``-th working day after ``start``.

    ``provisional`` says that the count passes through a year whose list is not published yet.
    """

    due: date
    provisional: bool


class WorkDaysHandler(ApiHandler):
    """``/api/v1/workdays``."""

    @operation(SIGNED_IN)
    async def get(self, query: WorkDaysQuery) -> WorkDaysView:
        """Show some days of the calendar, at most 400; those it does not reach are left out."""
        if not timedelta(0) <= query.last - query.first < timedelta(days=MOST_DAYS):
            raise Invalid(f"日期范围须在 {MOST_DAYS} 天以内", field="last")
        table = await self.services.administration.calendar.table()
        return WorkDaysView(
            days=[WorkDayView.of(row) for row in table.between(query.first, query.last)]
        )


class DueHandler(ApiHandler):
    """``/api/v1/workdays/due``."""

    @operation(SIGNED_IN)
    async def get(self, query: DueQuery) -> DueView:
        """Count working days from a day on."""
        table = await self.services.administration.calendar.table()
        due = table.add_working_days(query.start, query.n)
        return DueView(due=due, provisional=table.is_provisional(query.start, due))


ROUTES = [
    route(r"/api/v1/workdays", WorkDaysHandler),
    route(r"/api/v1/workdays/due", DueHandler),
]
