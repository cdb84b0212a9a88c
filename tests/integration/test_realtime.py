"""The product's channels at the real hub, heard through the official Python SDK."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager

import centrifuge
import pytest

from domain.errors import UpstreamDown
from domain.events import Event
from domain.people import AccountState, Flag, Grant, Person
from domain.permissions import Role
from tests.integration.test_identity import enrol, staff


class Ear(centrifuge.ClientEventHandler):
    """What an SDK client is told, in order."""

    def __init__(self):
        self.news = asyncio.Queue(1000)
        self.disconnected = asyncio.get_running_loop().create_future()

    async def on_publication(self, ctx):
        await self.news.put((ctx.channel, ctx.pub.data))

    async def on_disconnected(self, ctx):
        if not self.disconnected.done():
            self.disconnected.set_result(ctx)

    async def hears(self):
        async with asyncio.timeout(30):
            return await self.news.get()


class SubscriptionEar(centrifuge.SubscriptionEventHandler):
    def __init__(self):
        loop = asyncio.get_running_loop()
        self.subscribed, self.unsubscribed = loop.create_future(), loop.create_future()
        self.news = asyncio.Queue(1000)

    async def on_subscribed(self, ctx):
        if not self.subscribed.done():
            self.subscribed.set_result(ctx)

    async def on_unsubscribed(self, ctx):
        if not self.unsubscribed.done():
            self.unsubscribed.set_result(ctx)

    async def on_publication(self, ctx):
        await self.news.put(ctx.pub.data)


@asynccontextmanager
async def connected(caller, *, protobuf=False):
    """An SDK client of a person, with a token from the REST interface."""
    issued = (await caller.call("POST", "/api/v1/realtime/token")).json
    ear = Ear()
    client = centrifuge.Client(
        issued["websocket"], token=issued["token"], events=ear, use_protobuf=protobuf
    )
    await client.connect()
    await client.ready(timeout=30)
    try:
        yield client, ear
    finally:
        await client.disconnect()


async def listen(client, channel):
    ear = SubscriptionEar()
    subscription = client.new_subscription(channel, events=ear)
    await subscription.subscribe()
    async with asyncio.timeout(30):
        await asyncio.wait((ear.subscribed, ear.unsubscribed), return_when=asyncio.FIRST_COMPLETED)
    return subscription, ear


class Told(Event):
    type: str = "test.told"
    text: str


def told(hub, text):
    return Told(id=hub.hub.web.new_id(), at=hub.clock.now, text=text)


@pytest.mark.parametrize("protobuf", [False, True], ids=["json", "protobuf"])
async def test_everybody_has_a_private_channel_from_the_start(hub, protobuf):
    person_id = await staff(hub)
    async with connected(await hub.sign_in(person_id), protobuf=protobuf) as (_, ear):
        event = told(hub, "履职提醒")
        await hub.hub.ground.bus.publish(f"user:#{person_id}", event)
        channel, data = await ear.hears()
        assert channel == f"user:#{person_id}"
        if protobuf:
            import json

            data = json.loads(data)
        assert (data["id"], data["type"], data["text"]) == (event.id, "test.told", "履职提醒")


async def test_an_event_is_heard_once_however_often_it_is_announced(hub):
    person_id = await staff(hub)
    async with connected(await hub.sign_in(person_id)) as (_, ear):
        first, second = told(hub, "一"), told(hub, "二")
        for event in (first, first, second):
            await hub.hub.ground.bus.publish(f"user:#{person_id}", event)
        assert [(await ear.hears())[1]["text"] for _ in range(2)] == ["一", "二"]


@pytest.mark.parametrize(
    "channel",
    [
        "user:#somebody-else", "deleg:d1", "npcsc", "mtg:m1", "mtgstaff:m1", "mtgscreen:m1",
        "room:r1", "roommod:r1", "queue:o1", "desk:motion", "live:l1", "dash", "ops",
        "nosuch:thing", "deleg:", "news:extra",
    ],
)  # fmt: skip
async def test_who_has_no_right_to_a_channel_is_refused(hub, channel):
    person_id = await staff(hub)
    async with connected(await hub.sign_in(person_id)) as (client, _):
        _, ear = await listen(client, channel)
        assert ear.unsubscribed.done()
        assert ear.unsubscribed.result().code in {102, 103, 107}


@pytest.mark.parametrize("channel", ["news", "sys"])
async def test_everybody_may_listen_to_what_is_for_all(hub, channel):
    person_id = await staff(hub)
    async with connected(await hub.sign_in(person_id)) as (client, _):
        _, ear = await listen(client, channel)
        assert ear.subscribed.done()


def somebody(role, **more):
    scopes = frozenset(more.pop("scopes", ()))
    return Person(id="p1", name="某人", grants=(Grant(role=role, scopes=scopes),), **more)


@pytest.mark.parametrize(
    ("person", "channel"),
    [
        (somebody(Role.DEPUTY, delegation_id="d1"), "deleg:d1"),
        (somebody(Role.DEPUTY, group_id="g1"), "group:g1"),
        (somebody(Role.DEPUTY, committee_ids=frozenset({"c1"})), "cmte:c1"),
        (somebody(Role.LIAISON, scopes=["deleg:d1"]), "deleg:d1"),
        (somebody(Role.DEPUTY, flags=frozenset({Flag.NPCSC_MEMBER})), "npcsc"),
        (somebody(Role.MTG_STAFF, scopes=["mtg:m1"]), "mtg:m1"),
        (somebody(Role.MTG_STAFF, scopes=["mtg:m1"]), "mtgstaff:m1"),
        (somebody(Role.SCREEN, scopes=["mtg:m1"]), "mtgscreen:m1"),
        (somebody(Role.MODERATOR, scopes=["room:r1"]), "roommod:r1"),
        (somebody(Role.UNIT, scopes=["unit:o1"]), "queue:o1"),
        (somebody(Role.MOTION_CLERK), "desk:motion"),
        (somebody(Role.AUDITOR), "dash"),
        (somebody(Role.OPS), "ops"),
    ],
)
async def test_a_right_to_what_a_channel_tells_of_is_a_right_to_listen(person, channel):
    from handlers.channel import Directory
    from handlers.channels import CHANNELS

    directory = Directory(kind(None) for kind in CHANNELS)
    kind, key = directory.find(channel)
    assert await kind.may_listen(person, key)
    if kind.name != "mtgscreen":
        suspended = person.model_copy(update={"state": AccountState.SUSPENDED})
        assert not await kind.may_listen(suspended, key)


async def test_logging_out_everywhere_closes_every_socket_for_good_F01_3(hub):
    person_id = await staff(hub)
    caller, other = await hub.sign_in(person_id), await hub.sign_in(person_id)
    async with connected(caller) as (_, one), connected(other) as (_, two):
        async with asyncio.timeout(2):
            await hub.services.identity.sessions.revoke_all(
                person_id, by=person_id, reason="logout_all"
            )
            ends = [await ear.disconnected for ear in (one, two)]
        assert all(4500 <= end.code < 5000 and end.reason for end in ends)
        assert (await caller.call("GET", "/api/v1/me")).status == 401


async def test_one_session_ended_leaves_the_other_connected(hub):
    person_id = await staff(hub)
    caller, other = await hub.sign_in(person_id), await hub.sign_in(person_id)
    async with connected(caller) as (_, one), connected(other) as (client, two):
        await caller.call("DELETE", "/api/v1/session")
        async with asyncio.timeout(2):
            await one.disconnected
        assert not two.disconnected.done()
        assert "now" in (await client.rpc("clock.now", {})).data["result"]


async def test_a_role_that_ends_ends_its_channels_and_no_others(hub):
    person_id = await enrol(hub, "闻予澄", card={"committee_ids": ("c1",), "delegation_id": "d1"})
    async with connected(await hub.sign_in(person_id)) as (client, ear):
        _, committee = await listen(client, "cmte:c1")
        _, delegation = await listen(client, "deleg:d1")
        assert committee.subscribed.done()
        assert delegation.subscribed.done()

        await hub.db["person"].update_one({"_id": person_id}, {"$set": {"committee_ids": []}})
        async with asyncio.timeout(2):
            await hub.hub.ground.bus.recheck(person_id)
            ended = await committee.unsubscribed
        assert ended.code == 2000
        assert not delegation.unsubscribed.done()
        assert not ear.disconnected.done()


async def test_an_rpc_is_answered_with_a_result_or_with_the_envelope(hub):
    person_id = await staff(hub)
    async with connected(await hub.sign_in(person_id)) as (client, _):
        me = (await client.rpc("person.me", {})).data["result"]
        assert (me["id"], me["name"]) == (person_id, "卓慕青")
        refused = (await client.rpc("clock.now", [1, 2])).data["error"]
        assert refused["code"] == "bad_type"
        assert refused["request_id"]
        with pytest.raises(centrifuge.ReplyError) as refusal:
            await client.rpc("nobody.home", {})
        assert refusal.value.code == 104


async def test_raw_publishing_is_refused(hub):
    person_id = await staff(hub)
    async with connected(await hub.sign_in(person_id)) as (client, _):
        subscription, _ = await listen(client, "news")
        with pytest.raises(centrifuge.ReplyError) as refusal:
            await subscription.publish({"type": "news.new"})
        assert refusal.value.code == 103


async def test_a_token_of_another_hub_or_none_is_turned_away(hub):
    issued = (
        await (await hub.sign_in(await staff(hub))).call("POST", "/api/v1/realtime/token")
    ).json
    for token, code in ((issued["token"][:-4] + "AAAA", 3500), ("", 3501)):
        ear = Ear()
        client = centrifuge.Client(issued["websocket"], token=token, events=ear)
        await client.connect()
        async with asyncio.timeout(30):
            assert (await ear.disconnected).code == code


async def test_a_sixth_connection_of_one_person_lets_the_oldest_go(hub):
    caller = await hub.sign_in(await staff(hub))
    async with contextlib.AsyncExitStack() as stack:
        first, *others = [(await stack.enter_async_context(connected(caller)))[1] for _ in range(6)]
        async with asyncio.timeout(30):
            end = await first.disconnected
        assert end.code == 3504
        assert not any(ear.disconnected.done() for ear in others)


async def test_a_right_that_cannot_be_judged_is_asked_for_anew_and_the_connection_lives(
    hub, monkeypatch, caplog
):
    person_id = await enrol(hub, "闻予澄", card={"delegation_id": "d1"})
    async with connected(await hub.sign_in(person_id)) as (client, ear):
        subscription, delegation = await listen(client, "deleg:d1")
        sessions, again = hub.services.sessions, asyncio.Event()

        async def away(*_, **__):
            raise UpstreamDown("数据库暂时不可用", upstream="mongodb")

        async def back(_):
            again.set()

        monkeypatch.setattr(delegation, "on_subscribed", back)
        with monkeypatch.context() as gone:
            gone.setattr(sessions, "recognise", away, raising=False)
            async with asyncio.timeout(30):
                await hub.hub.ground.bus.recheck(person_id)
                while subscription.state is centrifuge.SubscriptionState.SUBSCRIBED:
                    await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await again.wait()
        assert not delegation.unsubscribed.done()
        assert not ear.disconnected.done()
        assert not [it for it in caplog.records if it.exc_info]
