"""The meetings somebody takes part in, at the real hub."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.meetings import (
    BASE,
    MEMBERS,
    deputy,
    let_in,
    plan,
    settle,
    zhuo,
)

MINE = "/api/v1/me/meetings"
ME, OTHER = MEMBERS[0], MEMBERS[1]


@pytest.fixture
async def house(hub):
    await settle(hub.db)
    await let_in(hub, ME)
    return hub


async def meet(staff, title, *, days, with_me=True, to=("announced",), **more):
    """A meeting in some days, with me or with somebody else."""
    begins = BASE + timedelta(days=days)
    made = await plan(staff, title=title, starts_at=begins.isoformat(), ends_at=None, **more)
    people = [ME.id if with_me else OTHER.id]
    await made.call("POST", "/participants", {"people": people}, status=201)
    await made.move(*to)
    return made


async def titles(caller, query=""):
    reply = await caller.call("GET", f"{MINE}{query}")
    assert reply.status == 200, reply.body
    return [it["title"] for it in reply.json["items"]]


async def test_one_sees_the_meetings_one_takes_part_in_and_no_others(house):
    staff, me, anybody = [await house.sign_in(it) for it in (zhuo, ME, deputy)]
    await meet(staff, "还在筹备", days=10, to=())
    await meet(staff, "主任会议", days=20, kind="council")
    await meet(staff, "别人的", days=30, with_me=False)
    await meet(staff, "本次会议", days=40)
    assert await titles(me) == ["主任会议", "本次会议"]
    assert await titles(anybody) == []
    # Who prepares meetings takes part in none by that.
    assert await titles(staff) == []
    assert (await house.anybody.call("GET", MINE)).status == 401


async def test_what_is_to_come_has_the_next_first_and_what_is_over_the_latest(house):
    staff, me = [await house.sign_in(it) for it in (zhuo, ME)]
    ended = ("announced", "ready", "in_session", "closed")
    await meet(staff, "甲", days=30)
    await meet(staff, "乙", days=20, to=("announced", "ready", "in_session"))
    await meet(staff, "丙", days=40, to=("announced", "registration"))
    await meet(staff, "丁", days=21, to=ended)
    await meet(staff, "戊", days=22, to=("announced", "cancelled"))
    await meet(staff, "己", days=23, to=("cancelled",))
    assert await titles(me) == ["乙", "甲", "丙"]
    # A plan that was given up is nobody's business.
    assert await titles(me, "?over=true") == ["戊", "丁"]


@pytest.mark.parametrize("over", [False, True])
async def test_pages_follow_each_other_where_meetings_begin_at_the_same_time(house, over):
    staff, me = [await house.sign_in(it) for it in (zhuo, ME)]
    to = ("announced", "cancelled") if over else ("announced",)
    made = [await meet(staff, f"{n}", days=20 + n // 3, to=to) for n in range(5)]
    expected = [it.id for it in made]
    if over:
        expected.reverse()
    seen, cursor = [], ""
    while True:
        page = (await me.call("GET", f"{MINE}?over={over}&limit=2{cursor}")).json
        seen += [it["id"] for it in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == expected
    borrowed = (await me.call("GET", f"{MINE}?over={over}&limit=2")).json["next"]
    refused = await me.call("GET", f"/api/v1/meetings?cursor={borrowed}")
    assert (refused.status, refused.json["field"]) == (422, "cursor")


async def test_each_shows_ones_own_part_and_nobody_elses(house):
    staff, me = [await house.sign_in(it) for it in (zhuo, ME)]
    sitting = await meet(staff, "本次会议", days=20, to=("announced", "ready", "in_session"))
    await sitting.call("POST", "/participants", {"people": [OTHER.id]}, status=201)
    await meet(staff, "下次会议", days=40)
    spots = [{"no": f"A-3-{col}", "row": 3, "col": col, "block": "A"} for col in (7, 8)]
    await sitting.call("PUT", "/seats", {"seats": spots}, status=204)
    given = [
        {"no": "A-3-7", "person_id": OTHER.id},
        {"no": "A-3-8", "person_id": ME.id},
    ]
    await sitting.call("POST", "/seats", {"assignments": given})
    marks = [
        {"person_id": ME.id, "state": "late"},
        {"person_id": OTHER.id, "state": "present"},
    ]
    at = house.clock()
    await sitting.call("POST", "/attendance", {"marks": marks})
    first, second = (await me.call("GET", MINE)).json["items"]
    assert (first["id"], first["capacity"], first["place"]) == (
        sitting.id, "member", "人民大道200号",
    )  # fmt: skip
    assert first["seat"] == {"no": "A-3-8", "row": 3, "col": 8, "block": "A", "state": "assigned"}
    assert first["attendance"] == {
        "state": "late", "how": "roll_call", "gate": "",
        "at": at.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip
    assert (second["seat"], second["attendance"]) == (None, None)
    await sitting.call("POST", f"/attendance/{ME.id}/reverse", {"reason": "点错了人"})
    assert (await me.call("GET", MINE)).json["items"][0]["attendance"] is None


async def test_it_asks_the_database_as_often_for_many_meetings_as_for_one(house, monkeypatch):
    staff, me = [await house.sign_in(it) for it in (zhuo, ME)]
    await meet(staff, "一", days=20)
    asked = []
    collection = type(house.db["meeting"])
    real = collection.find

    async def find(self, *args, **kwargs):
        # The hub's own jobs ask as well, but not about me.
        if ME.id in str(args):
            asked.append(self)
        return await real(self, *args, **kwargs)

    monkeypatch.setattr(collection, "find", find)
    assert len(await titles(me)) == 1
    one = len(asked)
    monkeypatch.undo()
    for number in range(4):
        await meet(staff, f"{number}", days=21 + number)
    monkeypatch.setattr(collection, "find", find)
    asked.clear()
    assert len(await titles(me)) == 5
    assert len(asked) == one == 4
