"""Invented people and parts of the house that tests of people share."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from domain.organisation import Committee, CommitteeKind, Congress, Delegation, Group, Org
from domain.people import AccountState, Grant, Person
from domain.permissions import Role
from domain.ports import Vault
from domain.roster import PHONE_DOMAIN, Card, Kind, mobile_context
from storage.client import Database
from storage.organisation import OrganisationStore
from storage.people import PeopleStore

CONGRESS = Congress(
    id="sh20", name="上海市第二十届人民代表大会（演示）", no=20,
    starts_on=date(2025, 1, 1), ends_on=date(2029, 12, 31),
)  # fmt: skip
PARTS = (
    CONGRESS,
    Delegation(id="pudong", name="浦东新区代表团", congress_id="sh20", sort=1),
    Delegation(id="chongming", name="崇明区代表团", congress_id="sh20", sort=2),
    Group(id="pudong-1", name="浦东第一代表小组", delegation_id="pudong"),
    Group(id="pudong-2", name="浦东第二代表小组", delegation_id="pudong"),
    Group(id="chongming-1", name="崇明第一代表小组", delegation_id="chongming"),
    Committee(id="shehui", name="社会建设委员会", congress_id="sh20", kind=CommitteeKind.SPECIAL),
    Org(id="jtw", name="市交通委"),
)


def ulid(number: int) -> str:
    """Answer an id that looks like a ULID and says who it is."""
    return f"{number:026}"


WEN, CEN, ZHANG, SHAN, LUO, BAI, YIN, FENG, WU, XI, GONE = (ulid(n) for n in range(1, 12))


def person(person_id: str, name: str, role: Role, *scopes: str, **fields: Any) -> Person:
    """Answer somebody who is signed in, their identity freshly proven."""
    return Person(
        id=person_id,
        name=name,
        grants=(Grant(role=role, scopes=frozenset(scopes)),),
        step_up_until=datetime(2030, 1, 1, tzinfo=UTC),
        **fields,
    )


wen = person(WEN, "闻予澄", Role.DEPUTY, delegation_id="pudong", group_id="pudong-1")
cen = person(CEN, "岑以宁", Role.DEPUTY, delegation_id="chongming")
bai = person(BAI, "柏令仪", Role.LIAISON, "deleg:pudong")
yin = person(YIN, "尹川辞", Role.ADMIN)
feng = person(FENG, "冯砚秋", Role.AUDITOR)
wu = person(WU, "邬嘉树", Role.UNIT, "unit:jtw", org_id="jtw")
xi = person(XI, "席知微", Role.CMTE_STAFF, "cmte:shehui")
suspended = wen.model_copy(update={"state": AccountState.SUSPENDED})

MOBILES = {WEN: "19900000001", CEN: "19900000002", ZHANG: "19900000003", SHAN: "19900000004"}


def cards() -> list[Card]:
    """Answer the cards of everybody above, and of one who left."""
    deputy: dict[str, Any] = {"kind": Kind.DEPUTY, "delegation_id": "pudong"}
    staff: dict[str, Any] = {"kind": Kind.STAFF}
    return [
        Card(
            id=WEN, name="闻予澄", group_id="pudong-1", committee_ids=("shehui",),
            deputy_no="D001", work_unit="浦东某中学", post="教师", office_phone="021-10000001",
            **deputy,
        ),
        Card(id=CEN, name="岑以宁", deputy_no="D002", kind=Kind.DEPUTY, delegation_id="chongming"),
        Card(id=ZHANG, name="章清", deputy_no="D003", office_phone="021-10000003", **deputy),
        Card(id=SHAN, name="单怀瑾", deputy_no="D004", show_mobile=True, **deputy),
        Card(id=LUO, name="骆叙白", deputy_no="D005", **deputy),
        Card(id=BAI, name="柏令仪", **staff),
        Card(id=YIN, name="尹川辞", **staff),
        Card(id=FENG, name="冯砚秋", **staff),
        Card(id=WU, name="邬嘉树", org_id="jtw", **staff),
        Card(id=XI, name="席知微", **staff),
        Card(id=GONE, name="乔望岳", state="left", post="前代表", **deputy),
    ]  # fmt: skip


def sealed(card: Card, mobile: str, vault: Vault) -> Card:
    """Answer a card with a mobile number."""
    return card.model_copy(
        update={
            "mobile_h": vault.blind(mobile, domain=PHONE_DOMAIN),
            "mobile_enc": vault.seal(mobile, context=mobile_context(card.id)),
        }
    )


async def settle(db: Database, vault: Vault) -> None:
    """Build the house and let everybody in."""
    parts = OrganisationStore(db)
    for part in PARTS:
        await parts.put(part)
    await PeopleStore(db).add_many(
        [sealed(card, MOBILES[card.id], vault) if card.id in MOBILES else card for card in cards()]
    )


class Ears:
    """A bus that remembers what was said."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.rechecked: list[str] = []

    async def publish(self, channel: str, event: Any) -> None:
        self.heard.append((channel, event))

    async def recheck(self, person_id: str) -> None:
        self.rechecked.append(person_id)

    async def disconnect(self, person_id: str, *, code: int, reason: str) -> None: ...

    async def disconnect_session(self, session_id: str, *, code: int, reason: str) -> None: ...

    def types(self, channel: str) -> list[str]:
        return [event.type for heard, event in self.heard if heard == channel]
