"""Conversions between types; what MongoDB's parsers would not read is refused with 241."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from bson import Decimal128, Int64, ObjectId
from bson.errors import InvalidId

from storage.embedded.errors import Refused, unsupported
from storage.embedded.expressions.core import Maker, function, truthy
from storage.embedded.values import EPOCH, INT32, INT64, type_name

_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def _failed(value: Any, to: str, why: str = "") -> Refused:
    reason = f" {why}" if why else ""
    return Refused(
        241,
        f"Failed to convert {value!r} of type {type_name(value)} to {to} in $convert "
        f"with no onError value.{reason}",
    )


def _to_string(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | ObjectId() | Decimal128():
            return str(value)
        case int():
            return str(int(value))
        case float():
            return _double_text(value)
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
        case _:
            raise _failed(value, "string")


def _double_text(value: float) -> str:
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    if "e" in text or not math.isfinite(value):
        raise unsupported("the string of a very large or very small double")
    return text


def _to_integer(to: str, allowed: range, wrap: Callable[[int], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        number: int
        match value:
            case bool() | int():
                number = int(value)
            case float():
                if not math.isfinite(value):
                    raise _failed(value, to)
                number = math.trunc(value)
            case Decimal128():
                raise unsupported(f"converting a decimal to {to}")
            case str():
                if not _INTEGER.fullmatch(value):
                    raise _failed(value, to, "Did not consume whole string.")
                number = int(value)
            case datetime() if to == "long":
                number = (value - EPOCH) // timedelta(milliseconds=1)
            case _:
                raise _failed(value, to)
        if number not in allowed:
            raise _failed(value, to, "Conversion would overflow target type")
        return wrap(number)

    return convert


def _to_double(value: Any) -> float:
    match value:
        case bool() | int() | float():
            return float(value)
        case Decimal128():
            return float(value.to_decimal())
        case str() if _REAL.fullmatch(value):
            return float(value)
        case datetime():
            return float((value - EPOCH) // timedelta(milliseconds=1))
        case _:
            raise _failed(value, "double")


def _to_decimal(value: Any) -> Decimal128:
    match value:
        case Decimal128():
            return value
        case float():
            raise unsupported("converting a double to a decimal")
        case bool() | int():
            return Decimal128(Decimal(int(value)))
        case str() if _REAL.fullmatch(value):
            try:
                return Decimal128(value)
            except InvalidOperation:
                raise _failed(value, "decimal") from None
        case _:
            raise _failed(value, "decimal")


def _to_object_id(value: Any) -> ObjectId:
    if isinstance(value, ObjectId | str):
        try:
            return ObjectId(value)
        except InvalidId:
            pass
    raise _failed(value, "objectId")


def _to_date(value: Any) -> datetime:
    match value:
        case datetime():
            return value
        case ObjectId():
            return value.generation_time
        case str():
            return parse_date(value)
        case bool():
            raise _failed(value, "date")
        case Int64() | float():
            pass
        case int() if value not in INT32:
            pass
        case _:
            raise _failed(value, "date")
    try:
        return EPOCH + timedelta(milliseconds=math.trunc(value))
    except (OverflowError, ValueError):
        raise _failed(value, "date") from None


def parse_date(text: str, zone: Any = UTC) -> datetime:
    """The moment an ISO 8601 text names; ``zone`` counts where the text has none.

    Raises:
        Refused: 241, it is written another way.
    """
    if not _DATE.fullmatch(text):
        raise _failed(text, "date", "Only ISO 8601 dates are read here.")
    if "." in text:
        head, rest = text.split(".", 1)
        digits = re.match(r"\d+", rest)
        assert digits is not None  # noqa: S101 - the pattern above says so
        text = f"{head}.{digits[0].ljust(6, chr(48))}{rest[digits.end() :]}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _failed(text, "date", str(error)) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def _to_bool(value: Any) -> bool:
    return True if isinstance(value, str) else truthy(value)


OPERATORS: dict[str, Maker] = dict(
    [
        function("$toString", 1, 1, _to_string),
        function("$toInt", 1, 1, _to_integer("int", INT32, int)),
        function("$toLong", 1, 1, _to_integer("long", INT64, Int64)),
        function("$toDouble", 1, 1, _to_double),
        function("$toDecimal", 1, 1, _to_decimal),
        function("$toBool", 1, 1, _to_bool),
        function("$toObjectId", 1, 1, _to_object_id),
        function("$toDate", 1, 1, _to_date),
    ]
)
