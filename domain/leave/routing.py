"""Who decides about leave, and who may read why it was asked for.

=======================  ===========================================================================
phase                    who decides
=======================  ===========================================================================
before the session       the 主任 or 副主任 whom the 主任会议 has delegated (SH-办法 7)
in session               the head of the person's own delegation (SH-办法 7)
a head's own, always     the delegated 主任 or 副主任: nobody decides for themselves
常委会, 专委会 and others   the committee's staff, or whoever was delegated (SH-常委 6, SH-专委 22)
=======================  ===========================================================================
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.approvals import decides
from domain.hall.meeting import Meeting, runs
from domain.leave.request import Leave
from domain.people import Flag, Person
from domain.permissions import Permission, Role

_OF_THE_CONGRESS = frozenset({"npc", "presidium", "delegation"})
_UNDER_WAY = frozenset({"in_session", "paused"})


class Route(StrEnum):
    """To whom a request goes."""

    STANDING = "standing"
    """The standing committee's side: whoever was delegated."""
    HEAD = "head"
    """The head of the delegation."""
    STAFF = "staff"
    """The committee's staff, or whoever was delegated."""


def route(meeting: Meeting, *, head: bool, at: datetime) -> Route:
    """Answer to whom a request goes at an instant; ``head``: the one who asks leads a delegation.

    The phase counts when it is decided: what was asked for before the session and not decided goes
    to the head of the delegation once the session is open.
    """
    if meeting.kind not in _OF_THE_CONGRESS:
        return Route.STAFF
    opened = meeting.session_opens is not None and at >= meeting.session_opens
    in_session = opened or meeting.state in _UNDER_WAY
    return Route.HEAD if in_session and not head else Route.STANDING


def may_decide(
    person: Person, leave: Leave, meeting: Meeting, way: Route, delegates: frozenset[str]
) -> bool:
    """Tell whether a person decides about a request; never about their own."""
    if person.id == leave.person_id:
        return False
    match way:
        case Route.HEAD:
            return leads(person, leave.delegation_id)
        case Route.STANDING:
            return person.id in delegates
        case Route.STAFF:
            return person.id in delegates or any(
                decides(person, Permission.LEAVE_DECIDE, scope=scope) for scope in meeting.scopes
            )


def leads(person: Person, delegation_id: str | None) -> bool:
    """Tell whether a person is the head of a delegation."""
    return (
        Flag.DELEGATION_HEAD in person.flags
        and delegation_id is not None
        and person.delegation_id == delegation_id
    )


def liaises(person: Person, delegation_id: str | None) -> bool:
    """Tell whether a person is a liaison of a delegation."""
    scope = f"deleg:{delegation_id}"
    return any(
        grant.role is Role.LIAISON and scope in grant.scopes
        for grant, _ in person.rights(Permission.LEAVE_ASK)
    )


def watches(person: Person, meeting: Meeting) -> bool:
    """Tell whether a person may know who is away from a meeting, though not why."""
    if runs(person, meeting):
        return True
    return any(
        grant.role is Role.AUDITOR or grant.scopes & meeting.scopes
        for grant, _ in person.rights(Permission.LEAVE_DECIDE)
    )
