"""Seats at the real hub."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.integration.hall import (
    MEETING,
    URL,
    convene,
    elsewhere,
    member,
    stranger,
    zhuo,
)
from tests.integration.people import ulid
from tests.snapshots import announced, following

SEATS = f"{URL}/seats"


def who(number):
    return ulid(800 + number)


def layout(rows, cols):
    return [
        {"no": f"{row}-{col}", "row": row, "col": col, "block": "中"}
        for row in range(1, rows + 1)
        for col in range(1, cols + 1)
    ]


def chart(state, event):
    """The reducer of the map: of each seat the newest version; what is removed is gone."""
    if event["type"] != "seat.changed":
        return state
    seats = {seat["no"]: seat for seat in state["seats"]}
    for seat in event["seats"]:
        known = seats.get(seat["no"])
        if known is None or known["v"] < seat["v"]:
            seats[seat["no"]] = seat
    shown = [seat for seat in seats.values() if seat["state"] != "removed"]
    return {**state, "seats": sorted(shown, key=lambda it: (it["row"], it["col"], it["no"]))}


@pytest.fixture
async def hall(hub):
    await convene(hub.db, members=40)
    staff = await hub.sign_in(zhuo)
    assert (await staff.call("PUT", SEATS, {"seats": layout(4, 5)})).status == 204
    return hub


@pytest.mark.acceptance("M04-2")
async def test_a_seat_given_twice_and_a_second_seat_for_one_are_409(hall):
    """M04-2"""
    staff = await hall.sign_in(zhuo)
    done = await staff.call("POST", f"{SEATS}/1-1/assign", {"person_id": who(1)})
    assert (done.status, done.json["outcome"]) == (200, "assigned")
    again = await staff.call("POST", f"{SEATS}/1-1/assign", {"person_id": who(1)})
    assert (again.status, again.json["outcome"]) == (200, "already")
    double = await staff.call("POST", f"{SEATS}/1-1/assign", {"person_id": who(2)})
    assert (double.status, double.code) == (409, "seat_taken")
    second = await staff.call("POST", f"{SEATS}/1-2/assign", {"person_id": who(1)})
    assert (second.status, second.code) == (409, "has_seat")
    assert (await staff.call("POST", f"{SEATS}/9-9/assign", {"person_id": who(3)})).status == 404
    guest = await staff.call("POST", f"{SEATS}/1-3/assign", {"person_id": ulid(99)})
    assert guest.status == 409


@pytest.mark.acceptance("M04-2")
async def test_of_twenty_who_are_given_one_seat_at_once_one_gets_it(hall):
    """M04-2"""
    staff = await hall.sign_in(zhuo)
    replies = await asyncio.gather(
        *(
            staff.call("POST", f"{SEATS}/2-2/assign", {"person_id": who(number)})
            for number in range(1, 21)
        )
    )
    assert sorted(reply.status for reply in replies) == [200] + [409] * 19
    held = await hall.db["seat"].find({"p": {"$type": "string"}})
    assert [row["no"] for row in held] == ["2-2"]


async def test_a_seat_is_given_taken_and_freed(hall):
    staff = await hall.sign_in(zhuo)
    assert (await staff.call("POST", f"{SEATS}/1-1/take")).code == "bad_state"
    await staff.call("POST", f"{SEATS}/1-1/assign", {"person_id": who(1)})
    assert (await staff.call("POST", f"{SEATS}/1-1/take")).json["state"] == "taken"
    freed = (await staff.call("POST", f"{SEATS}/1-1/free")).json
    assert (freed["state"], freed["person_id"]) == ("free", None)
    assert (await staff.call("POST", f"{SEATS}/1-1/free")).code == "bad_state"
    moved = await staff.call("POST", f"{SEATS}/3-3/assign", {"person_id": who(1)})
    assert moved.json["outcome"] == "assigned"


async def test_many_are_seated_at_once_and_what_cannot_be_done_is_named(hall):
    staff = await hall.sign_in(zhuo)
    wishes = [{"no": f"{1 + n // 5}-{1 + n % 5}", "person_id": who(1 + n)} for n in range(18)] + [
        {"no": "1-1", "person_id": who(30)},
        {"no": "4-4", "person_id": who(1)},
    ]
    results = (await staff.call("POST", SEATS, {"assignments": wishes})).json["results"]
    assert [it["outcome"] for it in results] == ["assigned"] * 18 + ["seat_taken", "has_seat"]


async def test_a_new_layout_keeps_who_sits_and_refuses_to_lose_anybody(hall):
    staff = await hall.sign_in(zhuo)
    await staff.call("POST", f"{SEATS}/4-5/assign", {"person_id": who(1)})
    refused = await staff.call("PUT", SEATS, {"seats": layout(3, 5)})
    assert (refused.status, refused.json["detail"]["seats"]) == (409, ["4-5"])
    twice = [*layout(1, 1), *layout(1, 1)]
    assert (await staff.call("PUT", SEATS, {"seats": twice})).status == 422
    async with following(hall, staff, SEATS, chart) as board:
        assert (await staff.call("PUT", SEATS, {"seats": layout(4, 5)[2:]})).status == 204
        assert len((await board.agrees())["seats"]) == 18
        wider = [seat | {"block": "东"} for seat in layout(5, 6)]
        assert (await staff.call("PUT", SEATS, {"seats": wider})).status == 204
        state = await board.agrees()
        assert len(state["seats"]) == 30
        assert {seat["person_id"] for seat in state["seats"]} == {None, who(1)}


async def test_the_map_of_a_snapshot_and_its_events_is_the_later_map(hall):
    staff, chance = await hall.sign_in(zhuo), random.Random(7)
    seats = [spot["no"] for spot in layout(4, 5)]

    async def act():
        no = chance.choice(seats)
        what = chance.choice(["assign", "assign", "assign", "take", "free"])
        body = {"person_id": who(chance.randint(1, 40))} if what == "assign" else None
        assert (await staff.call("POST", f"{SEATS}/{no}/{what}", body)).status in {200, 409}

    async with following(hall, await hall.sign_in(member(1)), SEATS, chart) as board:
        for _ in range(8):
            await asyncio.gather(*(act() for _ in range(8)))
        await board.agrees()


async def test_only_the_staff_give_seats_and_only_who_takes_part_sees_them(hall):
    for person in (elsewhere, member(1)):
        caller = await hall.sign_in(person)
        assert (await caller.call("PUT", SEATS, {"seats": []})).status == 403
        give = await caller.call("POST", f"{SEATS}/1-1/assign", {"person_id": who(1)})
        assert give.status == 403
    assert (await (await hall.sign_in(stranger)).call("GET", SEATS)).status == 404


async def test_what_was_kept_and_not_told_is_told_by_another_process(hall, monkeypatch):
    staff, seats = await hall.sign_in(zhuo), hall.services.seats

    async def dies(*_):
        raise ConnectionError("killed")

    async with following(hall, staff, SEATS, chart) as board:
        with monkeypatch.context() as patch:
            patch.setattr(seats, "_tell", dies)
            with pytest.raises(ConnectionError):
                await seats.assign(MEETING, [("1-1", who(1))], by=zhuo)
        hall.clock.advance(seconds=5)
        assert await seats.catch_up() == 1
        await announced(hall)
        await board.agrees()
        assert await seats.catch_up() == 0
