"""The embedded engine where things go wrong: kills, full disks, broken files, hostile questions."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.errors import OperationFailure, PyMongoError

from storage.embedded.process import ROOT, EmbeddedCorrupt, EmbeddedFailed, EmbeddedInUse
from storage.embedded.process import EmbeddedServer as Server


@asynccontextmanager
async def running(home: Path, **options: int) -> AsyncIterator[tuple[Server, AsyncMongoClient]]:
    server = Server(home, **{"reserve_bytes": 0, **options})
    uri = await server.start()
    client: AsyncMongoClient = AsyncMongoClient(uri, serverSelectionTimeoutMS=5000)
    try:
        yield server, client
    finally:
        await client.close()
        await server.stop()


async def test_no_acknowledged_write_is_lost_when_the_engine_is_killed(tmp_path: Path) -> None:
    kept: list[int] = []

    async def write(client: AsyncMongoClient, writer: int) -> None:
        with suppress(PyMongoError):
            for number in range(writer * 100_000, writer * 100_000 + 100_000):
                await client.t.c.insert_one({"_id": number, "n": writer})
                kept.append(number)

    async with running(tmp_path) as (server, client):
        await client.t.c.create_index("n")
        writers = [asyncio.create_task(write(client, number)) for number in range(8)]
        while len(kept) < 400:
            await asyncio.sleep(0.01)
        first = server.pid
        os.kill(first, signal.SIGKILL)
        await asyncio.gather(*writers)
        async with asyncio.timeout(10):
            while server.pid in (None, first) or not await _pings(client):
                await asyncio.sleep(0.05)
        found = {doc["_id"] async for doc in client.t.c.find({}, {"n": 0})}
        by_index = await client.t.c.count_documents({"n": {"$gte": 0}})
    assert found >= set(kept)
    assert by_index == len(found)


async def _pings(client: AsyncMongoClient) -> bool:
    with suppress(PyMongoError):
        await client.admin.command("ping")
        return True
    return False


async def test_the_engine_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from storage.embedded.process import EmbeddedServer

        async def main():
            server = EmbeddedServer(Path(sys.argv[1]), reserve_bytes=0)
            await server.start()
            print(server.pid, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(await asyncio.to_thread(parent.stdout.readline)))
        parent.kill()
        await asyncio.to_thread(child.wait, 10)
    # The lock is free again and the file is whole.
    async with running(tmp_path):
        pass


async def test_a_second_server_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, client):
        second = Server(tmp_path)
        with pytest.raises(EmbeddedInUse, match="another hub is using"):
            await second.start()
        assert not second.running
        assert (await client.admin.command("ping"))["ok"] == 1


@pytest.mark.parametrize("damage", ["not a database", "a page overwritten"])
async def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    async with running(tmp_path) as (server, client):
        await client.t.c.insert_many([{"_id": n, "text": "x" * 200} for n in range(500)])
        file = server.file
    content = bytearray(file.read_bytes())
    if damage == "not a database":
        content = bytearray(b"these are not the pages you look for" * 1000)
    else:
        content[4096 * 3 : 4096 * 8] = b"\xff" * 4096 * 5
    file.write_bytes(content)
    with pytest.raises(EmbeddedCorrupt, match=r"daibiao\.db is damaged.*restore"):
        await Server(tmp_path).start()
    assert file.read_bytes() == content


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as (server, _):
        file = server.file
    with sqlite3.connect(file) as db:
        db.execute("UPDATE meta SET value = 99 WHERE name = 'format'")
    db.close()
    with pytest.raises(EmbeddedFailed, match="newer version"):
        await Server(tmp_path).start()


async def test_below_the_reserve_nothing_grows_but_reading_and_deleting_go_on(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (_, client):
        await client.t.c.insert_many([{"_id": 1}, {"_id": 2}])
    async with running(tmp_path, reserve_bytes=1 << 60) as (_, client):
        for write in (
            client.t.c.insert_one({"_id": 3}),
            client.t.c.update_one({"_id": 1}, {"$set": {"a": 1}}),
            client.t.c.find_one_and_update({"_id": 1}, {"$set": {"a": 1}}),
        ):
            with pytest.raises(OperationFailure) as refused:
                await write
            assert refused.value.code == 14031
        assert await client.t.c.find_one({"_id": 1}) == {"_id": 1}
        assert (await client.t.c.delete_one({"_id": 2})).deleted_count == 1


async def test_on_a_full_disk_the_write_is_undone_and_reading_goes_on(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small file system")
    home = tmp_path / "small"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(home)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a file system")
    try:
        kept = 0
        async with running(home) as (_, client):
            batches = [
                [{"_id": f"{b}-{n}", "text": "x" * 9000} for n in range(20)] for b in range(100)
            ]

            async def fill() -> None:
                nonlocal kept
                for batch in batches:
                    await client.t.c.insert_many(batch)
                    kept += 20

            with pytest.raises(OperationFailure) as refused:
                await fill()
            assert refused.value.code == 14031
            assert 0 < kept == await client.t.c.count_documents({})
            assert (await client.t.c.find_one({"_id": "0-0"}))["text"] == "x" * 9000
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", str(home)], check=True)


async def test_a_deep_directory_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    home = tmp_path.joinpath(*["a-rather-long-name-for-a-directory"] * 5)
    async with running(home) as (server, client):
        assert (await client.admin.command("ping"))["ok"] == 1
        assert len(server.uri) < 140


async def test_the_socket_and_the_file_are_for_their_owner_alone(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as (server, _):
        modes = {path.name: path.stat().st_mode & 0o777 for path in server.file.parent.iterdir()}
        assert server.file.parent.stat().st_mode & 0o777 == 0o700
    assert set(modes.values()) == {0o600}


async def test_a_long_aggregation_holds_up_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, client):
        for start in range(0, 30_000, 5_000):
            docs = [{"_id": n, "k": n % 97, "v": n} for n in range(start, start + 5_000)]
            await client.t.c.insert_many(docs)
        group = [{"$group": {"_id": "$k", "n": {"$sum": "$v"}, "all": {"$push": "$v"}}}]

        async def aggregate() -> int:
            return len(await (await client.t.c.aggregate(group)).to_list(None))

        long = asyncio.create_task(aggregate())
        written = 0
        while not long.done():
            await client.t.other.insert_one({"n": written})
            written += 1
        assert await long == 97
        # Had the aggregation blocked the engine, one write at most would have come through.
        assert written > 5


async def test_a_whole_collection_can_be_read_without_holding_it(tmp_path: Path) -> None:
    async with running(tmp_path) as (server, client):
        text = "x" * 100_000
        for start in range(0, 1200, 100):
            await client.t.c.insert_many([{"_id": start + n, "t": text} for n in range(100)])
        seen = [doc["_id"] async for doc in client.t.c.find({}, batch_size=100)]
        memory = psutil.Process(server.pid).memory_info().rss
    assert seen == list(range(1200))
    assert memory < 300 * 1024 * 1024


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)*$", "(a*)*b", r"(x+x+)+y", r"(.*)\1+$"])
async def test_a_hostile_pattern_is_refused(tmp_path: Path, pattern: str) -> None:
    async with running(tmp_path) as (_, client):
        await client.t.c.insert_one({"_id": 1, "s": "a" * 40 + "!"})
        with pytest.raises(OperationFailure) as refused:
            await client.t.c.find_one({"s": {"$regex": pattern}})
        assert refused.value.code in {51091, 2}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"find": "c", "filter": {}, "txnNumber": 1, "startTransaction": True}, 20),
        ({"aggregate": "c", "pipeline": [{"$changeStream": {}}], "cursor": {}}, 40573),
        ({"find": "c", "let": {"x": 1}}, 238),
        ({"find": "c", "hint": "nope"}, 2),
        ({"find": "c", "nonsense": 1}, 40415),
        ({"noSuchCommand": 1}, 59),
        ({"insert": "c", "documents": [{"_id": 1}], "writeConcern": {"w": 2}}, 2),
    ],
)
async def test_what_is_not_there_is_refused_in_mongodbs_words(
    tmp_path: Path, command: dict, code: int
) -> None:
    async with running(tmp_path) as (_, client):
        await client.t.c.insert_one({"_id": 0})
        with pytest.raises(OperationFailure) as refused:
            await client.t.command(command)
        assert refused.value.code == code


async def test_a_document_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    deep: dict = {}
    for _ in range(150):
        deep = {"d": deep}
    async with running(tmp_path) as (_, client):
        with pytest.raises(PyMongoError) as refused:
            await client.t.c.insert_one({"_id": 1, "d": deep})
        assert getattr(refused.value, "code", None) == 15
        assert (await client.admin.command("ping"))["ok"] == 1


async def test_writes_without_acknowledgement_leave_the_connection_in_step(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, client):
        silent = client.t.get_collection("c").with_options(write_concern=WriteConcern(w=0))
        for number in range(50):
            await silent.insert_one({"_id": number})
            await client.t.c.find_one({"_id": number})
        assert await client.t.c.count_documents({}) == 50
