"""What waits for a person (待办, F13): derived from where the work lies, never stored.

A feature that gives people something to do implements ``TodoSource`` and is named in the assembly.
The counts are the lengths of the lists, so they cannot disagree with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domain.events import Event
from domain.people import Person


class TodoItem(BaseModel):
    """One thing that waits.

    Attributes:
        kind: What is to be done, ``<noun>.<verb>``, the same for all items of a source.
        obj: What it is about, ``<noun>:<id>``; the pages turn it into a link.
        title: One line for the person.
        since: When it began to wait.
        due: Until when it must be done, or ``None``.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    obj: str
    title: str
    since: datetime
    due: datetime | None = None


class TodoChanged(Event):
    """Something was added to or taken from the receiver's list; ask for it again."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["todo"] = "todo"


class TodoSource(Protocol):
    """A place where work for people lies."""

    async def todo(self, person: Person) -> Sequence[TodoItem]:
        """Answer what waits for a person here, oldest first."""


class TodoList(BaseModel):
    """Everything that waits for somebody, the most urgent first."""

    model_config = ConfigDict(frozen=True)

    items: tuple[TodoItem, ...]
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many things wait."""
        return len(self.items)


class TodoService:
    """Gathers what waits for a person."""

    def __init__(self, sources: Sequence[TodoSource]) -> None:
        self._sources = tuple(sources)

    async def of(self, person: Person) -> TodoList:
        """Answer what waits for a person: what is due first, then what waits longest."""
        items = [item for source in self._sources for item in await source.todo(person)]
        items.sort(key=lambda item: (item.due is None, item.due or item.since, item.since))
        counts: dict[str, int] = {}
        for item in items:
            counts[item.kind] = counts.get(item.kind, 0) + 1
        return TodoList(items=tuple(items), counts=counts)
