"""Speaking at the real hub: the queue, the floor, the limits of each kind of meeting."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.integration.hall import (
    ITEMS,
    MEETING,
    REDUCE,
    URL,
    convene,
    elsewhere,
    enrol,
    member,
    stranger,
    zhuo,
)
from tests.integration.people import ulid
from tests.snapshots import following

SPEECH, FLOOR, STATE = f"{URL}/speech", f"{URL}/floor", f"{URL}/state"


@pytest.fixture
async def hall(hub):
    await convene(hub.db, members=12)
    await enrol(hub.db, [20], capacity="attend")
    await enrol(hub.db, [21], capacity="observe")
    return hub


async def ask(hall, number, item=None, status=201):
    caller = await hall.sign_in(member(number))
    reply = await caller.call("POST", SPEECH, {"item_id": item})
    assert reply.status == status, reply.body
    return reply.json


async def floor(staff, action, v, status=200, **more):
    reply = await staff.call("POST", FLOOR, {"action": action, "v": v, **more})
    assert reply.status == status, reply.body
    return reply.json


async def test_those_who_asked_speak_in_turn_and_the_screen_knows_when_to_chime(hall):
    staff = await hall.sign_in(zhuo)
    async with following(hall, await hall.sign_in(member(3)), STATE, REDUCE) as phone:
        first, second = await ask(hall, 1, ITEMS[0]), await ask(hall, 20)
        assert (first["turn"], first["limit_s"]) == (1, 600)
        assert (await phone.hears("speech.queue", count=2))["waiting"][1]["name"] == "代表20"
        now = await floor(staff, "give", 0)
        assert (now["turn"]["id"], now["ends_at"]) == (first["id"], "2026-02-01T01:10:00Z")
        heard = await phone.hears("speech.now")
        assert heard["ends_at"] == now["ends_at"]
        await floor(staff, "give", 1, status=409)
        hall.clock.advance(minutes=12)
        await floor(staff, "finish", 1)
        assert (await floor(staff, "give", 2))["turn"]["id"] == second["id"]
        state = await phone.agrees()
        assert state["speakers"]["waiting"] == []
    record = (await staff.call("GET", SPEECH)).json
    assert [(it["seconds"], it["over_s"]) for it in record["speeches"]] == [(720, 120)]
    assert record["totals"] == [
        {"person_id": member(1).id, "name": "代表1", "turns": 1, "seconds": 720}
    ]


async def test_a_second_turn_is_shorter_a_third_is_against_the_rule_and_the_chair_extends_once(
    hall,
):
    staff = await hall.sign_in(zhuo)
    v = 0
    for limit in (600, 300):
        assert (await ask(hall, 1, ITEMS[0]))["limit_s"] == limit
        await floor(staff, "give", v)
        if limit == 600:
            longer = await floor(staff, "extend", v + 1)
            assert (longer["ends_at"], longer["extended"]) == ("2026-02-01T01:15:00Z", True)
            await floor(staff, "extend", v + 2, status=409)
            v += 1
        hall.clock.advance(minutes=3)
        await floor(staff, "finish", v + 1)
        v += 2
    third = await ask(hall, 1, ITEMS[0], status=422)
    assert third["detail"]["rule_param"] == "speech.npcsc.turns"
    assert "常委会" in third["detail"]["source"]
    assert (await ask(hall, 1, ITEMS[1]))["turn"] == 1
    totals = (await staff.call("GET", SPEECH)).json["totals"]
    assert [(it["turns"], it["seconds"]) for it in totals] == [(2, 360)]


@pytest.mark.parametrize(
    ("kind", "first", "second", "extends"),
    [("npc", 600, 300, 422), ("presidium", 900, 600, 422), ("committee", 600, 300, 200)],
)
async def test_each_kind_of_meeting_has_its_own_limits(hall, kind, first, second, extends):
    await hall.db["meeting"].update_one({"_id": MEETING}, {"$set": {"kind": kind}})
    staff = await hall.sign_in(zhuo)
    assert (await ask(hall, 1))["limit_s"] == first
    await floor(staff, "give", 0)
    await floor(staff, "extend", 1, status=extends)
    assert (await ask(hall, 1))["limit_s"] == second


async def test_who_may_not_speak_is_told_why(hall):
    assert (await ask(hall, 21, status=403))["code"] == "forbidden"
    outsider = await hall.sign_in(stranger)
    assert (await outsider.call("POST", SPEECH, {})).status == 404
    await ask(hall, 1, ulid(999), status=422)
    await ask(hall, 1)
    await ask(hall, 1, status=409)
    for person in (elsewhere, member(1)):
        caller = await hall.sign_in(person)
        assert (await caller.call("GET", SPEECH)).status == 403
        body = {"action": "give", "v": 0}
        assert (await caller.call("POST", FLOOR, body)).status == 403
        assert (await caller.call("PUT", SPEECH, {"turns": [], "v": 1})).status == 403
    await hall.db["meeting"].update_one({"_id": MEETING}, {"$set": {"state": "closed"}})
    await ask(hall, 2, status=409)


async def test_the_queue_is_put_into_order_and_left_by_oneself_or_by_the_staff(hall):
    staff = await hall.sign_in(zhuo)
    turns = [await ask(hall, number) for number in (1, 2, 3)]
    ids = [turn["id"] for turn in turns]
    wrong = await staff.call("PUT", SPEECH, {"turns": ids[:2], "v": 3})
    assert (wrong.status, wrong.json["field"]) == (422, "turns")
    stale = await staff.call("PUT", SPEECH, {"turns": ids[::-1], "v": 2})
    assert (stale.status, stale.json["detail"]["v"]) == (409, 3)
    done = await staff.call("PUT", SPEECH, {"turns": ids[::-1], "v": 3})
    assert [turn["id"] for turn in done.json["waiting"]] == ids[::-1]
    one, two = await hall.sign_in(member(1)), await hall.sign_in(member(2))
    assert (await one.call("DELETE", f"{SPEECH}/{ids[1]}")).status == 404
    assert (await two.call("DELETE", f"{SPEECH}/{ids[1]}")).status == 204
    assert (await staff.call("DELETE", f"{SPEECH}/{ids[2]}")).status == 204
    assert (await floor(staff, "give", 0))["turn"]["id"] == ids[0]
    await floor(staff, "finish", 0, status=409)


async def test_many_who_ask_at_once_all_wait_and_everybody_sees_the_same_queue(hall):
    staff = await hall.sign_in(zhuo)
    chance = random.Random(3)
    async with (
        following(hall, await hall.sign_in(member(12)), STATE, REDUCE) as phone,
        following(hall, staff, f"{STATE}?channel=mtgstaff", REDUCE) as console,
    ):
        turns = await asyncio.gather(*(ask(hall, number) for number in range(1, 12)))
        gone = chance.sample(turns, 4)
        await asyncio.gather(
            *(staff.call("DELETE", f"{SPEECH}/{turn['id']}") for turn in gone),
            floor(staff, "give", 0, turn_id=next(it for it in turns if it not in gone)["id"]),
        )
        state = await phone.agrees()
        assert len(state["speakers"]["waiting"]) == 6
        assert (await console.agrees())["speakers"] == state["speakers"]
