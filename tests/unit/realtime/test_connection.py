"""One client from connect to the end, on a stage: no sockets, no waiting."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from realtime import codes
from realtime.authority import Grant, Identity
from realtime.broker import BrokerDown, Retention
from realtime.codec import JSON, PROTOBUF
from realtime.codes import End
from realtime.limits import Limits
from realtime.memory import MemoryBroker
from tests.unit.realtime.stage import Stage, settle


async def test_the_first_command_must_be_connect():
    async with Stage() as stage:
        client = stage.client()
        await client.ask(subscribe={"channel": "room:1"})
        assert client.line.end == (3501, "bad request")


async def test_a_second_connect_ends_the_connection():
    async with Stage() as stage:
        client = await stage.open()
        await client.ask(connect={})
        assert client.line.end == (3501, "bad request")


async def test_commands_sent_together_with_connect_wait_for_it():
    async with Stage() as stage:
        stage.authority.gate = asyncio.Event()
        client = stage.client()
        await client.says(
            {"id": 1, "connect": {}},
            {"id": 2, "subscribe": {"channel": "room:1"}},
        )
        assert client.news() == []
        stage.authority.gate.set()
        await settle()
        assert [one["id"] for one in client.news()] == [1, 2]


async def test_a_refused_connect_drops_what_came_with_it_and_what_follows_is_a_breach():
    async with Stage() as stage:
        stage.authority.connect = refuse
        client = stage.client()
        await client.says({"id": 1, "connect": {}}, {"id": 2, "rpc": {"method": "x"}})
        assert client.news() == [{"id": 1, "error": {"code": 109, "message": "token expired"}}]
        assert client.line.end is None
        await client.says({"id": 3, "rpc": {"method": "x"}})
        assert client.line.end == (3501, "bad request")


async def refuse(ask):
    raise codes.Refused(codes.TOKEN_EXPIRED)


GARBAGE = [
    b"",
    b"\n",
    b"nonsense",
    b"[]",
    b"{}",
    b'{"id":-1}',
    b'{"id":1}',
    b'{"id":"1","connect":{}}',
    b"\xff\xfe",
    b"[" * 60_000,
    b'{"id":1,"rpc":{"data":' + b"[" * 60_000 + b"}}",
]


@pytest.mark.parametrize("payload", GARBAGE)
async def test_garbage_ends_the_connection_and_nothing_else(payload, caplog):
    async with Stage() as stage:
        bystander = await stage.open()
        client = stage.client()
        client.connection.receive(payload)
        await settle()
        assert client.line.end == (3501, "bad request")
        assert client.connection.client not in stage.hub.connections
        assert (await bystander.ask(rpc={"method": "x"}))["rpc"] == {"data": {}}
        assert not caplog.records


@pytest.mark.parametrize(
    "payload", [b"", b"\x05\x01", b"\xff\xff\xff\xff\xff\xff", b"\x02\xff\xff"]
)
async def test_protobuf_garbage_ends_the_connection(payload):
    async with Stage() as stage:
        client = stage.client(PROTOBUF)
        client.connection.receive(payload)
        assert client.line.end == (3501, "bad request")


async def test_a_connection_that_never_connects_is_stale():
    async with Stage() as stage:
        client = stage.client()
        await stage.pass_(9.9)
        assert client.line.end is None
        await stage.pass_(0.6)
        assert client.line.end == (3502, "stale")


async def test_a_silent_client_is_pinged_and_then_let_go():
    async with Stage() as stage:
        client = await stage.open()
        client.news()
        await stage.pass_(25.5)
        assert client.line.sent[-1] == b"{}"
        await stage.pass_(8.5)
        assert client.line.end == (3012, "no pong")


async def test_a_client_that_answers_pings_stays():
    async with Stage() as stage:
        client = await stage.open()
        for _ in range(5):
            await stage.pass_(25.5)
            assert client.line.sent[-1] == b"{}"
            client.connection.receive(b"{}")
            await stage.pass_(8.5)
        assert client.line.end is None


async def test_a_pong_nobody_asked_for_is_a_breach():
    async with Stage() as stage:
        client = await stage.open()
        client.connection.receive(b"{}")
        assert client.line.end == (3501, "bad request")


async def test_an_expired_connection_has_twenty_five_seconds_of_grace():
    async with Stage() as stage:
        now = stage.clock.calendar
        stage.authority.identity = Identity(user="u1", expire_at=now + 60)
        client = stage.client()
        reply = await client.ask(connect={})
        assert (reply["connect"]["expires"], reply["connect"]["ttl"]) == (True, 60)
        for _ in range(2):
            await stage.pass_(30)
            client.connection.receive(b"{}")
        await stage.pass_(24)
        assert client.line.end is None
        await stage.pass_(1.5)
        assert client.line.end == (3005, "connection expired")


async def test_a_refreshed_connection_lives_on():
    async with Stage() as stage:
        now = stage.clock.calendar
        stage.authority.identity = Identity(user="u1", expire_at=now + 10)
        client = await stage.open()
        stage.authority.identity = Identity(user="u1", expire_at=now + 600)
        reply = await client.ask(refresh={"token": "t"})
        assert reply["refresh"]["ttl"] == 600
        await stage.pass_(40)
        assert client.line.end is None


async def test_nobody_becomes_somebody_else_by_refreshing():
    async with Stage() as stage:
        client = await stage.open()
        stage.authority.identity = Identity(user="u2")
        await client.ask(refresh={"token": "t"})
        assert client.line.end == (3500, "invalid token")


async def test_an_expired_subscription_ends_and_may_be_asked_for_again():
    async with Stage() as stage:
        stage.authority.grant = Grant(expire_at=stage.clock.calendar + 5)
        client = await stage.open()
        reply = await client.ask(subscribe={"channel": "room:1"})
        assert reply["subscribe"]["ttl"] == 5
        await stage.pass_(24)
        client.news()
        await stage.pass_(7)
        push = {
            "channel": "room:1",
            "unsubscribe": {"code": 2501, "reason": "subscription expired"},
        }
        assert {"push": push} in client.news()
        assert (await client.ask(subscribe={"channel": "room:1"}))["subscribe"]


async def test_a_crash_is_answered_and_logged_and_the_next_command_works(caplog):
    async with Stage() as stage:
        client = await stage.open()
        reply = await client.ask(rpc={"method": "crash"})
        assert reply["error"] == {
            "code": 100,
            "message": "internal server error",
            "temporary": True,
        }
        assert "ZeroDivisionError" in caplog.text
        assert (await client.ask(rpc={"method": "x"}))["rpc"]
        caplog.clear()


async def test_a_broker_that_is_down_is_a_temporary_error_and_no_stack(caplog):
    async with Stage() as stage:
        client = await stage.open()

        async def down(*_, **__):
            raise BrokerDown("gone")

        stage.broker.presence = down
        reply = await client.ask(presence={"channel": "room:1"})
        assert reply["error"]["code"] == 100
        assert [record.exc_info for record in caplog.records] == [None]


async def test_too_many_commands_are_refused_and_a_flood_ends_the_connection():
    async with Stage(limits=Limits(commands=20, window=10, flood=2)) as stage:
        client = await stage.open()
        for _ in range(20):
            assert "rpc" in await client.ask(rpc={"method": "x"})
        error = (await client.ask(rpc={"method": "x"}))["error"]
        assert (error["code"], error["temporary"]) == (111, True)
        await stage.pass_(10)
        assert "rpc" in await client.ask(rpc={"method": "x"})
        for _ in range(40):
            await client.ask(rpc={"method": "x"})
        assert client.line.end == (3013, "too many requests")


async def test_resubscribing_after_a_reconnect_is_not_held_against_anybody():
    async with Stage(limits=Limits(commands=20)) as stage:
        client = await stage.open()
        for number in range(64):
            assert "subscribe" in await client.ask(subscribe={"channel": f"room:{number}"})
        assert (await client.ask(subscribe={"channel": "room:64"}))["error"]["code"] == 106


async def test_a_backlog_of_commands_is_bounded():
    async with Stage(limits=Limits(commands=0, backlog=10)) as stage:
        stage.authority.gate = asyncio.Event()
        client = stage.client()
        await client.says({"id": 1, "connect": {}})
        for number in range(2, 14):
            await client.says({"id": number, "rpc": {"method": "x"}})
        assert client.line.end == (3013, "too many requests")
        stage.authority.gate.set()


async def test_the_sixth_connection_of_an_account_ends_the_first():
    async with Stage() as stage:
        clients = [await stage.open(token="zhang") for _ in range(6)]
        assert [one.line.end for one in clients] == [(3504, "connection limit")] + [None] * 5
        assert len(stage.hub.users["zhang"]) == 5


async def test_newcomers_beyond_the_rate_are_turned_away_for_a_second():
    async with Stage(limits=Limits(connects=3)) as stage:
        assert [stage.hub.admits() for _ in range(4)] == [True, True, True, False]
        stage.clock.pass_(1)
        assert stage.hub.admits()


async def test_draining_tells_everybody_why_and_flushes_what_waits_first():
    async with Stage() as stage:
        clients = [await stage.open(token=f"u{number}") for number in range(10)]
        for client in clients:
            await client.ask(subscribe={"channel": "room:1"})
            client.news()
        await stage.hub.publish("room:1", b'{"n":1}')
        await stage.hub.drain(seconds=0)
        await settle()
        assert not stage.hub.admits()
        for client in clients:
            assert client.line.end == (3001, "shutdown")
            assert client.heard() == [("room:1", 1)]


async def test_a_message_to_a_session_that_is_being_closed_leaves_nothing_behind():
    async with Stage() as stage:
        client = await stage.open()
        await client.ask(subscribe={"channel": "talk:1"})
        client.connection.lost()
        client.connection.receive(b'{"id":9,"rpc":{"method":"x"}}')
        await settle()
        await asyncio.sleep(0.01)
        assert stage.hub.connections == stage.hub.sessions == stage.hub.users == {}
        assert stage.hub.rooms == {}
        assert await stage.broker.presence("talk:1") == {}


async def test_a_client_that_leaves_while_it_joins_leaves_nothing_behind():
    async with Stage() as stage:
        entered, go = asyncio.Event(), asyncio.Event()
        history = stage.broker.history

        async def slow(*args, **kwargs):
            entered.set()
            await go.wait()
            return await history(*args, **kwargs)

        stage.broker.history = slow
        client = await stage.open()
        await client.says({"id": 5, "subscribe": {"channel": "room:1"}})
        await entered.wait()
        client.connection.lost()
        go.set()
        await settle()
        await asyncio.sleep(0.01)
        assert stage.hub.rooms == {}
        assert await stage.broker.presence("room:1") == {}


async def test_every_close_reason_is_a_short_ascii_word():
    ends = [value for value in vars(codes).values() if isinstance(value, End)]
    assert len(ends) > 20
    for end in ends:
        assert codes.presentable(end.reason), end
        assert re.fullmatch(r"[a-z ]{3,40}", end.reason)


@pytest.mark.parametrize("reason", ["", "4", "{}", "true", "满", "x" * 124, "a\nb"])
def test_a_reason_that_would_mislead_an_sdk_is_refused(reason):
    assert not codes.presentable(reason)


async def test_send_without_a_taker_ends_with_3508():
    async with Stage() as stage:
        client = await stage.open()
        await client.says({"send": {"data": {}}})
        assert client.line.end == (3508, "not available")


async def test_a_protobuf_client_cannot_break_the_frames_of_json_clients():
    async with Stage() as stage:
        listener = await stage.open()
        await listener.ask(subscribe={"channel": "plain:1"})
        speaker = stage.client(PROTOBUF)
        # connect, then publish of the bytes "x" on plain:1
        speaker.connection.receive(bytes.fromhex("04 08 01 22 00".replace(" ", "")))
        body = b"\x0a\x07plain:1\x12\x01x"
        command = b"\x08\x02\x3a" + bytes([len(body)]) + body
        speaker.connection.receive(bytes([len(command)]) + command)
        await settle()
        assert b"bad request" in speaker.line.sent[-1]
        assert listener.heard() == []


async def test_json_with_raw_line_ends_is_published_on_one_line():
    async with Stage() as stage:
        client = await stage.open()
        await client.ask(subscribe={"channel": "plain:1"})
        client.news()
        await stage.hub.publish("plain:1", b'{\r\n  "a": 1\n}')
        await settle()
        assert client.news()[0]["push"]["pub"]["data"] == {"a": 1}


async def test_history_is_kept_by_the_memory_broker_as_long_as_it_says():
    stage = Stage()
    async with stage:
        broker = stage.broker
        assert isinstance(broker, MemoryBroker)
        await stage.hub.publish("room:1", b"1")
        kept, _ = await broker.history("room:1", Retention(10, 300))
        assert len(kept) == 1
        stage.clock.pass_(301)
        kept, top = await broker.history("room:1", Retention(10, 300))
        assert (len(kept), top.offset) == (0, 1)


async def test_subscribing_in_a_loop_has_a_limit_of_its_own():
    async with Stage(limits=Limits(joins=10, flood=3)) as stage:
        client = await stage.open()
        for _ in range(5):
            await client.ask(subscribe={"channel": "room:1"})
            await client.ask(unsubscribe={"channel": "room:1"})
        assert (await client.ask(subscribe={"channel": "room:1"}))["error"]["code"] == 111
        assert "rpc" in await client.ask(rpc={"method": "x"})
        for _ in range(20):
            await client.ask(unsubscribe={"channel": "room:1"})
        assert client.line.end == (3013, "too many requests")


async def test_a_publication_larger_than_clients_can_take_is_refused():
    async with Stage(limits=Limits(publication=100)) as stage:
        await stage.hub.publish("room:1", b"1" * 100)
        with pytest.raises(codes.Refused):
            await stage.hub.publish("room:1", b"1" * 101)


async def test_a_fault_at_one_deadline_does_not_cost_the_others_theirs(caplog):
    async with Stage() as stage:
        well, ill = await stage.open(), await stage.open()

        def broken(frame):
            raise ZeroDivisionError

        ill.line.write = broken
        well.news()
        await stage.pass_(25.5)
        assert well.line.sent[-1] == b"{}"
        assert "deadline failed" in caplog.text
        caplog.clear()


@pytest.mark.parametrize("binary", [False, True], ids=["json", "protobuf"])
@pytest.mark.parametrize("name", ["websocket", "http_stream", "sse"])
async def test_the_connect_reply_has_what_official_sdks_look_for(name, binary):
    async with Stage() as stage:
        expire_at = stage.clock.calendar + 600
        grant = {"room:1": Grant(data=b'{"first":1}')}
        stage.authority.identity = Identity(
            user="u1", data=b'{"hello":1}', expire_at=expire_at, channels=grant
        )
        client = stage.client(PROTOBUF if binary else JSON, name=name)
        command = b'{"id":1,"connect":{}}'
        client.connection.receive(bytes.fromhex("0408012200") if binary else command)
        await settle()
        reply = read(client.line.sent[0]) if binary else json.loads(client.line.sent[0])
        result = reply["connect"]
        assert result["client"] == client.connection.client
        assert result["version"] == "daibiao"
        assert (result["expires"], result["ttl"]) == (True, 600)
        # Ping in seconds, and that a pong is wanted: without them SDKs watch over nothing.
        assert (result["ping"], result["pong"]) == (25, True)
        assert result["node"] == stage.broker.node_id
        # Milliseconds, so that a page can set its countdowns before the first question.
        assert result["time"] == int(stage.clock.calendar * 1000)
        # Whoever may send by /emulation names its session; on a WebSocket nobody needs to.
        assert result.get("session", "") == (
            client.connection.session if name != "websocket" else ""
        )
        told = result["subs"]["room:1"]
        assert (told["recoverable"], told["positioned"]) == (True, True)
        assert told["epoch"]
        if not binary:
            assert result["data"] == {"hello": 1}
            assert told["data"] == {"first": 1}


def read(frame):
    """Read a Protobuf reply with the schema's own names, numbers as numbers."""
    from realtime.codec import client_pb2

    size, shift, at = 0, 0, 0
    while True:
        size |= (frame[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if frame[at - 1] < 128:
            break
    reply = client_pb2.Reply.FromString(frame[at : at + size])
    result = reply.connect
    names = ("client", "version", "expires", "ttl", "ping", "pong", "node", "session", "time")
    found = {name: getattr(result, name) for name in names}
    subs = {
        channel: {name: getattr(it, name) for name in ("recoverable", "positioned", "epoch")}
        for channel, it in result.subs.items()
    }
    return {"connect": found | {"subs": subs}}
