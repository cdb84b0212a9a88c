"""Two processes of the hub around one Redis: what is said to one is heard and obeyed by both."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from realtime import codes, control
from realtime.api import Api
from realtime.limits import Timing
from server.conformance import conformance_application, conformance_hub
from storage.streams import RedisBroker
from tests.cluster import Stopwatch
from tests.integration.test_realtime_http import OPENING, House, Stream, commands
from tests.redis_server import RedisServer

pytestmark = [
    pytest.mark.redis,
    pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning"),
]


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def process(redis):
    """One process of the hub, its broker's loops included."""
    broker = RedisBroker.from_url(redis.url)
    hub = conformance_hub("js", broker)
    hub.timing = Timing(linger=0)
    await hub.start()
    loops = [asyncio.create_task(loop()) for loop in broker.loops().values()]
    server = HTTPServer(conformance_application("js", hub))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield House(hub, sockets[0].getsockname()[1])
    finally:
        server.stop()
        await hub.close()
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await server.close_all_connections()


@pytest.fixture
async def pair(redis):
    redis.flush()  # or those that ended with the test before would still be asked
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(process(redis))
        there = await stack.enter_async_context(process(redis))
        async with asyncio.timeout(40):
            while len(await here.hub.broker.nodes()) < 2:
                await asyncio.sleep(0.02)
        yield here, there


async def test_what_is_published_at_one_is_heard_at_the_other(pair):
    here, there = pair
    async with Stream(there, "/connection/http_stream", body=OPENING) as stream:
        await stream.lines(2)
        for number in range(20):
            await here.hub.publish("news", json.dumps(number).encode())
        heard = await stream.lines(20)
        assert [one["push"]["pub"]["data"] for one in heard] == list(range(20))
    await here.hub.broker.remove_history("news")


async def test_emulation_reaches_the_process_that_has_the_stream(pair):
    here, there = pair
    async with Stream(there, "/connection/http_stream", body=OPENING) as stream:
        hello, _ = await stream.lines(2)
        session = {name: hello["connect"][name] for name in ("session", "node")}
        assert session["node"] == there.hub.broker.node_id
        said = commands({"id": 3, "presence_stats": {"channel": "news"}})
        assert (await here.call("/emulation", session | {"data": said})).code == 204
        (answer,) = await stream.lines(1)
        assert answer == {"id": 3, "presence_stats": {"num_clients": 1, "num_users": 1}}


async def test_a_word_at_one_ends_connections_at_the_other_within_two_seconds(pair):
    here, there = pair
    async with Stream(there, "/connection/http_stream", body=OPENING) as stream:
        hello, _ = await stream.lines(2)
        async with Stopwatch() as watch:
            target = control.Target(client=hello["connect"]["client"])
            await control.tell(here.hub, control.Disconnect(target, *codes.SUSPENDED))
            (last,) = await stream.lines(1)
            took = watch.seconds
        assert last["push"]["disconnect"] == {"code": 4501, "reason": "suspended"}
        assert took < 2


async def test_channels_and_nodes_are_counted_over_all_processes(pair, monkeypatch):
    # Both are there and will answer; on a busy machine one may take its time.
    monkeypatch.setattr("realtime.survey.PATIENCE", 30)
    here, there = pair
    async with (
        Stream(here, "/connection/http_stream", body=OPENING) as one,
        Stream(there, "/connection/http_stream", body=OPENING) as two,
    ):
        await one.lines(2)
        await two.lines(2)
        found = json.loads(await Api(here.hub).call("channels", b"{}"))
        assert found["channels"]["news"] == {"num_clients": 2}
        nodes = json.loads(await Api(here.hub).call("info", b"{}"))["nodes"]
        assert {one["uid"] for one in nodes} >= {
            here.hub.broker.node_id,
            there.hub.broker.node_id,
        }


async def test_a_client_recovers_at_another_process(pair):
    here, there = pair
    async with Stream(here, "/connection/http_stream", body=OPENING) as stream:
        _, subscribed = await stream.lines(2)
    position = subscribed["subscribe"]
    for number in range(5):
        await there.hub.publish("news", json.dumps(number).encode())
    wish = {
        "channel": "news",
        "recover": True,
        "offset": position.get("offset", 0),
        "epoch": position["epoch"],
    }
    opening = commands({"id": 1, "connect": {}}, {"id": 2, "subscribe": wish}).encode()
    async with Stream(there, "/connection/http_stream", body=opening) as stream:
        _, again = await stream.lines(2)
        assert again["subscribe"]["recovered"]
        assert [one["data"] for one in again["subscribe"]["publications"]] == list(range(5))
