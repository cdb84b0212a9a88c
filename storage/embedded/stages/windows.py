"""``$setWindowFields``: ranks, running totals and neighbours within partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from storage.embedded.accumulators import Accumulator
from storage.embedded.errors import Refused, unsupported
from storage.embedded.expressions import compile_expression
from storage.embedded.expressions.core import named, null_if_missing
from storage.embedded.keys import encode
from storage.embedded.order import document_key, parse_order, sorted_docs
from storage.embedded.paths import with_field
from storage.embedded.stages.run import Run, Stage
from storage.embedded.values import Doc, whole

# A column of values, one for each document of a partition.
Column = Callable[[list[Doc], list[Any]], list[Any]]
_RANKS = ("$rank", "$denseRank", "$documentNumber")


def _set_window_fields(docs: Iterable[Doc], spec: Any, run: Run) -> Iterable[Doc]:
    spec = named("$setWindowFields", spec, ("output",), ("partitionBy", "sortBy"))
    partition = compile_expression(spec.get("partitionBy"))
    order = parse_order(spec.get("sortBy"))
    columns = [
        (name.split("."), _column(name, output, run, ordered=bool(order)))
        for name, output in spec["output"].items()
    ]
    groups: dict[bytes, list[Doc]] = {}
    for doc in run.hold(docs):
        groups.setdefault(encode(null_if_missing(partition(run.scope(doc)))), []).append(doc)
    key = document_key(order)
    return (
        new
        for _, group in sorted(groups.items())
        for new in _fill(sorted_docs(group, order) if order else group, key, columns)
    )


def _fill(
    docs: list[Doc], key: Callable[[Doc], Any], columns: list[tuple[list[str], Column]]
) -> Iterator[Doc]:
    keys = [key(doc) for doc in docs]
    filled = list(docs)
    for parts, column in columns:
        values = column(docs, keys)
        filled = [with_field(doc, parts, value) for doc, value in zip(filled, values, strict=True)]
    return iter(filled)


def _column(name: str, output: Any, run: Run, *, ordered: bool) -> Column:
    if not isinstance(output, dict) or len(set(output) - {"window"}) != 1:
        raise Refused(9, f"The field '{name}' must hold one window function")
    operator = next(key for key in output if key != "window")
    if (operator in _RANKS or operator == "$shift") and not ordered:
        raise Refused(5371602, f"{operator} must be specified with a sortBy")
    if operator in _RANKS:
        return _ranking(operator)
    if operator == "$shift":
        return _shift(output[operator], run)
    low, high = _window(output.get("window", {}))
    accumulator = Accumulator(name, {operator: output[operator]})

    def column(docs: list[Doc], _: list[Any]) -> list[Any]:
        taken = [accumulator.take(run.scope(doc)) for doc in docs]
        return [accumulator.finish(taken[low(at) : high(at, len(docs))]) for at in range(len(docs))]

    return column


def _ranking(operator: str) -> Column:
    def column(_: list[Doc], keys: list[Any]) -> list[int]:
        ranks: list[int] = []
        rank = dense = 0
        for at, key in enumerate(keys):
            if at == 0 or key != keys[at - 1]:
                rank, dense = at + 1, dense + 1
            ranks.append({"$rank": rank, "$denseRank": dense}.get(operator, at + 1))
        return ranks

    return column


def _shift(spec: Any, run: Run) -> Column:
    spec = named("$shift", spec, ("output", "by"), ("default",))
    output, by, default = compile_expression(spec["output"]), whole(spec["by"]), spec.get("default")
    if by is None:
        raise Refused(9, "'$shift:by' field must be an integer")

    def column(docs: list[Doc], _: list[Any]) -> list[Any]:
        values = [null_if_missing(output(run.scope(doc))) for doc in docs]
        return [
            values[at + by] if 0 <= at + by < len(values) else default for at in range(len(values))
        ]

    return column


def _window(spec: Any) -> tuple[Callable[[int], int], Callable[[int, int], int]]:
    if "range" in spec:
        raise unsupported("a window by range")
    bounds = spec.get("documents", ["unbounded", "unbounded"])
    if not isinstance(bounds, list) or len(bounds) != 2 or set(spec) - {"documents"}:
        raise Refused(9, "Window bounds must be a 2-element array")
    low, high = (0 if bound == "current" else bound for bound in bounds)
    for bound in (low, high):
        if bound != "unbounded" and whole(bound) is None:
            raise Refused(9, "Numeric document-based bounds must be an integer")

    def start(at: int) -> int:
        return 0 if low == "unbounded" else max(0, at + low)

    def end(at: int, count: int) -> int:
        return count if high == "unbounded" else max(0, at + high + 1)

    return start, end


STAGES: dict[str, Stage] = {"$setWindowFields": _set_window_fields}
