"""Lists in any order, in pages, on every engine: each document once, in the order of the whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.listing import Order, Slice, Spot
from storage.sorting import sliced

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def documents():
    # Equal values, missing ones and ``None``: everything a page may end at.
    for n in range(23):
        row = {"_id": f"{n:03}", "state": "abc"[n % 3]}
        if n % 5 == 1:
            row["at"] = None
        elif n % 5 != 2:
            row["at"] = BEGIN + timedelta(days=n // 4)
        yield row


@pytest.mark.parametrize("field", ["_id", "state", "at"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("wanted", [{}, {"state": {"$in": ["a", "b"]}}])
async def test_pages_bring_each_document_once_in_order(db, field, descending, wanted):
    things = db["thing"]
    await things.insert_many(list(documents()))
    order = Order(field, descending=descending)
    whole = [row["_id"] for row in await sliced(things, wanted, Slice(order, None, 100))]
    assert len(whole) == await things.count(wanted)
    seen, after = [], None
    while page := await sliced(things, wanted, Slice(order, after, 4)):
        seen += [row["_id"] for row in page]
        after = Spot(None if field == "_id" else page[-1].get(field), page[-1]["_id"])
    assert seen == whole
