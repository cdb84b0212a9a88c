"""Screens and scanners: a narrow token, one channel, nothing else."""

from __future__ import annotations

import asyncio

import centrifuge
import pytest

from handlers.operation import operation_of
from server.application import METHODS, ROUTES, VERBS
from tests.integration.addresses import address as address_of
from tests.integration.conftest import Caller
from tests.integration.hall import ITEMS, MEETING, OTHER, REDUCE, URL, convene, elsewhere, zhuo
from tests.integration.test_realtime import Ear, SubscriptionEar
from tests.snapshots import announced, following, screening

DEVICES = f"{URL}/devices"
SCREEN = f"mtgscreen:{MEETING}"
STAFF_STATE = f"{URL}/state?channel=mtgstaff"


@pytest.fixture
async def hall(hub):
    await convene(hub.db)
    await convene(hub.db, meeting_id=OTHER)
    return hub


async def issue(hall, role="screen", **more):
    staff = await hall.sign_in(zhuo)
    reply = await staff.call("POST", DEVICES, {"name": "主屏", "role": role, **more})
    assert reply.status == 201, reply.body
    return staff, reply.json


def address(hall):
    return hall.url.replace("http", "ws") + "/connection/websocket"


async def plugged(hall, token):
    ear = Ear()
    client = centrifuge.Client(address(hall), token=token, events=ear, proxy=None)
    await client.connect()
    return client, ear


@pytest.mark.acceptance("M04-5")
async def test_a_screen_sees_its_meeting_and_may_do_nothing_else(hall):
    """M04-5"""
    _, issued = await issue(hall)
    assert issued["link"].endswith(f"/screen/#m={MEETING}&t={issued['token']}")
    caller = Caller(hall.url, hall.client, issued["token"])
    for route in ROUTES:
        for verb in VERBS:
            promise = operation_of(getattr(route.handler, verb, None))
            if promise is None or promise.access.value == "public":
                continue
            path = address_of(route, meeting_id=MEETING)
            body = None if verb in {"get", "delete"} else {}
            reply = await caller.call(verb.upper(), path, body)
            if path == f"{URL}/hall-code":
                # What it is there to show.
                assert reply.status == 200
                continue
            assert reply.status == 403, (verb, path, reply.status, reply.body)

    async with screening(hall, issued["token"], SCREEN, REDUCE) as screen:
        assert screen.state["title"] == "第一次全体会议"
    client, _ = await plugged(hall, issued["token"])
    try:
        for channel in ("news", "sys", "user:#x", f"mtg:{MEETING}", f"mtgscreen:{OTHER}", "ops"):
            ear = SubscriptionEar()
            await client.new_subscription(channel, events=ear).subscribe()
            async with asyncio.timeout(5):
                assert (await ear.unsubscribed).code == 103
        for method in METHODS:
            assert (await client.rpc(method.name, {})).data["error"]["code"] == "forbidden"
        with pytest.raises(centrifuge.ReplyError) as refusal:
            await client.publish(SCREEN, {"type": "screen.scene"})
        assert refusal.value.code == 103
    finally:
        await client.disconnect()


async def test_what_changes_while_the_first_state_is_read_comes_with_the_reply(hall, monkeypatch):
    staff, issued = await issue(hall)
    console = hall.services.hall.console
    read = console.shown

    async def slowly(meeting_id):
        state = await read(meeting_id)
        moved = await staff.call("POST", f"{URL}/pointer", {"item_id": ITEMS[1], "v": 0})
        assert moved.status == 200
        await announced(hall)
        return state

    monkeypatch.setattr(console, "shown", slowly)
    async with screening(hall, issued["token"], SCREEN, REDUCE) as screen:
        assert (await screen.hears("agenda.pointer"))["item_id"] == ITEMS[1]
        assert screen.state["pointer"]["v"] == 1


async def test_a_token_that_is_taken_back_ends_its_connection_within_two_seconds(hall):
    staff, issued = await issue(hall)
    async with following(hall, staff, STAFF_STATE, REDUCE) as console:
        client, ear = await plugged(hall, issued["token"])
        await client.ready(timeout=5)
        async with asyncio.timeout(2):
            gone = await staff.call("DELETE", f"{DEVICES}/{issued['device']['device_id']}")
            assert gone.status == 204
            assert (await ear.disconnected).code == 4504
        assert (await console.hears("device.state"))["state"] == "revoked"
    _, again = await plugged(hall, issued["token"])
    async with asyncio.timeout(5):
        assert (await again.disconnected).code == 3500
    twice = await staff.call("DELETE", f"{DEVICES}/{issued['device']['device_id']}")
    assert twice.status == 404
    assert await hall.db["audit"].count({"action": {"$in": ["device.issue", "device.revoke"]}}) == 2


async def test_a_token_is_shown_once_lapses_and_is_kept_only_as_a_fingerprint(hall):
    staff, issued = await issue(hall, until="2026-02-01T12:00:00+08:00")
    listed = (await staff.call("GET", DEVICES)).json["devices"]
    assert [it["device_id"] for it in listed] == [issued["device"]["device_id"]]
    assert issued["token"] not in str(listed)
    assert issued["token"] not in str(await hall.db["device_token"].find({}))
    caller = Caller(hall.url, hall.client, issued["token"])
    assert (await caller.call("GET", "/api/v1/me")).status == 403
    hall.clock.advance(hours=4)
    assert (await caller.call("GET", "/api/v1/me")).status == 401


async def test_a_scanner_has_no_channel_and_only_the_staff_of_the_meeting_let_devices_in(hall):
    _, issued = await issue(hall, role="scanner")
    assert issued["channel"] is None
    client, _ = await plugged(hall, issued["token"])
    try:
        ear = SubscriptionEar()
        await client.new_subscription(SCREEN, events=ear).subscribe()
        async with asyncio.timeout(5):
            assert (await ear.unsubscribed).code == 103
    finally:
        await client.disconnect()
    other = await hall.sign_in(elsewhere)
    draft = {"name": "主屏", "role": "screen"}
    assert (await other.call("POST", DEVICES, draft)).status == 403
    assert (await other.call("GET", DEVICES)).status == 403
    staff = await hall.sign_in(zhuo)
    for wrong in ({"role": "admin"}, {"until": "2026-01-31T12:00:00+08:00"}, {"name": ""}):
        assert (await staff.call("POST", DEVICES, draft | wrong)).status == 422
