"""BSON values as Python sees them: what is a number, what a type is called, what is not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import bson
from bson import Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS

from storage.embedded.errors import Refused

Doc = dict[str, Any]
Predicate = Callable[[Any], bool]

OPTIONS: CodecOptions[Doc] = CodecOptions(
    tz_aware=True, tzinfo=UTC, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_DEPTH = 100
MAX_DOCUMENT = 16 * 1024 * 1024
INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)


class Missing:
    """The value of a field that is not there; not the same as null."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()

NAMES_BY_NUMBER = {
    -1: "minKey",
    1: "double",
    2: "string",
    3: "object",
    4: "array",
    5: "binData",
    7: "objectId",
    8: "bool",
    9: "date",
    10: "null",
    11: "regex",
    13: "javascript",
    16: "int",
    17: "timestamp",
    18: "long",
    19: "decimal",
    127: "maxKey",
}
TYPE_NAMES = frozenset(NAMES_BY_NUMBER.values())

# Order matters: bool is an int, Int64 is an int, datetimes have two forms.
_CLASSES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "bool"),
    (Int64, "long"),
    (float, "double"),
    (Code, "javascript"),
    (str, "string"),
    (Mapping, "object"),
    (list, "array"),
    (bytes, "binData"),
    (ObjectId, "objectId"),
    ((datetime, DatetimeMS), "date"),
    (Decimal128, "decimal"),
    ((Regex, re.Pattern), "regex"),
    (Timestamp, "timestamp"),
    (MinKey, "minKey"),
    (MaxKey, "maxKey"),
)


def decode(raw: bytes) -> Doc:
    """A document from its bytes; dates are aware, out-of-range dates stay numbers."""
    return bson.decode(raw, OPTIONS)


def type_name(value: Any) -> str:
    """MongoDB's name of the value's type, ``missing`` for a field that is not there."""
    if value is MISSING:
        return "missing"
    if value is None:
        return "null"
    if type(value) is int:
        return "int" if value in INT32 else "long"
    for classes, name in _CLASSES:
        if isinstance(value, classes):
            return name
    return "int" if isinstance(value, int) else type(value).__name__


def is_number(value: Any) -> bool:
    """Whether the value is an int, long, double or decimal; true and false are not."""
    return isinstance(value, int | float | Decimal128) and not isinstance(value, bool)


def is_regex(value: Any) -> bool:
    """Whether the value is a regular expression."""
    return isinstance(value, Regex | re.Pattern)


def is_date(value: Any) -> bool:
    """Whether the value is a date that Python can calculate with."""
    return isinstance(value, datetime)


def is_null(value: Any) -> bool:
    """Null, or not there."""
    return value is None or value is MISSING


def millis(at: datetime) -> int:
    """Milliseconds since 1970, as BSON keeps them."""
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    span = at - EPOCH
    return (span.days * 86400 + span.seconds) * 1000 + span.microseconds // 1000


def whole(value: Any) -> int | None:
    """The integer a number stands for, or nothing: 3 and 3.0 do, 3.5 and "3" do not."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


def copy(value: Any) -> Any:
    """A copy whose containers are new; scalars are shared, for nobody changes them."""
    if isinstance(value, dict):
        return {key: copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy(item) for item in value]
    return value


def check_depth(value: Any, left: int = MAX_DEPTH) -> None:
    """Refuse what is nested deeper than a hundred levels.

    Raises:
        Refused: 15, as MongoDB does at its own limit of 180.
    """
    if left < 0:
        raise Refused(15, f"BSONObj exceeds maximum nested object depth: {MAX_DEPTH}")
    items = value.values() if isinstance(value, dict) else value
    for item in items:
        if isinstance(item, dict | list):
            check_depth(item, left - 1)


def encode(doc: Mapping[str, Any]) -> bytes:
    """A stored document's bytes.

    Raises:
        Refused: 10334 above 16 MB.
    """
    raw = bson.encode(doc)
    check_size(raw)
    return raw


def check_size(raw: bytes) -> None:
    """Refuse a document above 16 MB."""
    if len(raw) > MAX_DOCUMENT:
        raise Refused(
            10334,
            f"BSONObj size: {len(raw)} is invalid. Size must be between 0 and {MAX_DOCUMENT}",
        )


def narrow(number: int, *, long: bool = False) -> int:
    """An integer with the smallest BSON type that MongoDB would give it: int, else long.

    Raises:
        OverflowError: It is beyond 64 bits.
    """
    if number not in INT64:
        raise OverflowError
    return Int64(number) if long or number not in INT32 else number
