"""Who belongs where: delegations, groups, committees and the flags that go with them.

A deputy is in one delegation and in one group of it at most; only deputies join groups and
committees (PRODUCT.md §5, M05 and M08). Each change is audited, and open subscriptions of the
person are judged anew at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol, TypeVar

from domain.clock import Clock
from domain.errors import Conflict, Invalid, NotFound, RuleViolation
from domain.organisation import Committee, Delegation, Group, Node, Org, OrganisationStore
from domain.people import Flag, Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus
from domain.roster import Card, Kind, Roster

N = TypeVar("N", bound=Node)

MOST_CONVENERS = 3
"""Conveners of a group (SH-办法 22: one to three)."""


class CardWatch(Protocol):
    """Wants to know when cards change."""

    async def changed(self, person_id: str) -> None:
        """Tell those who keep the card among their favourites."""


class MemberRoster(Roster, Protocol):
    """The roster, and who is in a scope."""

    async def members(self, scope: str) -> list[Card]:
        """Answer the active cards of a scope such as ``group:…``, by sort key."""


class Words(Protocol):
    """Knows the dictionaries."""

    async def require(self, dictionary: str, codes: Collection[str], *, field: str) -> None:
        """Do nothing if all codes can be chosen today.

        Raises:
            Invalid: One cannot.
        """


class MembershipService:
    """Moves people between the parts of the house; admins only."""

    def __init__(
        self,
        roster: MemberRoster,
        house: OrganisationStore,
        watch: CardWatch,
        words: Words,
        *,
        audit: AuditLog,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._roster = roster
        self._house = house
        self._watch = watch
        self._words = words
        self._audit = audit
        self._bus = bus
        self._clock = clock

    async def join_delegation(
        self, person_id: str, delegation_id: str, *, v: int, by: Person
    ) -> Card:
        """Put a deputy into a delegation, and out of the group and the offices held in another.

        Raises:
            NotFound: Person or delegation is not there.
            RuleViolation: The person is not a deputy in office.
            Conflict: The card is no longer at version ``v``.
        """
        card = await self._deputy(person_id, v=v, by=by)
        await self._part(Delegation, delegation_id)
        if card.delegation_id == delegation_id:
            return card
        change: dict[str, Any] = {
            "delegation_id": delegation_id,
            "group_id": None,
            "flags": card.flags - _OF_A_DELEGATION,
        }
        return await self._keep(card, change, by, "delegation.join", f"delegation:{delegation_id}")

    async def join_group(
        self, person_id: str, group_id: str, *, leaving: str | None, v: int, by: Person
    ) -> Card:
        """Put a deputy into a group of their delegation.

        Args:
            person_id: Who.
            group_id: Where to.
            leaving: The group the deputy is in now, if any; naming it says that a move is meant.
            v: Version of the card as it was read.
            by: Who decides.

        Raises:
            NotFound: Person or group is not there.
            RuleViolation: Not a deputy, another delegation's group, or already in a group that
                was not named in ``leaving``.
            Conflict: The card is no longer at version ``v``.
        """
        card = await self._deputy(person_id, v=v, by=by)
        group = await self._part(Group, group_id)
        if group.delegation_id != card.delegation_id:
            raise RuleViolation("该代表不属于此代表团，不能编入其代表小组", rule="group.delegation")
        if card.group_id == group_id:
            return card
        if card.group_id != leaving:
            raise RuleViolation(
                "该代表已编入其他代表小组，一名代表只能编入一个小组",
                rule="group.single",
                source="PRODUCT.md M08",
                detail={"group_id": card.group_id},
            )
        change = {"group_id": group_id, "flags": card.flags - {Flag.GROUP_CONVENER}}
        return await self._keep(card, change, by, "group.join", f"group:{group_id}")

    async def leave_group(self, person_id: str, group_id: str, *, v: int, by: Person) -> Card:
        """Take a deputy out of a group.

        Raises:
            NotFound: The person is not in the group.
            Conflict: The card is no longer at version ``v``.
        """
        card = await self._card(person_id, v=v, by=by)
        if card.group_id != group_id:
            raise NotFound
        change = {"group_id": None, "flags": card.flags - {Flag.GROUP_CONVENER}}
        return await self._keep(card, change, by, "group.leave", f"group:{group_id}")

    async def join_committee(
        self, person_id: str, committee_id: str, *, v: int, by: Person
    ) -> Card:
        """Make a deputy a member of a committee.

        Raises:
            NotFound: Person or committee is not there.
            RuleViolation: The person is not a deputy in office.
            Conflict: The card is no longer at version ``v``.
        """
        card = await self._deputy(person_id, v=v, by=by)
        await self._part(Committee, committee_id)
        if committee_id in card.committee_ids:
            return card
        change = {
            "committee_ids": (*card.committee_ids, committee_id),
            "flags": card.flags | {Flag.COMMITTEE_MEMBER},
        }
        return await self._keep(card, change, by, "committee.join", f"committee:{committee_id}")

    async def leave_committee(
        self, person_id: str, committee_id: str, *, v: int, by: Person
    ) -> Card:
        """End a membership of a committee.

        Raises:
            NotFound: The person is not a member.
            Conflict: The card is no longer at version ``v``.
        """
        card = await self._card(person_id, v=v, by=by)
        if committee_id not in card.committee_ids:
            raise NotFound
        rest = tuple(other for other in card.committee_ids if other != committee_id)
        flags = card.flags if rest else card.flags - {Flag.COMMITTEE_MEMBER}
        change = {"committee_ids": rest, "flags": flags}
        return await self._keep(card, change, by, "committee.leave", f"committee:{committee_id}")

    async def join_org(self, person_id: str, org_id: str, *, v: int, by: Person) -> Card:
        """Say which unit somebody works for.

        Raises:
            NotFound: Person or unit is not there.
            Conflict: The card is no longer at version ``v``.
        """
        card = await self._card(person_id, v=v, by=by)
        await self._part(Org, org_id)
        return await self._keep(card, {"org_id": org_id}, by, "org.join", f"org:{org_id}")

    async def set_flags(
        self, person_id: str, flags: frozenset[Flag], *, v: int, by: Person
    ) -> Card:
        """Say what a deputy is besides being a deputy.

        ``committee_member`` and ``lead_sponsor`` follow from memberships and motions and stay.

        Raises:
            NotFound: The person is not there.
            RuleViolation: Not a deputy; a head without delegation or beside another head; a
                convener without group or beside three others.
            Conflict: The card is no longer at version ``v``.
        """
        card = await self._deputy(person_id, v=v, by=by)
        derived = frozenset({Flag.COMMITTEE_MEMBER, Flag.LEAD_SPONSOR})
        wanted = (flags - derived) | (card.flags & derived)
        await self._check_flags(card, wanted - card.flags)
        change = {"flags": wanted}
        return await self._keep(card, change, by, "flags.set", f"person:{person_id}")

    async def set_professions(
        self, person_id: str, professions: tuple[str, ...], *, v: int, by: Person
    ) -> Card:
        """Say which fields somebody is at home in; one that was retired meanwhile may stay.

        Raises:
            NotFound: The person is not there.
            Invalid: A new one is not offered by the dictionary ``profession``.
            Conflict: The card is no longer at version ``v``.
        """
        card = await self._card(person_id, v=v, by=by)
        wanted = tuple(dict.fromkeys(professions))
        new = set(wanted) - set(card.professions)
        await self._words.require("profession", new, field="professions")
        if wanted == card.professions:
            return card
        obj = f"person:{person_id}"
        return await self._keep(card, {"professions": wanted}, by, "professions.set", obj)

    async def correct(
        self, person_id: str, fields: Mapping[str, Any], *, v: int, by: Person
    ) -> Card:
        """Correct what a card says: name, post, work unit, office number, e-mail, state.

        The state ``left`` takes somebody out of the directory; what they did keeps the name.

        Raises:
            NotFound: The person is not there.
            Conflict: The card is no longer at version ``v``, or somebody who comes back has a
                number that is another's by now.
        """
        card = await self._card(person_id, v=v, by=by)
        changed = {name: value for name, value in fields.items() if getattr(card, name) != value}
        if not changed:
            return card
        return await self._keep(card, changed, by, "person.correct", f"person:{person_id}")

    async def members(self, kind: type[Node], node_id: str) -> list[Card]:
        """Answer the active members of a part, by sort key.

        Raises:
            NotFound: There is no such part.
        """
        if await self._house.get(kind, node_id) is None:
            raise NotFound
        return await self._roster.members(f"{SCOPES[kind]}:{node_id}")

    async def _check_flags(self, card: Card, new: frozenset[Flag]) -> None:
        heads = {Flag.DELEGATION_HEAD, Flag.DELEGATION_DEPUTY_HEAD}
        if new & heads and card.delegation_id is None:
            raise RuleViolation("该代表未编入代表团", rule="delegation.head")
        if Flag.DELEGATION_HEAD in new:
            fellows = await self._roster.members(f"deleg:{card.delegation_id}")
            if any(Flag.DELEGATION_HEAD in fellow.flags for fellow in fellows):
                raise RuleViolation("该代表团已有团长", rule="delegation.head")
        if Flag.GROUP_CONVENER in new:
            if card.group_id is None:
                raise RuleViolation("该代表未编入代表小组", rule="group.convener")
            fellows = await self._roster.members(f"group:{card.group_id}")
            conveners = [fellow for fellow in fellows if Flag.GROUP_CONVENER in fellow.flags]
            if len(conveners) >= MOST_CONVENERS:
                raise RuleViolation(
                    "代表小组召集人为一至三人", rule="group.convener", source="SH-办法 22"
                )

    async def _card(self, person_id: str, *, v: int, by: Person) -> Card:
        by.require(Permission.ROSTER_MANAGE)
        card = await self._roster.get(person_id)
        if card is None:
            raise NotFound
        if card.v != v:
            raise Conflict("内容已被他人修改，请刷新后重试", detail={"v": card.v})
        return card

    async def _deputy(self, person_id: str, *, v: int, by: Person) -> Card:
        card = await self._card(person_id, v=v, by=by)
        if card.kind is not Kind.DEPUTY or not card.active:
            raise RuleViolation("该人员不是在任代表", rule="member.deputy", source="PRODUCT.md M05")
        return card

    async def _part(self, kind: type[N], node_id: str) -> N:
        node = await self._house.get(kind, node_id)
        if node is None:
            raise NotFound
        if not node.active:
            raise Invalid("该机构已撤销", field=f"{kind.noun}_id")
        return node

    async def _keep(
        self, card: Card, change: Mapping[str, Any], by: Person, action: str, obj: str
    ) -> Card:
        stored = await self._roster.put(
            card.model_copy(update={**change, "updated_at": self._clock(), "updated_by": by.id})
        )
        before = sorted(card.audience | {flag.value for flag in card.flags})
        after = sorted(stored.audience | {flag.value for flag in stored.flags})
        await self._audit.record(
            action,
            by=by.id,
            obj=obj,
            detail={
                "person": card.id,
                "fields": sorted(change),
                "before": before,
                "after": after,
            },
        )
        await self._bus.recheck(card.id)
        await self._watch.changed(card.id)
        return stored


SCOPES: Mapping[type[Node], str] = {
    Delegation: "deleg",
    Group: "group",
    Committee: "cmte",
    Org: "unit",
}
"""How grants and audiences call the parts of the house."""

_OF_A_DELEGATION = frozenset(
    {Flag.DELEGATION_HEAD, Flag.DELEGATION_DEPUTY_HEAD, Flag.GROUP_CONVENER}
)
