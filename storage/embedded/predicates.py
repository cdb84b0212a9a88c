"""Tests on one value, as a query's operators put them: ``{"$gt": 3}``, a literal, a regex."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from bson import Decimal128, MaxKey, MinKey

from storage.embedded.errors import Refused, unsupported
from storage.embedded.keys import NAN, encode
from storage.embedded.regexes import search
from storage.embedded.values import (
    MISSING,
    NAMES_BY_NUMBER,
    TYPE_NAMES,
    Predicate,
    is_null,
    is_number,
    is_regex,
    type_name,
    whole,
)

COMPARISONS = ("$gt", "$gte", "$lt", "$lte")
_NOT_OPERATORS = ("$ref", "$id", "$db")


def is_operators(condition: Any) -> bool:
    """Whether a condition is a document of operators and not a value to compare with."""
    if not isinstance(condition, dict) or not condition:
        return False
    first = next(iter(condition))
    return first.startswith("$") and first not in _NOT_OPERATORS


def equals(wanted: Any) -> Predicate:
    """Equality, and a search where the wanted value is a regular expression."""
    if not is_regex(wanted):
        return equals_exactly(wanted)
    found, key = search(wanted), encode(wanted)
    return lambda value: (
        (isinstance(value, str) and found(value)) or (is_regex(value) and encode(value) == key)
    )


def equals_exactly(wanted: Any) -> Predicate:
    """Equality by BSON's order; null is equal to what is not there."""
    if wanted is None:
        return is_null
    if type(wanted) is str:
        return lambda value: value == wanted and isinstance(value, str)
    key = encode(wanted)
    return lambda value: value is not MISSING and encode(value) == key


_TESTS: dict[str, Callable[[bytes, bytes], bool]] = {
    "$gt": lambda left, right: left > right,
    "$gte": lambda left, right: left >= right,
    "$lt": lambda left, right: left < right,
    "$lte": lambda left, right: left <= right,
}


def compares(operator: str, wanted: Any) -> Predicate:
    """Greater or less among values of the same type."""
    if is_regex(wanted):
        raise Refused(2, f"Can't have RegEx as arg to predicate over field '{operator}'.")
    if isinstance(wanted, MinKey | MaxKey):
        raise unsupported(f"{operator} with MinKey or MaxKey")
    if wanted is None:
        return is_null if operator in {"$gte", "$lte"} else lambda _: False
    key, test = encode(wanted), _TESTS[operator]
    kind = key[:1]

    def compare(value: Any) -> bool:
        if value is MISSING:
            return False
        found = encode(value)
        return found[:1] == kind and test(found, key) and (found != NAN or key == NAN)

    return compare


def is_in(wanted: Any, operator: str = "$in") -> Predicate:
    """Equality with any of a list, regular expressions among them."""
    if not isinstance(wanted, list):
        raise Refused(2, f"{operator} needs an array")
    if any(is_operators(item) for item in wanted):
        raise Refused(2, f"cannot nest $ under {operator}")
    patterns = [equals(item) for item in wanted if is_regex(item)]
    keys = {encode(item) for item in wanted if item is not None and not is_regex(item)}
    with_null = None in wanted

    def contains(value: Any) -> bool:
        if value is MISSING or value is None:
            return with_null
        if keys and encode(value) in keys:
            return True
        return any(matches(value) for matches in patterns)

    return contains


def has_type(wanted: Any) -> Predicate:
    """``$type``, by name or number."""
    names: set[str] = set()
    for item in wanted if isinstance(wanted, list) else [wanted]:
        name = item if isinstance(item, str) else NAMES_BY_NUMBER.get(whole(item) or 0)
        if name == "number":
            names |= {"int", "long", "double", "decimal"}
        elif name in TYPE_NAMES:
            names.add(name)
        else:
            raise Refused(2, f"Unknown type name alias: {item}")
    if not names:
        raise Refused(9, "$type must match at least one type")
    return lambda value: type_name(value) in names


def modulo(wanted: Any) -> Predicate:
    """``$mod``; the remainder has the sign of the value, as in C."""
    if not isinstance(wanted, list) or len(wanted) < 2:
        raise Refused(2, "malformed mod, not enough elements")
    if len(wanted) > 2:
        raise Refused(2, "malformed mod, too many elements")
    if not all(isinstance(item, int | float) and math.isfinite(item) for item in wanted):
        raise Refused(2, "malformed mod, divisor and remainder must be numbers")
    divisor, remainder = int(wanted[0]), int(wanted[1])
    if divisor == 0:
        raise Refused(2, "divisor cannot be 0")

    def divides(value: Any) -> bool:
        if isinstance(value, Decimal128):
            raise unsupported("$mod of a decimal")
        if not is_number(value) or not math.isfinite(value):
            return False
        number = int(value)
        rest = abs(number) % abs(divisor)
        return (-rest if number < 0 else rest) == remainder

    return divides


def has_size(wanted: Any) -> Predicate:
    """``$size``: an array of so many elements."""
    size = whole(wanted)
    if size is None:
        raise Refused(2, f"Failed to parse $size. Expected an integer, but found: {wanted!r}")
    if size < 0:
        raise Refused(2, f"Failed to parse $size. Expected a non-negative number in: {wanted}")
    return lambda value: isinstance(value, list) and len(value) == size


_BITS: dict[str, Callable[[int, int], bool]] = {
    "$bitsAllSet": lambda value, mask: value & mask == mask,
    "$bitsAnySet": lambda value, mask: value & mask != 0,
    "$bitsAllClear": lambda value, mask: value & mask == 0,
    "$bitsAnyClear": lambda value, mask: value & mask != mask,
}
BIT_TESTS = tuple(_BITS)


def has_bits(operator: str, wanted: Any) -> Predicate:
    """``$bitsAllSet`` and its kin, with a mask or a list of positions."""
    if isinstance(wanted, bytes):
        raise unsupported(f"{operator} with binary data")
    positions = wanted if isinstance(wanted, list) else []
    numbers = [whole(item) for item in (positions or [wanted])]
    if any(number is None or number < 0 for number in numbers) or wanted == []:
        raise Refused(9, f"{operator} takes a non-negative integer or an array of positions")
    known = [number for number in numbers if number is not None]
    mask = sum({1 << number for number in known}) if positions else known[0]
    test = _BITS[operator]

    def check(value: Any) -> bool:
        if isinstance(value, bytes):
            raise unsupported(f"{operator} of binary data")
        number = whole(value)
        return number is not None and test(number, mask)

    return check
