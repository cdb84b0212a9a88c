"""Stages that write their documents into a collection; nothing comes out of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from storage.embedded.errors import Refused, unsupported
from storage.embedded.expressions.core import named
from storage.embedded.stages.run import Run, Stage, Target
from storage.embedded.values import Doc

_MATCHED = ("merge", "replace", "keepExisting", "fail")
_NOT_MATCHED = ("insert", "discard", "fail")


def _target(run: Run) -> Target:
    if run.target is None:
        raise Refused(40324, "this pipeline may not write")
    return run.target


def _merge(docs: Iterable[Doc], spec: Any, run: Run) -> Iterable[Doc]:
    spec = {"into": spec} if isinstance(spec, str) else spec
    spec = named("$merge", spec, ("into",), ("on", "whenMatched", "whenNotMatched"))
    if not isinstance(spec["into"], str):
        raise unsupported("$merge into another database")
    on = spec.get("on", "_id")
    rules = {
        "into": spec["into"],
        "on": [on] if isinstance(on, str) else on,
        "whenMatched": spec.get("whenMatched", "merge"),
        "whenNotMatched": spec.get("whenNotMatched", "insert"),
    }
    if not isinstance(rules["whenMatched"], list) and rules["whenMatched"] not in _MATCHED:
        raise Refused(2, f"unknown whenMatched mode: {rules['whenMatched']}")
    if rules["whenNotMatched"] not in _NOT_MATCHED:
        raise Refused(2, f"unknown whenNotMatched mode: {rules['whenNotMatched']}")
    _target(run).merge(list(run.hold(docs)), rules, run)
    return ()


def _out(docs: Iterable[Doc], spec: Any, run: Run) -> Iterable[Doc]:
    if not isinstance(spec, str):
        raise unsupported("$out into another database")
    _target(run).out(list(run.hold(docs)), spec)
    return ()


STAGES: dict[str, Stage] = {"$merge": _merge, "$out": _out}
