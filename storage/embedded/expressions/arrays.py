"""Arrays: picking, mapping, filtering, folding, and their exchange with documents."""

from __future__ import annotations

from typing import Any

from storage.embedded.errors import Refused
from storage.embedded.expressions.core import (
    Expression,
    Maker,
    Scope,
    arguments,
    check_count,
    compile_expression,
    function,
    named,
    null_if_missing,
    optional_argument,
    truthy,
)
from storage.embedded.expressions.logic import check_variable
from storage.embedded.keys import encode, encode_result
from storage.embedded.order import parse_order, sorted_docs
from storage.embedded.values import MISSING, is_null, type_name, whole

MAX_RANGE = 1_000_000


def _list(name: str, value: Any, code: int) -> list[Any]:
    if not isinstance(value, list):
        raise Refused(code, f"{name} requires an array, found: {type_name(value)}")
    return value


def _integer(name: str, value: Any, code: int) -> int:
    number = whole(value)
    if number is None:
        raise Refused(code, f"{name} requires an integer, found: {value!r}")
    return number


def _size(spec: Any) -> Expression:
    operands = arguments(spec)
    check_count("$size", operands, 1, 1)

    def evaluate(scope: Scope) -> int:
        value = operands[0](scope)
        if not isinstance(value, list):
            raise Refused(
                17124,
                f"The argument to $size must be an array, but was of type: {type_name(value)}",
            )
        return len(value)

    return evaluate


def _is_array(spec: Any) -> Expression:
    operands = arguments(spec)
    check_count("$isArray", operands, 1, 1)
    return lambda scope: isinstance(operands[0](scope), list)


def _in(spec: Any) -> Expression:
    operands = arguments(spec)
    check_count("$in", operands, 2, 2)

    def evaluate(scope: Scope) -> bool:
        wanted, items = operands[0](scope), operands[1](scope)
        if not isinstance(items, list):
            raise Refused(
                40081, f"$in requires an array as a second argument, found: {type_name(items)}"
            )
        key = encode_result(wanted)
        return any(encode(item) == key for item in items)

    return evaluate


def _element_at(items: Any, index: Any) -> Any:
    array = _list("$arrayElemAt", items, 28689)
    at = _integer("$arrayElemAt", index, 28690)
    return array[at] if -len(array) <= at < len(array) else MISSING


def _first(items: Any) -> Any:
    array = _list("$first", items, 28689)
    return array[0] if array else MISSING


def _last(items: Any) -> Any:
    array = _list("$last", items, 28689)
    return array[-1] if array else MISSING


def _slice(items: Any, first: Any, count: Any = None) -> list[Any]:
    array = _list("$slice", items, 28724)
    start = _integer("$slice", first, 28725)
    if count is None:
        return array[:start] if start >= 0 else array[start:]
    size = _integer("$slice", count, 28727)
    if size <= 0:
        raise Refused(28729, "Third argument to $slice must be positive")
    start = max(len(array) + start, 0) if start < 0 else start
    return array[start : start + size]


def _concat(*values: Any) -> list[Any]:
    return [item for value in values for item in _list("$concatArrays", value, 28664)]


def _range(start: Any, end: Any, step: Any = 1) -> list[int]:
    first, stop, by = (_integer("$range", value, 34444) for value in (start, end, step))
    if by == 0:
        raise Refused(34449, "$range requires a non-zero step value")
    numbers = range(first, stop, by)
    if len(numbers) > MAX_RANGE:
        raise Refused(146, "$range would use too much memory")
    return list(numbers)


def _index_of(items: Any, wanted: Any, *bounds: Any) -> int:
    array = _list("$indexOfArray", items, 40090)
    numbers = [_integer("$indexOfArray", bound, 40096) for bound in bounds]
    if any(number < 0 for number in numbers):
        raise Refused(40097, "$indexOfArray requires non-negative bounds")
    start = numbers[0] if numbers else 0
    end = min(numbers[1], len(array)) if len(numbers) > 1 else len(array)
    key = encode(wanted)
    return next((at for at in range(start, end) if encode(array[at]) == key), -1)


def _index_of_array(spec: Any) -> Expression:
    """Null only for a null array: a null value may be looked for."""
    operands = arguments(spec)
    check_count("$indexOfArray", operands, 2, 4)

    def evaluate(scope: Scope) -> int | None:
        values = [operand(scope) for operand in operands]
        return None if is_null(values[0]) else _index_of(*values)

    return evaluate


def _reverse(items: Any) -> list[Any]:
    return _list("$reverseArray", items, 34435)[::-1]


def _element_name(spec: dict[str, Any]) -> str:
    name = spec.get("as", "this")
    check_variable(name)
    return str(name)


def _filter(spec: Any) -> Expression:
    spec = named("$filter", spec, ("input", "cond"), ("as", "limit"))
    items, condition = compile_expression(spec["input"]), compile_expression(spec["cond"])
    name, limit = _element_name(spec), optional_argument(spec, "limit")

    def evaluate(scope: Scope) -> list[Any] | None:
        array = items(scope)
        if is_null(array):
            return None
        if not isinstance(array, list):
            raise Refused(28651, f"input to $filter must be an array not {type_name(array)}")
        most = None if limit is None else limit(scope)
        kept = [item for item in array if truthy(condition({**scope, name: item}))]
        if is_null(most):
            return kept
        size = _integer("$filter", most, 327391)
        if size < 1:
            raise Refused(327392, "$filter: limit must be greater than zero")
        return kept[:size]

    return evaluate


def _map(spec: Any) -> Expression:
    spec = named("$map", spec, ("input", "in"), ("as",))
    items, inside = compile_expression(spec["input"]), compile_expression(spec["in"])
    name = _element_name(spec)

    def evaluate(scope: Scope) -> list[Any] | None:
        array = items(scope)
        if is_null(array):
            return None
        if not isinstance(array, list):
            raise Refused(16883, f"input to $map must be an array not {type_name(array)}")
        return [null_if_missing(inside({**scope, name: item})) for item in array]

    return evaluate


def _reduce(spec: Any) -> Expression:
    spec = named("$reduce", spec, ("input", "initialValue", "in"))
    items, inside = compile_expression(spec["input"]), compile_expression(spec["in"])
    initial = compile_expression(spec["initialValue"])

    def evaluate(scope: Scope) -> Any:
        array = items(scope)
        if is_null(array):
            return None
        if not isinstance(array, list):
            raise Refused(40080, f"$reduce requires that 'input' be an array, found: {array!r}")
        value = initial(scope)
        for item in array:
            value = inside({**scope, "value": value, "this": item})
        return value

    return evaluate


def _sort_array(spec: Any) -> Expression:
    spec = named("$sortArray", spec, ("input", "sortBy"))
    items, by = compile_expression(spec["input"]), spec["sortBy"]
    order = parse_order(by) if isinstance(by, dict) else ()
    if not order and (isinstance(by, bool) or by not in (1, -1)):
        raise Refused(2942507, "$sortArray needs 1, -1 or a document to sort by")

    def evaluate(scope: Scope) -> list[Any] | None:
        array = items(scope)
        if is_null(array):
            return None
        array = _list("$sortArray", array, 2942504)
        if not order:
            return sorted(array, key=encode, reverse=by < 0)
        fields = tuple((f"v.{name}", direction) for name, direction in order)
        return [doc["v"] for doc in sorted_docs(({"v": item} for item in array), fields)]

    return evaluate


def _merge_objects(spec: Any) -> Expression:
    operands = arguments(spec)

    def evaluate(scope: Scope) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for operand in operands:
            value = operand(scope)
            if is_null(value):
                continue
            if not isinstance(value, dict):
                raise Refused(
                    40400,
                    f"$mergeObjects requires object inputs, but input is of type "
                    f"{type_name(value)}",
                )
            merged.update(value)
        return merged

    return evaluate


def _object_to_array(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        raise Refused(40390, f"$objectToArray requires a document input, found: {value!r}")
    return [{"k": name, "v": item} for name, item in value.items()]


def _array_to_object(value: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for pair in _list("$arrayToObject", value, 40386):
        match pair:
            case {"k": str(name), "v": item, **rest} if not rest:
                made[name] = item
            case [str(name), item]:
                made[name] = item
            case _:
                raise Refused(40391, "$arrayToObject requires pairs of a string and a value")
    return made


def _array_to_object_maker(spec: Any) -> Expression:
    """A list of one operand, or an operand that is itself a list written out."""
    literal = isinstance(spec, list) and len(spec) != 1
    operand = compile_expression(spec) if literal else arguments(spec)[0]

    def evaluate(scope: Scope) -> dict[str, Any] | None:
        value = operand(scope)
        return None if is_null(value) else _array_to_object(value)

    return evaluate


OPERATORS: dict[str, Maker] = {
    "$size": _size,
    "$isArray": _is_array,
    "$in": _in,
    "$indexOfArray": _index_of_array,
    "$filter": _filter,
    "$map": _map,
    "$reduce": _reduce,
    "$sortArray": _sort_array,
    "$mergeObjects": _merge_objects,
    "$arrayToObject": _array_to_object_maker,
    **dict(
        [
            function("$arrayElemAt", 2, 2, _element_at),
            function("$first", 1, 1, _first),
            function("$last", 1, 1, _last),
            function("$slice", 2, 3, _slice),
            function("$concatArrays", 0, None, _concat),
            function("$range", 2, 3, _range),
            function("$reverseArray", 1, 1, _reverse),
            function("$objectToArray", 1, 1, _object_to_array),
        ]
    ),
}
