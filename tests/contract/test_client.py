"""The client: errors in our words, a fair queue, and a server that goes away and comes back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from pymongo import InsertOne, UpdateOne
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteError,
)

from domain.errors import StorageFull, UpstreamDown
from storage.client import Database, Duplicate, Unbounded
from storage.errors import translated
from storage.gate import Gate
from tests.engines import embedded


async def test_a_document_comes_back_as_it_went_in_with_aware_times(db):
    at = datetime(2026, 2, 1, 1, 2, 3, 456000, tzinfo=UTC)
    await db["thing"].insert_one({"_id": "a", "at": at, "n": 1, "l": [1, "x", None, True]})

    found = await db["thing"].find_one({"_id": "a"})

    assert found == {"_id": "a", "at": at, "n": 1, "l": [1, "x", None, True]}
    assert found["at"].tzinfo is UTC


async def test_a_second_document_with_the_same_key_is_a_duplicate(db):
    await db["thing"].insert_one({"_id": "a"})

    with pytest.raises(Duplicate) as refusal:
        await db["thing"].insert_one({"_id": "a"})

    assert refusal.value.key == {"_id": "a"}


async def test_a_server_that_went_away_and_came_back_is_found_again():
    with embedded() as engine:
        db = await Database.connect(engine.uri, selection=0.5)
        try:
            await db["thing"].insert_one({"_id": "a"})
            engine.kill()
            with pytest.raises(UpstreamDown) as refusal:
                await db["thing"].find_one({"_id": "a"})
            assert refusal.value.detail == {"upstream": "mongodb"}

            engine.start()
            assert await db["thing"].find_one({"_id": "a"}) == {"_id": "a"}
        finally:
            await db.close()


async def test_every_way_to_write_and_read_does_what_it_says(db):
    things = db["thing"]
    await things.insert_many([{"_id": key, "n": n} for n, key in enumerate("abcde")])

    assert (await things.update_one({"_id": "a"}, {"$set": {"n": 10}})).modified == 1
    assert (await things.update_one({"_id": "a"}, {"$set": {"n": 10}})).modified == 0
    assert (await things.update_one({"_id": "x"}, {"$set": {"n": 1}})).matched == 0
    upserted = await things.update_one({"_id": "f"}, {"$set": {"n": 5}}, upsert=True)
    assert (upserted.matched, upserted.upserted_id) == (0, "f")
    assert (await things.update_many({"n": {"$gte": 4}}, {"$inc": {"n": 1}})).modified == 3
    assert (await things.replace_one({"_id": "b"}, {"_id": "b", "m": 1})).matched == 1
    assert await things.find_one_and_update({"_id": "c"}, {"$inc": {"n": 1}}) == {
        "_id": "c",
        "n": 3,
    }
    before = await things.find_one_and_update({"_id": "c"}, {"$inc": {"n": 1}}, after=False)
    assert before == {"_id": "c", "n": 3}
    assert await things.find_one_and_update({"_id": "x"}, {"$set": {"n": 1}}) is None
    assert await things.find_one_and_delete({"_id": "b"}) == {"_id": "b", "m": 1}
    assert await things.find_one({"_id": "b"}) is None
    await things.bulk(
        [UpdateOne({"_id": "d"}, {"$set": {"n": 0}}), InsertOne({"_id": "g", "n": 0})]
    )
    assert await things.find({"n": 0}, projection={"n": 0}, sort=[("_id", -1)]) == [
        {"_id": "g"},
        {"_id": "d"},
    ]
    assert await things.count({}) == 6
    assert await things.count({}, limit=2) == 2
    assert sorted(await things.distinct("n", {"_id": {"$in": ["d", "g", "a"]}})) == [0, 11]
    grouped = [{"$group": {"_id": None, "sum": {"$sum": "$n"}}}]
    assert await things.aggregate(grouped) == [{"_id": None, "sum": 11 + 4 + 5 + 6}]
    assert await things.delete_one({"n": 0}) == 1
    assert await things.delete_many({}) == 5
    assert await db.collections() == sorted(await db.collections())


async def test_an_unordered_bulk_does_the_rest_and_then_names_the_duplicate(db):
    await db["thing"].insert_one({"_id": "b"})

    with pytest.raises(Duplicate) as refusal:
        await db["thing"].insert_many([{"_id": key} for key in "abc"], ordered=False)

    assert refusal.value.key == {"_id": "b"}
    assert await db["thing"].count({}) == 3


async def test_of_many_documents_those_that_are_new_are_inserted_and_named(db):
    things = db["thing"]
    await things.insert_one({"_id": "b", "n": 0})

    assert await things.insert_new([{"_id": key, "n": 1} for key in "abca"]) == {"a", "c"}
    assert await things.insert_new([{"_id": "b"}]) == set()
    assert await things.insert_new([]) == set()
    assert (await things.find_one({"_id": "b"}))["n"] == 0
    assert await things.count({}) == 3
    with pytest.raises(ValueError, match="its own _id"):
        await things.insert_new([{"n": 1}])


async def test_a_document_without_its_own_id_is_refused(db):
    with pytest.raises(ValueError, match="its own _id"):
        await db["thing"].insert_one({"n": 1})
    with pytest.raises(ValueError, match="its own _id"):
        await db["thing"].insert_many([{"_id": "a"}, {"n": 1}])


async def test_a_query_without_a_bound_is_refused_where_it_matters(db, monkeypatch):
    monkeypatch.setattr("storage.client.BOUND", 5)
    await db["thing"].insert_many([{"_id": n} for n in range(6)])

    with pytest.raises(Unbounded):
        await db["thing"].find({})
    with pytest.raises(Unbounded):
        await db["thing"].aggregate([{"$match": {}}])
    assert len(await db["thing"].find({}, limit=6)) == 6
    assert len(await db["thing"].find({"_id": {"$lt": 5}})) == 5


async def test_a_stream_yields_everything_and_lets_others_in_between(engine_uri, db):
    await db["thing"].insert_many([{"_id": n} for n in range(25)])
    narrow = await Database.connect(engine_uri, name=db.name, places=1, patience=0.5)
    try:
        seen = []
        async for row in narrow["thing"].stream({}, sort=[("_id", 1)], batch=10):
            found = await narrow["thing"].find_one({"_id": row["_id"]})
            seen.append(found["_id"])
        assert seen == list(range(25))
    finally:
        await narrow.close()


async def test_a_cancelled_call_stays_cancelled_whenever_it_was(db):
    """The driver forgets a cancellation that arrives together with the answer."""
    await db["thing"].insert_one({"_id": "a", "n": 0})
    for turns in range(25):
        call = asyncio.create_task(db["thing"].update_one({"_id": "a"}, {"$inc": {"n": 1}}))
        for _ in range(turns):
            await asyncio.sleep(0)
        if call.cancel():
            with pytest.raises(asyncio.CancelledError):
                await call

    assert (await db["thing"].find_one({"_id": "a"}))["n"] <= 25


async def test_places_are_given_in_the_order_of_asking():
    gate = Gate(2, patience=5, waiting=100, timeout=5)
    order = []

    async def call(n):
        async with gate.turn():
            order.append(n)
            await asyncio.sleep(0)

    await asyncio.gather(*(call(n) for n in range(20)))

    assert order == list(range(20))


async def test_who_waits_too_long_or_in_too_long_a_queue_is_refused():
    gate = Gate(1, patience=0.01, waiting=1, timeout=5)

    async def call():
        async with gate.turn():
            pass

    async with gate.turn():
        waiting = asyncio.create_task(call())
        await asyncio.sleep(0)
        assert gate.queued == 1
        with pytest.raises(UpstreamDown, match="繁忙"):
            await call()
        with pytest.raises(UpstreamDown, match="繁忙"):
            await waiting
    await call()
    assert gate.queued == 0


async def test_a_call_that_is_not_answered_in_time_is_refused_and_frees_its_place():
    gate = Gate(1, patience=1, waiting=1, timeout=0.01)

    async def hangs():
        async with gate.turn():
            await asyncio.Event().wait()

    with pytest.raises(UpstreamDown):
        await hangs()
    async with gate.turn():
        pass


async def test_while_the_server_is_away_one_call_goes_and_sees_and_the_others_do_not_wait_for_it():
    gate = Gate(4, patience=5, waiting=100, timeout=5, moment=0.01)
    there, asked, seen = False, 0, asyncio.Event()

    async def call():
        nonlocal asked
        async with gate.turn():
            asked += 1
            await seen.wait()
            if not there:
                raise ServerSelectionTimeoutError("nobody")

    seen.set()
    with pytest.raises(UpstreamDown):
        await call()
    assert (gate.away, asked) == (True, 1)

    seen.clear()
    scout, *others = [asyncio.create_task(call()) for _ in range(20)]
    refusals = await asyncio.gather(*others, return_exceptions=True)
    assert {type(it) for it in refusals} == {UpstreamDown}
    assert asked == 2
    assert not scout.done()

    there = True
    waiting = asyncio.create_task(call())
    seen.set()
    await asyncio.gather(scout, waiting)
    assert (gate.away, asked) == (False, 3)
    await asyncio.gather(*(call() for _ in range(20)))


async def test_a_scout_that_is_called_off_or_finds_no_place_leaves_the_task_to_the_next():
    gate = Gate(1, patience=0.01, waiting=100, timeout=0.02, moment=0.01)

    async def hangs():
        async with gate.turn():
            await asyncio.Event().wait()

    with pytest.raises(UpstreamDown):
        await hangs()
    scout = asyncio.create_task(hangs())
    await asyncio.sleep(0)
    scout.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scout
    assert gate.away
    async with gate.turn():
        pass
    assert not gate.away


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (AutoReconnect("x"), UpstreamDown),
        (NetworkTimeout("x"), UpstreamDown),
        (ServerSelectionTimeoutError("x"), UpstreamDown),
        (OperationFailure("x", 50), UpstreamDown),
        (OperationFailure("x", 11600), UpstreamDown),
        (OperationFailure("x", 14031), StorageFull),
        (WriteError("x", 11000, {"keyValue": {"no": 1}}), Duplicate),
        (OperationFailure("x", 121), OperationFailure),
        (OperationFailure("x", 2), OperationFailure),
        (BulkWriteError({"writeErrors": [{"code": 11000}, {"code": 14031}]}), StorageFull),
        (BulkWriteError({"writeErrors": [{"code": 11000}, {"code": 121}]}), BulkWriteError),
        (BulkWriteError({"writeErrors": [{"code": 11000}]}), Duplicate),
    ],
    ids=repr,
)
def test_what_the_driver_says_becomes_a_refusal_or_stays_an_error(error, refusal):
    with pytest.raises(refusal) as raised, translated():
        raise error
    assert type(raised.value) is refusal


async def test_a_server_that_is_not_there_is_refused_within_the_time_for_it(tmp_path):
    nobody = quote(str(tmp_path / "nobody.sock"), safe="")

    with pytest.raises(UpstreamDown):
        await Database.connect(f"mongodb://{nobody}/?directConnection=true", selection=0.2)
