"""The duty records of the demo are what the hub itself would have written."""

from __future__ import annotations

from collections import Counter

import pytest

from demo.load import Loader


@pytest.mark.parametrize("full", [False, True], ids=["mini", "full"])
async def test_the_records_of_the_demo_follow_from_its_attendance(hub, full):
    ground = hub.hub.ground
    await Loader(hub.db, ground.vault, ground.audit, clock=ground.clock).load(full=full)
    book = hub.services.duty.book
    before = await hub.db["duty_record"].find({}, sort=[("_id", 1)])
    # The hub finds nothing to do, and once it looks at everything again, nothing to change.
    for job in (book.follow, book.close, book.catch_up):
        assert await job() == 0
    await hub.db["attendance"].update_many({}, {"$set": {"unbooked": True}})
    while await book.follow():
        pass
    assert await hub.db["duty_record"].find({}, sort=[("_id", 1)]) == before
    states = Counter(row["state"] for row in before)
    assert states["confirmed"] > states["pending_confirm"] > states["objected"] > 0
    assert states["auto"] > 0
    if full:
        assert {"verifying", "corrected"} <= states.keys()
    wen = await hub.sign_in("闻予澄")
    mine = (await wen.call("GET", "/api/v1/me/duty-records")).json["items"]
    assert {it["state"] for it in mine} >= {"pending_confirm"}
    assert [it["start"] for it in mine] == sorted((it["start"] for it in mine), reverse=True)
