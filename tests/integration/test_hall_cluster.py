"""The hall on three processes with Redis between them: one quorum, one pointer, one state."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from tornado.httpclient import AsyncHTTPClient

from domain.permissions import Role
from server.assembly import build
from server.ground import lay
from server.neighbours import reach
from tests.cluster import cluster, until
from tests.integration.hall import ITEMS, MEETING, REDUCE, URL, convene
from tests.integration.people import ulid
from tests.integration.test_many_processes import House
from tests.snapshots import following

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(200)]

STATE = f"{URL}/state?channel=mtgstaff"


@pytest.fixture
async def house():
    with cluster(3) as running:
        await until(lambda: running.complete, 40)
        async with AsyncExitStack() as stack:
            ground = await lay(running.settings, stack, join=True)
            services = build(ground, reach(ground, stack))
            stack.callback(services.identity.hasher.close)
            client = AsyncHTTPClient(force_instance=True, max_clients=100)
            stack.callback(client.close)
            made = House(running, ground, services, client)
            made.db = ground.db
            await convene(ground.db, members=60)
            yield made


async def staff(house, name):
    person_id, _ = await house.enrol(name, role=Role.MTG_STAFF)
    await house.db["role_grant"].update_one(
        {"person_id": person_id}, {"$set": {"scopes": [f"mtg:{MEETING}"]}}
    )
    return await house.sign_in(person_id)


@pytest.mark.acceptance("F05-2", "F05-3")
async def test_on_three_processes_the_quorum_flips_once_and_one_of_two_pointers_wins(house):
    """F05-2, F05-3"""
    one, two = await staff(house, "卓慕青"), await staff(house, "陆行之")
    async with AsyncExitStack() as stack:
        consoles = [
            await stack.enter_async_context(following(house, caller, STATE, REDUCE))
            for caller in (one, two, one, two)
        ]
        marks = [{"person_id": ulid(800 + n), "state": "present"} for n in range(1, 61)]
        replies = await asyncio.gather(
            *((one, two)[n % 2].call("POST", f"{URL}/attendance", {"marks": [mark]})
              for n, mark in enumerate(marks))
        )  # fmt: skip
        assert {reply.status for reply in replies} == {200}
        for v in range(4):
            moves = await asyncio.gather(
                one.call("POST", f"{URL}/pointer", {"item_id": ITEMS[0], "v": v}),
                two.call("POST", f"{URL}/pointer", {"item_id": ITEMS[1], "v": v}),
            )
            assert sorted(reply.status for reply in moves) == [200, 409]
        for console in consoles:
            # A process that has just counted counts again within a second.
            async with asyncio.timeout(15):
                while console.state["quorum"]["present"] < 60:
                    await asyncio.sleep(0.05)
            state = await console.agrees()
            assert (state["quorum"]["reached"], state["pointer"]["v"]) == (True, 4)
            assert [it["reached"] for it in console.events if it["type"] == "quorum"] == [True]
