"""Seats of an account in Redis: no more than so many over all processes, and nobody locked out."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack

import pytest

from realtime.broker import BrokerDown
from realtime.memory import MemoryBroker
from storage.streams import RedisBroker
from tests.contract.test_broker import Ear, running
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def processes(redis):
    """Two processes, and one whose connection to its own channel is gone, as after SIGKILL."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            broker, _ = await stack.enter_async_context(running(RedisBroker.from_url(redis.url)))
            made.append(broker)
        dead = RedisBroker.from_url(redis.url)
        await dead.start(Ear())
        commands = asyncio.create_task(dead.loops()["broker.commands"]())
        yield [*made, dead]
        commands.cancel()
        await asyncio.gather(commands, return_exceptions=True)
        await dead.close()


@pytest.fixture
def user():
    return f"u{secrets.token_hex(4)}"


async def sit(broker, user, client, since, *, limit=5, ttl=60.0):
    return list(await broker.seat(user, client, since=since, limit=limit, ttl=ttl))


async def test_the_sixth_seat_takes_the_oldest_wherever_it_is(processes, user):
    here, there, _ = processes
    for number in range(5):
        assert await sit((here, there)[number % 2], user, f"c{number}", 100 + number) == []
    assert await sit(there, user, "new", 200) == [(here.node_id, "c0")]
    assert await sit(there, user, "newer", 201) == [(there.node_id, "c1")]
    assert await sit(here, "somebody-else", "x", 1) == []


async def test_a_seat_that_is_confirmed_keeps_its_place_and_one_given_back_is_free(processes, user):
    here, there, _ = processes
    for number in range(5):
        await sit(here, user, f"c{number}", 100 + number)
    assert await sit(here, user, "c0", 100) == []
    await there.unseat(user, "c3")  # not there: a client is known by its process as well
    await here.unseat(user, "c3")
    assert await sit(there, user, "new", 200) == []
    assert await sit(there, user, "newer", 201) == [(here.node_id, "c0")]


async def test_the_seats_of_a_process_that_died_make_room_before_anybody_else(processes, user):
    here, there, dead = processes
    await sit(here, user, "old", 1)
    for number in range(4):
        await sit(dead, user, f"dead{number}", 10 + number)
    # Five are noted, four of them are gone: five more can come, and nobody is sent away before.
    for number in range(4):
        assert await sit(there, user, f"back{number}", 20 + number) == []
    assert await sit(there, user, "sixth", 30) == [(here.node_id, "old")]


async def test_a_seat_nobody_confirms_is_forgotten(processes, user):
    here, _, _ = processes
    for number in range(5):
        await sit(here, user, f"c{number}", number, ttl=-1)
    for number in range(5):
        assert await sit(here, user, f"d{number}", 10 + number) == []


async def test_one_that_was_overlooked_is_found_when_it_confirms(processes, user):
    here, there, _ = processes
    for number in range(5):
        await sit(there, user, f"c{number}", 100 + number)
    # The word that it must go was lost; it says that it is still there.
    assert await sit(here, user, "lost", 50) == [(here.node_id, "lost")]


async def test_without_redis_there_is_nobody_to_ask(user):
    broker = MemoryBroker()
    assert [await sit(broker, user, f"c{number}", number) for number in range(9)] == [[]] * 9
    await broker.unseat(user, "c0")


async def test_a_redis_that_is_away_says_so(tmp_path, user):
    server = RedisServer(tmp_path)
    server.start()
    try:
        broker = RedisBroker.from_url(server.url, timeout=0.5)
        async with running(broker):
            server.kill()
            with pytest.raises(BrokerDown):
                await sit(broker, user, "c", 1)
    finally:
        server.stop()
