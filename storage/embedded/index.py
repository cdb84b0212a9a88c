"""Indexes: which keys a document has in an index, and which indexes may be made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson

from storage.embedded.errors import Refused, unsupported
from storage.embedded.keys import EMPTY_ARRAY, encode, products
from storage.embedded.match import compile_filter
from storage.embedded.paths import walk
from storage.embedded.predicates import COMPARISONS, is_operators
from storage.embedded.values import MISSING, Doc, is_number, is_regex

MULTIKEY = "multikey"
_OPTIONS = {"key", "name", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds", "v"}
_COMPARED = ("key", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds")
_PARTIAL = {"$eq", "$exists", "$type", *COMPARISONS}


class Index:
    """An index of a collection.

    Attributes:
        table: Its table, of rows ``(k, rid)``.
        keys: Field paths with 1 or -1. Entries are always ascending; a scan may run backwards.
        multikey: Whether any document ever had more than one entry here.
        dirty: Whether ``multikey`` has become true and is not stored yet.
    """

    def __init__(self, number: int, name: str, spec: Mapping[str, Any]) -> None:
        self.number = number
        self.name = name
        self.spec = dict(spec)
        self.multikey = bool(self.spec.pop(MULTIKEY, False))
        self.dirty = False
        self.table = f"i{number}"
        self.keys = [(path, int(to)) for path, to in self.spec["key"].items()]
        self.paths = [path.split(".") for path, _ in self.keys]
        self.unique = bool(self.spec.get("unique"))
        self.sparse = bool(self.spec.get("sparse"))
        self.partial: Doc | None = self.spec.get("partialFilterExpression")
        self._covers = compile_filter(self.partial) if self.partial else None

    def stored(self) -> bytes:
        """The index as the catalogue keeps it."""
        return bson.encode({**self.spec, **({MULTIKEY: True} if self.multikey else {})})

    def entries(self, doc: Doc) -> set[bytes]:
        """The keys of a document.

        Raises:
            Refused: 171, two arrays would have to be combined.
        """
        if self._covers is not None and not self._covers(doc):
            return set()
        columns: list[set[bytes]] = []
        arrays: set[str] = set()
        missing = True
        for parts in self.paths:
            if len(parts) == 1 and not isinstance(doc.get(parts[0]), list):
                value = doc.get(parts[0], MISSING)
                missing = missing and value is MISSING
                columns.append({encode(value)})
                continue
            keys, there = _column(doc, parts)
            missing = missing and not there
            columns.append(keys)
            array = _array_on(doc, parts)
            if array is not None:
                arrays.add(array)
                self._becomes_multikey()
        if self.sparse and missing:
            return set()
        if len(columns) == 1:
            return columns[0]
        self._check_arrays(arrays, columns)
        return products(columns)

    def _check_arrays(self, arrays: set[str], columns: list[set[bytes]]) -> None:
        if len(arrays) > 1:
            names = " ".join(f"[{name}]" for name in sorted(arrays))
            raise Refused(171, f"cannot index parallel arrays {names}")
        if self.unique and sum(len(column) > 1 for column in columns) > 1:
            raise unsupported("a unique index over several fields of one array")

    def _becomes_multikey(self) -> None:
        if not self.multikey:
            self.multikey = self.dirty = True


def _column(doc: Doc, parts: list[str]) -> tuple[set[bytes], bool]:
    """The keys of one field and whether the field is there."""
    keys: set[bytes] = set()
    there = False
    for value, by_index in walk(doc, parts):
        there = there or value is not MISSING
        if isinstance(value, list) and not by_index:
            keys.update(map(encode, value))
            if not value:
                keys.add(EMPTY_ARRAY)
        else:
            keys.add(encode(value))
    return keys or {encode(None)}, there


def _array_on(doc: Any, parts: list[str]) -> str | None:
    """The path of the first array on the way, if there is one."""
    for at, part in enumerate(parts):
        doc = doc.get(part) if isinstance(doc, dict) else None
        if isinstance(doc, list):
            return ".".join(parts[: at + 1])
    return None


def check_spec(spec: Mapping[str, Any]) -> Doc:
    """An index as a client asks for it, in the form the catalogue keeps.

    Raises:
        Refused: 67 it is no index, 238 a kind or an option the engine does not have.
    """
    if not isinstance(spec.get("key"), Mapping) or not spec["key"]:
        raise Refused(67, "Index keys cannot be an empty object")
    checked = {name: value for name, value in spec.items() if name != "background"}
    checked["unique"], checked["sparse"] = bool(spec.get("unique")), bool(spec.get("sparse"))
    for option in checked:
        if option not in _OPTIONS:
            raise unsupported(f"index option {option}")
    for path, direction in spec["key"].items():
        _check_key(path, direction)
    if checked["sparse"] and "partialFilterExpression" in spec:
        raise Refused(67, "cannot mix 'partialFilterExpression' and 'sparse' options")
    expire = spec.get("expireAfterSeconds")
    if expire is not None and (not is_number(expire) or expire < 0 or len(spec["key"]) > 1):
        raise Refused(67, "TTL indexes are single-field indexes with a non-negative number")
    _check_partial(spec.get("partialFilterExpression"))
    for option in ("unique", "sparse"):
        if not checked[option]:
            del checked[option]
    return {**checked, "v": 2}


def _check_key(path: str, direction: Any) -> None:
    if not is_number(direction) or direction not in (1, -1):
        raise unsupported(f"index type {path}: {direction!r}")
    if "$" in path:
        raise unsupported(f"an index on {path}")
    if not all(path.split(".")):
        raise Refused(67, "Index keys cannot contain an empty field.")


def _check_partial(condition: Any) -> None:
    if condition is None:
        return
    if not isinstance(condition, dict):
        raise Refused(67, "'partialFilterExpression' must be a document")
    for path, value in condition.items():
        operators = set(value) if is_operators(value) else {"$eq"}
        if path.startswith("$") or is_regex(value) or not operators <= _PARTIAL:
            raise unsupported(f"partialFilterExpression {condition!r}")
        if is_operators(value) and value.get("$exists") is False:
            raise Refused(67, "Expression not supported in partial index: $exists: false")
    compile_filter(condition)


def same_index(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether two specifications mean the same index, whatever its name."""
    return _essence(left) == _essence(right)


def _essence(spec: Mapping[str, Any]) -> bytes:
    return bson.encode({name: spec[name] for name in _COMPARED if name in spec})


def keyed_alike(spec: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    """Whether an index has these keys in this order."""
    return list(spec["key"].items()) == list(keys.items())
