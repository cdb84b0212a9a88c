"""Arithmetic; a date takes part in ``$add`` and ``$subtract`` as its milliseconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Any

from bson import Decimal128, Int64

from storage.embedded import arithmetic
from storage.embedded.errors import Refused, unsupported
from storage.embedded.expressions.core import Maker, function
from storage.embedded.values import is_number, millis, narrow, type_name, whole


def _number(name: str, value: Any) -> Any:
    """A number that Python can calculate with."""
    if not is_number(value):
        raise Refused(28765, f"{name} only supports numeric types, not {type_name(value)}")
    if isinstance(value, Decimal128):
        raise unsupported(f"{name} of a decimal")
    return value


def _add(*values: Any) -> Any:
    date: datetime | None = None
    numbers = []
    for value in values:
        if isinstance(value, datetime):
            if date is not None:
                raise Refused(16612, "only one date allowed in an $add expression")
            date = value
        elif is_number(value):
            numbers.append(value)
        else:
            raise Refused(14, f"$add only supports numeric or date types, not {type_name(value)}")
    result = arithmetic.total(numbers)
    return result if date is None else _shifted(date, result)


def _shifted(date: datetime, by: Any) -> datetime:
    if isinstance(by, Decimal128):
        raise unsupported("adding a decimal to a date")
    return date + timedelta(milliseconds=round(by))


def _subtract(left: Any, right: Any) -> Any:
    if isinstance(left, datetime):
        if isinstance(right, datetime):
            return Int64(millis(left) - millis(right))
        if is_number(right):
            return _shifted(left, -_number("$subtract", right))
    if not is_number(left) or not is_number(right):
        raise Refused(14, f"can't $subtract {type_name(right)} from {type_name(left)}")
    try:
        return arithmetic.subtract(left, right)
    except OverflowError:
        return float(left) - float(right)


def _multiply(*values: Any) -> Any:
    result: Any = 1
    for value in values:
        if not is_number(value):
            raise Refused(14, f"$multiply only supports numeric types, not {type_name(value)}")
        result = arithmetic.multiply(result, value)
    return result


def _divide(left: Any, right: Any) -> float:
    if not is_number(left) or not is_number(right):
        raise Refused(
            14,
            f"$divide only supports numeric types, not {type_name(left)} and {type_name(right)}",
        )
    _number("$divide", left), _number("$divide", right)
    if right == 0:
        raise Refused(2, "can't $divide by zero")
    return float(left) / float(right)


def _mod(left: Any, right: Any) -> Any:
    if not is_number(left) or not is_number(right):
        raise Refused(
            16611,
            f"$mod only supports numeric types, not {type_name(left)} and {type_name(right)}",
        )
    _number("$mod", left), _number("$mod", right)
    if right == 0:
        raise Refused(16610, "can't $mod by zero")
    if isinstance(left, float) or isinstance(right, float):
        return math.fmod(left, right)
    rest = abs(left) % abs(right)
    long = arithmetic.is_long(left) or arithmetic.is_long(right)
    return narrow(-rest if left < 0 else rest, long=long)


def _abs(value: Any) -> Any:
    number = _number("$abs", value)
    if isinstance(number, float):
        return abs(number)
    try:
        return narrow(abs(number), long=arithmetic.is_long(number))
    except OverflowError:
        raise Refused(28680, "can't take $abs of long long min") from None


def _to_whole(name: str, rounded: Callable[[float], int]) -> Callable[[Any], Any]:
    def call(value: Any) -> Any:
        number = _number(name, value)
        if not isinstance(number, float) or not math.isfinite(number):
            return number
        return float(rounded(number))

    return call


def _float_function(
    name: str, call: Callable[[float], float], allowed: Callable[[float], bool], code: int
) -> tuple[str, Maker]:
    def checked(value: Any) -> float:
        number = float(_number(name, value))
        if not math.isnan(number) and not allowed(number):
            raise Refused(code, f"{name}'s argument must be in its domain, but is {number}")
        try:
            return call(number)
        except OverflowError:
            return math.inf

    return function(name, 1, 1, checked)


def _pow(base: Any, exponent: Any) -> Any:
    base, exponent = _number("$pow", base), _number("$pow", exponent)
    if base == 0 and exponent < 0:
        raise Refused(28764, "$pow cannot take a base of 0 and a negative exponent")
    if isinstance(base, float) or isinstance(exponent, float) or exponent < 0:
        try:
            return math.pow(base, exponent)
        except OverflowError:
            return math.inf if base > 0 or exponent % 2 == 0 else -math.inf
        except ValueError:
            return math.nan
    if exponent > 64 and abs(base) > 1:
        return math.pow(base, exponent)
    long = arithmetic.is_long(base) or arithmetic.is_long(exponent)
    try:
        return narrow(base**exponent, long=long)
    except OverflowError:
        return float(base**exponent)


def _rounding(name: str, how: str) -> tuple[str, Maker]:
    def call(value: Any, digits: Any = 0) -> Any:
        number, places = _number(name, value), whole(digits)
        if places is None or not -20 <= places <= 100:
            raise Refused(51082, f"{name} takes an integer between -20 and 100 for its precision")
        if isinstance(number, float):
            if not math.isfinite(number) or places > 30:
                return number
            step = Decimal(1).scaleb(-places)
            return float((Decimal(number) / step).to_integral_value(how) * step)
        if places >= 0:
            return number
        rounded = (Decimal(int(number)).scaleb(places)).to_integral_value(how).scaleb(-places)
        return narrow(int(rounded), long=arithmetic.is_long(number))

    return function(name, 1, 2, call)


OPERATORS: dict[str, Maker] = dict(
    [
        function("$add", 1, None, _add),
        function("$subtract", 2, 2, _subtract),
        function("$multiply", 1, None, _multiply),
        function("$divide", 2, 2, _divide),
        function("$mod", 2, 2, _mod),
        function("$abs", 1, 1, _abs),
        function("$floor", 1, 1, _to_whole("$floor", math.floor)),
        function("$ceil", 1, 1, _to_whole("$ceil", math.ceil)),
        _float_function("$sqrt", math.sqrt, lambda number: number >= 0, 28714),
        _float_function("$ln", math.log, lambda number: number > 0, 28766),
        _float_function("$log10", math.log10, lambda number: number > 0, 28761),
        _float_function("$exp", math.exp, lambda _: True, 28765),
        function("$pow", 2, 2, _pow),
        _rounding("$round", ROUND_HALF_EVEN),
        _rounding("$trunc", ROUND_DOWN),
    ]
)
