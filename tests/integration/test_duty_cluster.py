"""Duty records on four processes: the jobs write each once, while people are scanned everywhere."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from tornado.httpclient import AsyncHTTPClient

from domain.permissions import Role
from domain.roster import Card, Kind
from server.assembly import build
from server.ground import lay
from server.neighbours import reach
from storage.people import PeopleStore
from tests.cluster import cluster, until
from tests.integration.hall import MEETING, URL, convene
from tests.integration.people import ulid
from tests.integration.test_many_processes import House

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(200)]

PEOPLE = range(1, 41)


@pytest.fixture
async def house():
    with cluster(4) as running:
        await until(lambda: running.complete, 40)
        async with AsyncExitStack() as stack:
            ground = await lay(running.settings, stack, join=True)
            services = build(ground, reach(ground, stack))
            stack.callback(services.identity.hasher.close)
            client = AsyncHTTPClient(force_instance=True, max_clients=100)
            stack.callback(client.close)
            made = House(running, ground, services, client)
            made.db = ground.db
            await convene(ground.db, members=len(PEOPLE), kind="npc")
            await PeopleStore(ground.db).add_many(
                [Card(id=ulid(800 + n), name=f"代表{n}", kind=Kind.DEPUTY) for n in PEOPLE]
            )
            yield made


@pytest.mark.acceptance("F07-1")
async def test_on_four_processes_each_deputy_gets_one_record_and_hears_of_it_once(house):
    """F07-1"""
    person_id, _ = await house.enrol("卓慕青", role=Role.MTG_STAFF)
    await house.db["role_grant"].update_one(
        {"person_id": person_id}, {"$set": {"scopes": [f"mtg:{MEETING}"]}}
    )
    staff = await house.sign_in(person_id)
    # Each is present and gone again while the jobs are at work, and everything is said twice.
    for state in ("present", "present", "left", "left"):
        replies = await asyncio.gather(
            *(
                staff.call(
                    "POST",
                    f"{URL}/attendance",
                    {"marks": [{"person_id": ulid(800 + n), "state": state}]},
                )
                for n in PEOPLE
            )
        )
        assert {reply.status for reply in replies} == {200}
    async with asyncio.timeout(60):
        while (
            await house.db["attendance"].count({"unbooked": True})
            or await house.db["duty_record"].count({"untold": True})
            or await house.db["duty_record"].count({}) < len(PEOPLE)
        ):
            await asyncio.sleep(0.1)
    assert await house.db["duty_record"].count({}) == len(PEOPLE)
    rows = await house.db["outbox"].find({"line": {"$regex": "^user:#"}})
    told = [row["line"] for row in rows if '"duty.new"' in row["body"]["data"]]
    assert sorted(told) == sorted(f"user:#{ulid(800 + n)}" for n in PEOPLE)
