"""Which keys of an index can hold the values a condition allows.

The bounds of a condition may be wider than the condition, never narrower, unless ``exact`` says
that they are the condition itself; the matcher then has nothing left to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import MaxKey, MinKey

from storage.embedded.keys import NAN, NULL, NUMBER, NUMBERS, after, encode
from storage.embedded.predicates import COMPARISONS, is_operators
from storage.embedded.values import Doc, is_regex

# A list of values multiplies the ranges of an index scan; beyond this a field is left to the
# matcher.
MAX_RANGES = 500


@dataclass(frozen=True, slots=True)
class Points:
    """Single keys."""

    keys: tuple[bytes, ...]
    exact: bool


@dataclass(frozen=True, slots=True)
class Span:
    """Keys from ``low`` on and below ``high``; each is known only if the condition names it."""

    low: bytes
    high: bytes
    has_low: bool
    has_high: bool
    exact: bool


Bounds = Points | Span


def bounds_of(condition: Any) -> Bounds | None:
    """The bounds of a condition on one field, or nothing if an index is no help."""
    if not is_operators(condition):
        return _points([condition], alone=True)
    alone = len(condition) == 1
    if "$eq" in condition:
        return _points([condition["$eq"]], alone=alone)
    if isinstance(condition.get("$in"), list):
        return _points(condition["$in"], alone=alone)
    return _span(condition)


def _points(values: list[Any], *, alone: bool) -> Points | None:
    if any(is_regex(value) or isinstance(value, list) for value in values):
        return None
    keys = tuple(sorted({encode(value) for value in values}))
    # A null condition also holds for some documents without the null key.
    return Points(keys, exact=alone and NULL not in keys)


def _comparable(value: Any) -> bool:
    return value is not None and not isinstance(value, list | dict | MinKey | MaxKey)


def _span(condition: Doc) -> Span | None:
    given = {
        operator: encode(condition[operator])
        for operator in COMPARISONS
        if operator in condition and _comparable(condition[operator])
    }
    kinds = {key[:1] for key in given.values()}
    if len(kinds) != 1 or NAN in given.values():
        return None
    kind = kinds.pop()
    lows = [after(given["$gt"])] if "$gt" in given else []
    lows += [given["$gte"]] if "$gte" in given else []
    highs = [given["$lt"]] if "$lt" in given else []
    highs += [after(given["$lte"])] if "$lte" in given else []
    first = NUMBERS if kind == NUMBER else kind
    return Span(
        low=max(lows) if lows else first,
        high=min(highs) if highs else bytes([kind[0] + 1]),
        has_low=bool(lows),
        has_high=bool(highs),
        exact=set(condition) == set(given),
    )


def conditions(query: Any) -> tuple[dict[str, Any], bool]:
    """One condition for each field that every matching document must meet.

    Returns:
        The conditions, and whether they are the whole query.
    """
    found: dict[str, Any] = {}
    whole = True
    for name, value in (query or {}).items():
        if name == "$and":
            for item in value:
                inner, complete = conditions(item)
                whole = whole and complete and not (found.keys() & inner.keys())
                found = {**inner, **found}
        elif name == "$comment":
            continue
        elif name.startswith("$"):
            whole = False
        else:
            whole = whole and name not in found
            found.setdefault(name, value)
    return found, whole
