"""Two persons: what one asks for, another must approve, and never the same one.

Every ② of PRODUCT.md goes through the two questions here. *Does this person decide at all*, or is
the right only one to look or to propose? *Is this the second person*, or the first one again?
"""

from __future__ import annotations

from domain.errors import Forbidden
from domain.people import Person
from domain.permissions import Permission, Reach

_DECIDING = frozenset({Reach.OWN, Reach.SCOPE, Reach.ALL})


def decides(person: Person, permission: Permission, *, scope: str | None = None) -> bool:
    """Tell whether a person's right goes beyond looking (``R``) and proposing (``P``)."""
    return any(
        cell.reach in _DECIDING
        and (scope is None or cell.reach is not Reach.SCOPE or scope in grant.scopes)
        for grant, cell in person.rights(permission)
    )


def require_decider(person: Person, permission: Permission, *, scope: str | None = None) -> None:
    """Do nothing if the person may decide, not merely look or propose.

    Raises:
        Forbidden: The person may not.
    """
    if not decides(person, permission, scope=scope):
        raise Forbidden(detail={"permission": permission.value})


def may_propose(person: Person, permission: Permission) -> bool:
    """Tell whether a person may at least propose: ``P``, or any right to decide."""
    return any(cell.reach is not Reach.READ for _, cell in person.rights(permission))


def require_second(person: Person, *, first: str, concerned: str = "") -> None:
    """Do nothing if ``person`` is neither the one who asked nor the one it is about.

    Args:
        person: Who wants to approve.
        first: Person id of the one who asked.
        concerned: Person id of the one who would gain, or empty.

    Raises:
        Forbidden: It is the same person again; ``detail.reason`` is ``second_person``.
    """
    if person.id == first:
        raise Forbidden(
            "须由另一人审批，不能审批自己提出的申请", detail={"reason": "second_person"}
        )
    if concerned and person.id == concerned:
        raise Forbidden("不能审批与本人有关的申请", detail={"reason": "own_case"})
