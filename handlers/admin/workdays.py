"""Correcting the calendar: ``/api/v1/admin/workdays``."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field

from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Draft, Line, Name, Subject
from handlers.workdays import WorkDayView

Year = Annotated[int, Field(ge=2000, le=2100)]


class DayDraft(Draft):
    """Whether a day is worked, by which document."""

    working: bool
    name: Line = ""
    source: Subject


class HolidayDraft(Draft):
    """One free day of a statutory holiday."""

    day: date
    name: Name


class YearDraft(Draft):
    """The published list of a year: free days, and weekend days that are worked."""

    holidays: Annotated[list[HolidayDraft], Field(min_length=1, max_length=80)]
    shifted: Annotated[tuple[date, ...], Field(max_length=40)] = ()
    source: Subject


class YearView(BaseModel):
    """How many days of the year have been entered."""

    year: int
    days: int


class DayHandler(ApiHandler):
    """``/api/v1/admin/workdays/{day}``."""

    @operation(Permission.CONTROL_CHANGE, step_up=True)
    async def put(self, day: date, body: DayDraft) -> WorkDayView:
        """Say otherwise for one day that is not past."""
        calendar = self.services.administration.calendar
        row = await calendar.override(
            day, working=body.working, name=body.name, source=body.source, by=self.user
        )
        return WorkDayView.of(row)


class YearHandler(ApiHandler):
    """``/api/v1/admin/workdays/years/{year}``."""

    @operation(Permission.CONTROL_CHANGE, step_up=True)
    async def put(self, year: Year, body: YearDraft) -> YearView:
        """Enter the list that the State Council has published, in place of provisional days."""
        days = await self.services.administration.calendar.publish(
            year,
            holidays={it.day: it.name for it in body.holidays},
            shifted=body.shifted,
            source=body.source,
            by=self.user,
        )
        return YearView(year=year, days=days)


ROUTES = [
    route(r"/api/v1/admin/workdays/(?P<day>\d{4}-\d{2}-\d{2})", DayHandler),
    route(r"/api/v1/admin/workdays/years/(?P<year>\d{4})", YearHandler),
]
