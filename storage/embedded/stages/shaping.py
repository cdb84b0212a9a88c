"""Stages that look at one document at a time, and those that order and cut the stream."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from bson import Int64

from storage.embedded.errors import Refused
from storage.embedded.expressions import Expression, compile_expression
from storage.embedded.match import compile_filter
from storage.embedded.order import parse_order, sorted_docs
from storage.embedded.paths import straight, with_field
from storage.embedded.project import compile_projection, tree_of, without
from storage.embedded.stages.run import Run, Stage
from storage.embedded.values import MISSING, Doc, whole

Docs = Iterable[Doc]


def _match(docs: Docs, spec: Any, run: Run) -> Docs:
    if not isinstance(spec, dict):
        raise Refused(15959, "the match filter must be an expression in an object")
    matches = compile_filter(spec, {**run.variables, "NOW": run.now})
    return filter(matches, docs)


def _project(docs: Docs, spec: Any, run: Run) -> Docs:
    if not isinstance(spec, dict) or not spec:
        raise Refused(51272, "Invalid $project: specification must have at least one field")
    project = compile_projection(spec, variables={**run.variables, "NOW": run.now}, for_find=False)
    return docs if project is None else map(project, docs)


def _set(docs: Docs, spec: Any, run: Run) -> Docs:
    if not isinstance(spec, dict) or not spec:
        raise Refused(40272, "$addFields specification stage must be an object with fields")
    fields = list(_computed(spec))
    tree_of({".".join(parts): True for parts, _ in fields})

    def add(doc: Doc) -> Doc:
        scope = run.scope(doc)
        new = doc
        for parts, value in fields:
            new = with_field(new, parts, value(scope))
        return new

    return map(add, docs)


def _computed(spec: Doc, prefix: str = "") -> Iterator[tuple[list[str], Expression]]:
    for name, value in spec.items():
        if isinstance(value, dict) and value and not next(iter(value)).startswith("$"):
            yield from _computed(value, f"{prefix}{name}.")
            continue
        parts = (prefix + name).split(".")
        if not all(parts) or any(part.startswith("$") for part in parts):
            raise Refused(16410, f"FieldPath '{prefix}{name}' is not valid")
        yield parts, compile_expression(value)


def _unset(docs: Docs, spec: Any, _: Run) -> Docs:
    paths = [spec] if isinstance(spec, str) else spec
    if not isinstance(paths, list) or not paths or not all(isinstance(x, str) for x in paths):
        raise Refused(31002, "$unset specification must be a string or an array of strings")
    tree = tree_of(dict.fromkeys(paths, True))
    return (without(doc, tree) for doc in docs)


def _replace_root(docs: Docs, spec: Any, run: Run) -> Docs:
    if not isinstance(spec, dict) or set(spec) != {"newRoot"}:
        raise Refused(40229, "$replaceRoot takes one field, newRoot")
    return _replace_with(docs, spec["newRoot"], run)


def _replace_with(docs: Docs, spec: Any, run: Run) -> Docs:
    make = compile_expression(spec)

    def replace(doc: Doc) -> Doc:
        new = make(run.scope(doc))
        if not isinstance(new, dict):
            raise Refused(40228, "'newRoot' expression must evaluate to an object")
        return new

    return map(replace, docs)


def _sort(docs: Docs, spec: Any, run: Run) -> Docs:
    order = parse_order(spec)
    if not order:
        raise Refused(15976, "$sort stage must have at least one sort key")
    return iter(sorted_docs(run.hold(docs), order))


def _number(name: str, spec: Any, code: int, least: int) -> int:
    number = whole(spec)
    if number is None or number < least:
        raise Refused(code, f"invalid argument to {name} stage: {spec!r}")
    return number


def _skip(docs: Docs, spec: Any, _: Run) -> Docs:
    return islice(docs, _number("$skip", spec, 5107200, 0), None)


def _limit(docs: Docs, spec: Any, _: Run) -> Docs:
    if whole(spec) == 0:
        raise Refused(15958, "the limit must be positive")
    return islice(docs, _number("$limit", spec, 5107201, 1))


def _sample(docs: Docs, spec: Any, run: Run) -> Docs:
    if not isinstance(spec, dict) or set(spec) != {"size"}:
        raise Refused(28745, "$sample takes one field, size")
    size = _number("$sample", spec["size"], 28747, 1)
    chosen: deque[Doc] = deque()
    for seen, doc in enumerate(run.hold(docs)):
        if seen < size:
            chosen.append(doc)
        elif (at := random.randrange(seen + 1)) < size:  # noqa: S311 - a sample, not a secret
            chosen[at] = doc
    return chosen


def _unwind(docs: Docs, spec: Any, _: Run) -> Docs:
    if isinstance(spec, str):
        spec = {"path": spec}
    if not isinstance(spec, dict) or not isinstance(spec.get("path"), str):
        raise Refused(15981, "expected either a string or an object as specification for $unwind")
    unknown = set(spec) - {"path", "preserveNullAndEmptyArrays", "includeArrayIndex"}
    if unknown:
        raise Refused(28811, f"unrecognized option to $unwind stage: {unknown.pop()}")
    if not spec["path"].startswith("$"):
        raise Refused(28818, "path option to $unwind stage should be prefixed with a '$'")
    parts = spec["path"][1:].split(".")
    keep, index = bool(spec.get("preserveNullAndEmptyArrays")), spec.get("includeArrayIndex")
    return (new for doc in docs for new in _unwound(doc, parts, index, keep=keep))


def _unwound(doc: Doc, parts: list[str], index: str | None, *, keep: bool) -> Iterator[Doc]:
    value = straight(doc, parts)
    if isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield _indexed(with_field(doc, parts, item), index, Int64(at))
    elif isinstance(value, list) or value is None or value is MISSING:
        if keep:
            new = with_field(doc, parts, MISSING) if isinstance(value, list) else doc
            yield _indexed(new, index, None)
    else:
        yield _indexed(doc, index, None)


def _indexed(doc: Doc, index: str | None, at: Int64 | None) -> Doc:
    new: Doc = with_field(doc, index.split("."), at) if index else doc
    return new


STAGES: dict[str, Stage] = {
    "$match": _match,
    "$project": _project,
    "$addFields": _set,
    "$set": _set,
    "$unset": _unset,
    "$replaceRoot": _replace_root,
    "$replaceWith": _replace_with,
    "$sort": _sort,
    "$skip": _skip,
    "$limit": _limit,
    "$sample": _sample,
    "$unwind": _unwind,
}
