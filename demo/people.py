"""The people of the demo house: the named ones of PRODUCT.md §10.2, and a crowd around them.

Everybody here is invented. ``mini`` has 60 deputies and the staff that the scenes need, ``full``
860 deputies and 140 others with an account, beside 24 people of inactive units without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from demo.house import DELEGATIONS, UNITS, House, Ids
from demo.names import names
from domain.people import Flag
from domain.permissions import Role
from domain.roster import Card, Kind


@dataclass(frozen=True)
class Resident:
    """One invented person: the card, the mobile number in clear, the roles, the way in.

    ``username`` is set for those who may sign in with a password, which in the demo are the named
    people; ``account`` is false for people on the roster who have no account.
    """

    card: Card
    mobile: str
    grants: tuple[tuple[Role, frozenset[str]], ...] = ()
    username: str = ""
    account: bool = True


@dataclass(frozen=True)
class _Named:
    name: str
    username: str
    delegation: str = ""
    committees: tuple[str, ...] = ()
    org: str = ""
    post: str = ""
    flags: frozenset[Flag] = frozenset()
    roles: tuple[Role, ...] = ()
    scopes: tuple[str, ...] = field(default=())


_MEMBER = frozenset({Flag.COMMITTEE_MEMBER})
_HEAD = frozenset({Flag.DELEGATION_HEAD, Flag.NPCSC_MEMBER})
_LEAD = frozenset({Flag.LEAD_SPONSOR})
_SOCIAL = "社会建设委员会"

_DEPUTIES = (
    _Named("闻予澄", "wenyucheng", "浦东新区", (_SOCIAL,), flags=_MEMBER),
    _Named("蔺书航", "linshuhang", "浦东新区", ("常务委员会",), flags=_HEAD),
    _Named("颜知遥", "yanzhiyao", "徐汇区", flags=_LEAD),
    _Named("骆叙白", "luoxubai", "闵行区"),
    _Named("苗听澜", "miaotinglan", "虹口区"),
    _Named("岑以宁", "cenyining", "崇明区"),
    _Named("屠可昕", "tukexin", "解放军"),
    _Named("单怀瑾", "shanhuaijin", "静安区"),
    _Named("尉迟望舒", "yuchiwangshu", "普陀区"),
    _Named("阿依慕·努尔", "ayimu", "宝山区"),
    _Named("章清和", "zhangqinghe", "长宁区"),
)  # fmt: skip

_STAFF = (
    _Named("柏令仪", "bolingyi", "浦东新区", post="代表团联络员", roles=(Role.LIAISON,)),
    _Named("管星野", "guanxingye", "徐汇区", post="代表团联络员", roles=(Role.LIAISON,)),
    _Named("卓慕青", "zhuomuqing", post="大会秘书处会务组", roles=(Role.MTG_STAFF,)),
    _Named("樊则安", "fanzean", post="大会秘书处议案组", roles=(Role.MOTION_CLERK,)),
    _Named("谷雨蒙", "guyumeng", post="市政府办公厅", roles=(Role.GOV_DISPATCH,)),
    _Named("邬嘉树", "wujiashu", org="市交通委", post="经办人", roles=(Role.UNIT,)),
    _Named("龚岫云", "gongxiuyun", org="市交通委", post="签发人", roles=(Role.UNIT_HEAD,)),
    _Named("席知微", "xizhiwei", "", (_SOCIAL,), post=f"{_SOCIAL}办公室", roles=(Role.CMTE_STAFF,)),
    _Named("桂南枝", "guinanzhi", post="新闻组", roles=(Role.EDITOR, Role.MODERATOR)),
    _Named("尹川辞", "yinchuanci", post="系统管理员", roles=(Role.ADMIN,)),
    _Named("温景澄", "wenjingcheng", post="系统管理员", roles=(Role.ADMIN,)),
    _Named("冯砚秋", "fengyanqiu", post="运维人员", roles=(Role.OPS,)),
    _Named("祁闻笛", "qiwendi", post="审计员", roles=(Role.AUDITOR,)),
)  # fmt: skip

NAMED = tuple(person.username for person in _DEPUTIES + _STAFF)
"""User names of the people a visitor of the demo can be, deputies first."""

_CROWD: tuple[tuple[Role, int, str], ...] = (
    # role, how many there are in the full house, post
    (Role.MTG_STAFF, 30, "大会秘书处会务组"),
    (Role.MOTION_CLERK, 8, "大会秘书处议案组"),
    (Role.GOV_DISPATCH, 4, "市政府办公厅"),
    (Role.EDITOR, 3, "新闻组"),
    (Role.MODERATOR, 4, "互动主持"),  # one of them is 桂南枝, who is counted as an editor
    (Role.ADMIN, 2, "系统管理员"),
    (Role.OPS, 2, "运维人员"),
    (Role.AUDITOR, 1, "审计员"),
)

_UNITS_WITH_STAFF = 13
_STANDING_SIZE = 62


class Population:
    """Makes everybody, in a fixed order for a given seed."""

    def __init__(self, house: House, random: Random, new_id: Ids, *, full: bool) -> None:
        self._house = house
        self._random = random
        self._new_id = new_id
        self._full = full
        taken = {person.name for person in _DEPUTIES + _STAFF}
        self._names = names(random, taken)
        self._mobile = 19900000000
        self._deputy_no = 0

    def residents(self) -> Iterator[Resident]:
        """Yield everybody: deputies by delegation, then staff, then people without an account."""
        named: dict[str, list[_Named]] = {person.delegation: [] for person in _DEPUTIES}
        for person in _DEPUTIES:
            named[person.delegation].append(person)
        standing = self._standing_seats()
        for name, many, few in DELEGATIONS:
            yield from self._delegation(
                name, named.get(name, []), many if self._full else few, standing
            )
        yield from self._staff()
        if self._full:
            yield from self._strangers()

    def _standing_seats(self) -> Iterator[bool]:
        """Yield, deputy by deputy, whether they sit on the standing committee."""
        place = 0
        crowd: list[int] = []
        for name, many, few in DELEGATIONS:
            known = sum(person.delegation == name for person in _DEPUTIES)
            size = many if self._full else few
            crowd += range(place + known, place + size)
            place += size
        seats = (_STANDING_SIZE if self._full else 6) - 1  # one is 蔺书航's
        chosen = set(self._random.sample(crowd, seats))
        return (at in chosen for at in range(place))

    def _delegation(
        self, name: str, named: list[_Named], size: int, standing: Iterator[bool]
    ) -> Iterator[Resident]:
        house = self._house
        groups = house.groups[name]
        special = [c for c in house.committees.values() if c.kind == "special"]
        head_is_named = any(Flag.DELEGATION_HEAD in person.flags for person in named)
        vice = 2 + (size > 50)
        for place in range(size):
            group = groups[place % len(groups)]
            seat = next(standing)
            if place < len(named):
                yield self._deputy(named[place], name, group.id)
                continue
            flags, committees = set(), []
            rank = place - len(named)
            if rank == 0 and not head_is_named:
                flags.add(Flag.DELEGATION_HEAD)
            elif rank <= vice and size > 3:
                flags.add(Flag.DELEGATION_DEPUTY_HEAD)
            if place < len(named) + len(groups):
                flags.add(Flag.GROUP_CONVENER)
            if seat:
                flags.add(Flag.NPCSC_MEMBER)
                committees.append(house.standing.id)
            if self._random.random() < 0.19:
                flags.add(Flag.COMMITTEE_MEMBER)
                committees.append(self._random.choice(special).id)
            crowd = _Named(next(self._names), "", name, flags=frozenset(flags))
            yield self._deputy(crowd, name, group.id, committees=tuple(committees))

    def _deputy(
        self, person: _Named, delegation: str, group_id: str, *, committees: tuple[str, ...] = ()
    ) -> Resident:
        self._deputy_no += 1
        house = self._house
        home = house.delegations[delegation].id
        mine = tuple(self._committee(name) for name in person.committees) or committees
        card = Card(
            id=self._new_id(),
            kind=Kind.DEPUTY,
            name=person.name,
            deputy_no=f"20{self._deputy_no:04d}",
            delegation_id=home,
            group_id=group_id,
            committee_ids=mine,
            post="代表",
            work_unit=f"{delegation}某单位",
            office_phone=self._office(),
            flags=person.flags,
        )
        grants = ((Role.DEPUTY, frozenset[str]()),)
        return Resident(card, self._next_mobile(), grants, username=person.username)

    def _staff(self) -> Iterator[Resident]:
        counted: dict[Role, int] = {}
        for person in _STAFF:
            for role in person.roles:
                counted[role] = counted.get(role, 0) + 1
            yield self._colleague(person)
        if not self._full:
            return
        staffed = {person.delegation for person in _STAFF if person.delegation}
        for name, _, _ in DELEGATIONS:
            for _ in range(2 - (name in staffed)):
                yield self._crowd(Role.LIAISON, "代表团联络员", delegation=name)
        committees = list(self._house.committees)
        for place in range(27 - counted[Role.CMTE_STAFF]):
            body = committees[place % len(committees)]
            yield self._crowd(Role.CMTE_STAFF, f"{body}办公室", committee=body)
        for role, many, post in _CROWD:
            for _ in range(many - counted.get(role, 0)):
                yield self._crowd(role, post)
        yield from self._units()

    def _units(self) -> Iterator[Resident]:
        """Thirteen units have a clerk and a head who can sign in; 市交通委's are named."""
        others = [name for name in UNITS if name != "市交通委"][: _UNITS_WITH_STAFF - 1]
        for name in others:
            yield self._crowd(Role.UNIT, "经办人", org=name)
            yield self._crowd(Role.UNIT_HEAD, "签发人", org=name)

    def _strangers(self) -> Iterator[Resident]:
        """The pairs of the twelve units that have not joined yet: on the roster, no account."""
        staffed = {
            "市交通委",
            *[name for name in UNITS if name != "市交通委"][: _UNITS_WITH_STAFF - 1],
        }
        for name in UNITS:
            if name not in staffed:
                for role, post in ((Role.UNIT, "经办人"), (Role.UNIT_HEAD, "签发人")):
                    resident = self._crowd(role, post, org=name)
                    yield Resident(resident.card, resident.mobile, account=False)

    def _crowd(
        self, role: Role, post: str, *, delegation: str = "", committee: str = "", org: str = ""
    ) -> Resident:
        return self._colleague(
            _Named(
                next(self._names), "", delegation, (committee,) if committee else (), org, post,
                roles=(role,),
            )
        )  # fmt: skip

    def _colleague(self, person: _Named) -> Resident:
        house = self._house
        home = house.delegations[person.delegation].id if person.delegation else None
        org = house.orgs[person.org].id if person.org else None
        bodies = tuple(self._committee(name) for name in person.committees)
        scopes = {f"cmte:{body}" for body in bodies}
        if home:
            scopes.add(f"deleg:{home}")
        if org:
            scopes.add(f"unit:{org}")
        if Role.MTG_STAFF in person.roles:
            scopes |= {f"session:{house.sessions[1].id}", f"cmte:{house.standing.id}"}
        card = Card(
            id=self._new_id(),
            kind=Kind.STAFF,
            name=person.name,
            delegation_id=home,
            committee_ids=bodies,
            org_id=org,
            post=person.post,
            work_unit=person.org or "市人大常委会办公厅",
            office_phone=self._office(),
        )
        scoped = {Role.LIAISON, Role.CMTE_STAFF, Role.MTG_STAFF, Role.UNIT, Role.UNIT_HEAD}
        grants = tuple(
            (role, frozenset(scopes) if role in scoped else frozenset()) for role in person.roles
        )
        return Resident(card, self._next_mobile(), grants, username=person.username)

    def _committee(self, name: str) -> str:
        if name == self._house.standing.name:
            return self._house.standing.id
        return self._house.committees[name].id

    def _next_mobile(self) -> str:
        self._mobile += 1
        return str(self._mobile)

    def _office(self) -> str:
        return f"021-2300{self._random.randrange(10_000):04d}"
