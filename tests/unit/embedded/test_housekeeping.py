"""What the engine does by itself: expired documents, idle cursors, a line for what was slow."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import bson
import pytest

from storage.embedded import cursors, server
from storage.embedded.commands import Request
from storage.embedded.documents import EXPIRE_BATCH
from storage.embedded.files import Space
from storage.embedded.server import Server

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@pytest.fixture
async def engine(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "_now", lambda: NOW)
    made = Server(tmp_path / "hub.db", Space(tmp_path, 0))
    yield made
    made.close()


async def command(engine, **body):
    answered = asyncio.get_running_loop().create_future()
    engine.submit(Request({**body, "$db": "test"}), answered.set_result)
    reply = bson.decode(await answered)
    assert reply["ok"] == 1, reply
    return reply


async def insert(engine, *documents):
    await command(engine, insert="thing", documents=list(documents))


async def ids(engine):
    return [it["_id"] for it in (await command(engine, find="thing"))["cursor"]["firstBatch"]]


async def test_documents_go_when_their_time_is_over_and_not_before(engine):
    index = {"key": {"at": 1}, "name": "at", "expireAfterSeconds": 60}
    await command(engine, createIndexes="thing", indexes=[index])
    second = timedelta(seconds=1)
    await insert(
        engine,
        {"_id": "over", "at": NOW - 61 * second},
        {"_id": "on the edge", "at": NOW - 60 * second},
        {"_id": "young", "at": NOW - 59 * second},
        {"_id": "to come", "at": NOW + 60 * second},
        {"_id": "without"},
        {"_id": "no time", "at": "long ago"},
        {"_id": "a number", "at": 0},
        {"_id": "the first of several counts", "at": [NOW, NOW - 61 * second]},
    )

    assert engine.expire() == 3
    assert await ids(engine) == ["young", "to come", "without", "no time", "a number"]
    assert engine.expire() == 0


async def test_many_expired_documents_go_in_batches(engine):
    index = {"key": {"at": 1}, "name": "at", "expireAfterSeconds": 0}
    await command(engine, createIndexes="thing", indexes=[index])
    await insert(engine, *({"_id": n, "at": NOW} for n in range(EXPIRE_BATCH + 1)))

    assert [engine.expire(), engine.expire(), engine.expire()] == [EXPIRE_BATCH, 1, 0]


async def test_a_cursor_that_nobody_asks_for_is_forgotten_and_one_in_use_is_not(
    engine, monkeypatch
):
    clock = 1000.0
    monkeypatch.setattr(cursors.time, "monotonic", lambda: clock)
    await insert(engine, *({"_id": n} for n in range(9)))
    opened = [(await command(engine, find="thing", batchSize=2))["cursor"]["id"] for _ in range(2)]
    clock += cursors.IDLE_SECONDS - 1
    await command(engine, getMore=bson.Int64(opened[0]), collection="thing", batchSize=1)
    clock += 2

    assert engine._cursors.close_idle() == 1
    assert engine.status()["cursors"] == 1
    rest = await command(engine, getMore=bson.Int64(opened[0]), collection="thing", batchSize=9)
    assert [it["_id"] for it in rest["cursor"]["nextBatch"]] == [3, 4, 5, 6, 7, 8]


async def test_what_was_slow_is_logged_by_names_of_fields_alone(engine, monkeypatch, caplog):
    await insert(engine, {"_id": 1, "name": "章清和"})
    await command(engine, find="thing", filter={"name": "章清和"})
    assert not caplog.records
    monkeypatch.setattr(server, "SLOW_MILLISECONDS", 0.0)
    await command(engine, find="thing", filter={"name": "章清和"})

    (line,) = caplog.records
    assert line.getMessage() == "slow command"
    fields = line.fields
    assert (fields["command"], fields["collection"], fields["filter"]) == (
        "find",
        "thing",
        ["name"],
    )
    assert fields["examined"] == 1
    assert "章清和" not in str(vars(line))
    assert engine.status()["slow"] == 1
