"""Upgraded sockets on real TCP connections: what peers do, and what the hub does about it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct

import pytest

from realtime import frames
from realtime.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, FrameReader
from realtime.transport import Framing
from realtime.wire import Limits, Wire, WireSocket, send_to_all

MASK = b"mask"


class Ear:
    """A receiver that writes down what it hears, and can be waited for."""

    def __init__(self, each: WireSocket):
        self.each = each
        self.messages: list[bytes] = []
        self.closed: list[tuple[int, str]] = []
        self.drains = 0
        self._news = asyncio.Event()

    def receive(self, payload):
        self.messages.append(payload)
        self._news.set()

    def drained(self):
        self.drains += 1

    def lost(self):
        self.closed.append(self.each.ended)
        self._news.set()

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition(self):
                self._news.clear()
                await self._news.wait()
        return self


class Peer:
    """The other end of the socket: a client that does exactly what the test tells it."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        sock.setblocking(False)
        self._reader = FrameReader(limit=1 << 24, masked=False)
        self._frames = []

    async def say(self, payload: bytes, opcode=TEXT, *, final=True):
        await self.raw(frames.masked_frame(payload, opcode, MASK, final=final))

    async def raw(self, data: bytes):
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def hears(self):
        """The next (opcode, payload); None at the end of the stream."""
        async with asyncio.timeout(10):
            while not self._frames:
                data = await asyncio.get_running_loop().sock_recv(self.sock, 65_536)
                if not data:
                    return None
                self._frames.extend(self._reader.feed(data))
        return self._frames.pop(0)

    async def hears_goodbye(self):
        while (heard := await self.hears())[0] != CLOSE:
            pass
        return frames.parse_close(heard[1])


def tcp_pair(send_buffer=0, receive_buffer=0):
    with socket.create_server(("127.0.0.1", 0)) as door:
        if receive_buffer:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.connect(door.getsockname())
        else:
            client = socket.create_connection(door.getsockname())
        server, _ = door.accept()
    if send_buffer:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    return server, client


class House:
    """A wire, and peers connected to it."""

    def __init__(self, wire: Wire):
        self.wire = wire
        self._peers = []

    def connect(self, pair=None, early=b"") -> tuple[WireSocket, Ear, Peer]:
        server, client = pair or tcp_pair()
        each = self.wire.adopt(server, Framing.WEBSOCKET_TEXT)
        ear, peer = Ear(each), Peer(client)
        self._peers.append(peer)
        each.listen(ear, early)
        return each, ear, peer

    def leave(self):
        for peer in self._peers:
            peer.sock.close()


@pytest.fixture
async def house():
    house = House(Wire(Limits(queue=200_000, message=1_000, goodbye=0.3)))
    yield house
    house.leave()
    await house.wire.close()
    assert len(house.wire) == 0


async def test_messages_pass_both_ways(house):
    each, ear, peer = house.connect()
    await peer.say("你好".encode())
    await peer.say(b"\x00\xff", BINARY)
    await ear.until(lambda e: len(e.messages) == 2)
    assert ear.messages == ["你好".encode(), b"\x00\xff"]
    each.write(frames.frame(b"answer"))
    assert await peer.hears() == (TEXT, b"answer")


async def test_small_frames_leave_at_once(house):
    each, _, _ = house.connect()
    assert each._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_fragments_become_one_message(house):
    _, ear, peer = house.connect()
    await peer.say("代表".encode()[:2], final=False)
    await peer.say(b"?", PING)
    await peer.say("代表".encode()[2:], CONTINUATION)
    await ear.until(lambda e: e.messages)
    assert ear.messages == ["代表".encode()]
    assert await peer.hears() == (PONG, b"?")


async def test_bytes_that_came_with_the_upgrade_are_not_lost(house):
    whole = frames.masked_frame(b"first", TEXT, MASK)
    _, ear, peer = house.connect(early=whole[:7])
    await peer.raw(whole[7:])
    await peer.say(b"second")
    await ear.until(lambda e: len(e.messages) == 2)
    assert ear.messages == [b"first", b"second"]


async def test_nothing_is_heard_before_listen(house):
    server, client = tcp_pair()
    each, peer = house.wire.adopt(server, Framing.WEBSOCKET_TEXT), Peer(client)
    ear = Ear(each)
    await peer.say(b"early")
    await asyncio.sleep(0)
    each.listen(ear)
    await ear.until(lambda e: e.messages)
    each.hang_up(3000, "bye")
    assert await peer.hears_goodbye() == (3000, "bye")
    client.close()


async def test_a_peer_that_was_gone_before_we_listened_is_noticed(house):
    server, client = tcp_pair()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    each = house.wire.adopt(server, Framing.WEBSOCKET_TEXT)
    each.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    assert not each.open
    ear = Ear(each)
    each.listen(ear, b"\x81")
    await ear.until(lambda e: e.closed)
    assert ear.closed == [(1006, "connection lost")]


async def test_the_hub_says_goodbye_and_the_peer_answers(house):
    each, ear, peer = house.connect()
    each.write(frames.frame(b"last word"))
    each.hang_up(3001, "shutdown")
    each.write(frames.frame(b"too late"))
    assert await peer.hears() == (TEXT, b"last word")
    assert await peer.hears_goodbye() == (3001, "shutdown")
    await ear.until(lambda e: e.closed)
    await peer.say(frames.close_payload(3001, ""), CLOSE)
    assert await peer.hears() is None
    assert ear.closed == [(3001, "shutdown")]
    assert len(house.wire) == 0


async def test_the_peer_says_goodbye_and_is_answered_with_its_own_code(house):
    _, ear, peer = house.connect()
    await peer.say(frames.close_payload(4000, "tired"), CLOSE)
    assert await peer.hears_goodbye() == (4000, "")
    assert await peer.hears() is None
    await ear.until(lambda e: e.closed)
    assert ear.closed == [(4000, "tired")]


async def test_a_goodbye_without_a_code_is_answered_in_kind(house):
    _, ear, peer = house.connect()
    await peer.say(b"", CLOSE)
    assert await peer.hears() == (CLOSE, b"")
    await ear.until(lambda e: e.closed)
    assert ear.closed == [(1005, "")]


async def test_a_peer_that_never_answers_the_goodbye_is_dropped(house):
    each, ear, peer = house.connect()
    each.hang_up(3011, "force reconnect")
    await ear.until(lambda e: e.closed)
    assert len(house.wire) == 1
    assert await peer.hears_goodbye() == (3011, "force reconnect")
    assert await peer.hears() is None
    assert len(house.wire) == 0
    assert ear.closed == [(3011, "force reconnect")]


async def test_what_a_peer_says_after_our_goodbye_is_not_heard(house):
    each, ear, peer = house.connect()
    each.hang_up(3000, "bye")
    await peer.say(b"but")
    await peer.hears_goodbye()
    await peer.say(b"", CLOSE)
    assert await peer.hears() is None
    assert ear.messages == []


async def test_a_peer_that_vanishes_is_1006_and_said_once(house):
    _, ear, peer = house.connect()
    peer.sock.close()
    await ear.until(lambda e: e.closed)
    assert ear.closed == [(1006, "connection lost")]


async def test_a_reset_connection_is_let_go(house):
    each, ear, peer = house.connect()
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()
    each.write(frames.frame(b"into the void"))
    each.write(frames.frame(b"again"))
    await ear.until(lambda e: e.closed)
    assert ear.closed == [(1006, "connection lost")]
    assert each.pending == 0


async def test_garbage_is_answered_with_1002_even_while_the_peer_goes_on_sending(house):
    _, ear, peer = house.connect()
    await peer.raw(b"GET / HTTP/1.1\r\n" * 3_000)
    code, reason = await peer.hears_goodbye()
    assert (code, bool(reason)) == (1002, True)
    assert await peer.hears() is None
    await ear.until(lambda e: e.closed)


async def test_a_message_over_the_limit_is_answered_with_1009(house):
    _, ear, peer = house.connect()
    await peer.say(bytes(999))
    await peer.say(bytes(1_001))
    assert (await peer.hears_goodbye())[0] == 1009
    await ear.until(lambda e: e.closed)
    assert len(ear.messages) == 1


async def test_text_that_is_not_utf_8_is_answered_with_1007(house):
    _, _, peer = house.connect()
    await peer.say(b"\xff\xfe")
    assert (await peer.hears_goodbye())[0] == 1007


async def test_a_slow_reader_gets_every_byte_in_order(house):
    each, ear, peer = house.connect(tcp_pair(send_buffer=4_096, receive_buffer=4_096))
    sent = [frames.frame(str(n).encode() * random.Random(n).randrange(1, 400)) for n in range(150)]
    for frame in sent:
        each.write(frame)
    assert each.pending > 0, "the queue was never used"
    heard = b""
    while len(heard) < sum(map(len, sent)):
        heard += await asyncio.get_running_loop().sock_recv(peer.sock, 3_000)
    assert heard == b"".join(sent)
    assert (each.pending, ear.drains) == (0, 1)
    each.write(frames.frame(b"quick again"))
    assert await peer.hears() == (TEXT, b"quick again")
    assert ear.closed == []


async def test_a_peer_that_stops_reading_is_told_to_go_and_costs_no_memory(house):
    each, ear, peer = house.connect(tcp_pair(send_buffer=4_096, receive_buffer=4_096))
    block, most = frames.frame(bytes(20_000), BINARY), 0
    while not ear.closed:
        each.write(block)
        most = max(most, each.pending)
        await asyncio.sleep(0)
    assert ear.closed == [(3008, "slow")]
    assert most <= 200_000 + len(block)
    assert each.pending <= len(block) + 20
    # A reader that wakes up in time still gets whole frames and the reason.
    assert await peer.hears_goodbye() == (3008, "slow")


async def test_a_peer_that_never_reads_again_is_dropped_after_the_time_for_goodbyes(house):
    each, ear, _ = house.connect(tcp_pair(send_buffer=4_096, receive_buffer=4_096))
    while not ear.closed:
        each.write(frames.frame(bytes(20_000), BINARY))
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while len(house.wire):
            await asyncio.sleep(0.01)
    assert each.pending == 0


async def test_a_goodbye_to_a_slow_peer_comes_after_what_waits(house):
    each, _, peer = house.connect(tcp_pair(send_buffer=4_096, receive_buffer=4_096))
    for n in range(50):
        each.write(frames.frame(bytes([n]) * 1_000, BINARY))
    assert each.pending
    each.hang_up(3001, "shutdown")
    for n in range(50):
        assert await peer.hears() == (BINARY, bytes([n]) * 1_000)
    assert await peer.hears_goodbye() == (3001, "shutdown")


async def test_a_half_open_connection_is_noticed_by_the_kernel(house):
    each, _, _ = house.connect()
    seconds = each._sock.getsockopt(socket.IPPROTO_TCP, 18) / 1000
    assert seconds == house.wire.limits.stall


async def test_any_byte_counts_as_a_sign_of_life(house):
    each, _, peer = house.connect()
    each.heard = False
    await peer.raw(b"\x81")
    async with asyncio.timeout(5):
        while not each.heard:
            await asyncio.sleep(0.001)


async def test_one_frame_reaches_a_thousand_and_the_slow_the_gone_and_the_rest_get_theirs(house):
    crowd = [house.connect() for _ in range(1_000)]
    crowd[500][2].sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    crowd[500][2].sock.close()
    slow = house.connect(tcp_pair(send_buffer=4_096, receive_buffer=4_096))
    sockets = [each for each, _, _ in [*crowd, slow]]
    for n in range(40):
        send_to_all(sockets, frames.frame(b"%d" % n + b"." * 1_000))
    assert slow[0].pending
    for place, (_, _, peer) in enumerate([*crowd, slow]):
        if place == 500:
            continue
        heard = [int((await peer.hears())[1].rstrip(b".")) for _ in range(40)]
        assert heard == list(range(40))
    await crowd[500][1].until(lambda e: e.closed)


async def test_a_descriptor_given_to_a_new_connection_does_not_hear_of_the_old_one(house):
    first, ear, peer = house.connect()
    number = first._sock.fileno()
    await peer.say(b"for the first")
    first.lost()
    pair = tcp_pair()
    assert number in {pair[0].fileno(), pair[1].fileno()}
    second, second_ear, second_peer = house.connect(pair)
    await second_peer.say(b"for the second")
    await second_ear.until(lambda e: e.messages)
    assert second_ear.messages == [b"for the second"]
    assert ear.messages == []
    assert second.open


async def test_a_duplicated_descriptor_brings_no_ghost_events(house):
    first, _, peer = house.connect()
    twin = os.dup(first._sock.fileno())
    first.lost()
    await peer.say(b"to nobody")
    _, ear, second_peer = house.connect()
    await second_peer.say(b"x")
    await ear.until(lambda e: e.messages)
    assert ear.messages == [b"x"]
    os.close(twin)


async def test_a_receiver_that_fails_loses_only_its_own_connection(house, caplog):
    each, ear, peer = house.connect()
    _, other, other_peer = house.connect()

    def fail(payload):
        raise RuntimeError(payload)

    ear.receive = fail
    await peer.say(b"boom")
    assert await peer.hears_goodbye() == (3004, "internal server error")
    await other_peer.say(b"still here")
    await other.until(lambda e: e.messages)
    assert "receiver failed" in caplog.text
    assert not each.open


async def test_a_receiver_may_hang_up_in_the_middle_of_a_batch(house):
    each, ear, peer = house.connect()

    def refuse(payload):
        ear.messages.append(payload)
        each.hang_up(3501, "bad request")

    ear.receive = refuse
    await peer.raw(frames.masked_frame(b"1", TEXT, MASK) + frames.masked_frame(b"2", TEXT, MASK))
    assert await peer.hears_goodbye() == (3501, "bad request")
    assert ear.messages == [b"1"]


async def test_closing_the_wire_says_goodbye_to_everybody():
    wire = Wire(Limits(goodbye=0.3))
    house = House(wire)
    polite, silent = house.connect(), house.connect()

    async def answer():
        assert await polite[2].hears_goodbye() == (1001, "shutdown")
        await polite[2].say(b"", CLOSE)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(answer())
        tasks.create_task(wire.close())
    assert len(wire) == 0
    assert await silent[2].hears_goodbye() == (1001, "shutdown")
    assert await silent[2].hears() is None
    house.leave()


@pytest.mark.parametrize("seed", range(20))
async def test_peers_in_every_kind_of_trouble_leave_nothing_behind(house, seed):
    chance = random.Random(seed)
    crowd = [house.connect() for _ in range(30)]
    for _ in range(300):
        each, _, peer = chance.choice(crowd)
        with contextlib.suppress(OSError):
            match chance.randrange(7):
                case 0:
                    peer.sock.send(chance.randbytes(chance.randrange(1, 40)))
                case 1:
                    peer.sock.send(frames.masked_frame(b"hi", TEXT, MASK))
                case 2:
                    each.write(frames.frame(b"x" * chance.randrange(3_000)))
                case 3 if chance.random() < 0.2:
                    each.hang_up(3000, "bye")
                case 4 if chance.random() < 0.2:
                    peer.sock.close()
                case 5:
                    peer.sock.send(frames.masked_frame(b"", CLOSE, MASK))
                case _:
                    await asyncio.sleep(0)
    for each, _, _ in crowd:
        each.hang_up(3001, "shutdown")
    for _, ear, peer in crowd:
        await ear.until(lambda e: e.closed)
        assert len(ear.closed) == 1
        peer.sock.close()
    async with asyncio.timeout(5):
        while len(house.wire):
            await asyncio.sleep(0.01)
    assert not house.wire._leaving
