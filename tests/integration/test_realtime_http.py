"""The protocol over streaming HTTP, emulation, and the server API, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from dataclasses import replace

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from realtime import codes
from realtime.broker import BrokerDown
from server.conformance import conformance_server

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")

KEY = {"X-API-Key": "test-api-key"}


@pytest.fixture
async def house():
    async with asyncio.timeout(30), conformance_server("js") as (hub, port):
        yield House(hub, port)


class House:
    def __init__(self, hub, port):
        self.hub = hub
        self.base = f"http://127.0.0.1:{port}"
        self.port = port

    async def call(self, path, body=None, *, method="POST", headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        request = HTTPRequest(
            self.base + path,
            method=method,
            headers=headers or {},
            body=data if method == "POST" else None,
        )
        return await AsyncHTTPClient(force_instance=True).fetch(request, raise_error=False)

    async def api(self, method, **params):
        response = await self.call(f"/api/{method}", params, headers=KEY)
        assert response.code == 200
        return json.loads(response.body)


class Stream:
    """A response that never ends, read as it comes."""

    def __init__(self, house, path, *, method="POST", body=b"", headers=()):
        self.house = house
        self.head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\n"
        self.head += "".join(f"{line}\r\n" for line in headers)
        self.body = body

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.house.port)
        head = f"{self.head}Content-Length: {len(self.body)}\r\n\r\n"
        self.writer.write(head.encode() + self.body)
        self.status = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def chunk(self):
        """Answer the next part, or nothing at the end."""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size)
        await self.reader.readline()
        return data

    async def lines(self, count):
        found = []
        while len(found) < count:
            part = await self.chunk()
            found += [json.loads(line) for line in part.splitlines() if line.strip()]
        return found


def commands(*each):
    return "\n".join(json.dumps(one) for one in each)


OPENING = commands({"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": "news"}}).encode()


async def test_a_stream_carries_replies_and_publications_and_emulation_the_way_back(house):
    async with Stream(house, "/connection/http_stream", body=OPENING) as stream:
        assert "no-store" in stream.status
        assert "X-Accel-Buffering: no" in stream.status
        hello, subscribed = await stream.lines(2)
        assert subscribed["subscribe"]["recoverable"]
        session = {name: hello["connect"][name] for name in ("session", "node")}
        said = commands({"id": 3, "publish": {"channel": "news", "data": {"a": 1}}})
        response = await house.call("/emulation", session | {"data": said})
        assert response.code == 204
        answers = await stream.lines(2)
        assert {"id": 3, "publish": {}} in answers
        assert any("push" in one for one in answers)


async def test_a_stream_says_why_it_ends(house):
    async with Stream(house, "/connection/http_stream", body=OPENING) as stream:
        await stream.lines(2)
        for connection in tuple(house.hub.connections.values()):
            connection.close(codes.SHUTDOWN)
        (last,) = await stream.lines(1)
        assert last == {"push": {"disconnect": {"code": 3001, "reason": "shutdown"}}}
        assert await stream.chunk() == b""


async def test_a_peer_that_leaves_a_stream_is_forgotten(house):
    async with Stream(house, "/connection/http_stream", body=OPENING) as stream:
        await stream.lines(2)
        assert len(house.hub.connections) == 1
    while house.hub.connections:
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def closing_socket():
    with socket.socket() as one:
        yield one


async def test_a_phone_that_stops_reading_a_stream_is_let_go_and_its_memory_freed(
    house, monkeypatch
):
    monkeypatch.setattr("handlers.stream.FAREWELL", 0.1)
    house.hub.limits = replace(house.hub.limits, queue=300_000)
    async with asyncio.timeout(20), closing_socket() as phone:
        phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        phone.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(phone, ("127.0.0.1", house.port))
        head = "POST /connection/http_stream HTTP/1.1\r\nHost: hub\r\n"
        head += f"Content-Length: {len(OPENING)}\r\n\r\n"
        await loop.sock_sendall(phone, head.encode() + OPENING)
        while not house.hub.rooms or not house.hub.rooms["news"].live:
            await asyncio.sleep(0.01)
        (connection,) = house.hub.connections.values()
        number = 0
        while not connection.closed:
            # First its channel goes, then replies pile up too.
            await house.hub.publish("news", json.dumps("x" * 50_000).encode())
            number += 1
            connection.receive(commands({"id": 9 + number, "rpc": {"method": "x"}}).encode())
            connection.push(b"x" * 50_000 + b"\n")
            await asyncio.sleep(0)
        assert number < 200
        assert house.hub.metrics.closes[3008] == 1
        with contextlib.suppress(ConnectionResetError):
            await asyncio.sleep(0.3)
            received = b""
            while part := await loop.sock_recv(phone, 65_536):
                received += part
            # What the kernel had taken, and no proper end: the rest went with the connection.
            assert not received.endswith(b"0\r\n\r\n")


async def test_garbage_on_a_stream_ends_with_a_push_and_an_end(house):
    async with Stream(house, "/connection/http_stream", body=b"nonsense") as stream:
        (last,) = await stream.lines(1)
        assert last["push"]["disconnect"]["code"] == 3501
        assert await stream.chunk() == b""


async def test_events_come_as_events_and_the_token_in_the_address_reaches_no_log(house, caplog):
    caplog.set_level(logging.DEBUG)
    secret = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.c2lnbmF0dXJl"
    asked = json.dumps({"id": 1, "connect": {"token": secret}}).replace(" ", "")
    path = "/connection/sse?cf_connect=" + asked.replace('"', "%22")
    async with Stream(house, path, method="GET") as stream:
        assert "text/event-stream" in stream.status
        assert await stream.chunk() == b"\r\n"
        event = await stream.chunk()
        assert event.startswith(b'data: {"id":1,"connect":')
        assert event.endswith(b"\n\n")
    while house.hub.connections:
        await asyncio.sleep(0.01)
    assert secret not in caplog.text
    assert "cf_connect" not in caplog.text


async def test_bodies_no_client_needs_are_refused(house):
    big = b'{"id":1,"connect":{"data":"' + b"x" * 70_000 + b'"}}'
    for path in ("/connection/http_stream", "/connection/sse", "/emulation"):
        assert (await house.call(path, big)).code == 413
    assert house.hub.connections == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"nonsense", 400),
        (b'{"session":1}', 400),
        (json.dumps({"session": "x", "node": "gone", "data": "{}"}).encode(), 404),
    ],
)
async def test_emulation_for_nobody_is_refused(house, body, status):
    assert (await house.call("/emulation", body)).code == status


async def test_a_session_of_somebody_else_cannot_be_guessed_or_harmed(house):
    async with Stream(house, "/connection/http_stream", body=OPENING) as stream:
        hello, _ = await stream.lines(2)
        node = hello["connect"]["node"]
        wrong = {"session": hello["connect"]["client"], "node": node, "data": "nonsense"}
        assert (await house.call("/emulation", wrong)).code == 204
        assert len(house.hub.connections) == 1
        assert len(hello["connect"]["session"]) >= 22


async def test_browsers_of_our_own_pages_may_ask_first(house):
    headers = {"Origin": house.base, "Access-Control-Request-Method": "POST"}
    response = await house.call("/emulation", method="OPTIONS", headers=headers)
    assert response.code == 204
    assert response.headers["Access-Control-Allow-Origin"] == house.base
    assert response.headers["Access-Control-Allow-Credentials"] == "true"


async def test_only_who_holds_the_key_may_use_the_api(house):
    for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": ""}, {"Authorization": "Basic x"}):
        assert (await house.call("/api/info", {}, headers=headers)).code == 401
    assert (await house.call("/api/info?api_key=test-api-key", {})).code == 401
    other = {"Authorization": "apikey test-api-key"}
    assert (await house.call("/api/info", {}, headers=other)).code == 200


@pytest.mark.parametrize(
    ("method", "params", "code", "status"),
    [
        ("publish", {"channel": "nowhere:1", "data": {}}, 102, 404),
        ("nonsense", {}, 104, 404),
        ("publish", {"channel": "news"}, 107, 400),
        ("publish", {"channel": "news", "b64data": "eA=="}, 107, 400),
        ("publish", {"channel": 5, "data": {}}, 107, 400),
        ("presence", {"channel": "delta:1"}, 108, 400),
        ("disconnect", {}, 107, 400),
        ("disconnect", {"user": "x", "disconnect": {"code": 5, "reason": "x"}}, 107, 400),
        ("disconnect", {"user": "x", "disconnect": {"code": 4001, "reason": "404"}}, 107, 400),
        (
            "history",
            {"channel": "news", "limit": 1, "since": {"offset": 0, "epoch": "x"}},
            112,
            416,
        ),
        ("broadcast", {"channels": [], "data": 1}, 107, 400),
    ],
)
async def test_refusals_are_errors_and_with_a_header_also_status_codes(
    house, method, params, code, status
):
    assert (await house.api(method, **params))["error"]["code"] == code
    headers = KEY | {"X-Centrifugo-Error-Mode": "transport"}
    response = await house.call(f"/api/{method}", params, headers=headers)
    assert (response.code, json.loads(response.body)["error"]["code"]) == (status, code)


async def test_a_broker_that_is_away_is_an_error_of_each_call_and_no_stack(
    house, monkeypatch, caplog
):
    async def away(*_, **__):
        raise BrokerDown("Redis cannot be reached")

    monkeypatch.setattr(house.hub.broker, "publish", away)
    refusal = {"code": 100, "message": "internal server error", "temporary": True}
    assert (await house.api("publish", channel="news", data={}))["error"] == refusal
    several = await house.api("broadcast", channels=["news", "nowhere:1"], data={})
    assert [it["error"]["code"] for it in several["result"]["responses"]] == [100, 102]
    command = {"publish": {"channel": "news", "data": {}}}
    batch = await house.api("batch", commands=[command, {"info": {}}])
    assert batch["replies"][0]["error"]["code"] == 100
    assert "info" in batch["replies"][1]
    assert not caplog.records


async def test_emulation_while_the_broker_is_away_is_a_503_and_no_stack(house, monkeypatch, caplog):
    async def away(*_, **__):
        raise BrokerDown("Redis cannot be reached")

    monkeypatch.setattr(house.hub.broker, "nodes", away)
    body = {"session": "s", "node": "another", "data": "{}"}
    assert (await house.call("/emulation", body)).code == 503
    assert not [it for it in caplog.records if it.exc_info]


async def test_the_same_key_publishes_once_and_older_versions_are_skipped(house):
    first = await house.api("publish", channel="news", data={"n": 1}, idempotency_key="k")
    again = await house.api("publish", channel="news", data={"n": 1}, idempotency_key="k")
    assert first == again
    for version in (5, 4, 5, 6):
        await house.api("publish", channel="news", data={"v": version}, version=version)
    history = (await house.api("history", channel="news", limit=10))["result"]
    assert [one["data"] for one in history["publications"]] == [{"n": 1}, {"v": 5}, {"v": 6}]
    assert history["offset"] == 3
    await house.api("history_remove", channel="news")
    empty = (await house.api("history", channel="news", limit=10))["result"]
    assert (empty["publications"], empty["offset"]) == ([], 3)


async def test_what_the_api_does_to_a_connection(house):
    async with Stream(house, "/connection/http_stream", body=OPENING) as stream:
        hello, _ = await stream.lines(2)
        client = hello["connect"]["client"]
        info = (await house.api("info"))["result"]["nodes"]
        assert [(one["num_clients"], one["uid"]) for one in info] == [(1, hello["connect"]["node"])]
        channels = (await house.api("channels", pattern="ne*"))["result"]["channels"]
        assert channels == {"news": {"num_clients": 1}}
        await house.api("subscribe", client=client, channel="delta:1", data={"why": "x"})
        (push,) = await stream.lines(1)
        assert push["push"]["channel"] == "delta:1"
        assert push["push"]["subscribe"]["data"] == {"why": "x"}
        await house.api("publish", channel="delta:1", data=5)
        (push,) = await stream.lines(1)
        assert push["push"]["pub"]["data"] == 5
        await house.api("unsubscribe", client=client, channel="delta:1")
        (push,) = await stream.lines(1)
        assert push["push"]["unsubscribe"] == {"code": 2000, "reason": "server unsubscribe"}
        reason = {"code": 4501, "reason": "suspended"}
        spared = {"client": client, "whitelist": [client], "disconnect": reason}
        await house.api("disconnect", **spared)
        await house.api("disconnect", client=client, disconnect=reason)
        (push,) = await stream.lines(1)
        assert push["push"]["disconnect"] == reason


async def test_a_batch_answers_each_command_in_its_place(house):
    body = {
        "commands": [
            {"publish": {"channel": "news", "data": 1}},
            {"publish": {"channel": "nowhere:1", "data": 1}},
            {"batch": {"commands": []}},
            {},
        ]
    }
    response = await house.call("/api/batch", body, headers=KEY)
    replies = json.loads(response.body)["replies"]
    assert replies[0]["publish"]["offset"] == 1
    assert [one["error"]["code"] for one in replies[1:]] == [102, 107, 107]
