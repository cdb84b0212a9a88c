"""Stages that gather documents: groups, counts, buckets, facets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from storage.embedded.accumulators import Accumulator
from storage.embedded.errors import Refused
from storage.embedded.expressions import compile_expression
from storage.embedded.expressions.core import named, null_if_missing
from storage.embedded.keys import encode
from storage.embedded.order import sorted_docs
from storage.embedded.stages.run import Run, Stage, run_pipeline
from storage.embedded.values import Doc, whole

Docs = Iterable[Doc]
_COUNT = {"count": {"$sum": 1}}


class _Groups:
    """Documents gathered under keys, in the order the keys were first seen."""

    def __init__(self, fields: dict[str, Any], run: Run) -> None:
        for name in fields:
            if "." in name:
                raise Refused(40235, f"The field name '{name}' cannot contain '.'")
        self._accumulators = [(name, Accumulator(name, spec)) for name, spec in fields.items()]
        self._run = run
        self._values: dict[Any, list[list[Any]]] = {}
        self._ids: dict[Any, Any] = {}

    def add(self, key: Any, shown: Any, doc: Doc) -> None:
        """Let a document count for the group with this key."""
        values = self._values.get(key)
        if values is None:
            self._run.held.add()
            values = self._values[key] = [[] for _ in self._accumulators]
            self._ids[key] = shown
        scope = self._run.scope(doc)
        for kept, (_, accumulator) in zip(values, self._accumulators, strict=True):
            kept.append(accumulator.take(scope))
            if accumulator.folds:
                accumulator.fold(kept)
            else:
                self._run.held.add()

    def results(self) -> Iterator[tuple[Any, Doc]]:
        """Each key with the group's document."""
        for key, values in self._values.items():
            doc = {"_id": self._ids[key]}
            for kept, (name, accumulator) in zip(values, self._accumulators, strict=True):
                doc[name] = accumulator.finish(kept)
            yield key, doc


def _group(docs: Docs, spec: Any, run: Run) -> Docs:
    if not isinstance(spec, dict):
        raise Refused(15947, "a group's fields must be specified in an object")
    if "_id" not in spec:
        raise Refused(15955, "a group specification must include an _id")
    key_of = compile_expression(spec["_id"])
    groups = _Groups({name: value for name, value in spec.items() if name != "_id"}, run)
    for doc in docs:
        key = null_if_missing(key_of(run.scope(doc)))
        groups.add(encode(key), key, doc)
    return (doc for _, doc in groups.results())


def _count(docs: Docs, spec: Any, _: Run) -> Docs:
    if not isinstance(spec, str) or not spec or spec.startswith("$") or "." in spec:
        raise Refused(40156, "the count field must be a non-empty string without '$' and '.'")
    number = sum(1 for _ in docs)
    return [{spec: number}] if number else []


def _sort_by_count(docs: Docs, spec: Any, run: Run) -> Docs:
    groups = _group(docs, {"_id": spec, **_COUNT}, run)
    return sorted_docs(groups, (("count", -1),))


def _facet(docs: Docs, spec: Any, run: Run) -> Docs:
    if not isinstance(spec, dict) or not spec:
        raise Refused(40169, "the $facet specification must be a non-empty object")
    held = list(run.hold(docs))
    return [
        {name: list(run_pipeline(iter(held), pipeline, run)) for name, pipeline in spec.items()}
    ]


def _bucket(docs: Docs, spec: Any, run: Run) -> Docs:
    spec = named("$bucket", spec, ("groupBy", "boundaries"), ("default", "output"))
    boundaries = spec["boundaries"]
    if not isinstance(boundaries, list) or len(boundaries) < 2:
        raise Refused(40192, "The $bucket 'boundaries' field must have at least 2 values")
    keys = [encode(boundary) for boundary in boundaries]
    if sorted(set(keys)) != keys:
        raise Refused(40194, "The 'boundaries' option to $bucket must be sorted")
    key_of, others = compile_expression(spec["groupBy"]), len(boundaries)
    groups = _Groups(spec.get("output", _COUNT), run)
    for doc in docs:
        key = encode(key_of(run.scope(doc)))
        at = next((at for at in range(others - 1) if keys[at] <= key < keys[at + 1]), others)
        if at == others and "default" not in spec:
            raise Refused(
                40066,
                "$switch could not find a matching branch for an input, and no default was "
                "specified.",
            )
        groups.add(at, spec["default"] if at == others else boundaries[at], doc)
    return (doc for _, doc in sorted(groups.results(), key=lambda item: item[0]))


def _bucket_auto(docs: Docs, spec: Any, run: Run) -> Docs:
    spec = named("$bucketAuto", spec, ("groupBy", "buckets"), ("output",))
    count = whole(spec["buckets"])
    if count is None or count < 1:
        raise Refused(40243, "The $bucketAuto 'buckets' field must be greater than 0")
    key_of = compile_expression(spec["groupBy"])
    keyed = []
    for doc in run.hold(docs):
        value = null_if_missing(key_of(run.scope(doc)))
        keyed.append((encode(value), value, doc))
    keyed.sort(key=lambda item: item[0])
    return _auto_buckets(keyed, count, spec.get("output", _COUNT), run)


def _auto_buckets(
    keyed: list[tuple[bytes, Any, Doc]], count: int, output: Doc, run: Run
) -> Iterator[Doc]:
    size = max(1, round(len(keyed) / count))
    groups, start, bucket = _Groups(output, run), 0, 0
    while start < len(keyed):
        end = len(keyed) if bucket == count - 1 else min(len(keyed), start + size)
        # Equal values stay together.
        while end < len(keyed) and keyed[end][0] == keyed[end - 1][0]:
            end += 1
        upper = keyed[end][1] if end < len(keyed) else keyed[-1][1]
        for _, _, doc in keyed[start:end]:
            groups.add(bucket, {"min": keyed[start][1], "max": upper}, doc)
        start, bucket = end, bucket + 1
    return (doc for _, doc in groups.results())


STAGES: dict[str, Stage] = {
    "$group": _group,
    "$count": _count,
    "$sortByCount": _sort_by_count,
    "$facet": _facet,
    "$bucket": _bucket,
    "$bucketAuto": _bucket_auto,
}
