"""The opening of the second session (PRODUCT.md §10.8, 1) as far as notices and pointer go.

The full demo house is loaded, and every deputy is there with a socket of their own. The roll is
called at six gates, the quorum is reached at two thirds, the staff open the meeting, move the
pointer and send a live notice; everybody reads it at once and the staff see the board fill.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from demo.load import Loader
from domain.people import Grant, Person
from domain.permissions import Role
from tests.integration.hall import REDUCE
from tests.integration.people import person, ulid
from tests.phones import Phone, everybody_connects, everybody_hears
from tests.snapshots import announced, following

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

MEETINGS = "/api/v1/meetings"
SIZE = int(os.environ.get("HUB_TEST_OPENING", "860"))
"""How many of the 860 deputies hold a phone."""
GATES = 6


@pytest.fixture
async def house(hub):
    """The full house on the morning of the opening, without the limit of five sockets each."""
    ground = hub.hub.ground
    await Loader(hub.db, ground.vault, ground.audit, clock=ground.clock).load(full=True)
    live = hub.hub.realtime.hub
    live.limits = replace(live.limits, connects=0)
    return hub


async def opening(house, staff):
    """Plan the opening, put every deputy on its list, and announce it."""
    session = await house.db["session"].find_one({"no": 2})
    planned = await staff.call(
        "POST",
        MEETINGS,
        {
            "kind": "npc", "title": "第一次全体会议（开幕）", "session_id": session["_id"],
            "starts_at": "2026-02-01T09:00:00+08:00",
        },
    )  # fmt: skip
    assert planned.status == 201, planned.body
    meeting = planned.json
    path = f"{MEETINGS}/{meeting['id']}"
    items = []
    for title in ("政府工作报告", "计划报告", "预算报告"):
        added = await staff.call("POST", f"{path}/agenda", {"title": title, "kind": "report"})
        assert added.status == 201, added.body
        items.append(added.json["id"])
    listed = await staff.call("POST", f"{path}/participants", {"deputies": True})
    assert listed.status in {200, 201}, listed.body
    return path, meeting["id"], items


async def move(staff, path, *states):
    for state in states:
        v = (await staff.call("GET", path)).json["v"]
        body = {"v": v} if state == "announce" else {"v": v, "to": state}
        where = "announce" if state == "announce" else "transitions"
        if state == "announce":
            body["urgent"] = "演示"
        moved = await staff.call("POST", f"{path}/{where}", body)
        assert moved.status in {200, 201}, moved.body


async def deputies(house):
    """Answer the deputies of the full house, signed in, with their tokens."""
    rows = await house.db["person"].find({"kind": "deputy", "state": "active"}, sort=[("_id", 1)])
    tokens = {}
    for row in rows:
        who = Person(
            id=row["_id"], name=row["name"], delegation_id=row["delegation_id"],
            grants=(Grant(role=Role.DEPUTY),),
        )  # fmt: skip
        tokens[row["_id"]] = (await house.sign_in(who)).token
    return tokens


async def test_the_opening_is_followed_by_every_deputy_and_the_board_fills_live(house):
    session = await house.db["session"].find_one({"no": 2})
    prepares = person(ulid(901), "卓慕青", Role.MTG_STAFF, f"session:{session['_id']}")
    path, meeting_id, items = await opening(house, await house.sign_in(prepares))
    console = prepares.model_copy(
        update={
            "grants": (
                Grant(
                    role=Role.MTG_STAFF,
                    scopes=frozenset({f"mtg:{meeting_id}", f"session:{session['_id']}"}),
                ),
            )
        }
    )
    staff = await house.sign_in(console)
    await move(staff, path, "announce", "ready")
    tokens = await deputies(house)
    assert len(tokens) == 860
    port = int(house.url.rpartition(":")[2])
    phones = [Phone(port, token) for token in list(tokens.values())[:SIZE]]
    with ExitStack() as stack:
        for phone in phones:
            stack.callback(phone.close)
        began = time.perf_counter()
        await everybody_connects(phones, f"mtg:{meeting_id}")
        print(f"\n{len(phones)} phones connected and subscribed: {_since(began)}")
        view = f"{path}/state?channel=mtgstaff"
        async with following(house, staff, view, REDUCE) as desk:
            await _arrivals(staff, path, list(tokens), phones, desk)
            await _agenda(staff, path, items, phones)
            await _notice(house, staff, meeting_id, tokens, phones, desk)
            await announced(house)
            await desk.agrees()


async def _arrivals(staff, path, people, phones, desk):
    """Call the roll of 800 at six gates, nine of them twice; two thirds of 860 are 574."""
    chance, arrived = random.Random(20), people[:800]
    chance.shuffle(arrived)
    gates = [arrived[gate::GATES] for gate in range(GATES)]
    began = time.perf_counter()

    async def gate(queue):
        outcomes = []
        while queue:
            # A realistic curve: few at first, then up to fourteen at once.
            some = [queue.pop() for _ in range(min(len(queue), chance.randint(1, 14)))]
            marks = [{"person_id": it, "state": "present"} for it in some]
            reply = await staff.call("POST", f"{path}/attendance", {"marks": marks})
            outcomes += [it["outcome"] for it in reply.json["results"]]
        return outcomes

    outcomes = [it for one in await asyncio.gather(*map(gate, gates)) for it in one]
    assert outcomes == ["marked"] * 800
    again = [{"person_id": it, "state": "present"} for it in people[:9]]
    reply = await staff.call("POST", f"{path}/attendance", {"marks": again})
    assert {it["outcome"] for it in reply.json["results"]} == {"already"}
    print(f"800 marked at {GATES} gates: {_since(began)}")
    await everybody_hears(phones, "quorum")
    async with asyncio.timeout(15):
        while desk.state["quorum"]["present"] < 800:
            await asyncio.sleep(0.05)
    for phone in phones:
        (reached,) = phone.events("quorum")
        assert (reached["reached"], reached["needed"], reached["total"]) == (True, 574, 860)


async def _agenda(staff, path, items, phones):
    """Open the meeting and go through its agenda."""
    await move(staff, path, "in_session")
    await everybody_hears(phones, "mtg.state", count=1)
    for v, item in enumerate(items):
        began = time.perf_counter()
        moved = await staff.call("POST", f"{path}/pointer", {"item_id": item, "v": v})
        assert moved.status == 200
        times = sorted(
            1000 * (at - began) for at in await everybody_hears(phones, "agenda.pointer", v + 1)
        )
        p95 = times[int(0.95 * (len(times) - 1))]
        print(f"pointer to {len(phones)} phones: p95 {p95:.0f} ms, last {times[-1]:.0f} ms")
    for phone in phones:
        assert [it["item_id"] for it in phone.events("agenda.pointer")] == items


async def _notice(house, staff, meeting_id, tokens, phones, desk):
    """Send a live notice to everybody in the meeting; all who hold a phone read it at once."""
    began = time.perf_counter()
    posted = await staff.call(
        "POST",
        "/api/v1/notices",
        {
            "kind": "会议通知", "title": "请就座", "body": "<p>会议即将开始，请各位代表就座。</p>",
            "priority": "重要", "audience": {"meetings": [meeting_id]}, "meeting_id": meeting_id,
        },
    )  # fmt: skip
    assert posted.status == 201, posted.body
    notice = posted.json["id"]
    heard = sorted(1000 * (at - began) for at in await everybody_hears(phones, "notice.new"))
    p95 = heard[int(0.95 * (len(heard) - 1))]
    print(f"notice to {len(phones)} phones: p95 {p95:.0f} ms, last {heard[-1]:.0f} ms")
    assert all(len(phone.events("notice.new")) == 1 for phone in phones)
    began = time.perf_counter()
    async with asyncio.timeout(60):
        await asyncio.gather(*(phone.rpc("notice.read", {"ids": [notice]}) for phone in phones))
    print(f"{len(phones)} mark-reads at once: {_since(began)}")
    async with asyncio.timeout(30):
        while True:
            counts = [it for it in desk.events if it["type"] == "receipt.count"]
            if counts and counts[-1]["read"] == len(phones):
                break
            await asyncio.sleep(0.05)
    assert await house.db["receipt"].count({"n": notice}) == len(tokens)
    assert await house.db["receipt"].count({"n": notice, "read_at": {"$type": "date"}}) == len(
        phones
    )


def _since(began):
    return f"{time.perf_counter() - began:.1f} s"
