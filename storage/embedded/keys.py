"""Order-preserving keys: bytes whose order is the order of the BSON values they stand for.

``encode`` serves ``_id``, indexes, sorting and equality. Every key is prefix-free, so keys of
several values may simply be joined; its first byte tells the type::

    01 minKey  05 missing (expressions only)  0f empty array  10 null  20 number  30 string
    40 object  50 array  60 binary  70 ObjectId  80 bool  90 date  a0 timestamp  b0 regex  f0 maxKey

A number is the double nearest to it, and after that 80 if it is that double exactly, else 40 or c0
(below, above) and its decimal digits. Doubles count as their first 34 digits, as MongoDB
compares them with decimals.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Context, Decimal
from typing import Any

from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from storage.embedded.errors import Refused
from storage.embedded.values import MISSING, millis

MIN_KEY = b"\x01"
NOT_THERE = b"\x05"
EMPTY_ARRAY = b"\x0f"
NULL = b"\x10"
NUMBER = b"\x20"
STRING = b"\x30"
DATE = b"\x90"
NAN = NUMBER + bytes(8) + b"\x80"
# Every number that is not NaN sorts after this.
NUMBERS = NUMBER + bytes(7) + b"\x01"

_EXACT, _BELOW, _ABOVE = b"\x80", b"\x40", b"\xc0"
_DOUBLE, _U64, _U32X2, _BINARY = (struct.Struct(x) for x in (">d", ">Q", ">II", ">IB"))
_SIGN = 1 << 63
_ALL = (1 << 64) - 1
_EXACT_INT = 1 << 53
_34_DIGITS = Context(prec=34, Emin=-6176, Emax=6144)


def after(key: bytes) -> bytes:
    """The smallest key above every key that starts with this one."""
    return key + b"\xff"


def encode(value: Any) -> bytes:
    """The key of a value; a field that is not there counts as null.

    Raises:
        Refused: 2, a type that cannot be ordered here (code, DBRef).
    """
    maker = _MAKERS.get(type(value))
    if maker is not None:
        return maker(value)
    for classes, other in _SUBCLASSES:
        if isinstance(value, classes):
            return other(value)
    raise Refused(2, f"values of type {type(value).__name__} cannot be compared here")


def encode_result(value: Any) -> bytes:
    """The key of an expression's result, where missing sorts before null."""
    return NOT_THERE if value is MISSING else encode(value)


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal to MongoDB: 1 equals 1.0 and never equals true."""
    return encode(left) == encode(right)


def distinct(values: list[Any]) -> list[Any]:
    """The values without those equal to an earlier one."""
    seen: set[bytes] = set()
    kept = []
    for value in values:
        key = encode(value)
        if key not in seen:
            seen.add(key)
            kept.append(value)
    return kept


def products(columns: list[set[bytes]]) -> set[bytes]:
    """Joined keys of a compound index."""
    return {b"".join(parts) for parts in itertools.product(*columns)}


def _double(number: float) -> bytes:
    bits: int = _U64.unpack(_DOUBLE.pack(number + 0.0))[0]
    return NUMBER + _U64.pack(bits ^ _ALL if bits & _SIGN else bits | _SIGN)


def _float(number: float) -> bytes:
    if number != number:  # noqa: PLR0124 - only NaN differs from itself
        return NAN
    return _double(number or 0.0) + _EXACT


def _int(number: int) -> bytes:
    if -_EXACT_INT <= number <= _EXACT_INT:
        return _double(float(number)) + _EXACT
    nearest = float(number)
    if int(nearest) == number:
        return _double(nearest) + _EXACT
    side = _ABOVE if number > int(nearest) else _BELOW
    return _double(nearest) + side + _digits(Decimal(int(number)))


def _decimal(value: Decimal128) -> bytes:
    number = value.to_decimal()
    if number.is_nan():
        return NAN
    nearest = float(number) or 0.0
    if number.is_infinite():
        return _double(nearest) + _EXACT
    stands_for = _34_DIGITS.create_decimal(Decimal(nearest))
    if number == stands_for:
        return _double(nearest) + _EXACT
    return _double(nearest) + (_ABOVE if number > stands_for else _BELOW) + _digits(number)


def _digits(number: Decimal) -> bytes:
    """Sign, exponent and digits of a number that is not zero."""
    sign, digits, _ = number.as_tuple()
    text = "".join(map(str, digits)).rstrip("0").encode() + b"\0"
    plain = struct.pack(">H", number.adjusted() + 0x8000) + text
    return b"\x7f" + bytes(255 - byte for byte in plain) if sign else b"\x81" + plain


def text(value: str) -> bytes:
    """A string's bytes with an end that no other string continues."""
    raw = value.encode("utf-8", "surrogatepass")
    return (raw.replace(b"\0", b"\0\xff") if b"\0" in raw else raw) + b"\0\0"


def _string(value: str) -> bytes:
    return STRING + text(value)


def _document(value: Mapping[str, Any]) -> bytes:
    parts = [b"\x40"]
    for name, item in value.items():
        key = encode(item)
        parts += (key[:1], text(name), key)
    return b"".join(parts) + b"\0"


def _array(value: list[Any] | tuple[Any, ...]) -> bytes:
    return b"\x50" + b"".join(map(encode, value)) + b"\0"


def _binary(value: bytes) -> bytes:
    kind = value.subtype if isinstance(value, Binary) else 0
    return b"\x60" + _BINARY.pack(len(value), kind) + bytes(value)


def date_key(milliseconds: int) -> bytes:
    """The key of a date given in milliseconds since 1970."""
    return DATE + _U64.pack(milliseconds + _SIGN)


def _date(value: datetime) -> bytes:
    return date_key(millis(value))


def _regex(value: Regex[Any] | re.Pattern[Any]) -> bytes:
    pattern = value.pattern if isinstance(value.pattern, str) else value.pattern.decode()
    return b"\xb0" + text(pattern) + text(str(value.flags & ~re.UNICODE))


def _null(_: object) -> bytes:
    return NULL


_MAKERS: dict[type, Callable[[Any], bytes]] = {
    str: _string,
    int: _int,
    Int64: _int,
    float: _float,
    bool: lambda value: b"\x80\x01" if value else b"\x80\x00",
    type(None): _null,
    type(MISSING): _null,
    ObjectId: lambda value: b"\x70" + value.binary,
    datetime: _date,
    dict: _document,
    list: _array,
    tuple: _array,
    bytes: _binary,
    Binary: _binary,
    Decimal128: _decimal,
    DatetimeMS: lambda value: date_key(int(value)),
    Timestamp: lambda value: b"\xa0" + _U32X2.pack(value.time, value.inc),
    Regex: _regex,
    re.Pattern: _regex,
    MinKey: lambda _: MIN_KEY,
    MaxKey: lambda _: b"\xf0",
}
_SUBCLASSES: tuple[tuple[type, Callable[[Any], bytes]], ...] = (
    (Mapping, _document),
    (datetime, _date),
)
