"""The official SDKs, as published, against the hub. The suites of the SDKs: ``run.py``."""

from __future__ import annotations

import asyncio
import json

import centrifuge
import jwt
import pytest

from realtime.memory import MemoryBroker
from server.conformance import SECRET, conformance_hub
from tests.conformance.conftest import Cable

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")

CODECS = pytest.mark.parametrize("protobuf", [False, True], ids=["json", "protobuf"])


class Ear(centrifuge.SubscriptionEventHandler):
    def __init__(self):
        self.news = asyncio.Queue(1000)
        self.subscribed = asyncio.Queue(1000)

    async def on_subscribed(self, ctx):
        await self.subscribed.put(ctx)

    async def on_publication(self, ctx):
        await self.news.put(ctx.pub)


def client_of(port, user, *, protobuf, **more):
    token = jwt.encode({"sub": user}, SECRET, algorithm="HS256")
    return centrifuge.Client(
        f"ws://127.0.0.1:{port}/connection/websocket",
        token=token,
        use_protobuf=protobuf,
        min_reconnect_delay=0.01,
        max_reconnect_delay=0.05,
        **more,
    )


def channel_token(user, channel):
    claims = {"sub": user, "channel": channel}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def listening(client, user, channel):
    ear = Ear()
    token = channel_token(user, channel)
    return client.new_subscription(channel, events=ear, token=token), ear


def payload(data, *, protobuf):
    return json.dumps(data).encode() if protobuf else data


@CODECS
async def test_python_connects_subscribes_publishes_and_asks_back(serve, protobuf):
    async with asyncio.timeout(20), serve("python") as (_, port):
        client = client_of(port, "42", protobuf=protobuf)
        await client.connect()
        subscription, ear = listening(client, "42", "news")
        await subscription.subscribe()
        await subscription.ready()
        await subscription.publish(payload({"text": "代表"}, protobuf=protobuf))
        pub = await ear.news.get()
        assert (pub.data, pub.offset) == (payload({"text": "代表"}, protobuf=protobuf), 1)
        assert pub.info.user == "42"
        history = await subscription.history(limit=-1)
        assert [one.offset for one in history.publications] == [1]
        presence = await subscription.presence()
        assert [one.user for one in presence.clients.values()] == ["42"]
        stats = await subscription.presence_stats()
        assert (stats.num_clients, stats.num_users) == (1, 1)
        await client.disconnect()


@CODECS
async def test_python_recovers_what_it_missed_while_the_cable_was_cut(serve, protobuf):
    async with (
        asyncio.timeout(30),
        serve("python") as (hub, port),
        Cable(port) as cable,
    ):
        client = client_of(cable.port, "42", protobuf=protobuf)
        await client.connect()
        subscription, ear = listening(client, "42", "news")
        await subscription.subscribe()
        await subscription.ready()
        await ear.subscribed.get()
        await hub.publish("news", b'{"n":1}')
        assert (await ear.news.get()).offset == 1
        await cable.cut()
        for number in (2, 3, 4):
            await hub.publish("news", json.dumps({"n": number}).encode())
        await cable.mend()
        again = await ear.subscribed.get()
        assert (again.was_recovering, again.recovered) == (True, True)
        assert [(await ear.news.get()).offset for _ in range(3)] == [2, 3, 4]
        await hub.publish("news", b'{"n":5}')
        assert (await ear.news.get()).offset == 5
        assert ear.news.empty()
        await client.disconnect()


async def test_python_is_told_when_it_missed_more_than_is_kept(serve):
    async with asyncio.timeout(30), serve("python") as (hub, port), Cable(port) as cable:
        client = client_of(cable.port, "42", protobuf=False)
        await client.connect()
        subscription, ear = listening(client, "42", "smallhistory:1")
        await subscription.subscribe()
        await ear.subscribed.get()
        await hub.publish("smallhistory:1", b"1")
        await ear.news.get()
        await cable.cut()
        for number in range(2, 9):
            await hub.publish("smallhistory:1", b"%d" % number)
        await cable.mend()
        again = await ear.subscribed.get()
        assert (again.was_recovering, again.recovered) == (True, False)
        assert again.stream_position.offset == 8
        await client.disconnect()


async def test_fifty_clients_come_back_at_once_and_nobody_misses_or_doubles_anything(serve):
    async with asyncio.timeout(60), serve("python") as (hub, port), Cable(port) as cable:
        ears = []
        clients = []
        for number in range(50):
            client = client_of(cable.port, f"u{number}", protobuf=number % 2 == 0)
            await client.connect()
            subscription, ear = listening(client, f"u{number}", "news")
            await subscription.subscribe()
            clients.append(client)
            ears.append(ear)
        for ear in ears:
            await ear.subscribed.get()
        for number in range(3):
            await hub.publish("news", b"%d" % number)
        await cable.cut()
        for number in range(20):
            await hub.publish("news", b"%d" % number)
        await cable.mend()
        for number in range(5):
            await hub.publish("news", b"%d" % number)
            await asyncio.sleep(0)
        for ear in ears:
            assert [(await ear.news.get()).offset for _ in range(28)] == list(range(1, 29))
            assert ear.news.empty()
        for client in clients:
            await client.disconnect()


async def test_python_is_let_go_for_a_bad_token_and_stays_away(serve):
    ended = asyncio.get_running_loop().create_future()

    class Events(centrifuge.ClientEventHandler):
        async def on_disconnected(self, ctx):
            ended.set_result(ctx)

    async with asyncio.timeout(20), serve("python") as (_, port):
        url = f"ws://127.0.0.1:{port}/connection/websocket"
        client = centrifuge.Client(url, token="nonsense", events=Events())
        await client.connect()
        ctx = await ended
        assert (ctx.code, ctx.reason) == (3500, "invalid token")


@pytest.mark.parametrize(
    ("transport", "codec"),
    [
        ("websocket", "json"),
        ("websocket", "protobuf"),
        ("http_stream", "json"),
        ("http_stream", "protobuf"),
        ("sse", "json"),
    ],
)
async def test_javascript_has_a_session_on_every_transport(serve, node_home, transport, codec):
    async with asyncio.timeout(60), serve("js") as (_, port):
        process = await asyncio.create_subprocess_exec(
            "node",
            "session.mjs",
            str(port),
            transport,
            codec,
            cwd=node_home,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        saw = json.loads(out)
        assert saw == {
            "transport": transport,
            "data": {"text": "你好，代表"},
            "offset": 1,
            "history": [{"text": "你好，代表"}],
            "clients": 1,
        }


def test_production_refuses_a_conformance_profile(monkeypatch):
    monkeypatch.setenv("HUB_ENV", "production")
    with pytest.raises(RuntimeError, match="production"):
        conformance_hub("js", MemoryBroker())
