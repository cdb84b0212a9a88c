"""Sorting documents as MongoDB does: an array counts as its smallest or largest element."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from storage.embedded.errors import Refused, unsupported
from storage.embedded.keys import EMPTY_ARRAY, NULL, encode
from storage.embedded.paths import walk
from storage.embedded.values import Doc

Order = tuple[tuple[str, int], ...]


def parse_order(spec: Any) -> Order:
    """The fields to sort by, each with 1 or -1.

    Raises:
        Refused: 15975 for another direction, 238 for ``$meta``.
    """
    if spec is None:
        return ()
    if not isinstance(spec, Mapping):
        raise Refused(14, "Expected field sort to be of type object")
    for field, direction in spec.items():
        if isinstance(direction, Mapping):
            raise unsupported("sorting by $meta")
        if isinstance(direction, bool) or direction not in (1, -1):
            raise Refused(15975, "$sort key ordering must be 1 (ascending) or -1 (descending)")
        if not field or field.startswith("$") or ".$" in field:
            raise Refused(16410, f"FieldPath field names may not start with '$': {field}")
    return tuple((field, int(direction)) for field, direction in spec.items())


def sort_key(doc: Doc, parts: Sequence[str], *, descending: bool) -> bytes:
    """The key a document sorts by for one field."""
    keys: list[bytes] = []
    for value, by_index in walk(doc, parts):
        if isinstance(value, list) and not by_index:
            keys += map(encode, value) if value else (EMPTY_ARRAY,)
        else:
            keys.append(encode(value))
    if not keys:
        return NULL
    return max(keys) if descending else min(keys)


class _Backwards(bytes):
    """A key that sorts the other way round."""

    def __lt__(self, other: bytes) -> bool:
        return bytes.__gt__(self, other)


def document_key(order: Order) -> Any:
    """A function from a document to what Python sorts it by."""
    fields = [(field.split("."), direction < 0) for field, direction in order]

    def key(doc: Doc) -> list[bytes]:
        return [
            _Backwards(sort_key(doc, parts, descending=True))
            if down
            else sort_key(doc, parts, descending=False)
            for parts, down in fields
        ]

    return key


def sorted_docs(docs: Iterable[Doc], order: Order, *, limit: int = 0) -> list[Doc]:
    """The documents in order; with a limit only the first so many are ever kept."""
    key = document_key(order)
    return heapq.nsmallest(limit, docs, key) if limit else sorted(docs, key=key)
