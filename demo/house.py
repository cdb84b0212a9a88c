"""The parts of the demo house: real institutions of the city, an invented congress.

Sizes follow PRODUCT.md §10.1; ``mini`` keeps every delegation, committee and unit and shrinks only
the number of people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from ulid import ULID

from domain.clock import local_day
from domain.organisation import (
    Committee,
    CommitteeKind,
    Congress,
    Delegation,
    Group,
    Node,
    Org,
    OrgKind,
    Session,
)

DELEGATIONS: tuple[tuple[str, int, int], ...] = (
    # name, deputies in full, deputies in mini
    ("浦东新区", 140, 8), ("闵行区", 68, 4), ("宝山区", 62, 4), ("杨浦区", 56, 3),
    ("徐汇区", 54, 4), ("静安区", 54, 4), ("普陀区", 54, 4), ("嘉定区", 48, 3),
    ("松江区", 48, 3), ("虹口区", 44, 4), ("黄浦区", 44, 3), ("长宁区", 40, 3),
    ("奉贤区", 36, 2), ("青浦区", 34, 2), ("金山区", 30, 2), ("崇明区", 28, 4), ("解放军", 20, 3),
)  # fmt: skip

SPECIAL_COMMITTEES = (
    "法制委员会", "监察和司法委员会", "财政经济委员会", "教育科学文化卫生委员会",
    "城市建设环境保护委员会", "华侨民族宗教事务委员会", "外事委员会", "农业与农村委员会",
    "社会建设委员会",
)  # fmt: skip

WORKING_BODIES = ("法制工作委员会", "预算工作委员会", "代表工作委员会")

UNITS = (
    "市发展改革委", "市经济信息化委", "市商务委", "市教委", "市科委", "市公安局", "市民政局",
    "市司法局", "市财政局", "市人力资源社会保障局", "市规划资源局", "市生态环境局",
    "市住房城乡建设管理委", "市交通委", "市农业农村委", "市水务局", "市文化旅游局", "市卫生健康委",
    "市应急局", "市市场监管局", "市体育局", "市绿化市容局", "市数据局", "市高级人民法院",
    "市人民检察院",
)  # fmt: skip

_GROUP_SIZE = 16
"""Groups of the full house have 12–20 members; this is what the division aims at."""


class Ids:
    """ULIDs that come out the same for the same seed and base."""

    def __init__(self, random: Random, base: datetime) -> None:
        self._random = random
        self._millis = int(base.timestamp() * 1000)

    def __call__(self) -> str:
        """Answer the next one; each is a millisecond younger, so that they sort as made."""
        self._millis += 1
        value = self._millis << 80 | self._random.getrandbits(80)
        return str(ULID.from_bytes(value.to_bytes(16, "big")))


@dataclass(frozen=True)
class House:
    """Every part of the demo house, found by name."""

    congress: Congress
    sessions: tuple[Session, Session]
    delegations: dict[str, Delegation]
    groups: dict[str, tuple[Group, ...]]
    """The groups of each delegation, by the delegation's name."""
    standing: Committee
    committees: dict[str, Committee]
    """Special committees and working bodies."""
    orgs: dict[str, Org]

    def nodes(self) -> Iterator[Node]:
        """Yield every part, those that others refer to first."""
        yield self.congress
        yield from self.sessions
        yield from self.delegations.values()
        for groups in self.groups.values():
            yield from groups
        yield self.standing
        yield from self.committees.values()
        yield from self.orgs.values()


def build(base: datetime, new_id: Ids, *, full: bool) -> House:
    """Answer the house as it stands on the morning of the second session's opening day."""
    today = local_day(base)
    congress = Congress(
        id=new_id(),
        name="上海市第二十届人民代表大会（演示）",
        no=20,
        starts_on=today - timedelta(days=370),
        ends_on=today + timedelta(days=1456),
    )
    sessions = (
        Session(
            id=new_id(), name="第一次会议", congress_id=congress.id, no=1, active=False,
            starts_on=today - timedelta(days=365), ends_on=today - timedelta(days=359),
        ),
        Session(
            id=new_id(), name="第二次会议", congress_id=congress.id, no=2,
            starts_on=today, ends_on=today + timedelta(days=5),
        ),
    )  # fmt: skip
    delegations, groups = {}, {}
    for place, (name, many, few) in enumerate(DELEGATIONS):
        delegation = Delegation(
            id=new_id(), name=f"{name}代表团", district=name, sort=place, congress_id=congress.id
        )
        delegations[name] = delegation
        count = max(1, round((many if full else few) / _GROUP_SIZE))
        groups[name] = tuple(
            Group(
                id=new_id(),
                name=f"{name}第{_CHINESE[n]}代表小组",
                sort=n,
                delegation_id=delegation.id,
            )
            for n in range(count)
        )
    return House(
        congress=congress,
        sessions=sessions,
        delegations=delegations,
        groups=groups,
        standing=Committee(
            id=new_id(), name="常务委员会", kind=CommitteeKind.STANDING, congress_id=congress.id
        ),
        committees=_committees(congress, new_id),
        orgs={
            name: Org(id=new_id(), name=name, sort=place, kind=_kind_of(name))
            for place, name in enumerate(UNITS)
        },
    )


def _committees(congress: Congress, new_id: Ids) -> dict[str, Committee]:
    kinds = [(name, CommitteeKind.SPECIAL) for name in SPECIAL_COMMITTEES]
    kinds += [(name, CommitteeKind.WORKING) for name in WORKING_BODIES]
    return {
        name: Committee(id=new_id(), name=name, kind=kind, sort=place, congress_id=congress.id)
        for place, (name, kind) in enumerate(kinds, start=1)
    }


def _kind_of(unit: str) -> OrgKind:
    if unit.endswith("法院"):
        return OrgKind.COURT
    return OrgKind.PROCURATORATE if unit.endswith("检察院") else OrgKind.GOVERNMENT


_CHINESE = "一二三四五六七八九十"
