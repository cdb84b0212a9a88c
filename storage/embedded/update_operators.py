"""The update operators, each applied to one place of a document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import Decimal128, Int64, Timestamp

from storage.embedded.arithmetic import add, is_long, multiply, overflow
from storage.embedded.errors import Refused
from storage.embedded.keys import encode
from storage.embedded.match import compile_element, compile_filter
from storage.embedded.order import document_key, parse_order
from storage.embedded.places import Place, find_place, make_place
from storage.embedded.predicates import equals, is_operators
from storage.embedded.values import (
    MISSING,
    Doc,
    Predicate,
    copy,
    is_number,
    narrow,
    type_name,
    whole,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One operator on one concrete path of a document that may be written to."""

    doc: Doc
    parts: list[str]
    value: Any
    now: datetime

    @property
    def path(self) -> str:
        """The path with its dots."""
        return ".".join(self.parts)

    def found(self) -> Place | None:
        """The place, if there is a way to it."""
        return find_place(self.doc, self.parts)

    def made(self) -> Place:
        """The place, with what is missing on the way."""
        return make_place(self.doc, self.parts)


def _set(change: Change) -> None:
    change.made().value = copy(change.value)


def _unset(change: Change) -> None:
    place = change.found()
    if place is not None:
        place.clear()


def _calculate(name: str, verb: str, operation: Callable[[Any, Any], Any]) -> Operator:
    def apply(change: Change) -> None:
        by = change.value
        if not is_number(by):
            raise Refused(14, f"Cannot {verb} with non-numeric argument: {{{change.path}: {by!r}}}")
        place = change.made()
        present = place.value
        if present is MISSING:
            place.value = by if name == "$inc" else _zero(by)
            return
        if not is_number(present):
            raise Refused(
                14,
                f"Cannot apply {name} to a value of non-numeric type. "
                f"{{_id: {change.doc.get('_id')!r}}} has the field '{change.parts[-1]}' "
                f"of non-numeric type {type_name(present)}",
            )
        try:
            result = operation(present, by)
        except OverflowError:
            raise overflow(name) from None
        if name == "$mul" and isinstance(result, float) and not _has_float(present, by):
            raise overflow(name)
        place.value = result

    return apply


def _has_float(*numbers: Any) -> bool:
    return any(isinstance(number, float) for number in numbers)


def _zero(like: Any) -> Any:
    if isinstance(like, Decimal128):
        return Decimal128("0")
    if isinstance(like, float):
        return 0.0
    return Int64(0) if is_long(like) else 0


def _bound(better: Callable[[bytes, bytes], bool]) -> Operator:
    def apply(change: Change) -> None:
        place = change.made()
        present = place.value
        if present is MISSING or better(encode(change.value), encode(present)):
            place.value = copy(change.value)

    return apply


def _rename(change: Change) -> None:
    target = change.value.split(".")
    place = change.found()
    if place is None or place.value is MISSING:
        return
    if place.in_array:
        raise Refused(2, "The source field cannot be an array element")
    value = place.value
    place.clear()
    destination = make_place(change.doc, target)
    if destination.in_array:
        raise Refused(2, "The destination field cannot be an array element")
    destination.value = value


def _current_date(change: Change) -> None:
    match change.value:
        case bool() | {"$type": "date"}:
            change.made().value = change.now
        case {"$type": "timestamp"}:
            change.made().value = Timestamp(int(change.now.timestamp()), 1)
        case _:
            raise Refused(2, "The '$type' string field is required to be 'date' or 'timestamp'")


def _array(change: Change, refusal: Callable[[Any], Refused]) -> list[Any]:
    """The array at the place, a new one if nothing is there."""
    place = change.made()
    if place.value is MISSING:
        place.value = []
    items = place.value
    if not isinstance(items, list):
        raise refusal(items)
    return items


_PUSH_CLAUSES = {"$each", "$slice", "$sort", "$position"}


def _push(change: Change) -> None:
    clauses: Doc = {"$each": [change.value]}
    if isinstance(change.value, dict) and "$each" in change.value:
        clauses = change.value
    for clause in clauses:
        if clause not in _PUSH_CLAUSES:
            raise Refused(2, f"Unrecognized clause in $push: {clause}")
    if not isinstance(clauses["$each"], list):
        raise Refused(2, "The argument to $each in $push must be an array")
    items = _array(
        change,
        lambda value: Refused(
            2,
            f"The field '{change.path}' must be an array but is of type {type_name(value)} "
            f"in document {{_id: {change.doc.get('_id')!r}}}",
        ),
    )
    at = _integer(clauses, "$position", len(items))
    at = max(len(items) + at, 0) if at < 0 else at
    items[at:at] = [copy(item) for item in clauses["$each"]]
    if "$sort" in clauses:
        _sort_items(items, clauses["$sort"])
    if "$slice" in clauses:
        size = _integer(clauses, "$slice", 0)
        items[:] = items[:size] if size >= 0 else items[size:]


def _integer(clauses: Doc, name: str, default: int) -> int:
    number = whole(clauses.get(name, default))
    if number is None:
        raise Refused(2, f"The value for {name} must be an integer value")
    return number


def _sort_items(items: list[Any], spec: Any) -> None:
    if isinstance(spec, dict):
        if not spec:
            raise Refused(2, "The sort pattern is empty when it should be a set of fields.")
        order = parse_order({f"v.{field}": direction for field, direction in spec.items()})
        key = document_key(order)
        items.sort(key=lambda item: key({"v": item}))
    elif not isinstance(spec, bool) and spec in (1, -1):
        items.sort(key=encode, reverse=spec < 0)
    else:
        raise Refused(2, "The $sort element value must be either 1 or -1")


def _add_to_set(change: Change) -> None:
    additions = [change.value]
    if isinstance(change.value, dict) and "$each" in change.value:
        if set(change.value) != {"$each"}:
            raise Refused(2, "Found unexpected fields after $each in $addToSet")
        additions = change.value["$each"]
        if not isinstance(additions, list):
            raise Refused(14, "The argument to $each in $addToSet must be an array")
    items = _array(
        change,
        lambda value: Refused(
            2,
            f"Cannot apply $addToSet to non-array field. Field named '{change.parts[-1]}' "
            f"has non-array type {type_name(value)}",
        ),
    )
    seen = {encode(item) for item in items}
    for addition in additions:
        key = encode(addition)
        if key not in seen:
            seen.add(key)
            items.append(copy(addition))


def _present_array(change: Change, name: str) -> list[Any] | None:
    place = change.found()
    if place is None or place.value is MISSING:
        return None
    items = place.value
    if not isinstance(items, list):
        raise Refused(2, f"Cannot apply {name} to a non-array value")
    return items


def _pop(change: Change) -> None:
    if isinstance(change.value, bool) or change.value not in (1, -1):
        raise Refused(9, f"$pop expects 1 or -1, found: {change.value}")
    items = _present_array(change, "$pop")
    if items:
        items.pop(-1 if change.value == 1 else 0)


def _pull_all(change: Change) -> None:
    if not isinstance(change.value, list):
        raise Refused(2, "$pullAll requires an array argument")
    items = _present_array(change, "$pullAll")
    if items is not None:
        gone = {encode(value) for value in change.value}
        items[:] = [item for item in items if encode(item) not in gone]


def _pull(change: Change) -> None:
    matches = _pull_condition(change.value)
    items = _present_array(change, "$pull")
    if items is not None:
        items[:] = [item for item in items if not matches(item)]


def _pull_condition(value: Any) -> Predicate:
    if is_operators(value):
        return compile_element(value)
    if isinstance(value, dict):
        matches = compile_filter(value)
        return lambda item: isinstance(item, dict) and matches(item)
    return equals(value)


_BITS: dict[str, Callable[[int, int], int]] = {
    "and": lambda left, right: left & right,
    "or": lambda left, right: left | right,
    "xor": lambda left, right: left ^ right,
}


def _bit(change: Change) -> None:
    if not isinstance(change.value, dict) or not change.value:
        raise Refused(2, "The $bit modifier takes a document of and, or, xor")
    place = change.made()
    present = 0 if place.value is MISSING else place.value
    for name, operand in change.value.items():
        if name not in _BITS:
            raise Refused(
                2, f"The $bit modifier only supports 'and', 'or', and 'xor', not '{name}'"
            )
        if not _is_integer(operand) or not _is_integer(present):
            raise Refused(2, "Cannot apply $bit to a value of non-integral type")
        long = is_long(present) or is_long(operand)
        present = narrow(_BITS[name](int(present), int(operand)), long=long)
    place.value = present


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


Operator = Callable[[Change], None]

OPERATORS: dict[str, Operator] = {
    "$set": _set,
    "$setOnInsert": _set,
    "$unset": _unset,
    "$inc": _calculate("$inc", "increment", add),
    "$mul": _calculate("$mul", "multiply", multiply),
    "$min": _bound(lambda new, old: new < old),
    "$max": _bound(lambda new, old: new > old),
    "$rename": _rename,
    "$currentDate": _current_date,
    "$push": _push,
    "$addToSet": _add_to_set,
    "$pull": _pull,
    "$pullAll": _pull_all,
    "$pop": _pop,
    "$bit": _bit,
}
