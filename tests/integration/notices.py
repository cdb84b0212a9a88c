"""A house in which notices go about: deputies, staff with scopes, and short ways to say things."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from domain.people import Person
from domain.permissions import Role
from domain.role_grants import GrantState, RoleGrant
from storage.grants import GrantStore
from tests.integration.conftest import Caller, RunningHub
from tests.integration.people import (
    BAI,
    CEN,
    FENG,
    LUO,
    SHAN,
    WEN,
    WU,
    XI,
    YIN,
    ZHANG,
    person,
    settle,
    ulid,
)  # fmt: skip

NOTICES = "/api/v1/notices"
ZHUO, TAO = ulid(40), ulid(41)
zhuo = person(ZHUO, "卓慕青", Role.MTG_STAFF, "mtg:m1")
tao = person(TAO, "陶令闻", Role.MTG_STAFF, "mtg:m1")

PUDONG = (WEN, ZHANG, SHAN, LUO)
DEPUTIES = (*PUDONG, CEN)


async def furnish(hub: RunningHub) -> RunningHub:
    """Let everybody in: five deputies, four of them of Pudong, and the staff."""
    await settle(hub.db, hub.hub.ground.vault)
    accounts = hub.services.identity.accounts
    for person_id in (*DEPUTIES, BAI, YIN, FENG, WU, XI):
        await accounts.prepare(person_id, by="system")
        await hub.db["account"].update_one({"_id": person_id}, {"$set": {"state": "active"}})
    return hub


async def meeting(hub: RunningHub, *people: str, meeting_id: str = "m1", **more: Any) -> None:
    """Put a meeting and its participants where the feature of meetings keeps them."""
    await hub.db["meeting"].insert_one(
        {"_id": meeting_id, "starts_at": hub.clock.now + timedelta(days=1), **more}
    )
    await hub.db["participant"].insert_many(
        [
            {"_id": f"{meeting_id}:{p}", "m": meeting_id, "p": p, "capacity": "member"}
            for p in people
        ]
    )


def draft(**more: Any) -> dict[str, Any]:
    """A notice to the delegation of Pudong, as it is posted."""
    return {
        "kind": "会议通知",
        "title": "分组会议改在 3 号厅",
        "body": "<p>请各位代表移步 3 号厅。</p>",
        "audience": {"delegations": ["pudong"]},
        **more,
    }


async def post(caller: Caller, **more: Any) -> Any:
    """Post a notice and answer its view."""
    reply = await caller.call("POST", NOTICES, draft(**more))
    assert reply.status == 201, reply.body
    return reply.json


async def told(hub: RunningHub, notice_id: str) -> dict[str, Any]:
    """Wait until everybody was told of a notice, and answer its document."""
    async with asyncio.timeout(10):
        while True:
            row = await hub.db["notice"].find_one({"_id": notice_id})
            assert row is not None
            if "due" not in row.get("fan", {}):
                return row
            await asyncio.sleep(0.01)


async def issued(hub: RunningHub, caller: Caller, **more: Any) -> Any:
    """Post a notice and wait until it has reached everybody."""
    notice = await post(caller, **more)
    await told(hub, notice["id"])
    return notice


async def receipts(hub: RunningHub, notice_id: str) -> dict[str, dict[str, Any]]:
    """The receipts of a notice by person."""
    rows = await hub.db["receipt"].find({"n": notice_id})
    return {row["p"]: row for row in rows}


def liaison_of(delegation: str, person_id: str = BAI) -> Person:
    """A liaison of one delegation."""
    return person(person_id, "柏令仪", Role.LIAISON, f"deleg:{delegation}")


async def grant(hub: RunningHub, person_id: str, role: Role, *scopes: str) -> None:
    """Give somebody a role over some scopes."""
    at = hub.clock.now
    await GrantStore(hub.db).add(
        RoleGrant(
            id=hub.hub.web.new_id(),
            person_id=person_id,
            role=role,
            scopes=frozenset(scopes),
            since=at,
            state=GrantState.GRANTED,
            reason="任命",
            asked_by="system",
            asked_at=at,
        )
    )
