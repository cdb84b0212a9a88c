"""Scans: the rows of a collection that a query selects, by the planner's way."""

# ruff: noqa: S608 - table names are made of integers, everything else is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, Protocol

from storage.embedded.catalogue import Collection
from storage.embedded.match import compile_filter
from storage.embedded.order import Order, sorted_docs
from storage.embedded.planner import Plan, plan
from storage.embedded.values import Doc, check_depth, decode


class Counter(Protocol):
    """What counts the work of a scan."""

    plans: list[str]
    examined: int

    def step(self) -> None:
        """Count one document looked at."""
        ...


class Row(NamedTuple):
    """A document with where it lies."""

    rid: int
    raw: bytes
    doc: Doc
    position: tuple[Any, ...]


def scan(
    db: sqlite3.Connection,
    collection: Collection,
    query: Any,
    meter: Counter,
    *,
    order: Order = (),
    limit: int = 0,
    hint: Any = None,
    variables: Mapping[str, Any] | None = None,
) -> Iterator[Row]:
    """The matching rows, in order if one is asked for.

    ``limit`` says how many at most, 0 for all; ``variables`` what ``$$name`` stands for in
    ``$expr``.
    """
    check_query(query)
    found = plan(collection, query, order, hint)
    matches = compile_filter(query, variables)
    meter.plans.append(found.name)
    rows = _matching(db.execute(found.sql, found.values), matches, meter)
    if order and not found.ordered:
        rows = _sorted(rows, order, limit)
    return islice(rows, limit or None)


def check_query(query: Any) -> None:
    """Refuse a query that is nested too deeply."""
    if isinstance(query, dict):
        check_depth(query)


def resume(
    db: sqlite3.Connection,
    found: Plan,
    query: Any,
    meter: Counter,
    *,
    after: tuple[Any, ...] | None,
) -> Iterator[Row]:
    """The rows of a resumable plan, from its beginning or after a position."""
    meter.plans.append(found.name)
    if after is None or found.resume is None:
        cursor = db.execute(found.sql, found.values)
    else:
        cursor = db.execute(found.resume, (*after, *found.values))
    return _matching(cursor, compile_filter(query), meter)


def _matching(cursor: sqlite3.Cursor, matches: Any, meter: Counter) -> Iterator[Row]:
    for rid, raw, *position in cursor:
        meter.step()
        doc = decode(raw)
        if matches(doc):
            yield Row(rid, raw, doc, tuple(position))


def _sorted(rows: Iterator[Row], order: Order, limit: int) -> Iterator[Row]:
    prefixed = tuple((f"d.{path}", to) for path, to in order)
    wrapped: Iterator[Doc] = ({"d": row.doc, "row": row} for row in rows)
    for item in sorted_docs(wrapped, prefixed, limit=limit):
        yield item["row"]


def count(
    db: sqlite3.Connection,
    collection: Collection,
    query: Any,
    meter: Counter,
    *,
    hint: Any = None,
    skip: int = 0,
    limit: int = 0,
) -> int:
    """How many documents match; an index alone answers where it can."""
    check_query(query)
    matches = compile_filter(query)
    if not query:
        meter.plans.append("COUNT")
        number = int(db.execute(f"SELECT COUNT(*) FROM {collection.table}").fetchone()[0])
    else:
        found = plan(collection, query, (), hint)
        meter.plans.append(found.name)
        if found.count is not None:
            number = int(db.execute(found.count, found.values).fetchone()[0])
        else:
            rows = _matching(db.execute(found.sql, found.values), matches, meter)
            number = sum(1 for _ in islice(rows, skip + limit if limit else None))
    number = max(0, number - skip)
    return min(number, limit) if limit else number
