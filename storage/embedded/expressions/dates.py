"""Dates: parts, formatting, truncation, distance, in any time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from bson import Int64

from storage.embedded.errors import Refused, unsupported
from storage.embedded.expressions.conversion import parse_date
from storage.embedded.expressions.core import (
    Expression,
    Maker,
    Scope,
    arguments,
    check_count,
    compile_expression,
    named,
    optional_argument,
)
from storage.embedded.expressions.zones import (
    DAYS,
    FIXED,
    MONTHS,
    difference,
    format_date,
    local,
    shift,
    truncate,
    zone_of,
)
from storage.embedded.values import is_null, type_name, whole

_PARTS: dict[str, Callable[[datetime], int]] = {
    "$year": lambda at: at.year,
    "$month": lambda at: at.month,
    "$dayOfMonth": lambda at: at.day,
    "$hour": lambda at: at.hour,
    "$minute": lambda at: at.minute,
    "$second": lambda at: at.second,
    "$millisecond": lambda at: at.microsecond // 1000,
    "$dayOfWeek": lambda at: at.isoweekday() % 7 + 1,
    "$dayOfYear": lambda at: at.timetuple().tm_yday,
    "$week": lambda at: int(at.strftime("%U")),
    "$isoDayOfWeek": lambda at: at.isoweekday(),
    "$isoWeek": lambda at: at.isocalendar()[1],
    "$isoWeekYear": lambda at: Int64(at.isocalendar()[0]),
}
_DEFAULT_FORMAT = "%Y-%m-%dT%H:%M:%S.%LZ"


def _missing(_: Scope) -> None:
    return None


def _part(name: str) -> Maker:
    take = _PARTS[name]

    def make(spec: Any) -> Expression:
        zone: Expression = _missing
        if isinstance(spec, dict) and "date" in spec:
            spec = named(name, spec, ("date",), ("timezone",))
            zone = optional_argument(spec, "timezone") or _missing
            date = compile_expression(spec["date"])
        else:
            operands = arguments(spec)
            check_count(name, operands, 1, 1)
            date = operands[0]

        def evaluate(scope: Scope) -> int | None:
            moment = date(scope)
            return None if is_null(moment) else take(local(moment, zone(scope)))

        return evaluate

    return make


class _Arguments:
    """The arguments of a date operator, evaluated together."""

    def __init__(
        self, name: str, spec: Any, required: tuple[str, ...], optional: tuple[str, ...]
    ) -> None:
        spec = named(name, spec, required, optional)
        self._given = {key: compile_expression(value) for key, value in spec.items()}

    def __contains__(self, key: str) -> bool:
        return key in self._given

    def values(self, scope: Scope, *keys: str) -> list[Any] | None:
        """The arguments' values, ``None`` for those left out; nothing if a given one is null."""
        found: list[Any] = []
        for key in keys:
            if key not in self._given:
                found.append(None)
                continue
            value = self._given[key](scope)
            if is_null(value):
                return None
            found.append(value)
        return found


def _to_string(spec: Any) -> Expression:
    given = _Arguments("$dateToString", spec, ("date",), ("format", "timezone", "onNull"))
    if "timezone" in given and "format" not in given:
        raise unsupported("$dateToString with a timezone and no format")
    on_null = compile_expression(spec["onNull"]) if "onNull" in spec else _missing

    def evaluate(scope: Scope) -> Any:
        if given.values(scope, "date") is None:
            return on_null(scope)
        values = given.values(scope, "date", "format", "timezone")
        if values is None:
            return None
        date, pattern, zone = values
        return format_date(local(date, zone), pattern or _DEFAULT_FORMAT)

    return evaluate


def _from_string(spec: Any) -> Expression:
    given = _Arguments("$dateFromString", spec, ("dateString",), ("timezone",))

    def evaluate(scope: Scope) -> datetime | None:
        values = given.values(scope, "dateString", "timezone")
        if values is None:
            return None
        text, zone = values
        if not isinstance(text, str):
            raise Refused(
                241, f"$dateFromString requires that 'dateString' be a string: {type_name(text)}"
            )
        return parse_date(text, zone_of(zone))

    return evaluate


def _unit(value: Any) -> str:
    if value not in FIXED and value not in DAYS and value not in MONTHS:
        raise Refused(9, f"unknown time unit value: {value}")
    return str(value)


def _moment(value: Any) -> Any:
    local(value, None)
    return value


def _trunc(spec: Any) -> Expression:
    optional = ("binSize", "timezone", "startOfWeek")
    given = _Arguments("$dateTrunc", spec, ("date", "unit"), optional)

    def evaluate(scope: Scope) -> datetime | None:
        values = given.values(scope, "date", "unit", *optional)
        if values is None:
            return None
        date, unit, size, zone, first_day = values
        count = whole(1 if size is None else size)
        if count is None or count < 1:
            raise Refused(5439018, "$dateTrunc requires 'binSize' to be a positive integer")
        return truncate(_moment(date), _unit(unit), count, zone, first_day or "sunday")

    return evaluate


def _shifting(name: str, sign: int) -> Maker:
    def make(spec: Any) -> Expression:
        required = ("startDate", "unit", "amount")
        given = _Arguments(name, spec, required, ("timezone",))

        def evaluate(scope: Scope) -> datetime | None:
            values = given.values(scope, *required, "timezone")
            if values is None:
                return None
            date, unit, amount, zone = values
            count = whole(amount)
            if count is None:
                raise Refused(5166405, f"{name} expects an integer amount of time units")
            return shift(_moment(date), _unit(unit), sign * count, zone)

        return evaluate

    return make


def _diff(spec: Any) -> Expression:
    required, optional = ("startDate", "endDate", "unit"), ("timezone", "startOfWeek")
    given = _Arguments("$dateDiff", spec, required, optional)

    def evaluate(scope: Scope) -> Int64 | None:
        values = given.values(scope, *required, *optional)
        if values is None:
            return None
        start, end, unit, zone, first_day = values
        days = first_day or "sunday"
        return Int64(difference(_moment(start), _moment(end), _unit(unit), zone, days))

    return evaluate


OPERATORS: dict[str, Maker] = {
    **{name: _part(name) for name in _PARTS},
    "$dateToString": _to_string,
    "$dateFromString": _from_string,
    "$dateTrunc": _trunc,
    "$dateAdd": _shifting("$dateAdd", 1),
    "$dateSubtract": _shifting("$dateSubtract", -1),
    "$dateDiff": _diff,
}
