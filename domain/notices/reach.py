"""How far a right over notices goes: whom one may write to, and whose notices one may see.

Staff write to what they work for: a liaison to the delegation, committee staff to the committee,
meeting staff to the participants. Every part that an audience names must lie in one of their
scopes; what is taken away needs no right. 紧急 to all is a right of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from domain.errors import Forbidden
from domain.notices.notice import OWN, Notice, Priority
from domain.people import Person
from domain.permissions import Permission, Reach

Homes = Mapping[str, frozenset[str]]
"""For each part that an audience names, the scopes it lies in."""


def reaches_all(reached: int, *, deputies: int, share: Fraction) -> bool:
    """Tell whether so many of the deputies count as the whole house, whatever it is called."""
    return deputies > 0 and reached >= share * deputies


def require_reach(person: Person, priority: Priority, homes: Homes, *, whole: bool) -> None:
    """Do nothing if a person may publish to all of these parts.

    Raises:
        Forbidden: Not to some of them; ``detail.parts`` lists those.
    """
    if whole and priority is Priority.URGENT:
        _require_everywhere(person, Permission.NOTICE_PUBLISH_URGENT)
        return
    outside = _outside(person, Permission.NOTICE_PUBLISH, homes)
    if outside:
        raise Forbidden(
            "只能向本人负责的范围发布通知",
            detail={"permission": Permission.NOTICE_PUBLISH.value, "parts": sorted(outside)},
        )


def covers(person: Person, notice: Notice, homes: Homes) -> bool:
    """Tell whether a person may act on a notice: their own, or one to those they work for."""
    if _shares(person, notice):
        return True
    if not person.may(Permission.NOTICE_PUBLISH):
        return False
    return notice.author_id == person.id or not _outside(person, Permission.NOTICE_PUBLISH, homes)


def sees(person: Person, notice: Notice) -> bool:
    """Tell whether a person may look at a notice as its makers do; a draft is its author's."""
    if notice.author_id == person.id:
        return True
    if notice.state in OWN:
        return False
    wide, scopes = sight(person)
    return wide or _shares(person, notice) or not scopes.isdisjoint(notice.scopes)


def sight(person: Person) -> tuple[bool, frozenset[str]]:
    """Answer whether a person sees every notice, and otherwise those of which scopes."""
    permissions = (Permission.NOTICE_PUBLISH, Permission.RECEIPT_READ)
    held = [pair for permission in permissions for pair in person.rights(permission)]
    wide = any(cell.reach in {Reach.ALL, Reach.READ} for _, cell in held)
    scopes = [grant.scopes for grant, cell in held if cell.reach is Reach.SCOPE]
    return wide, frozenset().union(*scopes)


def names_shown(person: Person, notice: Notice) -> frozenset[str] | None:
    """Answer of which delegations a person may read the receipts with names; ``None``: of all.

    Raises:
        Forbidden: Of none.
    """
    person.require(Permission.RECEIPT_READ)
    if notice.author_id == person.id:
        return None
    delegations: set[str] = set()
    for grant, cell in person.rights(Permission.RECEIPT_READ):
        if cell.reach is not Reach.SCOPE:
            return None
        kinds = {scope: scope.partition(":")[0] for scope in grant.scopes}
        if any(kinds[scope] != "deleg" for scope in grant.scopes & notice.scopes):
            return None
        delegations |= {s.partition(":")[2] for s, kind in kinds.items() if kind == "deleg"}
    if not delegations:
        raise Forbidden(detail={"permission": Permission.RECEIPT_READ.value})
    return frozenset(delegations)


def urgent_to_all(person: Person) -> bool:
    """Tell whether a person may publish 紧急 to all, and so approves what others publish."""
    return _everywhere(person, Permission.NOTICE_PUBLISH_URGENT)


def _shares(person: Person, notice: Notice) -> bool:
    return notice.second and notice.priority is Priority.URGENT and urgent_to_all(person)


def _outside(person: Person, permission: Permission, homes: Homes) -> set[str]:
    held = list(person.rights(permission))
    if any(cell.reach is Reach.ALL for _, cell in held):
        return set()
    scopes = frozenset().union(*[g.scopes for g, cell in held if cell.reach is Reach.SCOPE])
    return {part for part, around in homes.items() if scopes.isdisjoint(around)}


def _everywhere(person: Person, permission: Permission) -> bool:
    return any(cell.reach is Reach.ALL for _, cell in person.rights(permission))


def _require_everywhere(person: Person, permission: Permission) -> None:
    if not _everywhere(person, permission):
        raise Forbidden(
            "紧急通知发至全体代表，仅限会务人员和系统管理员",
            detail={"permission": permission.value},
        )
