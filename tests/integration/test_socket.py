"""``/connection/websocket``: the same tests for the door, the wire, and Tornado's WebSocket."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from handlers.realtime_routes import realtime_routes
from handlers.upgrade import Entrance
from realtime import codes, frames
from realtime.claims import ClaimsAuthority, House
from realtime.frames import CLOSE, TEXT, FrameReader
from realtime.hub import Hub
from realtime.limits import Limits, Timing
from realtime.memory import MemoryBroker
from realtime.policy import Overflow, Policies, Policy
from realtime.tokens import Verifier
from realtime.wire import Limits as WireLimits
from realtime.wire import Wire
from server.doorway import Doorway

KEEPS = {"history_size": 100, "history_ttl": 300.0, "force_recovery": True}
POLICIES = {
    "notice": Policy(**KEEPS),
    "room": Policy(urgency=1.0, **KEEPS),
    "live": Policy(urgency=3.0, overflow=Overflow.SKIP),
}
FRIENDS = ("https://friend.example",)
HANDSHAKE = (
    b"GET /connection/websocket HTTP/1.1\r\nHost: hub.example\r\nUpgrade: websocket\r\n"
    b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
)


class Served:
    """A hub served over one of the two transports."""

    def __init__(self, hub, port):
        self.hub = hub
        self.port = port

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def phone(self, **options):
        return connect(self.url, ping_interval=None, compression=None, **options)

    async def listening(self, phone, *channels):
        await phone.send(json.dumps({"id": 1, "connect": {}}))
        assert "connect" in json.loads(await phone.recv())
        for number, channel in enumerate(channels, 2):
            await phone.send(json.dumps({"id": number, "subscribe": {"channel": channel}}))
            assert "subscribe" in json.loads(await phone.recv())

    async def raw(self, extra=b"", more=b"", receive_buffer=0):
        """Upgrade by hand; answer the socket and what came behind the headers."""
        loop, sock = asyncio.get_running_loop(), socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await loop.sock_connect(sock, ("127.0.0.1", self.port))
        await loop.sock_sendall(sock, HANDSHAKE + extra + b"\r\n" + more)
        head = b""
        while b"\r\n\r\n" not in head:
            head += await loop.sock_recv(sock, 1)
        return sock, head.decode()


async def hears(sock, reader, *, opcode=TEXT):
    async with asyncio.timeout(10):
        while True:
            data = await asyncio.get_running_loop().sock_recv(sock, 65_536)
            for kind, payload in reader.feed(data):
                if kind == opcode:
                    return payload
            if not data:
                return None


def hello(number=1):
    command = json.dumps({"id": number, "connect": {}}).encode()
    return frames.masked_frame(command, TEXT, b"mask")


@pytest.fixture(params=["doorway", "wire", "tornado"])
async def house(request):
    hub = Hub(
        MemoryBroker(),
        ClaimsAuthority(Policies(POLICIES), Verifier((), clock=lambda: 0), House(insecure=True)),
        limits=Limits(commands=0, connects=0, frame=10_000, queue=300_000),
        timing=Timing(ping=25, stale=10),
    )
    await hub.start()
    wire = Wire(WireLimits(message=hub.limits.frame, goodbye=0.5))
    routes = realtime_routes(
        hub,
        wire=None if request.param == "tornado" else wire,
        allowed_origins=FRIENDS,
    )
    app = Application(routes, websocket_max_message_size=hub.limits.frame)
    if request.param == "doorway":
        server = Doorway(app, entrance=Entrance(hub, wire, FRIENDS), xheaders=True)
    else:
        server = HTTPServer(app, xheaders=True)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield Served(hub, sockets[0].getsockname()[1])
    server.stop()
    await hub.close()
    await wire.close()
    await server.close_all_connections()
    assert len(wire) == 0


async def test_a_client_connects_listens_and_hears(house):
    async with house.phone() as phone:
        await house.listening(phone, "room:1")
        await house.hub.publish("room:1", '{"text":"你好"}'.encode())
        push = json.loads(await phone.recv())["push"]
        assert (push["channel"], push["pub"]["data"]) == ("room:1", {"text": "你好"})
        assert push["pub"]["offset"] == 1


async def test_protobuf_is_spoken_to_those_who_ask(house):
    async with house.phone(subprotocols=["centrifuge-protobuf"]) as phone:
        assert phone.subprotocol == "centrifuge-protobuf"
        await phone.send(bytes.fromhex("0408012200"))
        reply = await phone.recv()
        assert isinstance(reply, bytes)
        assert reply[1:3] == b"\x08\x01"
    socket_, head = await house.raw(b"", b"")
    assert "Sec-WebSocket-Protocol" not in head
    socket_.close()


async def test_the_first_words_may_come_together_with_the_upgrade(house):
    whole = hello()
    sock, head = await house.raw(more=whole[:-3])
    assert head.startswith("HTTP/1.1 101 ")
    assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    await asyncio.get_running_loop().sock_sendall(sock, whole[-3:])
    reply = json.loads(await hears(sock, FrameReader(limit=1 << 20, masked=False)))
    assert reply["id"] == 1
    sock.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Origin: https://evil.example\r\n", 403),
        (b"Origin: https://friend.example\r\n", 101),
        (b"Origin: http://hub.example\r\n", 101),
        (b"", 101),
    ],
)
async def test_only_pages_of_ours_and_of_friends_may_connect(house, headers, status):
    sock, head = await house.raw(headers)
    assert head.startswith(f"HTTP/1.1 {status} ")
    sock.close()


@pytest.mark.parametrize(
    ("wrong", "right", "status"),
    [
        (b"Upgrade: websocket", b"Upgrade: h2c", 400),
        (b"keep-alive, Upgrade", b"keep-alive", 400),
        (b"Version: 13", b"Version: 12", 426),
    ],
)
async def test_what_is_no_websocket_is_refused_in_http(house, wrong, right, status, monkeypatch):
    monkeypatch.setattr(f"{__name__}.HANDSHAKE", HANDSHAKE.replace(wrong, right))
    sock, head = await house.raw()
    assert head.startswith(f"HTTP/1.1 {status} ")
    sock.close()


async def test_newcomers_are_turned_away_while_the_hub_drains(house):
    house.hub.draining = True
    with pytest.raises(InvalidStatus) as refused:
        async with house.phone():
            pass
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"]


async def test_a_bad_command_ends_with_a_code_and_a_reason(house):
    async with house.phone() as phone:
        await phone.send('{"id":1,"subscribe":{"channel":"room:1"}}')
        with pytest.raises(ConnectionClosed) as closed:
            await phone.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == codes.BAD_PROTOCOL
    assert not house.hub.connections


async def test_too_long_a_message_is_1009(house):
    async with house.phone() as phone:
        await phone.send("x" * 10_001)
        with pytest.raises(ConnectionClosed) as closed:
            await phone.recv()
    assert closed.value.rcvd.code == 1009


async def test_garbage_ends_the_connection_and_leaves_nothing(house):
    sock, _ = await house.raw(more=hello())
    reader = FrameReader(limit=1 << 20, masked=False)
    await hears(sock, reader)
    await asyncio.get_running_loop().sock_sendall(sock, b"\xff" * 100)
    while await asyncio.get_running_loop().sock_recv(sock, 65_536):
        pass
    assert not house.hub.connections
    sock.close()


async def test_a_fragmented_command_is_understood(house):
    command = json.dumps({"id": 1, "connect": {"name": "代表"}}, ensure_ascii=False).encode()
    cut = command.index("代".encode()) + 1
    more = frames.masked_frame(command[:cut], TEXT, b"mask", final=False)
    more += frames.masked_frame(command[cut:], frames.CONTINUATION, b"mask")
    sock, _ = await house.raw(more=more)
    reply = json.loads(await hears(sock, FrameReader(limit=1 << 20, masked=False)))
    assert reply["id"] == 1
    sock.close()


async def test_a_peer_that_leaves_is_forgotten_at_once(house):
    async with house.phone() as phone:
        await house.listening(phone, "room:1")
        assert len(house.hub.connections) == 1
    async with asyncio.timeout(5):
        while house.hub.connections:
            await asyncio.sleep(0)
    assert not len(house.hub.rooms["room:1"])


async def test_a_hundred_messages_arrive_once_and_in_order_whatever_the_pace(house):
    for channel in ("notice:1", "room:1", "live:1"):
        async with house.phone() as one, house.phone() as two:
            await house.listening(one, channel)
            await house.listening(two, channel)
            for number in range(100):
                await house.hub.publish(channel, b"%d" % number)
                if number % 7 == 0:
                    await asyncio.sleep(0)
            for phone in (one, two):
                heard = [json.loads(await phone.recv()) for _ in range(100)]
                assert [reply["push"]["pub"]["data"] for reply in heard] == list(range(100))


async def test_who_joins_while_a_busy_room_talks_misses_nothing_and_hears_nothing_twice(house):
    stop = asyncio.Event()

    async def talk():
        number = 0
        while not stop.is_set():
            number += 1
            await house.hub.publish("room:1", b"%d" % number)
            await asyncio.sleep(0)

    async def listen():
        async with house.phone(close_timeout=0.2) as phone:
            await phone.send('{"id":1,"connect":{}}')
            await phone.recv()
            await phone.send('{"id":2,"subscribe":{"channel":"room:1"}}')
            offset, seen = None, 0
            while seen < 40:
                for line in (await phone.recv()).split("\n"):
                    reply = json.loads(line)
                    if "subscribe" in reply:
                        offset = reply["subscribe"].get("offset", 0)
                    elif "push" in reply:
                        assert offset is not None, "a publication before the reply"
                        offset += 1
                        assert reply["push"]["pub"]["offset"] == offset
                        seen += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(talk())
        async with asyncio.TaskGroup() as phones:
            for _ in range(12):
                phones.create_task(listen())
        stop.set()


async def test_a_phone_that_stops_reading_loses_its_channel_and_then_its_connection(house):
    sock, _ = await house.raw(more=hello(), receive_buffer=4_096)
    reader = FrameReader(limit=1 << 24, masked=False)
    await hears(sock, reader)
    subscribe = b'{"id":2,"subscribe":{"channel":"room:1"}}'
    await asyncio.get_running_loop().sock_sendall(
        sock, frames.masked_frame(subscribe, TEXT, b"mask")
    )
    await hears(sock, reader)
    (connection,) = house.hub.connections.values()
    block = b'"' + b"x" * 50_000 + b'"'
    async with house.phone() as other:
        await house.listening(other, "room:1")
        async with asyncio.timeout(20):
            sent = 0
            while connection.subscriptions:
                await house.hub.publish("room:1", block)
                sent += 1
                # The others hear everything, in time, whatever the stuck one does.
                assert json.loads(await other.recv())["push"]["pub"]["offset"] == sent
    assert house.hub.metrics.slow_channels == 1
    assert connection.transport.pending < 300_000
    # It wakes up and is told that it has to come back for what it missed.
    told = b""
    async with asyncio.timeout(20):
        while b"insufficient state" not in told:
            told = (told + await asyncio.get_running_loop().sock_recv(sock, 65_536))[-500:]
    assert not connection.closed
    sock.close()


async def test_live_chat_skips_for_the_stuck_one_and_the_connection_lives(house):
    sock, _ = await house.raw(more=hello(), receive_buffer=4_096)
    await asyncio.get_running_loop().sock_sendall(
        sock,
        frames.masked_frame(b'{"id":2,"subscribe":{"channel":"live:1"}}', TEXT, b"mask"),
    )
    (connection,) = house.hub.connections.values()
    async with asyncio.timeout(5):
        while "live:1" not in connection.subscriptions:
            await asyncio.sleep(0)
    block = b'"' + b"x" * 50_000 + b'"'
    for _ in range(200):
        await house.hub.publish("live:1", block)
        await asyncio.sleep(0)
    assert not connection.closed
    assert "live:1" in connection.subscriptions
    assert house.hub.metrics.slow_channels == 0
    sock.close()


async def test_a_close_code_reaches_the_client(house):
    async with house.phone() as phone:
        await house.listening(phone)
        (connection,) = house.hub.connections.values()
        connection.close(codes.SUSPENDED)
        with pytest.raises(ConnectionClosed) as closed:
            await phone.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == codes.SUSPENDED


async def test_three_hundred_clients_hear_a_notice_and_all_are_told_of_the_shutdown(house):
    async def hear(ready, spoken):
        async with house.phone() as phone:
            await house.listening(phone, "notice:1")
            ready.release()
            push = json.loads(await phone.recv())["push"]
            assert push["pub"]["data"] == "meeting"
            spoken.release()
            with pytest.raises(ConnectionClosed) as closed:
                await phone.recv()
            assert closed.value.rcvd.code == codes.SHUTDOWN.code

    ready, spoken = asyncio.Semaphore(0), asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(300):
            tasks.create_task(hear(ready, spoken))
        for _ in range(300):
            await ready.acquire()
        await house.hub.publish("notice:1", b'"meeting"')
        for _ in range(300):
            await spoken.acquire()
        await house.hub.drain(seconds=0)


async def test_a_native_ping_is_answered_and_a_native_close_too(house):
    sock, _ = await house.raw(more=hello() + frames.masked_frame(b"p", frames.PING, b"mask"))
    reader = FrameReader(limit=1 << 20, masked=False)
    assert await hears(sock, reader, opcode=frames.PONG) == b"p"
    await asyncio.get_running_loop().sock_sendall(
        sock, frames.masked_frame(frames.close_payload(1000, ""), CLOSE, b"mask")
    )
    assert await hears(sock, reader, opcode=CLOSE) == b"\x03\xe8"
    assert await asyncio.get_running_loop().sock_recv(sock, 10) == b""
    sock.close()


async def test_a_handshake_in_two_pieces_is_as_good_as_one(house):
    loop, sock = asyncio.get_running_loop(), socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", house.port))
    await loop.sock_sendall(sock, HANDSHAKE[:60])
    await asyncio.sleep(0.02)
    await loop.sock_sendall(sock, HANDSHAKE[60:] + b"\r\n" + hello())
    assert (await loop.sock_recv(sock, 12)) == b"HTTP/1.1 101"
    sock.close()


@pytest.mark.parametrize(
    ("headers", "remote"),
    [
        (b"", "127.0.0.1"),
        (b"X-Forwarded-For: 10.1.1.1, 203.0.113.7\r\n", "203.0.113.7"),
        (b"X-Forwarded-For: 10.1.1.1\r\nX-Real-Ip: 203.0.113.9\r\n", "203.0.113.9"),
        (b"X-Real-Ip: nobody\r\n", "127.0.0.1"),
    ],
)
async def test_the_address_of_a_client_behind_a_proxy_is_known(house, headers, remote):
    sock, _ = await house.raw(headers + b"Cookie: a=1; b=2\r\n")
    (connection,) = house.hub.connections.values()
    assert connection.remote == remote
    assert connection.headers["cookie"] == "a=1; b=2"
    sock.close()


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        (b"Host: other.example\r\n", (101, 400)),
        (b"Content-Length: 5\r\n", (101, 400)),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", (400,)),
        (b"Bad Header : x\r\n", (400,)),
        (b"no colon at all\r\n", (400,)),
        (b"X: " + b"y" * 9_000 + b"\r\n", (101,)),
    ],
)
async def test_an_unusual_request_gets_what_tornado_makes_of_it(house, extra, status):
    loop, sock = asyncio.get_running_loop(), socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", house.port))
    await loop.sock_sendall(sock, HANDSHAKE + extra + b"\r\n" + b"0\r\n\r\n" * 2)
    async with asyncio.timeout(5):
        answer = await loop.sock_recv(sock, 12)
    assert int(answer[9:12]) in status
    sock.close()


async def test_other_addresses_are_as_ever(house):
    loop, sock = asyncio.get_running_loop(), socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", house.port))
    for address in (b"/nowhere", b"/connection/websocketeer"):
        await loop.sock_sendall(
            sock, HANDSHAKE.replace(b"/connection/websocket", address) + b"\r\n"
        )
        assert (await loop.sock_recv(sock, 65_536)).startswith(b"HTTP/1.1 404 ")
    sock.close()
