"""Redis dies, forgets, or goes deaf on one ear: listeners are told, come back, and miss nothing."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from realtime.broker import BrokerDown, Publication, Retention
from storage.streams import RedisBroker
from tests.redis_server import RedisServer
from tests.unit.realtime.stage import STREAM, Stage

pytestmark = pytest.mark.redis

KEPT = Retention(STREAM.history_size, STREAM.history_ttl)


class Muffler:
    """Between a process and Redis: can swallow what is told to listeners, and nothing else.

    The connection stays open, commands are answered, Redis counts the listener: only nothing comes.
    """

    def __init__(self, server, home):
        self._behind = server.url.removeprefix("unix://")
        self._path = str(home / "muffled.sock")
        self._deaf = set()
        self._listening = set()
        self._tasks = set()

    @property
    def url(self):
        return f"unix://{self._path}"

    async def __aenter__(self):
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def deafen(self):
        """Swallow what comes for those who listen now; who connects later hears again."""
        assert self._listening
        self._deaf |= self._listening

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            there, away = await asyncio.open_unix_connection(self._behind)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(
                self._pass_on(reader, away, writer), self._answer(there, writer, away)
            )
        except (OSError, asyncio.CancelledError):
            pass  # the server looks at how we ended, and would log it
        finally:
            self._listening.discard(writer)
            for each in (writer, away):
                each.close()

    async def _pass_on(self, reader, away, ear):
        while data := await reader.read(65_536):
            if b"\r\nSUBSCRIBE\r\n" in data:
                self._listening.add(ear)
            away.write(data)
            await away.drain()
        away.close()

    async def _answer(self, there, writer, away):
        while data := await there.read(65_536):
            if writer not in self._deaf:
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def process(url, *, probe_every=0.1):
    """A hub whose time is moved by hand, with its broker's loops."""
    broker = RedisBroker.from_url(url, timeout=1.0, probe_every=probe_every)
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(Stage(broker=broker))
        loops = [asyncio.create_task(loop()) for loop in broker.loops().values()]

        async def end():
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

        stack.push_async_callback(end)
        await until(broker.healthy)
        yield stage


async def until(condition, *, stage=None):
    """Wait, and let the hub's time pass meanwhile where there is one."""
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.01)
            if stage is not None:
                await stage.pass_(0.5)


class Reader:
    """A client that does what every SDK does: it comes back when it is told to."""

    def __init__(self, client):
        self.client = client
        self.offsets = []
        self.verdicts = []
        self.told = []

    async def join(self):
        wish = {"channel": "room:1"}
        if self.told:
            wish |= {"recover": True, "offset": self.at, "epoch": self.epoch}
        answer = {}
        while "subscribe" not in answer:
            # While the ear is still deaf a new channel is not confirmed: try again (100).
            answer = await self._ask(wish)
            assert answer.get("error", {"code": 100})["code"] == 100
        answer = answer["subscribe"]
        self.verdicts.append(answer.get("recovered"))
        self.at, self.epoch = answer.get("offset", 0), answer["epoch"]
        for each in answer.get("publications", ()):
            self._hear(each)

    async def _ask(self, wish):
        self.client._id += 1
        number, news = self.client._id, []
        await self.client.says({"id": number, "subscribe": wish})

        async def answered():
            news.extend(self.client.news())
            return any(one.get("id") == number for one in news)

        await until(answered)
        (answer,) = [one for one in news if one.get("id") == number]
        return answer

    def listen(self):
        for one in self.client.news():
            push = one.get("push", {})
            if "pub" in push:
                self._hear(push["pub"])
            if "unsubscribe" in push:
                self.told.append(push["unsubscribe"]["code"])

    def _hear(self, publication):
        self.offsets.append(publication["offset"])
        self.at = publication["offset"]

    async def hears(self, offset):
        async def there():
            self.listen()
            return self.offsets and self.offsets[-1] == offset

        await until(there)

    async def is_sent_off(self, stage):
        async def told():
            self.listen()
            return self.told

        await until(told, stage=stage)


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=[0.1])
async def deaf(redis, tmp_path, request):
    """A process whose ear can be stopped, a reader there, and another process that speaks."""
    async with (
        Muffler(redis, tmp_path) as muffler,
        process(muffler.url, probe_every=request.param) as stage,
        process(redis.url) as other,
    ):
        reader = Reader(await stage.open())
        await reader.join()
        yield muffler, stage, reader, other


async def say(stage, count, retention=KEPT):
    for _ in range(count):
        last = await stage.broker.publish("room:1", Publication(b"1"), retention)
    return last.position.offset


async def test_an_ear_that_hears_nothing_is_found_out_and_nothing_is_missed(deaf, caplog):
    muffler, stage, reader, other = deaf
    await reader.hears(await say(other, 2))
    muffler.deafen()
    missed = await say(other, 5)
    # Commands are answered as ever: only the word to ourselves tells that nothing comes back.
    assert (await stage.broker.history("room:1", KEPT, limit=0))[1].offset == missed
    assert await say(stage, 1) == missed + 1

    async def ill():
        return not await stage.broker.healthy()

    await until(ill)
    await until(stage.broker.healthy)
    assert "redis_subscription_silent" in caplog.messages
    await reader.is_sent_off(stage)
    assert reader.told == [2500]
    await reader.join()
    assert reader.verdicts[-1] is True
    await reader.hears(await say(other, 1))
    assert reader.offsets == list(range(1, missed + 3))


async def test_what_was_trimmed_while_nothing_came_is_said_to_be_lost(deaf):
    muffler, stage, reader, other = deaf
    await reader.hears(await say(other, 1))
    muffler.deafen()
    top = await say(other, STREAM.history_size + 5)
    await reader.is_sent_off(stage)
    await reader.join()
    # More is missing than the stream holds: no gap is ever silent, and it goes on from the top.
    assert not reader.verdicts[-1]
    assert reader.at == top
    await reader.hears(await say(other, 1))
    assert reader.offsets == [1, top + 1]


async def test_a_redis_that_comes_back_empty_has_another_epoch_and_everybody_is_told(redis):
    async with process(redis.url) as stage, process(redis.url) as other:
        reader, second = Reader(await stage.open()), Reader(await stage.open(token="u2"))
        await say(other, 3)
        for each in (reader, second):
            await each.join()
        await say(other, 2)
        for each in (reader, second):
            await each.hears(5)
        before = reader.epoch
        redis.kill()
        with pytest.raises(BrokerDown):
            await say(other, 1)
        redis.start()
        for each in (stage, other):
            await until(each.broker.healthy)
        # As many as before: offsets alone would not show that this is another stream.
        assert await say(other, 5) == 5
        for each in (reader, second):
            await each.is_sent_off(stage)
            await each.join()
            assert not each.verdicts[-1]
            assert each.epoch != before
        last = await say(other, 1)
        for each in (reader, second):
            await each.hears(last)
            assert each.offsets[-1] == last
            assert each.offsets[:2] == [4, 5]
        assert not reader.client.connection.closed


@pytest.mark.parametrize("deaf", [1000.0], indirect=True)
async def test_a_loss_the_probe_did_not_see_is_found_by_comparing_positions(deaf):
    muffler, stage, reader, other = deaf
    await reader.hears(await say(other, 1))
    muffler.deafen()
    await say(other, 1)
    stage.clock.pass_(stage.hub.timing.positions)
    await reader.is_sent_off(stage)
    assert reader.told == [2500]
    await stage.broker._subscriber.reconnect()
    await reader.join()
    assert reader.verdicts[-1] is True
    assert reader.offsets == [1, 2]
