"""Whatever way the planner finds, the result is that of a look at every document."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.embedded.catalogue import Catalogue
from storage.embedded.context import Meter
from storage.embedded.documents import Writer
from storage.embedded.errors import Refused
from storage.embedded.files import open_writer
from storage.embedded.match import compile_filter
from storage.embedded.order import sorted_docs
from storage.embedded.planner import plan
from storage.embedded.scan import count, resume, scan

PARALLEL_ARRAYS = 171
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(["", "a", "b", "a\0b", 1.5, float("nan"), Decimal128("1.5"), 2**53 + 1]),
    st.sampled_from([datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)]),
)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.fixed_dictionaries({}, optional={"x": SCALARS})
)
DOCS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "a": VALUES,
            "b": SCALARS,
            "c": st.lists(st.fixed_dictionaries({}, optional={"x": SCALARS}), max_size=2),
        },
    ),
    max_size=12,
)
PATHS = st.sampled_from(["_id", "a", "b", "a.x", "c.x"])
CONDITIONS = st.one_of(
    SCALARS,
    st.dictionaries(
        st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"]),
        SCALARS,
        min_size=1,
        max_size=2,
    ),
    st.builds(lambda values: {"$in": values}, st.lists(SCALARS, max_size=3)),
    st.builds(lambda there: {"$exists": there}, st.booleans()),
    st.just({"$type": "string"}),
    st.builds(lambda least: {"$type": "date", "$gte": least}, SCALARS),
)
PLAIN = st.dictionaries(PATHS, CONDITIONS, max_size=3)
QUERIES = st.one_of(
    PLAIN,
    st.builds(lambda one, two: {"$and": [one, two]}, PLAIN, PLAIN),
    st.builds(lambda one, two, rest: {**rest, "$or": [one, two]}, PLAIN, PLAIN, PLAIN),
)
ORDERS = st.lists(
    st.tuples(PATHS, st.sampled_from([1, -1])), max_size=2, unique_by=lambda item: item[0]
).map(tuple)
INDEXES: list[dict[str, Any]] = [
    {"key": {"a": 1}, "name": "a"},
    {"key": {"a": 1, "b": -1}, "name": "ab"},
    {"key": {"b": -1, "_id": -1}, "name": "b_id"},
    {"key": {"b": 1, "a": 1}, "name": "ba", "sparse": True},
    {"key": {"a.x": 1}, "name": "ax", "sparse": True},
    {"key": {"c.x": 1, "b": 1}, "name": "cx"},
    {"key": {"b": 1}, "name": "bp", "partialFilterExpression": {"a": {"$exists": True}}},
    {"key": {"a": 1, "_id": 1}, "name": "as", "partialFilterExpression": {"b": "a"}},
    {"key": {"b": 1}, "name": "bd", "partialFilterExpression": {"b": {"$type": "date"}}},
    {"key": {"a": -1}, "name": "ad", "partialFilterExpression": {"a": {"$type": "date"}}},
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path: Path = tmp_path_factory.mktemp("planner") / "db"
    db = open_writer(path)
    catalogue = Catalogue(db)
    yield db, catalogue, Writer(db, catalogue)
    db.close()


@settings(max_examples=600, deadline=None)
@given(DOCS, QUERIES, ORDERS, st.integers(0, 1023))
def test_every_plan_finds_what_a_full_scan_finds(
    parts: Any, docs: list, query: dict, order: tuple, chosen: int
) -> None:
    db, catalogue, writer = parts
    db.execute("BEGIN")
    try:
        collection = catalogue.create("t.c")
        for bit, spec in enumerate(INDEXES):
            if chosen >> bit & 1:
                catalogue.create_index(collection, spec)
        stored = []
        for number, doc in enumerate(docs):
            try:
                writer.insert(collection, {"_id": number, **doc})
            except Refused as refusal:
                if refusal.code != PARALLEL_ARRAYS:
                    raise
            else:
                stored.append({"_id": number, **doc})
        matches = compile_filter(query)
        wanted = [doc for doc in stored if matches(doc)]
        meter = Meter()
        rows = list(scan(db, collection, query, meter, order=order))
        ids = [row.doc["_id"] for row in rows]
        assert sorted(ids) == [doc["_id"] for doc in wanted]
        if order:
            whole = (*order, ("_id", 1))
            places = {doc["_id"]: doc for doc in stored}
            got = [places[key] for key in ids]
            assert _keys(got, order) == _keys(sorted_docs(wanted, whole), order)
        assert count(db, collection, query, meter) == len(wanted)
        found = plan(collection, query, order)
        if found.resume is not None:
            assert _in_steps(db, found, query) == [
                row.doc["_id"] for row in resume(db, found, query, meter, after=None)
            ]
        for row in rows:
            writer.remove(collection, row.rid, row.doc)
        for index in collection.indexes.values():
            left = db.execute(f"SELECT COUNT(*) FROM {index.table}").fetchone()[0]
            assert left == sum(len(index.entries(doc)) for doc in stored if doc["_id"] not in ids)
    finally:
        db.execute("ROLLBACK")
        catalogue.load()


def _keys(docs: list, order: tuple) -> list:
    from storage.embedded.order import document_key

    return [document_key(order)(doc) for doc in docs]


def _in_steps(db: Any, found: Any, query: dict) -> list:
    ids: list = []
    position = None
    while True:
        row = next(resume(db, found, query, Meter(), after=position), None)
        if row is None:
            return ids
        ids.append(row.doc["_id"])
        position = row.position


def _planned(parts: Any, spec: dict, query: dict, order: tuple = (), hint: Any = None) -> Any:
    db, catalogue, _ = parts
    db.execute("BEGIN")
    try:
        collection = catalogue.create("t.c")
        catalogue.create_index(collection, spec)
        return plan(collection, query, order, hint)
    finally:
        db.execute("ROLLBACK")
        catalogue.load()


def test_an_or_uses_the_index_of_each_branch(parts: Any) -> None:
    spec = {"key": {"b": 1}, "name": "b"}
    assert _planned(parts, spec, {"$or": [{"b": 1}, {"_id": 3}]}).name == "OR IXSCAN b, IDHACK"
    assert _planned(parts, spec, {"$or": [{"b": 1}, {"z": 3}]}).name == "COLLSCAN"


def test_a_hint_is_followed_or_refused(parts: Any) -> None:
    spec = {"key": {"b": 1}, "name": "b"}
    assert _planned(parts, spec, {"_id": 1}, hint="b").name == "IXSCAN b"
    assert _planned(parts, spec, {"b": 1}, hint={"$natural": 1}).name == "COLLSCAN"
    with pytest.raises(Refused, match="existing index"):
        _planned(parts, spec, {"b": 1}, hint="c")
    with pytest.raises(Refused, match="leaves documents out"):
        _planned(parts, {**spec, "sparse": True}, {}, hint="b")


def test_a_range_is_counted_by_the_index_alone(parts: Any) -> None:
    spec = {"key": {"a": 1, "b": 1}, "name": "ab"}
    assert _planned(parts, spec, {"a": 1, "b": {"$gt": 3}}).count is not None
    assert _planned(parts, spec, {"a": 1, "z": 3}).count is None
    assert _planned(parts, spec, {"a": None}).count is None


def test_a_condition_narrower_than_that_of_a_partial_index_uses_it(parts: Any) -> None:
    spec = {
        "key": {"due": 1},
        "name": "due",
        "partialFilterExpression": {"due": {"$type": "date"}},
    }
    now = datetime(2026, 1, 1, tzinfo=UTC)
    query = {"due": {"$type": "date", "$lte": now}, "read": None}
    assert _planned(parts, spec, query, (("due", 1),)).name == "IXSCAN due"
    assert _planned(parts, spec, {"due": {"$lte": now}}, (("due", 1),)).name == "COLLSCAN"
