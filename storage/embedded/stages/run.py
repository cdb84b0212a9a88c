"""One run of a pipeline: its variables, where it reads other collections, how much it may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from storage.embedded.errors import Refused
from storage.embedded.values import Doc

# MongoDB gives a stage 100 MB; documents are counted here, which is cheaper and as bounded.
MAX_HELD = 1_000_000


class Source(Protocol):
    """Where ``$lookup`` and its kin find other collections of the same database."""

    def find(
        self, collection: str, query: Doc, variables: Mapping[str, Any] | None = None
    ) -> Iterator[Doc]:
        """The matching documents of a collection; none if it does not exist."""
        ...


class Target(Protocol):
    """Where ``$merge`` and ``$out`` put their results."""

    def merge(self, docs: Iterable[Doc], spec: Doc, run: Run) -> None:
        """Put the documents into another collection as ``$merge`` says."""
        ...

    def out(self, docs: Iterable[Doc], collection: str) -> None:
        """Make the documents the whole content of a collection."""
        ...


class Held:
    """How many documents the run's stages hold in memory together."""

    def __init__(self) -> None:
        self._count = 0

    def add(self) -> None:
        """Count one more.

        Raises:
            Refused: 292, it is too many.
        """
        self._count += 1
        if self._count > MAX_HELD:
            raise Refused(292, f"the aggregation holds more than {MAX_HELD} documents")


@dataclass(frozen=True)
class Run:
    """What the stages of one pipeline share."""

    now: datetime
    source: Source | None = None
    target: Target | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    held: Held = field(default_factory=Held)

    def scope(self, doc: Doc) -> dict[str, Any]:
        """The variables an expression sees while it looks at a document."""
        return {**self.variables, "NOW": self.now, "ROOT": doc, "CURRENT": doc}

    def with_variables(self, variables: Mapping[str, Any]) -> Run:
        """The same run for an inner pipeline that sees more variables."""
        return replace(self, variables={**self.variables, **variables})

    def hold(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        """The documents, counted as held."""
        for doc in docs:
            self.held.add()
            yield doc

    @property
    def others(self) -> Source:
        """The other collections.

        Raises:
            Refused: 40324, there are none here (an update's pipeline).
        """
        if self.source is None:
            raise Refused(40324, "this pipeline may not look at other collections")
        return self.source


Stage = Callable[[Iterable[Doc], Any, Run], Iterable[Doc]]
stages: dict[str, Stage] = {}


def check_pipeline(pipeline: Any) -> list[Doc]:
    """The pipeline, if every stage is one the engine knows.

    Raises:
        Refused: 40323 a stage is not one operator, 40324 an unknown one, 40573 a change stream.
    """
    if not isinstance(pipeline, list):
        raise Refused(14, "'pipeline' option must be specified as an array")
    for stage in pipeline:
        if not isinstance(stage, dict) or len(stage) != 1:
            raise Refused(
                40323, "A pipeline stage specification object must contain exactly one field."
            )
        name = next(iter(stage))
        if name == "$changeStream":
            raise Refused(40573, "The $changeStream stage is only supported on replica sets")
        if name not in stages:
            raise Refused(40324, f"Unrecognized pipeline stage name: '{name}'")
        if name in {"$out", "$merge"} and stage is not pipeline[-1]:
            raise Refused(40601, f"{name} can only be the final stage in the pipeline")
    return pipeline


def run_pipeline(docs: Iterable[Doc], pipeline: Any, run: Run) -> Iterator[Doc]:
    """The documents after every stage, made one by one where the stages allow it."""
    for stage in check_pipeline(pipeline):
        ((name, spec),) = stage.items()
        docs = stages[name](docs, spec, run)
    return iter(docs)
