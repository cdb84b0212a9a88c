"""Accumulators: what ``$group`` and its kin keep of the documents that belong together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

from storage.embedded.arithmetic import mean, total
from storage.embedded.errors import Refused, unsupported
from storage.embedded.expressions import Scope, compile_expression
from storage.embedded.expressions.core import named, null_if_missing
from storage.embedded.expressions.totals import largest, smallest
from storage.embedded.keys import distinct, encode
from storage.embedded.order import parse_order, sorted_docs
from storage.embedded.values import MISSING, is_null, is_number, type_name, whole

# What is taken from each document, and what is made of all that was taken.
Take = Callable[[Scope], Any]
Finish = Callable[[list[Any]], Any]


class Accumulator:
    """One output field of a group.

    Args:
        spec: Such as ``{"$sum": "$amount"}``.
        name: The output field, for the refusal.

    Raises:
        Refused: 40234 not an accumulator, 15952 an unknown one.
    """

    def __init__(self, name: str, spec: Any) -> None:
        if not isinstance(spec, dict) or len(spec) != 1:
            raise Refused(40234, f"The field '{name}' must be an accumulator object")
        ((operator, argument),) = spec.items()
        if operator not in _MAKERS:
            raise Refused(15952, f"unknown group operator '{operator}'")
        self.take, self.finish = _MAKERS[operator](operator, argument)
        # A running total needs no memory of what it was made from.
        self.folds = operator in {"$sum", "$count", "$min", "$max", "$first", "$last"}

    def fold(self, values: list[Any]) -> None:
        """Keep the list short where the result does not need it long."""
        if self.folds and len(values) > 256:
            values[:] = [self.finish(values)]


def _of(finish: Finish) -> Callable[[str, Any], tuple[Take, Finish]]:
    return lambda _, argument: (compile_expression(argument), finish)


def _numbers(values: list[Any]) -> list[Any]:
    return [value for value in values if is_number(value)]


def _count(_: str, argument: Any) -> tuple[Take, Finish]:
    if argument != {}:
        raise Refused(14, "$count takes no arguments, i.e. $count:{}")
    return (lambda _: 1), sum


def _present(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not MISSING]


def _merged(values: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for value in values:
        if is_null(value):
            continue
        if not isinstance(value, dict):
            raise Refused(
                40400,
                f"$mergeObjects requires object inputs, but input is of type {type_name(value)}",
            )
        merged.update(value)
    return merged


def _deviation(least: int, call: Callable[[list[float]], float]) -> Finish:
    def finish(values: list[Any]) -> float | None:
        numbers = [float(value) for value in _numbers(values) if type_name(value) != "decimal"]
        if len(numbers) != len(_numbers(values)):
            raise unsupported("the standard deviation of decimals")
        return call(numbers) if len(numbers) >= least else None

    return finish


def _how_many(operator: str, value: Any) -> int:
    number = whole(value)
    if number is None or number < 1:
        raise Refused(5787908, f"'n' must be a positive constant integer in {operator}")
    return number


def _several(operator: str, argument: Any) -> tuple[Take, Finish]:
    argument = named(operator, argument, ("input", "n"))
    count = _how_many(operator, argument["n"])
    take = compile_expression(argument["input"])

    def finish(values: list[Any]) -> list[Any]:
        if operator == "$firstN":
            return [null_if_missing(value) for value in values[:count]]
        if operator == "$lastN":
            return [null_if_missing(value) for value in values[-count:]]
        known = [value for value in values if not is_null(value)]
        return sorted(known, key=encode, reverse=operator == "$maxN")[:count]

    return take, finish


def _ranked(operator: str, argument: Any) -> tuple[Take, Finish]:
    several = operator.endswith("N")
    keys = ("sortBy", "output", "n") if several else ("sortBy", "output")
    argument = named(operator, argument, keys)
    count = _how_many(operator, argument["n"]) if several else 1
    order = tuple((f"d.{name}", to) for name, to in parse_order(argument["sortBy"]))
    output = compile_expression(argument["output"])

    def take(scope: Scope) -> dict[str, Any]:
        return {"d": scope["CURRENT"], "v": null_if_missing(output(scope))}

    def finish(values: list[Any]) -> Any:
        ranked = sorted_docs(values, order)
        chosen = ranked[:count] if operator.startswith("$top") else ranked[-count:]
        results = [item["v"] for item in chosen]
        return results if several else results[0]

    return take, finish


def _percentile(operator: str, argument: Any) -> tuple[Take, Finish]:
    keys = ("input", "method", "p") if operator == "$percentile" else ("input", "method")
    argument = named(operator, argument, keys)
    if argument["method"] != "approximate":
        raise Refused(2, "Currently only 'approximate' can be used as percentile 'method'.")
    shares = argument.get("p", [0.5])
    if not isinstance(shares, list) or not all(
        isinstance(share, int | float) and 0 <= share <= 1 for share in shares
    ):
        raise Refused(7750300, "The $percentile 'p' field must be an array of numbers from 0 to 1")

    def finish(values: list[Any]) -> Any:
        numbers = sorted(
            float(value) for value in _numbers(values) if isinstance(value, int | float)
        )
        results = [
            numbers[max(0, math.ceil(share * len(numbers)) - 1)] if numbers else None
            for share in shares
        ]
        return results if operator == "$percentile" else results[0]

    return compile_expression(argument["input"]), finish


_MAKERS: dict[str, Callable[[str, Any], tuple[Take, Finish]]] = {
    "$sum": _of(lambda values: total(_numbers(values))),
    "$avg": _of(lambda values: mean(_numbers(values))),
    "$min": _of(smallest),
    "$max": _of(largest),
    "$first": _of(lambda values: null_if_missing(values[0]) if values else None),
    "$last": _of(lambda values: null_if_missing(values[-1]) if values else None),
    "$push": _of(_present),
    "$addToSet": _of(lambda values: distinct(_present(values))),
    "$mergeObjects": _of(_merged),
    "$stdDevPop": _of(_deviation(1, statistics.pstdev)),
    "$stdDevSamp": _of(_deviation(2, statistics.stdev)),
    "$count": _count,
    **dict.fromkeys(("$firstN", "$lastN", "$minN", "$maxN"), _several),
    **dict.fromkeys(("$top", "$topN", "$bottom", "$bottomN"), _ranked),
    **dict.fromkeys(("$percentile", "$median"), _percentile),
}
