"""Places in a document that an update writes to: found, made on the way, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from storage.embedded.errors import Refused
from storage.embedded.paths import locate
from storage.embedded.values import MISSING, Doc, Predicate

# MongoDB's own bound for filling an array with nulls up to an index.
MAX_PADDING = 1_500_000


class Place:
    """One field of a document or one index of an array, there or not."""

    __slots__ = ("_container", "_key")

    def __init__(self, container: Any, key: Any) -> None:
        self._container = container
        self._key = key

    @property
    def in_array(self) -> bool:
        """Whether this is an array element."""
        return isinstance(self._container, list)

    @property
    def value(self) -> Any:
        """What is there, or ``MISSING``."""
        if self.in_array:
            there = self._key < len(self._container)
            return self._container[self._key] if there else MISSING
        return self._container.get(self._key, MISSING)

    @value.setter
    def value(self, value: Any) -> None:
        if self.in_array:
            _pad(self._container, self._key)
        self._container[self._key] = value

    def clear(self) -> None:
        """Remove the field; an array element becomes null."""
        if not self.in_array:
            self._container.pop(self._key, None)
        elif self._key < len(self._container):
            self._container[self._key] = None


def _pad(items: list[Any], index: int) -> None:
    if index - len(items) > MAX_PADDING:
        raise Refused(2, f"can't backfill more than {MAX_PADDING} elements")
    while len(items) <= index:
        items.append(None)


def find_place(doc: Doc, parts: list[str]) -> Place | None:
    """The place a path names, or nothing if the way there does not exist."""
    holder = locate(doc, parts[:-1])
    last = parts[-1]
    if isinstance(holder, dict):
        return Place(holder, last)
    if isinstance(holder, list) and last.isdigit():
        return Place(holder, int(last))
    return None


def make_place(doc: Doc, parts: list[str]) -> Place:
    """The place a path names; documents that are missing on the way are made.

    Raises:
        Refused: 28, a scalar is in the way.
    """
    holder: Any = doc
    for at, part in enumerate(parts[:-1]):
        step = _step(holder, part)
        if step.value is MISSING:
            step.value = {}
        if not isinstance(step.value, dict | list):
            raise Refused(
                28, f"Cannot create field '{parts[at + 1]}' in element {{{part}: {step.value!r}}}"
            )
        holder = step.value
    return _step(holder, parts[-1])


def _step(holder: Any, part: str) -> Place:
    if isinstance(holder, dict):
        return Place(holder, part)
    if not part.isdigit():
        raise Refused(28, f"Cannot create field '{part}' in element of an array")
    return Place(holder, int(part))


def expand(
    doc: Doc,
    parts: list[str],
    filters: Mapping[str, Predicate],
    positional: Callable[[str], int | None] | None,
) -> Iterator[list[str]]:
    """The concrete paths behind ``$``, ``$[]`` and ``$[name]``.

    Raises:
        Refused: 2, the array is not there or the query matched no element.
    """
    for at, part in enumerate(parts):
        if part == "$":
            index = positional(".".join(parts[:at])) if positional else None
            if index is None:
                raise Refused(
                    2, "The positional operator did not find the match needed from the query."
                )
            parts = [*parts[:at], str(index), *parts[at + 1 :]]
        elif part.startswith("$["):
            yield from _expand_all(doc, parts, at, filters, positional)
            return
    yield parts


def _expand_all(
    doc: Doc,
    parts: list[str],
    at: int,
    filters: Mapping[str, Predicate],
    positional: Callable[[str], int | None] | None,
) -> Iterator[list[str]]:
    items = locate(doc, parts[:at])
    if not isinstance(items, list):
        path = ".".join(parts[:at])
        raise Refused(
            2, f"The path '{path}' must exist in the document in order to apply array updates."
        )
    name = parts[at][2:-1]
    for index, item in enumerate(items):
        if not name or filters[name](item):
            concrete = [*parts[:at], str(index), *parts[at + 1 :]]
            yield from expand(doc, concrete, filters, positional)
