"""``Idempotency-Key`` on the assembled hub: what a client repeats is done once, PRODUCT.md §2.7."""

from __future__ import annotations

import asyncio

from domain.idempotency import KEEP, LEASE
from tests.integration.people import bai, yin

VIEWS = "/api/v1/me/views"
DRAFT = {"list": "people", "name": "浦东的代表", "query": {"q": "pd"}}
KEY = {"Idempotency-Key": "a-key-of-the-client"}


async def names(caller):
    return [view["name"] for view in (await caller.call("GET", VIEWS)).json["views"]]


async def test_of_twenty_requests_at_once_one_is_done_and_the_others_hear_its_answer(hub):
    caller = await hub.sign_in(yin)

    async def until_answered():
        while True:
            reply = await caller.call("POST", VIEWS, DRAFT, headers=KEY)
            if reply.status != 409:
                return reply
            assert reply.code == "conflict"

    replies = await asyncio.gather(*(until_answered() for _ in range(20)))

    assert {reply.status for reply in replies} == {201}
    assert len({reply.body for reply in replies}) == 1
    assert sum("Idempotent-Replayed" not in reply.headers for reply in replies) == 1
    assert await names(caller) == ["浦东的代表"]


async def test_another_body_with_the_same_key_is_refused_and_another_person_is_somebody_else(hub):
    caller, other = await hub.sign_in(yin), await hub.sign_in(bai)
    assert (await caller.call("POST", VIEWS, DRAFT, headers=KEY)).status == 201

    refused = await caller.call("POST", VIEWS, DRAFT | {"name": "别的"}, headers=KEY)
    assert (refused.status, refused.json["field"]) == (422, "Idempotency-Key")
    assert (await other.call("POST", VIEWS, DRAFT, headers=KEY)).status == 201

    assert await names(caller) == await names(other) == ["浦东的代表"]


async def test_an_answer_is_kept_for_a_day_and_then_the_key_is_free(hub):
    caller = await hub.sign_in(yin)
    assert (await caller.call("POST", VIEWS, DRAFT, headers=KEY)).status == 201
    # The server forgets by this index; when it does is told in test_housekeeping.py.
    async with hub.db.raw() as raw:
        indexes = await (await raw["idempotency"].list_indexes()).to_list()
    assert [it["expireAfterSeconds"] for it in indexes if it["key"] == {"created_at": 1}] == [
        KEEP.total_seconds()
    ]
    row = await hub.db["idempotency"].find_one({})
    assert row["created_at"] == hub.clock()

    await hub.db["idempotency"].delete_many({})
    assert (await caller.call("POST", VIEWS, DRAFT | {"name": "次日"}, headers=KEY)).status == 201
    assert await names(caller) == ["次日", "浦东的代表"]


async def test_a_request_that_died_between_claim_and_answer_gives_its_key_back_in_time(hub):
    caller = await hub.sign_in(yin)
    await caller.call("POST", VIEWS, DRAFT, headers=KEY)
    # As the process would have left it, killed in the middle.
    await hub.db["idempotency"].update_one(
        {}, {"$set": {"state": "running"}, "$unset": {"body": True, "status": True}}
    )
    await hub.db["saved_view"].delete_many({})

    assert (await caller.call("POST", VIEWS, DRAFT, headers=KEY)).status == 409
    hub.clock.advance(seconds=LEASE.total_seconds())
    assert (await caller.call("POST", VIEWS, DRAFT, headers=KEY)).status == 201
    assert await names(caller) == ["浦东的代表"]
