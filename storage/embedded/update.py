"""Updates: what ``update`` and ``findAndModify`` make of a document.

An update is checked once, as a whole, and then applied to each document; it never changes the
document it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from storage.embedded.errors import Refused
from storage.embedded.keys import same
from storage.embedded.match import compile_filter
from storage.embedded.places import expand, make_place
from storage.embedded.positional import matching_index
from storage.embedded.predicates import is_operators
from storage.embedded.update_operators import OPERATORS, Change
from storage.embedded.values import (
    MISSING,
    Doc,
    Predicate,
    check_depth,
    copy,
    is_regex,
    type_name,
)

_PIPELINE_STAGES = {"$set", "$addFields", "$unset", "$project", "$replaceRoot", "$replaceWith"}


class Update:
    """A checked update.

    Args:
        spec: A replacement, a document of operators, or a pipeline.
        array_filters: The conditions behind ``$[name]``.
        query: The filter, which ``$`` looks at and an upsert starts from.

    Raises:
        Refused: It is not an update (9), touches a path twice (40), or names paths that cannot be
            stored (52, 56).
    """

    def __init__(
        self, spec: Any, *, query: Doc, array_filters: list[Doc] | None, now: datetime
    ) -> None:
        self._spec = spec
        self._query = query
        self._now = now
        self._filters = _array_filters(array_filters or [])
        self._apply: Callable[[Doc], Doc]
        self._changes: list[tuple[list[str], str, Any]] = []
        self.is_replacement = False
        if isinstance(spec, list):
            self._check_pipeline(spec)
            self._apply = self._pipeline
        elif not isinstance(spec, dict):
            raise Refused(9, "Update argument must be either an object or an array")
        elif spec and next(iter(spec)).startswith("$"):
            self._changes = _changes(spec)
            self._apply = self._operators
        else:
            _check_replacement(spec)
            self.is_replacement = True
            self._apply = self._replacement
        self._check_filters_used()

    def apply(self, doc: Doc) -> Doc:
        """The document after the update.

        Raises:
            Refused: 66 if ``_id`` would change, and whatever the operators refuse.
        """
        new = self._apply(doc)
        if "_id" in doc and ("_id" not in new or not same(new["_id"], doc["_id"])):
            raise Refused(
                66, "Performing an update on the path '_id' would modify the immutable field '_id'"
            )
        check_depth(new)
        return new

    def insertion(self) -> Doc:
        """The document an upsert inserts: the query's equalities, then the update."""
        seed = _seed(self._query)
        if self.is_replacement:
            start = {"_id": seed["_id"]} if "_id" in seed else {}
            return self._replacement(start)
        if self._changes:
            return self._operators(seed, inserting=True)
        return self._apply(seed)

    def _replacement(self, doc: Doc) -> Doc:
        spec = self._spec
        if "_id" in spec and "_id" in doc and not same(spec["_id"], doc["_id"]):
            raise Refused(
                66,
                "After applying the update, the (immutable) field '_id' was found to have been "
                "altered",
            )
        key = doc.get("_id", spec.get("_id", MISSING))
        start = {} if key is MISSING else {"_id": key}
        return {**start, **{name: value for name, value in spec.items() if name != "_id"}}

    def _pipeline(self, doc: Doc) -> Doc:
        from storage.embedded.stages import Run, run_pipeline

        run = Run(now=self._now)
        (new,) = run_pipeline(iter([copy(doc)]), self._spec, run)
        return {"_id": doc["_id"], **new} if "_id" in doc and "_id" not in new else new

    def _operators(self, doc: Doc, *, inserting: bool = False) -> Doc:
        new: Doc = copy(doc)
        for parts, operator, value in self._changes:
            if operator == "$setOnInsert" and not inserting:
                continue
            paths = [parts]
            if any(part.startswith("$") for part in parts):
                positional = None if inserting else self._positional(doc)
                paths = list(expand(new, parts, self._filters, positional))
            for concrete in paths:
                OPERATORS[operator](Change(new, concrete, value, self._now))
        return new

    def _positional(self, doc: Doc) -> Callable[[str], int | None]:
        return lambda base: matching_index(self._query, base, doc)

    def _check_pipeline(self, stages: list[Any]) -> None:
        for stage in stages:
            if not isinstance(stage, dict) or len(stage) != 1:
                raise Refused(40323, "A pipeline stage must contain exactly one field.")
            name = next(iter(stage))
            if name not in _PIPELINE_STAGES:
                raise Refused(72, f"{name} is not allowed to be used within an update")
        if self._filters:
            raise Refused(9, "arrayFilters may not be specified for pipeline-syle updates")

    def _check_filters_used(self) -> None:
        used = {
            part[2:-1]
            for parts, _, _ in self._changes
            for part in parts
            if part.startswith("$[") and part != "$[]"
        }
        for name in used - self._filters.keys():
            raise Refused(2, f"No array filter found for identifier '{name}' in path")
        for name in self._filters.keys() - used:
            raise Refused(9, f"The array filter for identifier '{name}' was not used in the update")


def _check_replacement(spec: Doc) -> None:
    for name in spec:
        if name.startswith("$"):
            raise Refused(52, f"The dollar ($) prefixed field '{name}' is not valid for storage.")
    check_depth(spec)


_CHECKED = frozenset({"$inc", "$mul", "$push", "$addToSet", "$pop", "$pullAll", "$bit"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _changes(spec: Doc) -> list[tuple[list[str], str, Any]]:
    """The single changes of a document of operators, in the order MongoDB applies them."""
    changes: list[tuple[list[str], str, Any]] = []
    paths: list[str] = []
    for operator, fields in spec.items():
        if operator not in OPERATORS:
            raise Refused(
                9,
                f"Unknown modifier: {operator}. Expected a valid update modifier or "
                "pipeline-style update specified as an array",
            )
        if not isinstance(fields, dict):
            raise Refused(
                9,
                f"Modifiers operate on fields but we found type {type_name(fields)} instead. "
                f"For example: {{$mod: {{<field>: ...}}}} not {{{operator}: {fields!r}}}",
            )
        for path, value in fields.items():
            _check_path(path)
            paths.append(path)
            if operator == "$rename":
                _check_rename(path, value)
                paths.append(value)
            parts = path.split(".")
            if operator in _CHECKED:
                # Refused even where nothing matches, as MongoDB does: tried on an empty document.
                tried = ["x"] if "$" in path else parts
                OPERATORS[operator](Change({}, tried, value, _EPOCH))
            changes.append((parts, operator, value))
    _check_conflicts(paths)
    return sorted(changes, key=lambda change: [_part_order(part) for part in change[0]])


def _part_order(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdigit() else (1, 0, part)


def _check_path(path: str) -> None:
    parts = path.split(".")
    if not all(parts):
        raise Refused(
            56, f"The update path '{path}' contains an empty field name, which is not allowed."
        )
    for at, part in enumerate(parts):
        if not part.startswith("$"):
            continue
        placeholder = part == "$" or (part.startswith("$[") and part.endswith("]"))
        if not placeholder:
            raise Refused(
                52, f"The dollar ($) prefixed field '{part}' in '{path}' is not valid for storage."
            )
        if at == 0:
            raise Refused(2, f"Cannot have array filter or positional element first: '{path}'")
    if parts.count("$") > 1:
        raise Refused(2, f"Too many positional (i.e. '$') elements found in path '{path}'")


def _check_rename(path: str, target: Any) -> None:
    if not isinstance(target, str):
        raise Refused(2, f"The 'to' field for $rename must be a string: {path}")
    _check_path(target)
    if any(part.startswith("$") for part in [*path.split("."), *target.split(".")]):
        raise Refused(2, "The source and target of $rename may not be dynamic")
    if path == target:
        raise Refused(2, f"The source and target field for $rename must differ: {path}")


def _check_conflicts(paths: list[str]) -> None:
    for first, second in pairwise(sorted(path + "." for path in paths)):
        if second.startswith(first):
            raise Refused(
                40,
                f"Updating the path '{second[:-1]}' would create a conflict at '{first[:-1]}'",
            )


def _array_filters(filters: list[Doc]) -> dict[str, Predicate]:
    found: dict[str, Predicate] = {}
    for condition in filters:
        names: set[str] = set()
        renamed = _renamed(condition, names)
        if len(names) != 1:
            raise Refused(9, "Error parsing array filter: exactly one top-level field name needed")
        name = names.pop()
        if name in found:
            raise Refused(9, f"Found multiple array filters with the same top-level field {name}")
        found[name] = _element_test(compile_filter(renamed))
    return found


def _element_test(matches: Predicate) -> Predicate:
    return lambda element: matches({"v": element})


def _renamed(condition: Doc, names: set[str]) -> Doc:
    """The condition with its identifier replaced by ``v``."""
    out: Doc = {}
    for path, value in condition.items():
        if path in {"$and", "$or", "$nor"}:
            out[path] = [_renamed(item, names) for item in value]
            continue
        name = path.split(".", 1)[0]
        if not name.isalnum() or not name[0].islower():
            raise Refused(9, f"Error parsing array filter: bad identifier '{name}'")
        names.add(name)
        out["v" + path[len(name) :]] = value
    return out


def _seed(query: Doc) -> Doc:
    """The document that a query's equalities describe.

    Raises:
        Refused: 54, two conditions give the same path a value.
    """
    doc: Doc = {}
    for path, value in _equalities(query):
        place = make_place(doc, path.split("."))
        if place.value is not MISSING:
            raise Refused(54, f"cannot infer query fields to set, path '{path}' is matched twice")
        place.value = copy(value)
    return doc


def _equalities(query: Doc) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in query.items():
        if name == "$and" or (name == "$or" and len(value) == 1):
            for item in value:
                found += _equalities(item)
        elif not name.startswith("$"):
            found += [(name, item) for item in _equal_to(value)]
    return found


def _equal_to(condition: Any) -> list[Any]:
    """The one value a condition leaves open, as a list of one, or nothing."""
    if not is_operators(condition):
        return [] if is_regex(condition) else [condition]
    if "$eq" in condition:
        return [condition["$eq"]]
    values = condition.get("$all") or (condition.get("$in") if len(condition) == 1 else None)
    if not isinstance(values, list) or len(values) != 1:
        return []
    return [] if is_operators(values[0]) or is_regex(values[0]) else values
