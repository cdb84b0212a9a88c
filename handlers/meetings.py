"""Meetings: plan one, announce it, lead it from state to state; who takes part."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from domain.meetings.meeting import (
    NEXT,
    Announcement,
    Capacity,
    Meeting,
    MeetingKind,
    MeetingState,
    Wanted,
)
from domain.meetings.participants import Body, Participant, Source
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import SIGNED_IN, operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.text import Draft, Id, Line, Note, Subject

NodeId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]{1,64}$")]
Version = Annotated[int, Field(ge=0, lt=2**31)]

_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_CLOSED_DOORS = frozenset({MeetingKind.COUNCIL, MeetingKind.PRESIDIUM})


class MeetingDraft(Draft):
    """A meeting to be planned: of a session, a committee or a delegation.

    ``members_only``: nobody else sees that there is such a meeting; by default so for 主任会议 and
    主席团会议.
    """

    kind: MeetingKind
    title: Subject
    no: Line = ""
    place: Line = ""
    starts_at: Instant
    ends_at: Instant | None = None
    session_id: NodeId | None = None
    committee_id: NodeId | None = None
    delegation_id: NodeId | None = None
    members_only: bool | None = None


class MeetingPatch(Draft):
    """What changes; what is not named stays.

    ``urgent`` says why an announced meeting begins earlier than the rule wants (临时召集).
    """

    v: Version
    urgent: Note = ""
    title: Subject | None = None
    no: Line | None = None
    place: Line | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class AnnounceDraft(Draft):
    """Announce; ``urgent`` says why later than the rule wants (临时召集)."""

    v: Version
    urgent: Note = ""


class MoveDraft(Draft):
    """Where the meeting goes; a known meeting is cancelled only with a reason."""

    v: Version
    to: Literal["registration", "ready", "in_session", "paused", "closed", "cancelled"]
    reason: Note = ""


class VersionDraft(Draft):
    """The version that was seen."""

    v: Version


class MeetingView(BaseModel):
    """A meeting. ``allowed`` lists the states it may go to, ``quotas`` who may sign up."""

    id: str
    kind: MeetingKind
    title: str
    no: str
    place: str
    starts_at: datetime | None
    ends_at: datetime | None
    session_id: str | None
    committee_id: str | None
    delegation_id: str | None
    members_only: bool
    state: MeetingState
    allowed: list[MeetingState]
    announced_at: datetime | None
    urgent: bool
    agenda_published_at: datetime | None
    quotas: dict[Capacity, int]
    v: int

    @classmethod
    def of(cls, meeting: Meeting) -> Self:
        """Show a meeting."""
        said: Announcement | None = meeting.announced
        return cls(
            allowed=sorted(NEXT[meeting.state]),
            announced_at=said.at if said else None,
            urgent=bool(said and said.urgent),
            quotas=dict(meeting.quotas),
            **meeting.model_dump(include=set(cls.model_fields) - {"quotas"}),
        )


class MeetingDetailView(MeetingView):
    """A meeting with one's own part in it.

    ``capacity`` is null for those who take no part; ``staff``: one prepares it.
    """

    capacity: Capacity | None
    staff: bool
    participants: dict[Capacity, int]


class MeetingsQuery(PageQuery):
    """Meetings of a kind, in a state, that begin in a span of time."""

    kind: MeetingKind | None = None
    state: MeetingState | None = None
    since: Instant | None = None
    until: Instant | None = None


class ParticipantsDraft(Draft):
    """People to put on the list: by what they belong to, or by name."""

    capacity: Capacity = Capacity.MEMBER
    npcsc: bool = False
    deputies: bool = False
    committees: Annotated[frozenset[NodeId], Field(max_length=20)] = frozenset()
    delegations: Annotated[frozenset[NodeId], Field(max_length=50)] = frozenset()
    groups: Annotated[frozenset[NodeId], Field(max_length=100)] = frozenset()
    people: Annotated[frozenset[Id], Field(max_length=500)] = frozenset()

    @property
    def body(self) -> Body:
        """The people meant."""
        scopes = {f"cmte:{it}" for it in self.committees}
        scopes |= {f"deleg:{it}" for it in self.delegations}
        scopes |= {f"group:{it}" for it in self.groups}
        return Body(
            npcsc=self.npcsc, deputies=self.deputies, scopes=frozenset(scopes), people=self.people
        )


class ParticipantView(BaseModel):
    """Somebody who takes part."""

    person_id: str
    name: str
    capacity: Capacity
    source: Source
    since: datetime | None

    @classmethod
    def of(cls, participant: Participant, name: str) -> Self:
        """Show one."""
        return cls(name=name, **participant.model_dump(include=set(cls.model_fields)))


class AddedView(BaseModel):
    """How many people were meant."""

    count: int


class ParticipantsQuery(PageQuery):
    """Those in one capacity."""

    capacity: Capacity | None = None


class MeetingsHandler(ApiHandler):
    """``/api/v1/meetings``."""

    @operation(SIGNED_IN)
    async def get(self, query: MeetingsQuery) -> Page[MeetingView]:
        """Show the meetings one may see, the latest first."""
        key = self.after(query)
        found = await self.services.meetings.desk.list(
            Wanted(**query.model_dump(include=set(Wanted.model_fields))),
            by=self.user,
            after=(datetime.fromisoformat(key[0]), key[1]) if key else None,
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        after = None
        if len(found) > query.limit:
            after = [(shown[-1].starts_at or _FIRST).isoformat(), shown[-1].id]
        return self.page([MeetingView.of(it) for it in shown], after)

    @operation(Permission.MEETING_MANAGE, status=201)
    async def post(self, body: MeetingDraft) -> MeetingView:
        """Plan a meeting; only its staff see it until it is announced."""
        fields = body.model_dump()
        if body.members_only is None:
            fields["members_only"] = body.kind in _CLOSED_DOORS
        return MeetingView.of(await self.services.meetings.desk.plan(fields, by=self.user))


class MeetingHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}``."""

    @operation(SIGNED_IN)
    async def get(self, meeting_id: Id) -> MeetingDetailView:
        """Show a meeting."""
        seen = await self.services.meetings.desk.show(meeting_id, by=self.user)
        return MeetingDetailView(
            capacity=seen.capacity,
            staff=seen.staff,
            participants=dict(seen.counts),
            **MeetingView.of(seen.meeting).model_dump(),
        )

    @operation(Permission.MEETING_MANAGE)
    async def patch(self, meeting_id: Id, body: MeetingPatch) -> MeetingView:
        """Change title, place or times."""
        fields = body.model_dump(exclude={"v", "urgent"}, exclude_none=True)
        desk = self.services.meetings.desk
        return MeetingView.of(
            await desk.amend(meeting_id, fields, v=body.v, urgent=body.urgent, by=self.user)
        )


class AnnounceHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/announce``."""

    @operation(Permission.MEETING_MANAGE, status=201)
    async def post(self, meeting_id: Id, body: AnnounceDraft) -> MeetingView:
        """Announce a planned meeting: everybody who may see it now does.

        A 常委会 meeting less than the days of ``npcsc.notice`` ahead, or a session of the congress
        less than ``npc.notice``, is refused (422 with rule and source) unless ``urgent`` says why.
        """
        desk = self.services.meetings.desk
        return MeetingView.of(
            await desk.announce(meeting_id, v=body.v, urgent=body.urgent, by=self.user)
        )


class TransitionsHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/transitions``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, body: MoveDraft) -> MeetingView:
        """Bring a meeting into another state; 409 lists those that are ``allowed``."""
        return MeetingView.of(
            await self.services.meetings.desk.move(
                meeting_id, MeetingState(body.to), v=body.v, reason=body.reason, by=self.user
            )
        )


class ParticipantsHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/participants``."""

    @operation(SIGNED_IN)
    async def get(self, meeting_id: Id, query: ParticipantsQuery) -> Page[ParticipantView]:
        """Show who takes part, to those who do and to the staff."""
        key = self.after(query)
        found, names = await self.services.meetings.participants.list(
            meeting_id,
            by=self.user,
            capacity=query.capacity,
            after=key[0] if key else "",
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        views = [ParticipantView.of(it, names.get(it.person_id, "")) for it in shown]
        return self.page(views, [shown[-1].person_id] if len(found) > query.limit else None)

    @operation(Permission.MEETING_MANAGE, status=201)
    async def post(self, meeting_id: Id, body: ParticipantsDraft) -> AddedView:
        """Put people on the list; of those who are on it the capacity changes."""
        count = await self.services.meetings.participants.add(
            meeting_id, body.body, body.capacity, by=self.user
        )
        return AddedView(count=count)


class ParticipantHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/participants/{person_id}``."""

    @operation(Permission.MEETING_MANAGE)
    async def delete(self, meeting_id: Id, person_id: Id) -> None:
        """Take somebody from the list; open subscriptions to the meeting end at once."""
        await self.services.meetings.participants.remove(meeting_id, person_id, by=self.user)


_MEETING = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})"
_PERSON = r"(?P<person_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/meetings", MeetingsHandler),
    route(_MEETING, MeetingHandler),
    route(rf"{_MEETING}/announce", AnnounceHandler),
    route(rf"{_MEETING}/participants", ParticipantsHandler),
    route(rf"{_MEETING}/participants/{_PERSON}", ParticipantHandler),
    route(rf"{_MEETING}/transitions", TransitionsHandler),
]
