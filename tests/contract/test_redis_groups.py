"""Redis watched by Sentinel: the hub follows the master. Redis Cluster: refused with a sentence."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.broker import BrokerDown, Publication, Retention
from storage.streams import RedisBroker
from tests.contract.test_broker import Ear, running
from tests.redis_group import HOST, in_a_cluster, watched

pytestmark = [pytest.mark.redis, pytest.mark.slow]

KEPT = Retention(size=100, ttl=300)
MAIN = Path(__file__).parents[2] / "main.py"


def broker_of(sentinel):
    url = f"redis+sentinel://{HOST}:{sentinel.port}/hub"
    return RedisBroker.from_url(url, timeout=1.0, probe_every=0.2)


async def publish_surely(broker, data):
    """Publish until somebody says that it is done; during a fail-over nobody does."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await broker.publish("room:1", Publication(data), KEPT)
            except BrokerDown:
                await asyncio.sleep(0.05)


async def test_when_the_master_dies_the_hub_follows_to_the_replica_and_keeps_its_streams(tmp_path):
    with watched(tmp_path) as (master, replica, sentinel):
        async with (
            running(broker_of(sentinel)) as (here, ear_here),
            running(broker_of(sentinel)) as (there, ear_there),
        ):
            for broker in (here, there):
                await broker.subscribe("room:1")
            before = [await here.publish("room:1", Publication(b"1"), KEPT) for _ in range(3)]
            for ear in (ear_here, ear_there):
                await ear.hears(3)
            # What the replica has not received when the master dies is lost, here as everywhere.
            replica.until(lambda: replica.ask("EXISTS", "hub:{room:1}:s") == ":1")
            replica.until(lambda: "3" in replica.ask("HGET", "hub:{room:1}:m", "o"))
            master.kill()

            after = await publish_surely(here, b"2")
            assert after.position == (4, before[0].position.epoch)
            async with asyncio.timeout(60):
                while not (await here.healthy() and await there.healthy()):
                    await asyncio.sleep(0.05)
            # Both were told that they may have missed something, and hear again.
            for ear in (ear_here, ear_there):
                await ear.until(lambda ear=ear: ear.interruptions >= 1)
            last = await publish_surely(there, b"3")
            for ear in (ear_here, ear_there):
                await ear.until(lambda ear=ear: ear.heard and ear.heard[-1][2].data == b"3")
            kept, top = await here.history("room:1", KEPT)
            assert [it.offset for it in kept] == list(range(1, last.position.offset + 1))
            assert top == last.position
            # Scripts and control words are there too.
            await there.control(b"word", node=here.node_id)
            await ear_here.until(lambda: ("control", there.node_id, b"word") in ear_here.heard)
            assert await here.seat("u1", "c1", since=1, limit=5, ttl=60) == []


async def test_a_group_that_no_sentinel_knows_is_a_broker_that_is_down(tmp_path):
    with watched(tmp_path) as (_, _, sentinel):
        url = f"redis+sentinel://{HOST}:{sentinel.port}/another"
        broker = RedisBroker.from_url(url, timeout=1.0)
        with pytest.raises(BrokerDown):
            await broker.start(Ear())
        await broker.close()


async def test_redis_in_cluster_mode_is_refused_with_one_sentence(tmp_path):
    with in_a_cluster(tmp_path) as node:
        url = f"redis://{HOST}:{node.port}"
        broker = RedisBroker.from_url(url)
        with pytest.raises(BrokerDown, match="cluster mode"):
            await broker.start(Ear())
        await broker.close()
        inherited = {name: it for name, it in os.environ.items() if not name.startswith("HUB_")}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, MAIN, "serve", "--port", "0"],
            env=inherited | {"HUB_REDIS__URL": url, "HUB_DATA_DIR": str(tmp_path / "d")},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("Redis runs in cluster mode")
        assert "Traceback" not in done.stderr
