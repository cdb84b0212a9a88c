"""Arrays as sets."""

from __future__ import annotations

from typing import Any

from storage.embedded.errors import Refused
from storage.embedded.expressions.core import (
    Expression,
    Maker,
    Scope,
    arguments,
    check_count,
    function,
    truthy,
)
from storage.embedded.keys import distinct, encode
from storage.embedded.values import type_name


def _set(name: str, value: Any, code: int) -> list[Any]:
    if not isinstance(value, list):
        raise Refused(code, f"All operands of {name} must be arrays, found: {type_name(value)}")
    return value


def _keys(name: str, value: Any, code: int) -> set[bytes]:
    return {encode(item) for item in _set(name, value, code)}


def _union(*values: Any) -> list[Any]:
    return distinct([item for value in values for item in _set("$setUnion", value, 17043)])


def _intersection(*values: Any) -> list[Any]:
    if not values:
        return []
    others = [_keys("$setIntersection", value, 17047) for value in values[1:]]
    first = distinct(_set("$setIntersection", values[0], 17047))
    return [item for item in first if all(encode(item) in keys for keys in others)]


def _difference(left: Any, right: Any) -> list[Any]:
    gone = _keys("$setDifference", right, 17049)
    return [
        item for item in distinct(_set("$setDifference", left, 17048)) if encode(item) not in gone
    ]


def _is_subset(left: Any, right: Any) -> bool:
    return _keys("$setIsSubset", left, 17046) <= _keys("$setIsSubset", right, 17042)


def _equals(spec: Any) -> Expression:
    """Null is not an array here."""
    operands = arguments(spec)
    check_count("$setEquals", operands, 2, None)

    def evaluate(scope: Scope) -> bool:
        first, *rest = (_keys("$setEquals", operand(scope), 17044) for operand in operands)
        return all(first == other for other in rest)

    return evaluate


def _of_elements(name: str, code: int, *, need_all: bool) -> Maker:
    def make(spec: Any) -> Expression:
        operands = arguments(spec)
        check_count(name, operands, 1, 1)

        def evaluate(scope: Scope) -> bool:
            values = map(truthy, _set(name, operands[0](scope), code))
            return all(values) if need_all else any(values)

        return evaluate

    return make


OPERATORS: dict[str, Maker] = {
    "$setEquals": _equals,
    "$anyElementTrue": _of_elements("$anyElementTrue", 5159200, need_all=False),
    "$allElementsTrue": _of_elements("$allElementsTrue", 5159201, need_all=True),
    **dict(
        [
            function("$setUnion", 0, None, _union),
            function("$setIntersection", 0, None, _intersection),
            function("$setDifference", 2, 2, _difference),
            function("$setIsSubset", 2, 2, _is_subset),
        ]
    ),
}
