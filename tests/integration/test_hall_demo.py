"""The hall of the demo says of itself what the services would say."""

from __future__ import annotations

from collections import Counter

import pytest

from demo.load import Loader


@pytest.mark.parametrize("full", [False, True], ids=["mini", "full"])
async def test_the_opening_of_the_demo_is_as_if_it_had_been_driven_by_the_staff(hub, full):
    ground = hub.hub.ground
    await Loader(hub.db, ground.vault, ground.audit, clock=ground.clock).load(full=full)
    staff = await hub.sign_in("卓慕青")
    sitting = (await staff.call("GET", "/api/v1/meetings?state=in_session")).json["items"]
    (opening,) = [it for it in sitting if it["kind"] == "npc"]
    path = f"/api/v1/meetings/{opening['id']}"

    async def state():
        reply = await staff.call("GET", f"{path}/state?channel=mtgstaff")
        assert reply.status == 200, reply.body
        return reply.json

    before = await state()
    assert before["quorum"]["reached"]
    assert before["pointer"]["item_id"]
    assert len(before["speakers"]["waiting"]) == 3
    await hub.services.hall.quorum.count(opening["id"])
    assert (await state())["quorum"] == before["quorum"]
    lines = (await staff.call("GET", f"{path}/attendance")).json["lines"]
    assert len(lines) == before["quorum"]["present"]
    seats = (await staff.call("GET", f"{path}/seats")).json["seats"]
    assert len(seats) == 1200
    states = Counter(seat["state"] for seat in seats)
    assert states["taken"] == len(lines)
    assert states["taken"] + states["assigned"] == before["quorum"]["total"]
    leaves = (await staff.call("GET", f"{path}/leave")).json["leaves"]
    assert Counter(it["state"] for it in leaves)["submitted"] == 1
    assert {it["reason"] for it in leaves} == {None}
    if full:
        assert before["quorum"]["needed"] == 574
        assert len(leaves) == 12
    for sweep in (hub.services.attendance, hub.services.seats, hub.services.leave):
        assert await sweep.catch_up() == 0
