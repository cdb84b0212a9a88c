"""Dotted paths: how MongoDB walks through documents and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from storage.embedded.values import MISSING, Doc


def walk(value: Any, parts: Sequence[str], start: int = 0) -> Iterator[tuple[Any, bool]]:
    """Every value a query's path leads to, through the elements of arrays.

    Yields:
        The value (``MISSING`` where a document lacks the field) and whether the last step named
        an array index: such a value is not unwound once more.
    """
    by_index = False
    for at in range(start, len(parts)):
        part = parts[at]
        if isinstance(value, dict):
            if part not in value:
                yield MISSING, False
                return
            value, by_index = value[part], False
        elif isinstance(value, list):
            if part.isdigit() and int(part) < len(value):
                if at + 1 == len(parts):
                    yield value[int(part)], True
                else:
                    yield from walk(value[int(part)], parts, at + 1)
            for element in value:
                if isinstance(element, dict):
                    yield from walk(element, parts, at)
            return
        else:
            yield MISSING, False
            return
    yield value, by_index


def leaves(doc: Doc, parts: Sequence[str]) -> Iterator[Any]:
    """The values an index, a sort or ``distinct`` sees: arrays at the end are unwound once."""
    for value, by_index in walk(doc, parts):
        if isinstance(value, list) and not by_index:
            yield from value
        else:
            yield value


def straight(doc: Any, parts: Sequence[str]) -> Any:
    """The value along plain documents only, or ``MISSING``."""
    for part in parts:
        if not isinstance(doc, dict) or part not in doc:
            return MISSING
        doc = doc[part]
    return doc


def locate(doc: Any, parts: Sequence[str]) -> Any:
    """The value along documents and explicit array indexes, or ``MISSING``."""
    for part in parts:
        if isinstance(doc, dict):
            doc = doc.get(part, MISSING)
        elif isinstance(doc, list) and part.isdigit() and int(part) < len(doc):
            doc = doc[int(part)]
        else:
            return MISSING
    return doc


def field(value: Any, parts: Sequence[str]) -> Any:
    """The value of an expression's ``$a.b``: arrays on the way are mapped."""
    for at, part in enumerate(parts):
        if isinstance(value, dict):
            if part not in value:
                return MISSING
            value = value[part]
        elif isinstance(value, list):
            found = (field(element, parts[at:]) for element in value)
            return [item for item in found if item is not MISSING]
        else:
            return MISSING
    return value


def crosses_array(doc: Any, parts: Sequence[str]) -> bool:
    """Whether any value on the path, its end included, is an array."""
    for part in parts:
        if isinstance(doc, list):
            return True
        if not isinstance(doc, dict) or part not in doc:
            return False
        doc = doc[part]
    return isinstance(doc, list)


def with_field(doc: Any, parts: Sequence[str], value: Any) -> Any:
    """A copy with the field set as ``$addFields`` does; ``MISSING`` takes it away."""
    return with_fields(doc, parts, lambda _: value)


def with_fields(doc: Any, parts: Sequence[str], make: Callable[[Any], Any]) -> Any:
    """The same, with the value made from the present one."""
    if isinstance(doc, list):
        return [with_fields(element, parts, make) for element in doc]
    out = dict(doc) if isinstance(doc, dict) else {}
    head = parts[0]
    if len(parts) > 1:
        out[head] = with_fields(out.get(head, {}), parts[1:], make)
        return out
    value = make(out.get(head, MISSING))
    if value is MISSING:
        out.pop(head, None)
    else:
        out[head] = value
    return out
