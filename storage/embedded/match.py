"""The query language: a filter becomes one function that says whether a document matches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from storage.embedded.errors import Refused
from storage.embedded.paths import walk
from storage.embedded.predicates import (
    BIT_TESTS,
    COMPARISONS,
    compares,
    equals,
    equals_exactly,
    has_bits,
    has_size,
    has_type,
    is_in,
    is_operators,
    modulo,
)
from storage.embedded.regexes import search
from storage.embedded.values import MISSING, Doc, Predicate, is_regex

Variables = Mapping[str, Any]
_LOGICAL = ("$and", "$or", "$nor")


def compile_filter(query: Any, variables: Variables | None = None) -> Predicate:
    """The test of a whole query.

    Args:
        query: The filter document; ``None`` and ``{}`` match everything.
        variables: What ``$$name`` stands for inside ``$expr``.

    Raises:
        Refused: The query is not one, or uses what the engine does not know.
    """
    if query is None or query == {}:
        return lambda _: True
    if not isinstance(query, dict):
        raise Refused(14, "Expected field filter to be of type object")
    tests = [_clause(name, value, variables) for name, value in query.items()]
    return _all([test for test in tests if test is not None])


def compile_field(path: str, condition: Any) -> Predicate:
    """The test of one field of a document."""
    parts = path.split(".")
    if not is_operators(condition):
        return _any_value(parts, equals(condition))
    tests = []
    for operator, value in condition.items():
        make = _OPERATORS.get(operator)
        if make is None:
            raise Refused(2, f"unknown operator: {operator}")
        test = make(parts, value, condition)
        if test is not None:
            tests.append(test)
    return _all(tests)


def compile_element(condition: Any) -> Predicate:
    """The test of one array element, for ``$elemMatch`` and its like.

    A document of operators looks at the element itself; any other document is a query on it.
    """
    if is_operators(condition) and next(iter(condition)) not in {*_LOGICAL, "$expr"}:
        return compile_value(condition)
    if not isinstance(condition, dict):
        raise Refused(2, "$elemMatch needs an Object")
    matches = compile_filter(condition)

    def test(element: Any) -> bool:
        if isinstance(element, list):
            return matches({str(at): item for at, item in enumerate(element)})
        return isinstance(element, dict) and matches(element)

    return test


def compile_value(condition: Any) -> Predicate:
    """The test of operators on one value that is not unwound any further."""
    matches = compile_field("v", condition)
    return lambda value: matches({"v": [value] if isinstance(value, list) else value})


def _all(tests: list[Predicate]) -> Predicate:
    if len(tests) == 1:
        return tests[0]
    return lambda doc: all(test(doc) for test in tests)


def _negated(test: Predicate) -> Predicate:
    return lambda doc: not test(doc)


def _clause(name: str, value: Any, variables: Variables | None) -> Predicate | None:
    if not name.startswith("$"):
        return compile_field(name, value)
    if name in _LOGICAL:
        if not isinstance(value, list) or not value:
            raise Refused(2, f"{name} must be a nonempty array")
        tests = [compile_filter(_object(item, name), variables) for item in value]
        if name == "$and":
            return _all(tests)
        either: Predicate = lambda doc: any(test(doc) for test in tests)  # noqa: E731
        return either if name == "$or" else _negated(either)
    if name == "$expr":
        return _expression(value, variables or {})
    if name == "$comment":
        return None
    if name == "$text":
        raise Refused(27, "text index required for $text query")
    raise Refused(2, f"unknown top level operator: {name}")


def _object(item: Any, name: str) -> Doc:
    if not isinstance(item, dict):
        raise Refused(2, f"{name} argument's entries must be objects")
    return item


def _expression(value: Any, variables: Variables) -> Predicate:
    from storage.embedded.expressions import compile_expression, truthy

    evaluate = compile_expression(value)
    return lambda doc: truthy(evaluate({**variables, "ROOT": doc, "CURRENT": doc}))


def _any_value(parts: Sequence[str], test: Predicate) -> Predicate:
    """Whether any value on the path, or any element of an array there, passes."""
    if len(parts) == 1:
        name = parts[0]

        def simple(doc: Doc) -> bool:
            value = doc.get(name, MISSING)
            if isinstance(value, list):
                return test(value) or any(map(test, value))
            return test(value)

        return simple

    def deep(doc: Doc) -> bool:
        for value, by_index in walk(doc, parts):
            if test(value):
                return True
            if isinstance(value, list) and not by_index and any(map(test, value)):
                return True
        return False

    return deep


def _any_whole(parts: Sequence[str], test: Predicate) -> Predicate:
    """Whether any value on the path passes, arrays taken as they are."""
    return lambda doc: any(test(value) for value, _ in walk(doc, parts))


Maker = Callable[[Sequence[str], Any, Doc], Predicate | None]


def _simple(make: Callable[[Any], Predicate]) -> Maker:
    return lambda parts, value, _: _any_value(parts, make(value))


def _ne(parts: Sequence[str], value: Any, _: Doc) -> Predicate:
    if is_regex(value):
        raise Refused(2, "Can't have regex as arg to $ne.")
    return _negated(_any_value(parts, equals_exactly(value)))


def _nin(parts: Sequence[str], value: Any, _: Doc) -> Predicate:
    return _negated(_any_value(parts, is_in(value, "$nin")))


def _exists(parts: Sequence[str], value: Any, _: Doc) -> Predicate:
    present = _any_whole(parts, lambda item: item is not MISSING)
    return present if value else _negated(present)


def _regex(parts: Sequence[str], value: Any, condition: Doc) -> Predicate:
    found = search(value, condition.get("$options", ""))
    return _any_value(parts, lambda item: isinstance(item, str) and found(item))


def _options(_parts: Sequence[str], _value: Any, condition: Doc) -> None:
    if "$regex" not in condition:
        raise Refused(2, "$options needs a $regex")


def _not(parts: Sequence[str], value: Any, _: Doc) -> Predicate:
    if is_regex(value):
        return _negated(_any_value(parts, equals(value)))
    if not is_operators(value):
        raise Refused(2, "$not needs a regex or a document")
    return _negated(compile_field(".".join(parts), value))


def _all_of(parts: Sequence[str], value: Any, _: Doc) -> Predicate:
    if not isinstance(value, list):
        raise Refused(2, "$all needs an array")
    elements = [is_operators(item) for item in value]
    if any(elements):
        if not all(elements) or any(set(item) != {"$elemMatch"} for item in value):
            raise Refused(2, "no $ expressions in $all")
        return _all([compile_field(".".join(parts), item) for item in value])
    if not value:
        return lambda _: False
    return _all([_any_value(parts, equals(item)) for item in value])


def _element(parts: Sequence[str], value: Any, _: Doc) -> Predicate:
    test = compile_element(value)
    return _any_whole(parts, lambda item: isinstance(item, list) and any(map(test, item)))


def _size(parts: Sequence[str], value: Any, _: Doc) -> Predicate:
    return _any_whole(parts, has_size(value))


def _comparison(operator: str) -> Maker:
    return lambda parts, value, _: _any_value(parts, compares(operator, value))


def _bits(operator: str) -> Maker:
    return lambda parts, value, _: _any_value(parts, has_bits(operator, value))


_OPERATORS: dict[str, Maker] = {
    "$eq": _simple(equals_exactly),
    "$ne": _ne,
    "$in": _simple(is_in),
    "$nin": _nin,
    "$exists": _exists,
    "$type": _simple(has_type),
    "$mod": _simple(modulo),
    "$regex": _regex,
    "$options": _options,
    "$not": _not,
    "$size": _size,
    "$all": _all_of,
    "$elemMatch": _element,
    "$comment": lambda *_: None,
    **{operator: _comparison(operator) for operator in COMPARISONS},
    **{operator: _bits(operator) for operator in BIT_TESTS},
}
