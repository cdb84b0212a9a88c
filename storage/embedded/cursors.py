"""Cursors: results that a client fetches batch by batch.

A scan that can be resumed keeps only its position and reads on at the next batch, so a whole
collection can be exported. Any other result is held in memory, within bounds.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any, Protocol

import bson

from storage.embedded.context import Context
from storage.embedded.errors import Refused
from storage.embedded.order import Order
from storage.embedded.planner import plan
from storage.embedded.project import compile_projection
from storage.embedded.scan import Row, resume
from storage.embedded.values import MAX_DOCUMENT, Doc

FIRST_BATCH = 101
MAX_CURSORS = 1_000
MAX_HELD = 64 * 1024 * 1024
MAX_HELD_TOGETHER = 256 * 1024 * 1024
IDLE_SECONDS = 600.0


class Cursor(Protocol):
    """A result with a position in it."""

    name: str
    size: int

    def batch(self, context: Context, count: int) -> tuple[list[bytes], bool]:
        """The next documents, at most ``count`` and 16 MB, and whether there may be more."""
        ...


class HeldCursor:
    """A result that is complete.

    Args:
        name: The collection's full name.
        docs: The documents' bytes.

    Raises:
        Refused: 292, more than 64 MB.
    """

    def __init__(self, name: str, docs: Iterable[bytes]) -> None:
        self.name = name
        self.size = 0
        self._docs: list[bytes] = []
        self._at = 0
        for raw in docs:
            self.size += len(raw)
            if self.size > MAX_HELD:
                raise Refused(292, "the result is larger than 64 MB; sort by an index or limit it")
            self._docs.append(raw)

    def batch(self, context: Context, count: int) -> tuple[list[bytes], bool]:
        """The next documents."""
        taken: list[bytes] = []
        room = MAX_DOCUMENT
        for raw in islice(self._docs, self._at, self._at + count):
            room -= len(raw)
            if taken and room < 0:
                break
            taken.append(raw)
        self._at += len(taken)
        return taken, self._at < len(self._docs)


class ScanCursor:
    """A scan that goes on from where the last batch ended."""

    def __init__(
        self, name: str, query: Any, order: Order, *, body: Doc, limit: int, skip: int
    ) -> None:
        self.name = name
        self.size = 0
        self._query = query
        self._order = order
        self._hint = body.get("hint")
        self._project = compile_projection(body.get("projection"), query)
        self._left = limit or None
        self._skip = skip
        self._plan: str | None = None
        self._position: tuple[Any, ...] | None = None

    def batch(self, context: Context, count: int) -> tuple[list[bytes], bool]:
        """The next documents; the position moves only when all of them are read.

        Raises:
            Refused: 175, the collection or the index went away meanwhile.
        """
        collection = context.catalogue.get(self.name)
        if collection is None:
            raise Refused(175, "collection dropped between getMore calls")
        found = plan(collection, self._query, self._order, self._hint)
        if self._plan not in (None, found.name):
            raise Refused(175, "the index of the cursor was dropped")
        rows = resume(context.db, found, self._query, context.meter, after=self._position)
        count = count if self._left is None else min(count, self._left)
        taken, last, ended = self._take(islice(rows, self._skip, None), count)
        self._plan, self._skip = found.name, 0
        if last is not None:
            self._position = last.position
        if self._left is not None:
            self._left -= len(taken)
        return taken, not ended and self._left != 0

    def _take(self, rows: Iterable[Row], count: int) -> tuple[list[bytes], Row | None, bool]:
        taken: list[bytes] = []
        last: Row | None = None
        room = MAX_DOCUMENT
        if not count:
            return taken, last, False
        for row in rows:
            raw = row.raw if self._project is None else bson.encode(self._project(row.doc))
            room -= len(raw)
            if taken and room < 0:
                return taken, last, False
            taken.append(raw)
            last = row
            if len(taken) >= count:
                return taken, last, False
        return taken, last, True


class Cursors:
    """The open cursors of all clients."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Cursor, float]] = {}
        self._ids = itertools.count(int(time.time() * 1000) << 8)

    def __len__(self) -> int:
        return len(self._open)

    def keep(self, cursor: Cursor) -> int:
        """Keep a cursor for later batches.

        Raises:
            Refused: 146, the clients hold too many.
        """
        held = sum(other.size for other, _ in list(self._open.values()))
        if held + cursor.size > MAX_HELD_TOGETHER or len(self._open) >= MAX_CURSORS:
            raise Refused(146, "too many or too large cursors are open")
        number = next(self._ids)
        self._open[number] = (cursor, time.monotonic())
        return number

    def get(self, number: int) -> Cursor:
        """An open cursor.

        Raises:
            Refused: 43.
        """
        found = self._open.get(number)
        if found is None:
            raise Refused(43, f"cursor id {number} not found")
        self._open[number] = (found[0], time.monotonic())
        return found[0]

    def close(self, number: int) -> bool:
        """Forget a cursor; whether it was open."""
        return self._open.pop(number, None) is not None

    def close_idle(self) -> int:
        """Forget the cursors nobody asked for in ten minutes; how many."""
        limit = time.monotonic() - IDLE_SECONDS
        idle = [number for number, (_, used) in list(self._open.items()) if used < limit]
        return sum(map(self.close, idle))
