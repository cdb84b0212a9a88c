"""The roll-call and the quorum at the real hub, on one process and on several."""

from __future__ import annotations

import asyncio
import random

import pytest

from domain.attendance import Mark, Presence
from server.hall import build_attendance, build_hall
from tests.integration.hall import (
    MEETING,
    REDUCE,
    URL,
    convene,
    elsewhere,
    enrol,
    member,
    zhuo,
)
from tests.integration.people import ulid
from tests.snapshots import announced, following

ROLL = f"{URL}/attendance"
STATE = f"{URL}/state"


def who(number):
    return ulid(800 + number)


def roll(state, event):
    """The reducer of the roll: of each person the newest line."""
    if event["type"] != "attendance":
        return state
    lines = {line["person_id"]: line for line in state["lines"]}
    for line in event["lines"]:
        known = lines.get(line["person_id"])
        if known is None or known["v"] < line["v"]:
            lines[line["person_id"]] = line
    return {**state, "lines": [lines[key] for key in sorted(lines)]}


async def call(caller, state, *numbers):
    marks = [{"person_id": who(number), "state": state} for number in numbers]
    reply = await caller.call("POST", ROLL, {"marks": marks})
    assert reply.status == 200, reply.body
    return [it["outcome"] for it in reply.json["results"]]


@pytest.fixture
async def sixty(hub):
    """A meeting of the standing committee with sixty members, four guests, and its staff."""
    await convene(hub.db, members=60)
    await enrol(hub.db, range(61, 65), capacity="attend")
    return hub


@pytest.mark.acceptance("F05-2")
async def test_the_thirty_first_of_sixty_makes_a_quorum_and_one_who_leaves_ends_it(sixty):
    """F05-2"""
    staff, deputy = await sixty.sign_in(zhuo), await sixty.sign_in(member(1))
    quorum = sixty.services.hall.quorum
    async with following(sixty, deputy, STATE, REDUCE) as phone:
        await call(staff, "present", *range(1, 30))
        await call(staff, "late", 30)
        # Guests do not count, however many come.
        assert await call(staff, "present", 61, 62, 63, 64) == ["marked"] * 4
        await quorum.flush()
        state = await phone.agrees()
        assert state["quorum"] | {"v": 0, "at": None} == {
            "v": 0, "at": None, "present": 30, "total": 60, "needed": 31, "reached": False,
        }  # fmt: skip
        assert not [it for it in phone.events if it["type"] == "quorum"]

        await call(staff, "present", 31)
        await quorum.flush()
        reached = await phone.hears("quorum")
        assert (reached["present"], reached["needed"], reached["reached"]) == (31, 31, True)

        await call(staff, "left", 7)
        await quorum.flush()
        lost = await phone.hears("quorum", count=2)
        assert (lost["present"], lost["reached"]) == (30, False)
        assert lost["v"] > reached["v"]
        await phone.agrees()
        assert len([it for it in phone.events if it["type"] == "quorum"]) == 2


async def test_a_list_that_changes_changes_the_quorum_and_nobody_in_the_hall_is_struck_off(sixty):
    staff, deputy = await sixty.sign_in(zhuo), await sixty.sign_in(member(1))
    quorum, people = sixty.services.hall.quorum, f"{URL}/participants"
    async with following(sixty, deputy, STATE, REDUCE) as phone:
        await call(staff, "present", *range(1, 31))
        await quorum.flush()
        refused = await staff.call("DELETE", f"{people}/{who(1)}")
        assert (refused.status, refused.code) == (409, "bad_state")

        assert (await staff.call("DELETE", f"{people}/{who(60)}")).status == 204
        await quorum.flush()
        reached = await phone.hears("quorum")
        assert (reached["present"], reached["total"], reached["needed"]) == (30, 59, 30)
        assert reached["reached"]
        await phone.agrees()


@pytest.mark.acceptance("F05-2")
async def test_who_is_a_member_no_more_does_not_count_though_they_sit_in_the_hall(sixty):
    staff = await sixty.sign_in(zhuo)
    await call(staff, "present", *range(1, 32))
    meeting = URL.rpartition("/")[2]
    await sixty.db["participant"].update_many(
        {"_id": {"$in": [f"{meeting}:{who(1)}", f"{meeting}:{who(2)}"]}},
        {"$set": {"capacity": "observe"}},
    )
    await sixty.services.hall.quorum.count(meeting)
    quorum = (await staff.call("GET", f"{URL}/state")).json["quorum"]
    assert (quorum["present"], quorum["total"], quorum["reached"]) == (29, 58, False)


@pytest.mark.parametrize(
    ("kind", "members", "needed"),
    [
        ("npc", 860, 574), ("npc", 3, 2), ("presidium", 70, 47), ("presidium", 3, 2),
        ("npcsc", 62, 32), ("npcsc", 61, 31), ("committee", 18, 10), ("committee", 1, 1),
        ("other", 40, 0), ("npc", 0, 0),
    ],
)  # fmt: skip
async def test_each_kind_of_meeting_has_the_quorum_of_its_rule(hub, kind, members, needed):
    await hub.db["meeting"].insert_one({"_id": MEETING, "kind": kind, "state": "in_session"})
    if members:
        await enrol(hub.db, range(1, members + 1))
    await hub.services.hall.quorum.count(MEETING)
    _, hall = await hub.services.hall.console.shown(MEETING)
    assert (hall.quorum.total, hall.quorum.needed) == (members, needed)
    assert not hall.quorum.reached


async def test_saying_the_same_twice_changes_nothing_and_impossible_marks_are_refused(sixty):
    staff = await sixty.sign_in(zhuo)
    assert await call(staff, "present", 1, 99) == ["marked", "not_invited"]
    assert await call(staff, "present", 1) == ["already"]
    assert await call(staff, "absent", 1) == ["refused"]
    assert await call(staff, "left", 2) == ["refused"]
    assert await call(staff, "absent", 2) == ["marked"]
    assert await call(staff, "late", 2) == ["marked"]
    assert await call(staff, "left", 1) == ["marked"]
    assert await call(staff, "present", 1) == ["marked"]
    record = await sixty.db["attendance"].find_one({"_id": f"{MEETING}:{who(1)}"})
    assert [turn["state"] for turn in record["hist"]] == ["present", "left"]
    empty = await staff.call("POST", ROLL, {"marks": []})
    assert empty.status == 422
    wrong = await staff.call("POST", ROLL, {"marks": [{"person_id": who(1), "state": "void"}]})
    assert wrong.status == 422


async def test_a_mark_is_taken_back_with_a_reason_and_stays_in_the_history(sixty):
    staff = await sixty.sign_in(zhuo)
    await call(staff, "present", 1)
    path = f"{ROLL}/{who(1)}/reverse"
    assert (await staff.call("POST", path, {"reason": ""})).status == 422
    assert (
        await (await sixty.sign_in(elsewhere)).call("POST", path, {"reason": "误"})
    ).status == 403
    assert (
        await (await sixty.sign_in(member(1))).call("POST", path, {"reason": "误"})
    ).status == 403
    done = await staff.call("POST", path, {"reason": "认错了人"})
    assert (done.status, done.json["state"], done.json["v"]) == (200, "void", 2)
    assert (await staff.call("POST", path, {"reason": "再来"})).status == 409
    assert (await staff.call("POST", f"{ROLL}/{who(2)}/reverse", {"reason": "无"})).status == 404
    record = await sixty.db["attendance"].find_one({"_id": f"{MEETING}:{who(1)}"})
    assert (record["hist"][0]["reason"], record["hist"][0]["by"]) == ("认错了人", zhuo.id)
    assert await call(staff, "present", 1) == ["marked"]
    audited = await sixty.db["audit"].find({"action": "attendance.reverse"})
    assert [row["detail"]["person"] for row in audited] == [who(1)]


async def test_only_the_staff_of_this_meeting_call_its_roll(sixty):
    marks = {"marks": [{"person_id": who(1), "state": "present"}]}
    for person in (elsewhere, member(1)):
        caller = await sixty.sign_in(person)
        assert (await caller.call("POST", ROLL, marks)).status == 403
        assert (await caller.call("GET", ROLL)).status == 403
    await sixty.db["meeting"].update_one({"_id": MEETING}, {"$set": {"state": "archived"}})
    staff = await sixty.sign_in(zhuo)
    assert (await staff.call("POST", ROLL, marks)).code == "bad_state"


async def test_the_roll_of_a_snapshot_and_its_events_is_the_later_roll(sixty):
    staff = await sixty.sign_in(zhuo)
    chance = random.Random(5)
    await call(staff, "present", 1, 2, 3)
    async with following(sixty, staff, ROLL, roll) as board:
        states = ("present", "late", "left", "absent")
        await asyncio.gather(
            *(
                call(staff, chance.choice(states), *chance.sample(range(1, 65), 9))
                for _ in range(30)
            )
        )
        assert len((await board.agrees())["lines"]) > 50


async def test_on_several_processes_a_quorum_is_reached_once_and_the_count_is_right(sixty):
    """Eight services that share nothing but the database, as eight processes do."""
    ground, rules = sixty.hub.ground, sixty.services.administration.rules
    halls = [build_hall(ground, rules) for _ in range(8)]
    rolls = [build_attendance(ground, rules, hall) for hall in halls]
    deputy = await sixty.sign_in(member(1))
    async with following(sixty, deputy, STATE, REDUCE) as phone:
        await asyncio.gather(
            *(
                rolls[number % 8].call(MEETING, [Mark(who(number), Presence.PRESENT)], by=zhuo)
                for number in range(1, 61)
            )
        )
        await asyncio.gather(*(hall.quorum.flush() for hall in halls))
        state = await phone.agrees()
        assert (state["quorum"]["present"], state["quorum"]["reached"]) == (60, True)
        flips = [it["reached"] for it in phone.events if it["type"] == "quorum"]
        assert flips == [True]
    kept = (await sixty.db["hall"].find_one({"_id": MEETING}))["quorum"]
    assert (kept["open"], kept["flip"]) == (False, None)


async def test_coming_and_going_on_several_processes_leaves_the_right_count(sixty):
    ground, rules = sixty.hub.ground, sixty.services.administration.rules
    halls = [build_hall(ground, rules) for _ in range(4)]
    rolls = [build_attendance(ground, rules, hall) for hall in halls]
    chance = random.Random(11)
    staff = await sixty.sign_in(zhuo)
    async with following(sixty, staff, f"{STATE}?channel=mtgstaff", REDUCE) as console:
        for _ in range(6):
            await asyncio.gather(
                *(
                    rolls[at].call(
                        MEETING,
                        [
                            Mark(
                                who(chance.randint(1, 60)),
                                chance.choice([Presence.PRESENT, Presence.PRESENT, Presence.LEFT]),
                            )
                            for _ in range(5)
                        ],
                        by=zhuo,
                    )
                    for at in range(4)
                )
            )
            await asyncio.gather(*(hall.quorum.flush() for hall in halls))
        state = await console.agrees()
        there = await sixty.db["attendance"].count({"m": MEETING, "state": "present"})
        assert state["quorum"]["present"] == there
        flips = [it["reached"] for it in console.events if it["type"] == "quorum"]
        assert flips == [at % 2 == 0 for at in range(len(flips))]


async def test_a_process_that_dies_before_it_counts_or_tells_is_made_good(sixty, monkeypatch):
    quorum, attendance = sixty.services.hall.quorum, sixty.services.attendance
    staff = await sixty.sign_in(zhuo)

    async def dies(*_):
        raise ConnectionError("killed")

    async with (
        following(sixty, staff, f"{STATE}?channel=mtgstaff", REDUCE) as console,
        following(sixty, staff, ROLL, roll) as board,
    ):
        marks = [Mark(who(number), Presence.PRESENT) for number in range(1, 32)]
        with monkeypatch.context() as patch:
            patch.setattr(attendance, "_announce", dies)
            with pytest.raises(ConnectionError):
                await attendance.call(MEETING, marks, by=zhuo)
        with monkeypatch.context() as patch:
            patch.setattr(quorum, "_announce", dies)
            with pytest.raises(ConnectionError):
                await quorum.sweep()
        sixty.clock.advance(seconds=5)
        await attendance.catch_up()
        await quorum.sweep()
        assert (await console.hears("quorum"))["reached"] is True
        await console.agrees()
        assert len((await board.agrees())["lines"]) == 31
        await quorum.sweep()
        await announced(sixty)
        assert len([it for it in console.events if it["type"] == "quorum"]) == 1
