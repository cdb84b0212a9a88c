"""The table of cases: what MongoDB answers, written down as literals.

A case is a name, the expected result and a function of ``(db, coll)`` that produces it on a server;
``coll`` is a collection of its own that does not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import Int64, ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

Doc = dict[str, Any]
Run = Callable[[Database, Collection], Any]


@dataclass(frozen=True)
class Refusal:
    """The server has to refuse, with this exception and code."""

    exception: type[Exception]
    code: int | None = None


@dataclass(frozen=True)
class Unordered:
    """These items in any order."""

    items: list[Any]


@dataclass(frozen=True)
class Case:
    group: str
    name: str
    expected: Any
    run: Run


CASES: list[Case] = []


def at(*parts: int, tzinfo: Any = None) -> datetime:
    """A date as a driver without time zones sees it."""
    return datetime(*parts, tzinfo=tzinfo)


OIDS = [ObjectId(f"{number:024x}") for number in range(1, 5)]
BY_ID = {"$sort": {"_id": 1}}
TIMES = [
    {"_id": 1, "t": at(2026, 1, 1)},
    {"_id": 2, "t": at(2026, 1, 2, 3, 4, 5, 678000)},
    {"_id": 3, "t": at(2026, 2, 1)},
    {"_id": 4, "t": "2026-01-15T00:00:00"},
]
GOODS = [
    {"_id": 1, "k": "a", "q": 2, "p": 1.5, "t": at(2026, 1, 31, 20), "tags": ["x", "y"]},
    {"_id": 2, "k": "b", "q": 1, "p": 2.0, "t": at(2026, 2, 1, 1), "tags": ["x"]},
    {"_id": 3, "k": "a", "q": 5, "p": 1.0, "t": at(2026, 2, 1, 17), "tags": []},
]


def case(name: str, expected: Any) -> Callable[[Run], Run]:
    """Enter a function into the table, under the group of its module."""

    def enter(run: Run) -> Run:
        CASES.append(Case(run.__module__.rsplit(".", 1)[-1], name, expected, run))
        return run

    return enter


def store(coll: Collection, *docs: Doc) -> Collection:
    coll.insert_many([dict(doc) for doc in docs])
    return coll


def keys_of(cursor: Any) -> list[Any]:
    return [doc["_id"] for doc in cursor]


def aggregated(coll: Collection, *stages: Doc) -> list[Doc]:
    return list(coll.aggregate(list(stages)))


def query(name: str, docs: Sequence[Doc], condition: Doc, expected: Any, **options: Any) -> None:
    """A find: the keys of what it finds, sorted."""

    def run(db: Database, coll: Collection) -> list[Any]:
        store(coll, *docs)
        return sorted(keys_of(coll.find(condition, **options)))

    CASES.append(Case("queries", name, expected, run))


def update(
    name: str, doc: Doc, change: Any, expected: Any, flt: Doc | None = None, **options: Any
) -> None:
    """An update of one document with ``_id`` 1: the document afterwards, without ``_id``."""

    def run(db: Database, coll: Collection) -> Doc:
        coll.insert_one({"_id": 1, **doc})
        coll.update_one(flt or {"_id": 1}, change, **options)
        return {key: value for key, value in coll.find_one({"_id": 1}).items() if key != "_id"}

    CASES.append(Case("updates", name, expected, run))


def pipeline(name: str, docs: Sequence[Doc], stages: Sequence[Doc], expected: Any) -> None:
    """An aggregation."""

    def run(db: Database, coll: Collection) -> list[Doc]:
        store(coll, *docs)
        return aggregated(coll, *stages)

    CASES.append(Case("aggregation", name, expected, run))


def round_trip(name: str, value: Any) -> None:
    """A value that comes back as it went in: at the top, nested, in an array."""

    def run(db: Database, coll: Collection) -> list[Any]:
        coll.insert_one({"_id": 1, "v": value, "n": {"v": value}, "l": [value]})
        doc = coll.find_one({"_id": 1})
        return [doc["v"], doc["n"]["v"], doc["l"]]

    CASES.append(Case("types", f"round-trip {name}", [value, value, [value]], run))


def same(got: Any, expected: Any) -> bool:
    """Equality that tells types apart: bool, int, float; and looks at the order of keys."""
    if isinstance(expected, Unordered):
        rest = list(got)
        for item in expected.items:
            hit = next((index for index, other in enumerate(rest) if same(other, item)), None)
            if hit is None:
                return False
            rest.pop(hit)
        return not rest
    if isinstance(got, bool) or isinstance(expected, bool):
        return got is expected
    if isinstance(got, float) or isinstance(expected, float):
        return type(got) is type(expected) and (got == expected or abs(got - expected) < 1e-9)
    if isinstance(expected, int | Int64) and isinstance(got, int | Int64):
        return int(got) == int(expected)
    if isinstance(expected, Mapping):
        return (
            isinstance(got, Mapping)
            and list(got) == list(expected)
            and all(same(got[key], expected[key]) for key in expected)
        )
    if isinstance(expected, list | tuple):
        return (
            isinstance(got, list | tuple)
            and len(got) == len(expected)
            and all(map(same, got, expected))
        )
    return type(got) is type(expected) and bool(got == expected)
