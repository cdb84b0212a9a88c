"""Time zones, and calendar arithmetic in them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from bson import ObjectId

from storage.embedded.errors import Refused, unsupported
from storage.embedded.values import is_null, type_name

_OFFSET = re.compile(r"([+-])(\d\d)(?::?(\d\d))?", re.ASCII)
# MongoDB counts bins of several units from here.
REFERENCE = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall clock in whichever zone is asked for
FIXED = {
    "millisecond": 1,
    "second": 1_000,
    "minute": 60_000,
    "hour": 3_600_000,
}
DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "quarter": 3, "year": 12}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def zone_of(name: Any) -> tzinfo:
    """The zone of an IANA name or an offset such as ``+08:00``; UTC if none is given."""
    if is_null(name):
        return UTC
    if not isinstance(name, str):
        raise Refused(40517, f"timezone must evaluate to a string, found: {type_name(name)}")
    offset = _OFFSET.fullmatch(name)
    if offset:
        sign = 1 if offset[1] == "+" else -1
        return timezone(sign * timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0)))
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise Refused(40485, f'unrecognized time zone identifier: "{name}"') from None


def local(moment: Any, zone: Any) -> datetime:
    """A date, or the time within an ObjectId, on the zone's clock."""
    if isinstance(moment, ObjectId):
        moment = moment.generation_time
    if not isinstance(moment, datetime):
        raise Refused(16006, f"can't convert from BSON type {type_name(moment)} to Date")
    return moment.astimezone(zone_of(zone))


def _utc(wall: datetime, zone: tzinfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)


def truncate(moment: Any, unit: str, size: int, zone: Any, first_day: str = "sunday") -> datetime:
    """The beginning of the bin that a moment lies in."""
    clock = local(moment, zone)
    wall = clock.replace(tzinfo=None)
    if unit in FIXED:
        if size != 1 and clock.tzinfo is not UTC:
            raise unsupported(f"$dateTrunc to several {unit}s in a time zone")
        step = timedelta(milliseconds=FIXED[unit] * size)
        # Within one hour the offset may be taken as fixed; only its minutes matter.
        return moment_floor(clock, step)
    if size != 1 and unit in {"week", "quarter"}:
        raise unsupported(f"$dateTrunc to several {unit}s")
    if unit == "day":
        days = (wall - REFERENCE).days // size * size
        return _utc(REFERENCE + timedelta(days=days), clock.tzinfo or UTC)
    if unit == "week":
        back = (wall.weekday() - weekday(first_day)) % 7
        start = (wall - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        return _utc(start, clock.tzinfo or UTC)
    months = (wall.year - 2000) * 12 + wall.month - 1
    step_months = months_of(unit) * size
    return _utc(_first_of(months // step_months * step_months), clock.tzinfo or UTC)


def moment_floor(clock: datetime, step: timedelta) -> datetime:
    """The wall clock rounded down to a step, as a moment."""
    wall = clock.replace(tzinfo=None)
    rest = (wall - REFERENCE) % step
    return (clock.astimezone(UTC)) - rest


def _first_of(months: int) -> datetime:
    return REFERENCE.replace(year=2000 + months // 12, month=months % 12 + 1)


def weekday(name: Any) -> int:
    """0 for Monday."""
    lower = name.lower() if isinstance(name, str) else ""
    for number, day in enumerate(WEEKDAYS):
        if lower in {day, day[:3]}:
            return number
    raise Refused(9, f"unknown day of week value: {name}")


def months_of(unit: Any) -> int:
    """How many months a unit has."""
    if unit not in MONTHS:
        raise Refused(9, f"unknown time unit value: {unit}")
    return MONTHS[unit]


def shift(moment: Any, unit: str, amount: int, zone: Any) -> datetime:
    """A moment later or earlier; days and longer units follow the zone's calendar."""
    clock = local(moment, zone)
    try:
        if unit in FIXED:
            return moment_of(clock) + timedelta(milliseconds=FIXED[unit] * amount)
        wall = clock.replace(tzinfo=None)
        if unit in DAYS:
            return _utc(wall + timedelta(days=DAYS[unit] * amount), clock.tzinfo or UTC)
        months = wall.year * 12 + wall.month - 1 + months_of(unit) * amount
        year, month = divmod(months, 12)
        day = min(wall.day, calendar.monthrange(year, month + 1)[1])
        moved = wall.replace(year=year, month=month + 1, day=day)
        return _utc(moved, clock.tzinfo or UTC)
    except (OverflowError, ValueError, calendar.IllegalMonthError):
        raise Refused(5166406, "dateAdd overflowed") from None


def moment_of(clock: datetime) -> datetime:
    """The same moment in UTC."""
    return clock.astimezone(UTC)


def difference(start: Any, end: Any, unit: str, zone: Any, first_day: str) -> int:
    """How many boundaries of the unit lie between two moments."""
    if unit in FIXED:
        step = timedelta(milliseconds=FIXED[unit])
        span = truncate(end, unit, 1, zone) - truncate(start, unit, 1, zone)
        return int(span / step)
    first, last = local(start, zone), local(end, zone)
    if unit == "day":
        return (last.date() - first.date()).days
    if unit == "week":
        day = weekday(first_day)
        weeks = [
            clock.date() - timedelta(days=(clock.weekday() - day) % 7) for clock in (first, last)
        ]
        return (weeks[1] - weeks[0]).days // 7
    size = months_of(unit)
    counts = [(clock.year * 12 + clock.month - 1) // size for clock in (first, last)]
    return counts[1] - counts[0]


FORMATS: dict[str, Callable[[datetime], str]] = {
    "Y": lambda at: f"{at.year:04d}",
    "m": lambda at: f"{at.month:02d}",
    "d": lambda at: f"{at.day:02d}",
    "H": lambda at: f"{at.hour:02d}",
    "M": lambda at: f"{at.minute:02d}",
    "S": lambda at: f"{at.second:02d}",
    "L": lambda at: f"{at.microsecond // 1000:03d}",
    "j": lambda at: f"{at.timetuple().tm_yday:03d}",
    "u": lambda at: str(at.isoweekday()),
    "w": lambda at: str(at.isoweekday() % 7 + 1),
    "G": lambda at: f"{at.isocalendar()[0]:04d}",
    "V": lambda at: f"{at.isocalendar()[1]:02d}",
    "U": lambda at: at.strftime("%U"),
    "z": lambda at: at.strftime("%z"),
    "Z": lambda at: str(int((at.utcoffset() or timedelta()).total_seconds() // 60)),
    "%": lambda _: "%",
}


def format_date(clock: datetime, pattern: Any) -> str:
    """A date in MongoDB's own letters.

    Raises:
        Refused: 18536, a letter it does not have.
    """
    if not isinstance(pattern, str):
        raise Refused(18533, "$dateToString requires that 'format' be a string")

    def letter(found: re.Match[str]) -> str:
        if found[1] not in FORMATS:
            raise Refused(18536, f"Invalid format character '{found[0]}' in format string")
        return FORMATS[found[1]](clock)

    return re.sub(r"%(.|$)", letter, pattern, flags=re.DOTALL)
