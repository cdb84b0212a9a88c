"""What Redis refuses: for the moment and to everybody, or this one thing and for good."""

from __future__ import annotations

import pytest
from redis import asyncio as aioredis

from realtime.broker import BrokerDown, BrokerRefused, Publication, Retention
from storage.streams import RedisBroker
from tests.contract.test_broker import running
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis

KEPT = Retention(size=100, ttl=300)


@pytest.fixture
async def redis(tmp_path):
    """A Redis, and a client that may spoil it."""
    server = RedisServer(tmp_path)
    server.start()
    hands = aioredis.Redis.from_url(server.url)
    yield server, hands
    await hands.aclose()
    server.stop()


async def test_a_key_that_is_spoilt_stops_its_own_channel_and_no_other(redis):
    server, hands = redis
    await hands.set("hub:{room:1}:m", "spoilt")
    async with running(RedisBroker.from_url(server.url)) as (broker, _):
        with pytest.raises(BrokerRefused):
            await broker.publish("room:1", Publication(b"1"), KEPT)
        assert (await broker.publish("room:2", Publication(b"1"), KEPT)).position.offset == 1


@pytest.mark.parametrize(
    ("spoil", "mend"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    ],
    ids=["out-of-memory", "read-only"],
)
async def test_what_will_pass_is_a_broker_that_is_down_and_comes_back(redis, spoil, mend):
    server, hands = redis
    async with running(RedisBroker.from_url(server.url)) as (broker, _):
        await broker.publish("room:1", Publication(b"1"), KEPT)
        await hands.execute_command(*spoil)
        with pytest.raises(BrokerDown) as down:
            await broker.publish("room:1", Publication(b"2"), KEPT)
        assert not isinstance(down.value, BrokerRefused)
        await hands.execute_command(*mend)
        assert (await broker.publish("room:1", Publication(b"3"), KEPT)).position.offset == 2
