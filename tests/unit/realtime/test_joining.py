"""Joining, missing, coming back: what a subscriber is owed, and what it is told instead."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import codes, positions, recovery
from realtime.authority import Grant, Identity
from realtime.broker import Position, Publication
from realtime.delta import patch
from realtime.limits import Limits
from realtime.memory import MemoryBroker
from realtime.policy import Overflow, Policy, Recovery
from tests.unit.realtime.stage import POLICIES, Stage, settle

MORE = POLICIES | {
    "now": Policy(
        history_size=1,
        history_ttl=300,
        recovery=Recovery.CACHE,
        force_recovery=True,
        auto_recover=True,
        overflow=Overflow.LATEST,
    ),
    "text": Policy(
        history_size=50, history_ttl=300, force_recovery=True, delta=True, delta_publish=True
    ),
    "live": Policy(overflow=Overflow.SKIP),
    "blob": Policy(binary=True),
}


async def publish(stage, channel, count=1, *, start=0):
    for number in range(start, start + count):
        await stage.hub.publish(channel, json.dumps({"n": number}).encode())
    await settle()


async def test_a_returning_client_gets_exactly_what_it_missed():
    async with Stage() as stage:
        client = await stage.open()
        first = (await client.ask(subscribe={"channel": "room:1"}))["subscribe"]
        assert (first["recoverable"], first["positioned"]) == (True, True)
        client.connection.lost()
        await publish(stage, "room:1", 3)
        again = await stage.open()
        wish = {"channel": "room:1", "recover": True, "offset": 0, "epoch": first["epoch"]}
        reply = (await again.ask(subscribe=wish))["subscribe"]
        assert (reply["was_recovering"], reply["recovered"]) == (True, True)
        assert [one["offset"] for one in reply["publications"]] == [1, 2, 3]
        assert reply.get("offset", 0) == 0
        await publish(stage, "room:1")
        assert again.heard() == [("room:1", 4)]


@pytest.mark.parametrize("wish", [{"offset": 1}, {"epoch": "lost"}, {"offset": 99}])
async def test_who_cannot_be_recovered_is_told_and_gets_nothing(wish):
    async with Stage() as stage:
        await publish(stage, "room:1", 20)  # ten are kept
        client = await stage.open()
        asked = {"channel": "room:1", "recover": True} | wish
        reply = (await client.ask(subscribe=asked))["subscribe"]
        assert reply["was_recovering"]
        assert "recovered" not in reply
        assert "publications" not in reply
        assert reply["offset"] == 20


async def test_who_asks_for_an_error_instead_gets_112_and_no_subscription():
    async with Stage() as stage:
        await publish(stage, "room:1", 20)
        client = await stage.open()
        asked = {"channel": "room:1", "recover": True, "offset": 1, "flag": 2}
        assert (await client.ask(subscribe=asked))["error"]["code"] == 112
        assert client.connection.subscriptions == {}
        assert (await client.ask(subscribe={"channel": "room:1"}))["subscribe"]["offset"] == 20


async def test_what_arrives_while_history_is_read_is_neither_lost_nor_doubled():
    class Slow(MemoryBroker):
        during = None

        async def history(self, *args, **kwargs):
            await self.before()
            found = await super().history(*args, **kwargs)
            await self.after()
            return found

        async def before(self):
            if self.during:
                await self.during()

        after = before

    broker = Slow()
    async with Stage(broker=broker) as stage:
        await publish(stage, "room:1", 2)
        client = await stage.open()

        async def during():
            await stage.hub.publish("room:1", b"{}")

        broker.during = during
        asked = {"channel": "room:1", "recover": True, "offset": 1}
        reply = (await client.ask(subscribe=asked))["subscribe"]
        assert [one["offset"] for one in reply["publications"]] == [2, 3, 4]
        broker.during = None
        await publish(stage, "room:1")
        assert client.heard() == [("room:1", 5)]


async def test_a_gap_ends_the_subscription_of_those_who_watch():
    async with Stage() as stage:
        client = await stage.open()
        reply = (await client.ask(subscribe={"channel": "room:1"}))["subscribe"]
        await publish(stage, "room:1")
        client.news()
        stage.hub.on_publication("room:1", Publication(b"{}", offset=3), reply["epoch"], None)
        await settle()
        assert client.news() == [
            {
                "push": {
                    "channel": "room:1",
                    "unsubscribe": {"code": 2500, "reason": "insufficient state"},
                }
            }
        ]
        assert stage.hub.metrics.gaps == 1


async def test_a_repeated_publication_is_dropped():
    async with Stage() as stage:
        client = await stage.open()
        reply = (await client.ask(subscribe={"channel": "room:1"}))["subscribe"]
        await publish(stage, "room:1", 2)
        client.news()
        for offset in (2, 1):
            again = Publication(b"{}", offset=offset)
            stage.hub.on_publication("room:1", again, reply["epoch"], None)
        await settle()
        assert client.news() == []


async def test_a_new_epoch_ends_subscriptions_and_those_the_server_attached_reconnect():
    async with Stage() as stage:
        stage.authority.identity = Identity(user="u1", channels={"room:1": Grant()})
        attached = await stage.open()
        stage.authority.identity = Identity(user="u2")
        asking = await stage.open()
        await asking.ask(subscribe={"channel": "room:1"})
        await publish(stage, "room:1")
        asking.news()
        stage.hub.on_publication("room:1", Publication(b"{}", offset=1), "other", None)
        await settle()
        assert asking.news()[0]["push"]["unsubscribe"]["code"] == 2500
        assert attached.line.end == (3010, "insufficient state")


async def test_a_message_lost_in_silence_is_found_by_comparing_positions():
    async with Stage() as stage:
        client = await stage.open()
        await client.ask(subscribe={"channel": "room:1"})
        await publish(stage, "room:1")
        deaf, stage.broker._listener = stage.broker._listener, None
        await publish(stage, "room:1")
        stage.broker._listener = deaf
        client.news()
        await positions.check(stage.hub)
        assert client.news() == []  # it may still be on its way
        await positions.check(stage.hub)
        assert client.news()[0]["push"]["unsubscribe"]["code"] == 2500


async def test_an_interruption_has_every_channel_looked_at():
    async with Stage() as stage:
        client = await stage.open()
        await client.ask(subscribe={"channel": "room:1"})
        deaf, stage.broker._listener = stage.broker._listener, None
        await publish(stage, "room:1")
        stage.broker._listener = deaf
        client.news()
        stage.hub.on_interrupted()
        await stage.pass_(0.5)
        await stage.pass_(1.5)
        assert client.news()[0]["push"]["unsubscribe"]["code"] == 2500


async def test_cache_mode_gives_the_latest_to_newcomers_and_nothing_to_those_who_have_it():
    async with Stage(policies=MORE) as stage:
        await publish(stage, "now:1", 3)
        client = await stage.open()
        reply = (await client.ask(subscribe={"channel": "now:1"}))["subscribe"]
        assert [one["data"] for one in reply["publications"]] == [{"n": 2}]
        again = await stage.open()
        wish = {"channel": "now:1", "recover": True, "offset": 3, "epoch": reply["epoch"]}
        second = (await again.ask(subscribe=wish))["subscribe"]
        assert second["recovered"]
        assert "publications" not in second
        wish |= {"offset": 1, "epoch": "lost"}
        third = (await (await stage.open()).ask(subscribe=wish))["subscribe"]
        assert third["recovered"]
        assert [one["offset"] for one in third["publications"]] == [3]


async def test_deltas_rebuild_every_text_also_in_chinese_and_after_recovery():
    seed = random.Random(7)
    text = "代表们在会议上审议了政府工作报告，" * 12
    async with Stage(policies=MORE) as stage:
        client = await stage.open()
        reply = (await client.ask(subscribe={"channel": "text:1", "delta": "fossil"}))["subscribe"]
        assert reply["delta"]
        base, patches = None, 0
        for number in range(60):
            at = seed.randrange(len(text))
            text = text[:at] + seed.choice("议案建议意见修改：𠮷") + text[at + seed.randrange(3) :]
            await stage.hub.publish("text:1", json.dumps([text], ensure_ascii=False).encode())
            await settle()
            (push,) = client.news()
            pub = push["push"]["pub"]
            data = pub["data"].encode()
            base = patch(base, data) if pub.get("delta") else data
            patches += bool(pub.get("delta"))
            assert json.loads(base) == [text], number
        assert patches == 59
        again = await stage.open()
        wish = {"channel": "text:1", "delta": "fossil", "recover": True, "offset": 55}
        missed = (await again.ask(subscribe=wish))["subscribe"]["publications"]
        base = None
        for pub in missed:
            data = pub["data"].encode()
            base = patch(base, data) if pub.get("delta") else data
        assert json.loads(base) == [text]
        await stage.hub.publish("text:1", json.dumps([text + "完"], ensure_ascii=False).encode())
        await settle()
        pub = again.news()[-1]["push"]["pub"]
        assert pub["delta"]
        assert json.loads(patch(base, pub["data"].encode())) == [text + "完"]


async def test_filters_choose_by_tags_and_do_not_go_with_deltas():
    async with Stage(policies=MORE) as stage:
        client = await stage.open()
        wanted = {"key": "role", "cmp": "in", "vals": ["screen", "all"]}
        await client.ask(subscribe={"channel": "plain:1", "tf": wanted})
        for role in ("screen", "staff", "all"):
            await stage.hub.publish("plain:1", json.dumps(role).encode(), tags={"role": role})
        await settle()
        assert [one["push"]["pub"]["data"] for one in client.news()] == ["screen", "all"]
        wish = {"channel": "text:1", "tf": wanted, "delta": "fossil"}
        assert (await client.ask(subscribe=wish))["error"]["code"] == 107
        bad = {"channel": "room:1", "tf": {"op": "xor"}}
        assert (await client.ask(subscribe=bad))["error"]["code"] == 107


async def test_coming_and_going_is_told_after_the_reply_and_presence_follows():
    async with Stage() as stage:
        first = await stage.open(token="li")
        await first.says({"id": 2, "subscribe": {"channel": "talk:1"}})
        assert [next(iter(one.keys() - {"id"})) for one in first.news()][-2:] == [
            "subscribe",
            "push",
        ]
        second = await stage.open(token="wang")
        await second.ask(subscribe={"channel": "talk:1"})
        (joined,) = first.news()
        assert joined["push"]["join"]["info"]["user"] == "wang"
        assert (await first.ask(presence_stats={"channel": "talk:1"}))["presence_stats"] == {
            "num_clients": 2,
            "num_users": 2,
        }
        second.connection.lost()
        await settle()
        (left,) = first.news()
        assert left["push"]["leave"]["info"]["user"] == "wang"


async def test_leaving_and_coming_back_at_once_keeps_the_presence():
    async with Stage() as stage:
        client = await stage.open()
        for _ in range(20):
            await client.says(
                {"id": 7, "subscribe": {"channel": "talk:1"}},
                {"id": 8, "unsubscribe": {"channel": "talk:1"}},
            )
        await client.says({"id": 9, "subscribe": {"channel": "talk:1"}})
        assert list(await stage.broker.presence("talk:1")) == [client.connection.client]


async def test_the_end_of_one_stay_does_not_take_the_presence_of_the_next():
    async with Stage() as stage:
        client = await stage.open()
        await client.ask(subscribe={"channel": "talk:1"})
        go, remove = asyncio.Event(), stage.broker.remove_presence

        async def slow(*args):
            await go.wait()
            await remove(*args)

        stage.broker.remove_presence = slow
        await client.says(
            {"id": 8, "unsubscribe": {"channel": "talk:1"}},
            {"id": 9, "subscribe": {"channel": "talk:1"}},
        )
        go.set()
        await settle()
        assert list(await stage.broker.presence("talk:1")) == [client.connection.client]


async def test_who_has_read_further_than_this_process_has_heard_is_not_told_twice():
    async with Stage() as stage:
        early = await stage.open()
        reply = (await early.ask(subscribe={"channel": "room:1"}))["subscribe"]
        await publish(stage, "room:1")
        # Two more are in the stream, and still on their way to this process.
        deaf, stage.broker._listener = stage.broker._listener, None
        await publish(stage, "room:1", 2)
        stage.broker._listener = deaf
        late = await stage.open()
        asked = {"channel": "room:1", "recover": True, "offset": 1}
        recovered = (await late.ask(subscribe=asked))["subscribe"]["publications"]
        assert [one["offset"] for one in recovered] == [2, 3]
        early.news()
        for offset in (2, 3, 4):
            arrived = Publication(b"{}", offset=offset)
            stage.hub.on_publication("room:1", arrived, reply["epoch"], None)
        await settle()
        assert early.heard() == [("room:1", 2), ("room:1", 3), ("room:1", 4)]
        assert late.heard() == [("room:1", 4)]


async def test_presence_is_confirmed_until_the_client_is_gone():
    async with Stage() as stage:
        client = await stage.open()
        await client.ask(subscribe={"channel": "room:1"})
        for _ in range(8):
            await stage.pass_(14)
            client.connection.receive(b"{}") if b"{}" in client.line.sent else None
            client.line.sent.clear()
            client._read = 0
        assert len(await stage.broker.presence("room:1")) == 1


async def test_rights_taken_away_end_a_subscription_and_rights_kept_do_not():
    async with Stage() as stage:
        client = await stage.open(token="zhao")
        await client.ask(subscribe={"channel": "room:1"})
        word = b'{"x"'
        stage.hub.on_control("other", word)  # unreadable words change nothing
        from realtime import control

        await control.tell(stage.hub, control.Recheck(control.Target(user="zhao")))
        await settle()
        assert client.news() == []
        stage.authority.allowed = False
        await control.tell(stage.hub, control.Recheck(control.Target(user="zhao")))
        await settle()
        assert client.news()[0]["push"]["unsubscribe"]["code"] == 2000
        await publish(stage, "room:1")
        assert client.heard() == []


async def test_a_revocation_while_joining_takes_effect_right_after():
    async with Stage() as stage:
        entered, go = asyncio.Event(), asyncio.Event()
        history = stage.broker.history

        async def slow(*args, **kwargs):
            entered.set()
            await go.wait()
            return await history(*args, **kwargs)

        stage.broker.history = slow
        client = await stage.open(token="zhao")
        await client.says({"id": 3, "subscribe": {"channel": "room:1"}})
        await entered.wait()
        stage.hub.unsubscribe(client.connection.subscriptions["room:1"], codes.UNSUBSCRIBED)
        go.set()
        await settle()
        assert client.news()[-1]["push"]["unsubscribe"]["code"] == 2000
        await publish(stage, "room:1")
        assert client.heard() == []


async def test_a_client_that_stops_reading_loses_a_channel_and_then_its_connection():
    limits = Limits(commands=0, queue=20_000, direct=1_000)
    async with Stage(limits=limits) as stage:
        stuck, well = await stage.open(stuck=True), await stage.open()
        for client in (stuck, well):
            await client.ask(subscribe={"channel": "room:1"})
            client.news()
        for number in range(40):
            await stage.hub.publish("room:1", json.dumps("x" * 900 + str(number)).encode())
            await settle()
        assert len(well.heard()) == 40
        assert "room:1" not in stuck.connection.subscriptions
        assert stuck.line.end is None
        for _ in range(200):
            await stuck.ask(rpc={"method": "x", "data": "y" * 500})
        assert stuck.line.end == (3008, "slow")
        assert stuck.line.pending <= 2_000
        assert stage.hub.metrics.slow_channels == 1


async def test_of_counters_only_the_newest_waits_for_a_slow_client():
    limits = Limits(commands=0, queue=20_000, direct=600)
    async with Stage(limits=limits, policies=MORE) as stage:
        client = await stage.open(stuck=True)
        await client.ask(subscribe={"channel": "now:1"})
        for number in range(500):
            await stage.hub.publish("now:1", json.dumps({"n": number, "x": "x" * 100}).encode())
            await settle()
        assert client.line.end is None
        client.line.stuck, client.line.pending = False, 0
        client.connection.drained()
        assert client.news()[-1]["push"]["pub"]["data"]["n"] == 499
        await publish(stage, "now:1")
        assert client.heard() == [("now:1", 501)]


async def test_chat_skips_the_oldest_for_a_slow_client_and_nobody_is_told():
    limits = Limits(commands=0, queue=20_000, direct=600)
    async with Stage(limits=limits, policies=MORE) as stage:
        client = await stage.open(stuck=True)
        await client.ask(subscribe={"channel": "live:1"})
        for number in range(500):
            await stage.hub.publish("live:1", json.dumps({"n": number, "x": "x" * 100}).encode())
            await settle()
        assert client.line.end is None
        client.line.stuck, client.line.pending = False, 0
        client.connection.drained()
        numbers = [one["push"]["pub"]["data"]["n"] for one in client.news() if "push" in one]
        assert numbers[-1] == 499
        assert numbers == sorted(numbers)
        assert len(numbers) < 200


async def test_of_deltas_none_is_left_out_alone_for_a_slow_client():
    kinds = MORE | {
        "count": Policy(
            history_size=5,
            history_ttl=60,
            force_recovery=True,
            delta=True,
            delta_publish=True,
            overflow=Overflow.LATEST,
        )
    }
    limits = Limits(commands=0, queue=1 << 20, direct=600)
    async with Stage(limits=limits, policies=kinds) as stage:
        client = await stage.open(stuck=True)
        await client.ask(subscribe={"channel": "count:1", "delta": "fossil"})
        client.news()
        for number in range(50):
            text = "会议" * 60 + str(number)
            await stage.hub.publish("count:1", json.dumps(text, ensure_ascii=False).encode())
            await settle()
        client.line.stuck, client.line.pending = False, 0
        client.connection.drained()
        base = None
        for one in client.news():
            data = one["push"]["pub"]["data"].encode()
            base = patch(base, data) if one["push"]["pub"].get("delta") else data
        assert json.loads(base) == "会议" * 60 + "49"


async def test_a_server_side_channel_comes_with_connect_and_recovers_with_it():
    async with Stage() as stage:
        stage.authority.identity = Identity(user="u1", channels={"room:u1": Grant(data=b'{"a":1}')})
        client = stage.client()
        subs = (await client.ask(connect={}))["connect"]["subs"]
        assert subs["room:u1"]["data"] == {"a": 1}
        assert (await client.ask(unsubscribe={"channel": "room:u1"})) == {
            "id": 2,
            "unsubscribe": {},
        }
        await publish(stage, "room:u1")
        assert client.heard() == [("room:u1", 1)]
        client.connection.lost()
        await publish(stage, "room:u1")
        again = stage.client()
        wish = {"room:u1": {"recover": True, "offset": 1, "epoch": subs["room:u1"]["epoch"]}}
        subs = (await again.ask(connect={"subs": wish}))["connect"]["subs"]
        assert [one["offset"] for one in subs["room:u1"]["publications"]] == [2]


async def test_json_clients_are_kept_out_of_binary_channels():
    async with Stage(policies=MORE) as stage:
        client = await stage.open()
        await client.ask(subscribe={"channel": "blob:1"})
        assert client.line.end == (3506, "inappropriate protocol")


@pytest.mark.parametrize(
    ("channel", "code"),
    [("nowhere:1", 102), ("", 107), ("room:" + "x" * 255, 107), ("room:*", 107), ("room:会", 107)],
)
async def test_channels_that_cannot_be_are_refused(channel, code):
    async with Stage() as stage:
        stage.authority.subscribe = by_policy(stage.authority)
        client = await stage.open()
        assert (await client.ask(subscribe={"channel": channel}))["error"]["code"] == code


def by_policy(authority):
    async def subscribe(identity, channel, token, data):
        return Grant()

    return subscribe


@given(
    kept=st.integers(0, 12),
    top=st.integers(0, 30),
    asked=st.integers(0, 32),
    arrived=st.integers(0, 6),
    overlap=st.integers(0, 4),
    same=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_recovered_means_every_offset_once_and_in_order(kept, top, asked, arrived, overlap, same):
    kept = min(kept, top)
    end = Position(top, "e")
    history = [Publication(b"", offset=n) for n in range(top - kept + 1, top + 1)]
    missed = [one for one in history if one.offset > asked]
    verdict = recovery.judge_stream(
        Position(asked, "e" if same else "old"), missed, end, budget=1000
    )
    live = [
        (Publication(b"", offset=n), "e")
        for n in range(max(1, top - overlap + 1), top + arrived + 1)
    ]
    final = recovery.merge(verdict, live)
    assert final.position == Position(max(top, live[-1][0].offset if live else 0), "e")
    offsets = [one.offset for one in final.publications]
    if final.recovered:
        assert same
        assert offsets == list(range(asked + 1, final.position.offset + 1))
    else:
        assert offsets == []
        assert not same or asked > top or asked < top - kept


def test_a_hole_in_what_arrived_is_never_papered_over():
    verdict = recovery.judge_stream(Position(3, "e"), [], Position(3, "e"), budget=0)
    with pytest.raises(codes.HangUp):
        recovery.merge(verdict, [(Publication(b"", offset=5), "e")])
    with pytest.raises(codes.HangUp):
        recovery.merge(verdict, [(Publication(b"", offset=4), "other")])


def test_more_than_fits_into_the_queue_is_not_recovered():
    missed = [Publication(b"x" * 600, offset=1), Publication(b"x" * 600, offset=2)]
    verdict = recovery.judge_stream(Position(0, ""), missed, Position(2, "e"), budget=1000)
    assert not verdict.recovered
