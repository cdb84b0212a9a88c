"""A meeting: what it is, which states it goes through, who may see it and who prepares it.

::

    planned ─▶ announced ─▶ registration ─▶ ready ─▶ in_session ⇄ paused
                   └────────────────────────▲            │          │
    (all of these ─▶ cancelled)                          └▶ closed ◀┘ ─▶ archived

A planned meeting is its staff's business. From the announcement on everybody sees it, unless it is
for its members only; nothing comes back from the archive.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domain.errors import Forbidden, NotFound
from domain.events import Event
from domain.people import Person
from domain.permissions import Permission
from domain.visibility import DataClass, visible


class MeetingKind(StrEnum):
    """What sort of meeting; decides quorum, speaking times and how early it must be announced."""

    NPC = "npc"
    """A plenary meeting of the congress (全体会议)."""
    PRESIDIUM = "presidium"
    """主席团会议."""
    NPCSC = "npcsc"
    """常委会会议."""
    COUNCIL = "council"
    """主任会议: for its members only."""
    COMMITTEE = "committee"
    """A special committee or working body."""
    DELEGATION = "delegation"
    """A delegation or a group of it (分组审议)."""
    OTHER = "other"
    """专题审议会, training, an activity."""


class MeetingState(StrEnum):
    """States of a meeting, PRODUCT.md F05."""

    PLANNED = "planned"
    ANNOUNCED = "announced"
    REGISTRATION = "registration"
    READY = "ready"
    IN_SESSION = "in_session"
    PAUSED = "paused"
    CLOSED = "closed"
    ARCHIVED = "archived"
    CANCELLED = "cancelled"


_S = MeetingState

NEXT: Mapping[MeetingState, frozenset[MeetingState]] = {
    _S.PLANNED: frozenset({_S.ANNOUNCED, _S.CANCELLED}),
    _S.ANNOUNCED: frozenset({_S.REGISTRATION, _S.READY, _S.CANCELLED}),
    _S.REGISTRATION: frozenset({_S.READY, _S.CANCELLED}),
    _S.READY: frozenset({_S.IN_SESSION, _S.CANCELLED}),
    _S.IN_SESSION: frozenset({_S.PAUSED, _S.CLOSED}),
    _S.PAUSED: frozenset({_S.IN_SESSION, _S.CLOSED}),
    _S.CLOSED: frozenset({_S.ARCHIVED}),
    _S.ARCHIVED: frozenset(),
    _S.CANCELLED: frozenset(),
}
"""Where a meeting may go from each state."""

OVER = frozenset({_S.CLOSED, _S.ARCHIVED, _S.CANCELLED})
"""States in which nothing of a meeting is still to come."""

TO_COME = frozenset(_S) - OVER - {_S.PLANNED}
"""States in which people know of a meeting and something of it is still to come."""

SEALED = frozenset({_S.ARCHIVED, _S.CANCELLED})
"""States in which nothing about a meeting changes any more."""


class Capacity(StrEnum):
    """In which capacity somebody takes part."""

    MEMBER = "member"
    """组成人员."""
    ATTEND = "attend"
    """列席: may speak, may not vote."""
    OBSERVE = "observe"
    """旁听: neither."""
    STAFF = "staff"


class Announcement(BaseModel):
    """How a meeting was announced.

    Attributes:
        rule: Key of the rule about the time before, or empty where there is none.
        urgent: Why it was announced later than the rule wants (临时召集), or empty.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    by: str
    rule: str = ""
    urgent: str = ""


class Meeting(BaseModel):
    """One meeting.

    Attributes:
        no: Its number as people write it, such as 第十二次.
        session_id: The session of the congress it belongs to, if any.
        committee_id: The committee that meets, if it is one; the standing committee too.
        delegation_id: The delegation that meets, if it is one.
        members_only: Nobody else sees that there is such a meeting.
        closed_at: When it was closed, once it is.
        quotas: How many may sign up in a capacity.
        eid: Id of the event that announces this version.
        moved_eid: Id of the event that announces the state.
        v: Version as read.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: MeetingKind
    title: str
    no: str = ""
    place: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    session_id: str | None = None
    committee_id: str | None = None
    delegation_id: str | None = None
    members_only: bool = False
    state: MeetingState = MeetingState.PLANNED
    closed_at: datetime | None = None
    announced: Announcement | None = None
    agenda_published_at: datetime | None = None
    quotas: Mapping[Capacity, int] = {}
    eid: str = ""
    moved_eid: str = ""
    v: int = 1
    created_at: datetime | None = None
    created_by: str = ""
    updated_at: datetime | None = None
    updated_by: str = ""

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

    @property
    def known(self) -> bool:
        """Whether others than its staff were ever told; not of what was cancelled as a plan."""
        if self.state is MeetingState.CANCELLED:
            return self.announced is not None
        return self.state is not MeetingState.PLANNED

    @property
    def cls(self) -> DataClass:
        """C1 once announced, C2 before and where it is for its members only."""
        return DataClass.C2 if self.members_only or not self.known else DataClass.C1

    @property
    def owner_id(self) -> None:
        """Meetings belong to nobody."""

    @property
    def audience(self) -> frozenset[str]:
        """Those who take part, once it is announced."""
        return frozenset({f"mtg:{self.id}"}) if self.known else frozenset()

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels on which a change of it is announced, besides its own."""
        own = [f"mtg:{self.id}", f"mtgstaff:{self.id}"]
        if not self.known:
            return tuple(own[1:])
        if self.members_only:
            return tuple(own)
        if self.kind is MeetingKind.NPCSC:
            own.append("npcsc")
        elif self.committee_id:
            own.append(f"cmte:{self.committee_id}")
        elif self.delegation_id:
            own.append(f"deleg:{self.delegation_id}")
        return tuple(own)


class MeetingMoved(Event):
    """A meeting went into another state."""

    channels: ClassVar[tuple[str, ...]] = ("mtg:{id}", "mtgstaff:{id}")

    type: Literal["mtg.state"] = "mtg.state"
    meeting_id: str
    state: MeetingState


class MeetingChanged(Event):
    """Something about a meeting changed: time, place, agenda, state; fetch it again."""

    channels: ClassVar[tuple[str, ...]] = (
        "mtg:{id}", "mtgstaff:{id}", "npcsc", "cmte:{id}", "deleg:{id}",
    )  # fmt: skip

    type: Literal["meeting.changed"] = "meeting.changed"
    meeting_id: str
    state: MeetingState


Place = tuple[datetime, str]
"""Where a meeting stands in lists: when it begins, and its id."""


class Wanted(BaseModel):
    """Meetings of a kind, in a state, that begin from ``since`` on and before ``until``."""

    model_config = ConfigDict(frozen=True)

    kind: MeetingKind | None = None
    state: MeetingState | None = None
    since: datetime | None = None
    until: datetime | None = None


class MeetingStore(Protocol):
    """Keeps meetings. Every change is conditional on the version it starts from."""

    async def add(self, meeting: Meeting) -> None:
        """Keep a new meeting."""

    async def get(self, meeting_id: str) -> Meeting | None:
        """Answer a meeting, or ``None``."""

    async def put(self, meeting: Meeting, *, was: Meeting) -> bool:
        """Keep the new form if it is still at version and state of ``was``; tell whether.

        It is marked as not announced until ``told`` says otherwise.
        """

    async def told(self, meeting: Meeting) -> None:
        """Take the mark away, unless the meeting has changed again."""

    async def untold(self, before: datetime) -> Sequence[Meeting]:
        """Answer those that were changed before an instant and are still marked."""

    async def seen(
        self,
        person: Person,
        wanted: Wanted,
        *,
        also: frozenset[str],
        duties: frozenset[str],
        after: Place | None = None,
        limit: int,
    ) -> Sequence[Meeting]:
        """Answer those a person may see, the latest first.

        Args:
            person: Who asks.
            wanted: Which of them.
            also: Further scopes of theirs: of the meetings they take part in.
            duties: Scopes of the meetings they prepare or run.
            after: Where the page before ended.
            limit: Most to answer.
        """

    async def among(
        self,
        meeting_ids: Collection[str],
        person: Person,
        *,
        also: frozenset[str],
        over: bool,
        after: Place | None = None,
        limit: int,
    ) -> Sequence[Meeting]:
        """Answer those of some meetings that a person may see and that were announced.

        Args:
            meeting_ids: Which ones.
            person: Who asks.
            also: Further scopes of theirs: of the meetings they take part in.
            over: Those that are over, the latest first; else those to come, the next first.
            after: Where the page before ended.
            limit: Most to answer.
        """


def serves(
    person: Person, meeting: Meeting, permission: Permission = Permission.MEETING_MANAGE
) -> bool:
    """Tell whether a person prepares or runs a meeting, as its staff do."""
    return any(person.may(permission, scope=scope) for scope in meeting.scopes)


def duties(person: Person) -> frozenset[str]:
    """Answer the scopes of the meetings that a person prepares or runs."""
    scopes: frozenset[str] = frozenset()
    for permission in (Permission.MEETING_MANAGE, Permission.CONSOLE_RUN):
        for grant, _ in person.rights(permission):
            scopes |= grant.scopes
    return scopes


def scopes_of(meeting_id: str, capacity: Capacity | None) -> frozenset[str]:
    """Answer the scopes that taking part in a meeting brings."""
    if capacity is None:
        return frozenset()
    if capacity is Capacity.MEMBER:
        return frozenset({f"mtg:{meeting_id}", f"mtgmembers:{meeting_id}"})
    return frozenset({f"mtg:{meeting_id}"})


def require_seen(person: Person, meeting: Meeting, *, also: frozenset[str]) -> None:
    """Do nothing if a person may know of a meeting.

    Raises:
        NotFound: They may not.
    """
    if not serves(person, meeting) and not visible(person, meeting, also=also):
        raise NotFound


def require_served(
    person: Person, meeting: Meeting, permission: Permission = Permission.MEETING_MANAGE
) -> None:
    """Do nothing if a person is of the staff of a meeting.

    Raises:
        Forbidden: They are not.
    """
    if not serves(person, meeting, permission):
        raise Forbidden(detail={"permission": permission.value})
