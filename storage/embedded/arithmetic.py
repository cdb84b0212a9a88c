"""Adding and multiplying BSON numbers with the types MongoDB gives the results."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bson import Decimal128, Int64
from bson.decimal128 import create_decimal128_context

from storage.embedded.errors import Refused, unsupported
from storage.embedded.values import INT32, narrow

_DECIMALS = create_decimal128_context()


def add(left: Any, right: Any) -> Any:
    """The sum of two numbers."""
    if isinstance(left, Decimal128) or isinstance(right, Decimal128):
        return Decimal128(_DECIMALS.add(_decimal(left), _decimal(right)))
    return _typed(left + right, left, right)


def subtract(left: Any, right: Any) -> Any:
    """The difference of two numbers."""
    if isinstance(left, Decimal128) or isinstance(right, Decimal128):
        return Decimal128(_DECIMALS.subtract(_decimal(left), _decimal(right)))
    return _typed(left - right, left, right)


def multiply(left: Any, right: Any) -> Any:
    """The product of two numbers."""
    if isinstance(left, Decimal128) or isinstance(right, Decimal128):
        return Decimal128(_DECIMALS.multiply(_decimal(left), _decimal(right)))
    try:
        return _typed(left * right, left, right)
    except OverflowError:
        return float(left) * float(right)


def _decimal(number: Any) -> Decimal:
    if isinstance(number, Decimal128):
        return number.to_decimal()
    if isinstance(number, float):
        # MongoDB rounds the double to 15 digits first and keeps their trailing zeros.
        raise unsupported("calculating with a double and a decimal")
    return Decimal(int(number))


def _typed(result: Any, *operands: Any) -> Any:
    """An integer result as int or long; a long stays one.

    Raises:
        OverflowError: It is beyond 64 bits.
    """
    if isinstance(result, float):
        return result
    return narrow(int(result), long=any(is_long(item) for item in operands))


def is_long(number: Any) -> bool:
    """Whether the number is stored with 64 bits."""
    return isinstance(number, Int64) or (type(number) is int and number not in INT32)


def total(numbers: Iterable[Any]) -> Any:
    """The sum of many numbers; doubles are added without losing what the small ones add."""
    whole, long = 0, False
    doubles: list[float] = []
    decimals: list[Decimal128] = []
    for number in numbers:
        if isinstance(number, float):
            doubles.append(number)
        elif isinstance(number, Decimal128):
            decimals.append(number)
        else:
            whole += number
            long = long or is_long(number)
    if decimals:
        if doubles:
            raise unsupported("adding doubles and decimals")
        result = Decimal(whole)
        for number in decimals:
            result = _DECIMALS.add(result, number.to_decimal())
        return Decimal128(result)
    if doubles:
        return _sum_doubles([*doubles, float(whole)])
    try:
        return narrow(whole, long=long)
    except OverflowError:
        return float(whole)


def mean(numbers: list[Any]) -> float | None:
    """The average as a double, null of nothing."""
    if not numbers:
        return None
    if any(isinstance(number, Decimal128) for number in numbers):
        raise unsupported("the average of decimals")
    return _sum_doubles([float(number) for number in numbers]) / len(numbers)


def _sum_doubles(numbers: list[float]) -> float:
    if all(map(math.isfinite, numbers)):
        return math.fsum(numbers)
    return sum(numbers)


def overflow(operator: str) -> Refused:
    """The refusal of an update that would leave 64 bits."""
    return Refused(2, f"Failed to apply {operator} operations to current value: integer overflow")
