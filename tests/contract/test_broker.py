"""One suite for every broker: streams, positions, presence, words between processes.

The promise: a listener that joins at any moment, with any position, sees each offset exactly once
and in order, or is told that it cannot.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.broker import BrokerDown, ClientInfo, Position, Publication, Retention
from realtime.memory import MemoryBroker
from storage.streams import RedisBroker
from tests.redis_server import RedisServer

KEPT = Retention(size=100, ttl=300)
ALICE = ClientInfo("42", "c1", b'{"name":"\xe9\x97\xbb"}', b"")


class Ear:
    """Remembers what it was told, and lets a test wait for more."""

    def __init__(self):
        self.heard = []
        self.interruptions = 0
        self._news = asyncio.Event()

    def on_publication(self, channel, publication, epoch, previous):
        self._add(("pub", channel, publication, epoch, previous))

    def on_join(self, channel, info):
        self._add(("join", channel, info))

    def on_leave(self, channel, info):
        self._add(("leave", channel, info))

    def on_control(self, sender, message):
        self._add(("control", sender, message))

    def on_interrupted(self):
        self.interruptions += 1
        self._news.set()

    def _add(self, what):
        self.heard.append(what)
        self._news.set()

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def hears(self, count):
        await self.until(lambda: len(self.heard) >= count)
        return self.heard[:count]


@asynccontextmanager
async def running(broker):
    """A broker with its loops, and an ear at it."""
    ear = Ear()
    await broker.start(ear)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop(), name=name) for name, loop in broker.loops().items()]
        try:
            async with asyncio.timeout(10):
                while not await broker.healthy():
                    await asyncio.sleep(0.01)
            yield broker, ear
        finally:
            for task in tasks:
                task.cancel()
            await broker.close()


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["memory", "redis"])
def make(request):
    """Makes brokers that meet each other: for memory there is only ever one."""
    if request.param == "memory":
        return MemoryBroker
    server = request.getfixturevalue("redis")
    return lambda: RedisBroker.from_url(server.url)


@pytest.fixture
def channel():
    return f"room:{secrets.token_hex(4)}"


async def test_offsets_grow_without_gaps_inside_an_epoch(make, channel):
    async with running(make()) as (broker, ear):
        await broker.subscribe(channel)
        answers = [
            await broker.publish(channel, Publication(b'{"n":%d}' % n), KEPT) for n in range(5)
        ]
        assert [a.position.offset for a in answers] == [1, 2, 3, 4, 5]
        assert len({a.position.epoch for a in answers}) == 1
        heard = await ear.hears(5)
        assert [(p.offset, p.data) for _, _, p, _, _ in heard] == [
            (n + 1, b'{"n":%d}' % n) for n in range(5)
        ]
        assert {epoch for *_, epoch, _ in heard} == {answers[0].position.epoch}


async def test_what_was_said_comes_back_whole(make, channel):
    said = Publication(
        "履职\x00\xff".encode(), info=ALICE, tags={"kind": "通知"}, time=1_790_000_000_000
    )
    async with running(make()) as (broker, ear):
        await broker.subscribe(channel)
        await broker.publish(channel, said, KEPT)
        [(_, name, heard, _, _)] = await ear.hears(1)
        kept, _ = await broker.history(channel, KEPT)
        assert name == channel
        for publication in (heard, kept[0]):
            assert publication.data == said.data
            assert publication.info == ALICE
            assert dict(publication.tags) == {"kind": "通知"}
            assert publication.time == said.time


async def test_without_retention_there_is_no_offset_and_no_history(make, channel):
    async with running(make()) as (broker, ear):
        await broker.subscribe(channel)
        published = await broker.publish(channel, Publication(b"1"))
        assert published.position.offset == 0
        await ear.hears(1)
        assert not (await broker.history(channel, KEPT))[0]


async def test_history_is_read_from_either_end(make, channel):
    async with running(make()) as (broker, _):
        for n in range(1, 11):
            top = (await broker.publish(channel, Publication(b"%d" % n), KEPT)).position

        async def offsets(**how):
            publications, position = await broker.history(channel, KEPT, **how)
            assert position == top
            return [p.offset for p in publications]

        assert await offsets() == list(range(1, 11))
        assert await offsets(limit=0) == []
        assert await offsets(limit=3) == [1, 2, 3]
        assert await offsets(since=Position(7, top.epoch)) == [8, 9, 10]
        assert await offsets(since=Position(7, top.epoch), limit=1) == [8]
        assert await offsets(since=Position(0, top.epoch), limit=2) == [1, 2]
        assert await offsets(since=Position(10, top.epoch)) == []
        assert await offsets(reverse=True, limit=3) == [10, 9, 8]
        assert await offsets(reverse=True, since=Position(4, top.epoch)) == [3, 2, 1]
        assert await offsets(reverse=True, since=Position(4, top.epoch), limit=1) == [3]


async def test_a_stream_is_trimmed_to_its_size(make, channel):
    small = Retention(size=2, ttl=60)
    async with running(make()) as (broker, _):
        for n in range(5):
            await broker.publish(channel, Publication(b"%d" % n), small)
        publications, position = await broker.history(channel, small)
        assert [p.offset for p in publications] == [4, 5]
        assert position.offset == 5


async def test_reading_an_unknown_channel_begins_its_epoch(make, channel):
    async with running(make()) as (broker, _):
        _, first = await broker.history(channel, KEPT, limit=0)
        assert first.offset == 0
        assert first.epoch
        published = await broker.publish(channel, Publication(b"1"), KEPT)
        assert published.position == Position(1, first.epoch)


async def test_removing_history_keeps_the_position(make, channel):
    async with running(make()) as (broker, _):
        first = (await broker.publish(channel, Publication(b"1"), KEPT)).position
        await broker.remove_history(channel)
        kept, position = await broker.history(channel, KEPT)
        assert (list(kept), position) == ([], first)
        second = await broker.publish(channel, Publication(b"2"), KEPT)
        assert second.position == Position(2, first.epoch)


async def test_the_same_idempotency_key_publishes_once(make, channel):
    async with running(make()) as (broker, ear):
        await broker.subscribe(channel)
        answers = await asyncio.gather(
            *(
                broker.publish(channel, Publication(b"1"), KEPT, idempotency_key="n1")
                for _ in range(5)
            )
        )
        assert {a.position.offset for a in answers} == {1}
        assert sorted(a.skipped for a in answers) == [False, True, True, True, True]
        await broker.publish(channel, Publication(b"2"), KEPT, idempotency_key="n2")
        assert [p.data for _, _, p, _, _ in await ear.hears(2)] == [b"1", b"2"]


async def test_a_stale_version_is_skipped(make, channel):
    async with running(make()) as (broker, ear):
        await broker.subscribe(channel)

        async def put(data, version):
            return await broker.publish(
                channel, Publication(data), KEPT, version=version, version_epoch="e"
            )

        assert not (await put(b"3", 3)).skipped
        assert (await put(b"2", 2)).skipped
        assert (await put(b"3", 3)).skipped
        assert not (await put(b"4", 4)).skipped
        assert [p.data for _, _, p, _, _ in await ear.hears(2)] == [b"3", b"4"]


async def test_delta_tells_what_came_before(make, channel):
    async with running(make()) as (broker, ear):
        await broker.subscribe(channel)
        for data in (b"first", b"second"):
            await broker.publish(channel, Publication(data), KEPT, delta=True)
        assert [previous for *_, previous in await ear.hears(2)] == [None, b"first"]


async def test_a_process_hears_only_what_it_subscribed_to(make, channel):
    async with running(make()) as (broker, ear):
        other = f"{channel}x"
        await broker.subscribe(channel)
        await broker.subscribe(other)
        await broker.unsubscribe(other)
        await broker.publish(other, Publication(b"no"), KEPT)
        await broker.publish(channel, Publication(b"yes"), KEPT)
        [(_, name, _, _, _)] = await ear.hears(1)
        assert name == channel


async def test_joins_and_leaves_are_told(make, channel):
    async with running(make()) as (broker, ear):
        await broker.subscribe(channel)
        await broker.join(channel, ALICE)
        await broker.leave(channel, ALICE)
        assert await ear.hears(2) == [("join", channel, ALICE), ("leave", channel, ALICE)]


async def test_presence_counts_clients_and_distinct_users(make, channel):
    async with running(make()) as (broker, _):
        bob = ClientInfo("42", "c2")
        nobody = ClientInfo("", "c3")
        for info in (ALICE, bob, nobody, ALICE):
            await broker.add_presence(channel, info, ttl=60)
        assert await broker.presence_stats(channel) == (3, 2)
        assert dict(await broker.presence(channel)) == {"c1": ALICE, "c2": bob, "c3": nobody}
        await broker.remove_presence(channel, ALICE)
        assert await broker.presence_stats(channel) == (2, 2)
        await broker.remove_presence(channel, bob)
        await broker.remove_presence(channel, bob)
        assert await broker.presence_stats(channel) == (1, 1)


async def test_presence_that_is_not_confirmed_is_forgotten(make, channel):
    async with running(make()) as (broker, _):
        await broker.add_presence(channel, ALICE, ttl=0.05)
        await broker.add_presence(channel, ClientInfo("7", "c9"), ttl=60)
        async with asyncio.timeout(5):
            while await broker.presence_stats(channel) != (1, 1):
                await asyncio.sleep(0.02)
        assert list(await broker.presence(channel)) == ["c9"]


async def test_a_word_reaches_the_process_it_is_for(make):
    async with running(make()) as (broker, ear):
        await broker.control(b"hello", node=broker.node_id)
        await broker.control(b"all")
        heard = await ear.hears(2)
        assert {message for _, _, message in heard} == {b"hello", b"all"}
        assert {sender for _, sender, _ in heard} == {broker.node_id}


async def test_living_processes_are_listed(make):
    async with running(make()) as (broker, _):
        await broker.announce(b'{"clients":3}', ttl=60)
        assert (await broker.nodes())[broker.node_id] == b'{"clients":3}'
        assert await broker.healthy()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    before=st.integers(0, 8),
    meanwhile=st.integers(0, 12),
    seen=st.integers(0, 8),
    size=st.sampled_from([2, 5, 100]),
)
async def test_whoever_joins_at_any_moment_sees_each_offset_once(
    make, before, meanwhile, seen, size
):
    """Subscribe, read history, merge: what the hub does for every recovering client."""
    retention = Retention(size=size, ttl=60)
    name = f"room:{secrets.token_hex(6)}"
    async with running(make()) as (broker, ear):
        epoch = (await broker.history(name, retention, limit=0))[1].epoch
        for n in range(before):
            await broker.publish(name, Publication(b"%d" % (n + 1)), retention)
        position = min(seen, before)

        async def keep_talking():
            for n in range(meanwhile):
                await broker.publish(name, Publication(b"%d" % (before + n + 1)), retention)

        async with asyncio.TaskGroup() as group:
            group.create_task(keep_talking())
            await broker.subscribe(name)
            history, top = await broker.history(name, retention, since=Position(position, epoch))
        total = before + meanwhile
        last = await broker.publish(name, Publication(b"end"), retention)
        assert last.position == Position(total + 1, epoch)
        await ear.until(lambda: any(h[2].data == b"end" for h in ear.heard))

        live = [h[2] for h in ear.heard]
        assert [p.offset for p in live] == list(range(total + 2 - len(live), total + 2))
        recovered = top.epoch == epoch and (
            (not history and top.offset == position)
            or (bool(history) and history[0].offset == position + 1)
        )
        if not recovered:
            assert top.offset - position > len(history), "told of a loss that did not happen"
            return
        merged = {p.offset: p.data for p in history} | {p.offset: p.data for p in live}
        assert sorted(o for o in merged if o > position) == list(range(position + 1, total + 2))


async def test_two_processes_hear_each_other(redis, channel):
    async with (
        running(RedisBroker.from_url(redis.url)) as (here, ear_here),
        running(RedisBroker.from_url(redis.url)) as (there, ear_there),
    ):
        await here.subscribe(channel)
        await there.subscribe(channel)
        await here.publish(channel, Publication(b"1"), KEPT)
        await there.publish(channel, Publication(b"2"), KEPT)
        for ear in (ear_here, ear_there):
            assert [h[2].data for h in await ear.hears(2)] == [b"1", b"2"]
        await there.control(b"word", node=here.node_id)
        assert (await ear_here.hears(3))[2] == ("control", there.node_id, b"word")
        await there.announce(b"there", ttl=60)
        assert (await here.nodes())[there.node_id] == b"there"


async def test_a_thousand_publications_at_once_keep_their_order(redis, channel):
    async with running(RedisBroker.from_url(redis.url)) as (broker, ear):
        await broker.subscribe(channel)
        retention = Retention(size=2000, ttl=60)
        answers = await asyncio.gather(
            *(broker.publish(channel, Publication(b"%d" % n), retention) for n in range(1000))
        )
        assert [a.position.offset for a in answers] == list(range(1, 1001))
        heard = await ear.hears(1000)
        assert [int(h[2].data) for h in heard] == list(range(1000))


@pytest.fixture
def mortal(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


async def test_redis_killed_and_back_is_noticed_and_survived(mortal, channel):
    broker = RedisBroker.from_url(mortal.url, timeout=0.5, probe_every=0.2)
    async with running(broker) as (_, ear):
        await broker.subscribe(channel)
        await broker.publish(channel, Publication(b"1"), KEPT)
        await ear.hears(1)
        mortal.kill()
        with pytest.raises(BrokerDown):
            await broker.publish(channel, Publication(b"lost"), KEPT)
        mortal.start()
        await ear.until(lambda: ear.interruptions == 1)
        # The stream died with Redis: a new epoch says so.
        published = await broker.publish(channel, Publication(b"2"), KEPT)
        assert published.position.offset == 1
        assert (await ear.hears(2))[1][2].data == b"2"


async def test_a_silent_connection_turns_the_broker_unhealthy_and_is_replaced(mortal, channel):
    broker = RedisBroker.from_url(mortal.url, timeout=0.3, probe_every=0.1)
    async with running(broker) as (_, ear):
        await broker.subscribe(channel)
        assert await broker.healthy()
        mortal.freeze()
        async with asyncio.timeout(5):
            while await broker.healthy():
                await asyncio.sleep(0.05)
        mortal.thaw()
        async with asyncio.timeout(10):
            while not await broker.healthy():
                await asyncio.sleep(0.05)
        await broker.publish(channel, Publication(b"again"), KEPT)
        await ear.until(lambda: any(h[0] == "pub" for h in ear.heard))
