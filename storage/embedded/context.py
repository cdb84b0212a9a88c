"""What one command works with: a connection, the catalogue, the clock, and limits on its work."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.embedded.catalogue import Catalogue, Collection
from storage.embedded.errors import Refused
from storage.embedded.scan import scan
from storage.embedded.values import Doc

# Work of this size may be done between two other commands; more goes to a reader of its own.
SHORT_WORK = 1_000


class TooLong(Exception):
    """A command looks at more documents than may hold up the others."""


class Meter:
    """Counts the documents a command looks at.

    Args:
        budget: More than this and ``TooLong`` is raised; ``None`` for no such limit.
        milliseconds: ``maxTimeMS``; 0 for none.
        stop: Set when the engine ends.
    """

    def __init__(
        self,
        budget: int | None = None,
        milliseconds: int = 0,
        stop: threading.Event | None = None,
    ) -> None:
        self.budget = budget
        self.examined = 0
        self.plans: list[str] = []
        self._deadline = time.monotonic() + milliseconds / 1000 if milliseconds else None
        self._stop = stop

    def step(self) -> None:
        """Count one more document.

        Raises:
            TooLong: The budget is spent.
            Refused: 50 the time is over, 11600 the engine is ending.
        """
        self.examined += 1
        if self.budget is not None and self.examined > self.budget:
            raise TooLong
        if self.examined & 255:
            return
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise Refused(50, "operation exceeded time limit")
        if self._stop is not None and self._stop.is_set():
            raise Refused(11600, "interrupted at shutdown")


@dataclass
class Context:
    """One command's surroundings."""

    db: sqlite3.Connection
    catalogue: Catalogue
    now: datetime
    database: str
    meter: Meter = field(default_factory=Meter)

    def name(self, collection: Any) -> str:
        """The full name of a collection of this command's database.

        Raises:
            Refused: 73, it is not a name.
        """
        if not isinstance(collection, str) or not collection:
            raise Refused(73, f"collection name has invalid type or is empty: {collection!r}")
        return f"{self.database}.{collection}"

    def collection(self, name: Any) -> Collection | None:
        """A collection of this command's database, if it exists."""
        return self.catalogue.get(self.name(name))

    def find(
        self, collection: str, query: Doc, variables: Mapping[str, Any] | None = None
    ) -> Iterator[Doc]:
        """The matching documents of another collection, for the stages that join."""
        found = self.collection(collection)
        if found is not None:
            for row in scan(self.db, found, query, self.meter, variables=variables):
                yield row.doc
