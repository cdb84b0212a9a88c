"""Stages that read other collections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from bson import Int64

from storage.embedded.errors import Refused
from storage.embedded.expressions import compile_expression
from storage.embedded.expressions.core import named, null_if_missing
from storage.embedded.expressions.logic import check_variable
from storage.embedded.keys import encode
from storage.embedded.paths import field, leaves, with_field
from storage.embedded.stages.run import Run, Stage, check_pipeline, run_pipeline
from storage.embedded.values import MISSING, Doc, is_regex, whole

Docs = Iterable[Doc]
# Results of equal keys are kept for the run, so that a join of many to few is cheap.
MAX_KEPT_KEYS = 10_000


def _string(spec: Doc, key: str) -> str:
    if not isinstance(spec[key], str) or spec[key].startswith("$"):
        raise Refused(40321, f"argument '{key}' must be a string without '$'")
    return str(spec[key])


def _lookup(docs: Docs, spec: Any, run: Run) -> Docs:
    optional = ("localField", "foreignField", "let", "pipeline")
    spec = named("$lookup", spec, ("from", "as"), optional)
    by_field = "localField" in spec
    if by_field != ("foreignField" in spec) or not (by_field or "pipeline" in spec):
        raise Refused(9, "$lookup needs localField and foreignField together, or a pipeline")
    name, parts = _string(spec, "from"), _string(spec, "as").split(".")
    pipeline = check_pipeline(spec.get("pipeline", []))
    variables = {key: compile_expression(value) for key, value in spec.get("let", {}).items()}
    for variable in variables:
        check_variable(variable)
    by_key = _ByField(name, spec, run) if by_field else None

    def join(doc: Doc) -> Doc:
        scope = run.scope(doc)
        inner = run.with_variables(
            {key: null_if_missing(value(scope)) for key, value in variables.items()}
        )
        if by_key is not None:
            found: Docs = by_key.find(doc)
        else:
            found = _first_match(name, pipeline, inner)
        if pipeline:
            found = run_pipeline(found, pipeline, inner)
        return with_field(doc, parts, list(found))  # type: ignore[no-any-return]

    return map(join, docs)


def _first_match(name: str, pipeline: list[Doc], run: Run) -> Iterator[Doc]:
    """The other collection's documents, narrowed by an index where the pipeline allows."""
    first = pipeline[0].get("$match", {}) if pipeline else {}
    return run.others.find(name, first, {**run.variables, "NOW": run.now})


class _ByField:
    """The documents whose foreign field equals the local one."""

    def __init__(self, name: str, spec: Doc, run: Run) -> None:
        self._name = name
        self._local = _string(spec, "localField").split(".")
        self._foreign = _string(spec, "foreignField")
        self._run = run
        self._kept: dict[bytes, list[Doc]] = {}

    def find(self, doc: Doc) -> list[Doc]:
        """The matching documents; a missing local field matches null and missing."""
        values = [null_if_missing(value) for value in leaves(doc, self._local)] or [None]
        if any(is_regex(value) or isinstance(value, list) for value in values):
            raise Refused(238, "$lookup by a regular expression or by an array within an array")
        key = b"".join(sorted({encode(value) for value in values}))
        found = self._kept.get(key)
        if found is None:
            found = list(self._run.others.find(self._name, {self._foreign: {"$in": values}}))
            if len(self._kept) < MAX_KEPT_KEYS:
                self._kept[key] = found
        return found


def _graph_lookup(docs: Docs, spec: Any, run: Run) -> Docs:
    required = ("from", "startWith", "connectFromField", "connectToField", "as")
    optional = ("maxDepth", "depthField", "restrictSearchWithMatch")
    spec = named("$graphLookup", spec, required, optional)
    start = compile_expression(spec["startWith"])
    depth = whole(spec["maxDepth"]) if "maxDepth" in spec else None
    if "maxDepth" in spec and (depth is None or depth < 0):
        raise Refused(40100, "maxDepth requires a nonnegative argument")
    search = _Graph(spec, run, depth)
    parts = _string(spec, "as").split(".")
    return (with_field(doc, parts, search.reach(start(run.scope(doc)))) for doc in docs)


class _Graph:
    """Documents reached by following a field again and again."""

    def __init__(self, spec: Doc, run: Run, depth: int | None) -> None:
        self._name = _string(spec, "from")
        self._to = _string(spec, "connectToField")
        self._from = _string(spec, "connectFromField").split(".")
        self._depth_field = spec.get("depthField")
        self._also = spec.get("restrictSearchWithMatch", {})
        self._run = run
        self._depth = depth

    def reach(self, start: Any) -> list[Doc]:
        """Every document reached from the values, nearest first."""
        frontier = _values(start)
        found: dict[bytes, Doc] = {}
        depth = 0
        while frontier and (self._depth is None or depth <= self._depth):
            reached = []
            query = {"$and": [{self._to: {"$in": frontier}}, self._also]}
            for doc in self._run.others.find(self._name, query):
                key = encode(doc["_id"])
                if key in found:
                    continue
                self._run.held.add()
                found[key] = doc
                if self._depth_field:
                    found[key] = with_field(doc, self._depth_field.split("."), Int64(depth))
                reached.append(doc)
            frontier = list(chain(*(_values(field(doc, self._from)) for doc in reached)))
            depth += 1
        return list(found.values())


def _values(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if item is not MISSING and item is not None]


def _union_with(docs: Docs, spec: Any, run: Run) -> Docs:
    spec = named(
        "$unionWith", {"coll": spec} if isinstance(spec, str) else spec, ("coll",), ("pipeline",)
    )
    pipeline = check_pipeline(spec.get("pipeline", []))
    others = run_pipeline(_first_match(spec["coll"], pipeline, run), pipeline, run)
    return chain(docs, others)


STAGES: dict[str, Stage] = {
    "$lookup": _lookup,
    "$graphLookup": _graph_lookup,
    "$unionWith": _union_with,
}
