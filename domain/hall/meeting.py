"""What the hall needs to know of a meeting, and who drives it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.errors import BadState, Forbidden, NotFound
from domain.people import AccountState, Person
from domain.permissions import Permission
from domain.visibility import duty_scopes, member_scopes

_SEALED = frozenset({"archived", "cancelled"})


class Meeting(BaseModel):
    """A meeting as the hall knows it.

    Attributes:
        kind: What sort of meeting; decides quorum and speaking times.
        state: ``planned`` … ``in_session`` … ``archived``.
        session_id: The session (次会议) of the congress it belongs to, if any.
        committee_id: The committee that meets, if it is one; ``delegation_id`` alike.
        session_opens: First instant of the session it belongs to.
        v: Version of the meeting itself.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    state: str
    title: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    closed_at: datetime | None = None
    session_id: str | None = None
    committee_id: str | None = None
    delegation_id: str | None = None
    session_opens: datetime | None = None
    members_only: bool = False
    v: int = 0

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes by which staff have to do with it."""
        scopes = {f"mtg:{self.id}"}
        if self.session_id:
            scopes.add(f"session:{self.session_id}")
        if self.committee_id:
            scopes.add(f"cmte:{self.committee_id}")
        if self.delegation_id:
            scopes.add(f"deleg:{self.delegation_id}")
        return frozenset(scopes)


class Meetings(Protocol):
    """Knows meetings and who takes part."""

    async def get(self, meeting_id: str) -> Meeting | None:
        """Answer a meeting, or ``None``."""

    async def has_item(self, meeting_id: str, item_id: str) -> bool:
        """Tell whether an item is on the agenda of a meeting."""

    async def item_title(self, meeting_id: str, item_id: str) -> str | None:
        """Answer what an item of the agenda is called, ``None`` if it is not on it."""

    async def capacities(self, meeting_id: str, person_ids: Collection[str]) -> dict[str, str]:
        """Answer in which capacity people take part, those who do: ``member``, ``attend``, …."""

    async def members(self, meeting_id: str) -> int:
        """Count those who are members of a meeting: the base of its quorum."""


async def find(meetings: Meetings, meeting_id: str) -> Meeting:
    """Answer a meeting.

    Raises:
        NotFound: There is no such meeting.
    """
    meeting = await meetings.get(meeting_id)
    if meeting is None:
        raise NotFound
    return meeting


def runs(person: Person, meeting: Meeting, permission: Permission = Permission.CONSOLE_RUN) -> bool:
    """Tell whether a person drives a meeting, as its staff do."""
    return any(person.may(permission, scope=scope) for scope in meeting.scopes)


async def driven(
    meetings: Meetings,
    meeting_id: str,
    *,
    by: Person,
    permission: Permission = Permission.CONSOLE_RUN,
) -> Meeting:
    """Answer a meeting that a person drives.

    Raises:
        Forbidden: The person drives another one, or none.
        NotFound: There is no such meeting.
    """
    by.require(permission)
    meeting = await find(meetings, meeting_id)
    if not runs(by, meeting, permission):
        raise Forbidden(detail={"permission": permission.value})
    return meeting


async def driven_still(meetings: Meetings, meeting_id: str, *, by: Person) -> Meeting:
    """Answer a meeting that a person drives and that can still be changed.

    Raises:
        Forbidden: The person drives another one, or none.
        NotFound: There is no such meeting.
        BadState: It is archived or was cancelled.
    """
    meeting = await driven(meetings, meeting_id, by=by)
    if meeting.state in _SEALED:
        raise BadState("会议已归档或取消", allowed=())
    return meeting


async def attends(meetings: Meetings, meeting: Meeting, person: Person) -> bool:
    """Tell whether a person may follow a meeting: takes part, works for it, or drives it."""
    if person.state is not AccountState.ACTIVE:
        return False
    scopes = meeting.scopes
    if meeting.members_only or meeting.state == "planned":
        # The committee or delegation at large does not know of it.
        scopes = frozenset({f"mtg:{meeting.id}"})
    if scopes & (member_scopes(person) | duty_scopes(person)) or runs(person, meeting):
        return True
    return bool(await meetings.capacities(meeting.id, [person.id]))
