"""Which array element a query matched: what ``$`` stands for in updates and projections."""

from __future__ import annotations

from typing import Any

from storage.embedded.errors import unsupported
from storage.embedded.match import compile_element, compile_field, compile_filter, compile_value
from storage.embedded.paths import crosses_array, straight
from storage.embedded.predicates import equals, is_operators
from storage.embedded.values import Doc, Predicate


def matching_index(query: Doc, base: str, doc: Doc) -> int | None:
    """The index of the element of array ``base`` that the query's conditions on it select.

    Raises:
        Refused: 238 where MongoDB's choice is not defined: conditions that select different
            elements (use ``$elemMatch``), or conditions on another array as well.
    """
    items = straight(doc, base.split("."))
    tests = _conditions(query, base, doc)
    if not isinstance(items, list) or not tests:
        return None
    hits = {next((at for at, item in enumerate(items) if test(item)), None) for test in tests} - {
        None
    }
    if len(hits) > 1:
        raise unsupported("'$' after several conditions on one array without $elemMatch")
    return hits.pop() if hits else None


def _conditions(query: Doc, base: str, doc: Doc) -> list[Predicate]:
    found: list[Predicate] = []
    for name, value in query.items():
        if name == "$and":
            for item in value:
                found += _conditions(item, base, doc)
        elif name == "$or":
            matching = (item for item in value if compile_filter(item)(doc))
            found += _conditions(next(matching, {}), base, doc)
        elif name == base:
            found.append(_on_element(value))
        elif name.startswith(base + "."):
            test = _below_element(name[len(base) + 1 :], value)
            if test is not None:
                found.append(test)
        elif not name.startswith("$") and crosses_array(doc, name.split(".")):
            raise unsupported(f"'$' after conditions on two arrays ({base} and {name})")
    return found


def _on_element(value: Any) -> Predicate:
    if not is_operators(value):
        return equals(value)
    if "$elemMatch" in value:
        return compile_element(value["$elemMatch"])
    return compile_value(value)


def _below_element(rest: str, value: Any) -> Predicate | None:
    if rest.split(".", 1)[0].isdigit():
        return None
    matches = compile_field(rest, value)
    return lambda item: isinstance(item, dict) and matches(item)
