"""A standing committee, its meetings, and the people around them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from domain.organisation import Committee, CommitteeKind, Congress, Delegation, Session
from domain.people import Flag
from domain.permissions import Role
from domain.roster import Card, Kind
from storage.organisation import OrganisationStore
from storage.people import PeopleStore
from tests.integration.people import person, ulid

URL = "/api/v1/meetings"
BASE = datetime(2026, 2, 1, 1, 0, tzinfo=UTC)  # where the fake clock starts: 09:00 in Shanghai

SESSION = Session(
    id="s2", name="第二次会议", congress_id="sh20", no=2,
    starts_on=date(2026, 3, 20), ends_on=date(2026, 3, 25),
)  # fmt: skip
PARTS = (
    Congress(
        id="sh20", name="第二十届（演示）", no=20,
        starts_on=date(2025, 1, 1), ends_on=date(2029, 12, 31),
    ),
    SESSION,
    Delegation(id="pudong", name="浦东新区代表团", congress_id="sh20"),
    Committee(id="npcsc", name="常务委员会", congress_id="sh20", kind=CommitteeKind.STANDING),
    Committee(id="shehui", name="社会建设委员会", congress_id="sh20", kind=CommitteeKind.SPECIAL),
)  # fmt: skip

JOBS = (
    "meetings.announce", "meetings.archive", "opinions.announce", "opinions.remind",
    "results.announce", "signups.settle",
)  # fmt: skip

_SCOPES = ("cmte:npcsc", "session:s2")
zhuo = person(ulid(901), "卓慕青", Role.MTG_STAFF, *_SCOPES)
lu = person(ulid(902), "陆行之", Role.MTG_STAFF, *_SCOPES)
fang = person(ulid(903), "方既白", Role.MTG_STAFF, "cmte:shehui")
deputy = person(ulid(904), "路人甲", Role.DEPUTY, delegation_id="pudong")
MEMBERS = [
    person(
        ulid(1000 + n), f"委员{n}", Role.DEPUTY,
        delegation_id="pudong", flags=frozenset({Flag.NPCSC_MEMBER}),
    )
    for n in range(1, 7)
]  # fmt: skip


def deputies(count: int) -> list[Any]:
    """Deputies who are in no committee."""
    return [
        person(ulid(2000 + n), f"代表{n}", Role.DEPUTY, delegation_id="pudong")
        for n in range(1, count + 1)
    ]


async def settle(db, *, more: int = 0) -> None:
    """Found the standing committee and put everybody on the roster."""
    for job in JOBS:
        # Tests do this work themselves, so that they know when.
        mine = {"owner": "test", "until": datetime(2100, 1, 1, tzinfo=UTC), "token": 1}
        await db["lease"].replace_one(
            {"_id": f"job:{job}"}, {"_id": f"job:{job}", **mine}, upsert=True
        )
    parts = OrganisationStore(db)
    for part in PARTS:
        await parts.put(part)
    people = [*MEMBERS, deputy, *deputies(more)]
    await PeopleStore(db).add_many(
        [
            Card(
                id=it.id, name=it.name, kind=Kind.DEPUTY, delegation_id="pudong", flags=it.flags,
                deputy_no=f"N{it.id[-6:]}",
            )
            for it in people
        ]
    )  # fmt: skip


def draft(**more: Any) -> dict[str, Any]:
    """A meeting of the standing committee in twenty days."""
    begins = BASE + timedelta(days=20)
    return {
        "kind": "npcsc",
        "title": "常委会第十二次会议",
        "committee_id": "npcsc",
        "place": "人民大道200号",
        "starts_at": begins.isoformat(),
        "ends_at": (begins + timedelta(hours=4)).isoformat(),
        **more,
    }


class Planned:
    """A meeting, as its staff lead it."""

    def __init__(self, staff, view) -> None:
        self._staff = staff
        self.view = view

    @property
    def url(self) -> str:
        return f"{URL}/{self.view['id']}"

    @property
    def id(self) -> str:
        return self.view["id"]

    async def call(self, method: str, path: str, json=None, *, status: int = 200):
        reply = await self._staff.call(method, f"{self.url}{path}", json)
        assert reply.status == status, reply.body
        return reply.json if reply.body else None

    async def move(self, *states: str) -> None:
        """Go through states, announcing on the way."""
        for to in states:
            if to == "announced":
                announce = {"v": self.view["v"], "urgent": "工作需要临时召集"}
                self.view = await self.call("POST", "/announce", announce, status=201)
            else:
                said = {"v": self.view["v"], "to": to, "reason": "测试"}
                self.view = await self.call("POST", "/transitions", said)

    async def refresh(self) -> dict[str, Any]:
        self.view = await self.call("GET", "")
        return self.view


async def plan(staff, **more: Any) -> Planned:
    """Plan a meeting."""
    reply = await staff.call("POST", URL, draft(**more))
    assert reply.status == 201, reply.body
    return Planned(staff, reply.json)


async def let_in(hub, *people) -> None:
    """Open accounts, so that people can sign in and listen."""
    for it in people:
        await hub.services.identity.accounts.prepare(it.id, by="system")
        await hub.db["account"].update_one({"_id": it.id}, {"$set": {"state": "active"}})
        await hub.services.administration.grants.install(
            it.id, Role.DEPUTY, by="cli", reason="名册"
        )
