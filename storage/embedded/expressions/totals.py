"""``$sum``, ``$avg``, ``$min`` and ``$max`` over the operands of one document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from storage.embedded.arithmetic import mean, total
from storage.embedded.expressions.core import Expression, Maker, arguments
from storage.embedded.keys import encode
from storage.embedded.values import is_null, is_number


def largest(values: list[Any]) -> Any:
    """The greatest value by BSON's order, null of nothing; null and missing do not count."""
    return max((value for value in values if not is_null(value)), key=encode, default=None)


def smallest(values: list[Any]) -> Any:
    """The least value by BSON's order, null of nothing; null and missing do not count."""
    return min((value for value in values if not is_null(value)), key=encode, default=None)


def _maker(call: Callable[[list[Any]], Any]) -> Maker:
    def make(spec: Any) -> Expression:
        operands = arguments(spec)

        def evaluate(scope: Any) -> Any:
            values = [operand(scope) for operand in operands]
            # A single operand that is an array stands for its elements.
            if len(values) == 1 and isinstance(values[0], list):
                values = values[0]
            return call(values)

        return evaluate

    return make


OPERATORS: dict[str, Maker] = {
    "$sum": _maker(lambda values: total(filter(is_number, values))),
    "$avg": _maker(lambda values: mean(list(filter(is_number, values)))),
    "$min": _maker(smallest),
    "$max": _maker(largest),
}
