"""Review opinions (审议意见): taken down at a meeting, sent to a unit, reported on in time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from domain.meetings.opinions import NEXT, Opinion, OpinionState, Step, Which
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.text import Body, Draft, Id, Subject, lines

NodeId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]{1,64}$")]
Version = Annotated[int, Field(ge=0, lt=2**31)]
Words = Annotated[str, StringConstraints(max_length=20_000), BeforeValidator(lines)]


class OpinionDraft(Draft):
    """An opinion for a unit, on an item of the agenda or on the whole."""

    title: Subject
    body: Body
    org_id: NodeId
    item_id: Id | None = None


class OpinionPatch(Draft):
    """What changes; what is not named stays."""

    v: Version
    title: Subject | None = None
    body: Body | None = None
    org_id: NodeId | None = None


class StepDraft(Draft):
    """The next step; ``text`` is the report, or what the review came to."""

    v: Version
    to: Literal["sent", "handling", "reported", "reviewed"]
    text: Words = ""


class StepView(BaseModel):
    """A step that was taken."""

    to: OpinionState
    at: datetime
    by: str
    text: str

    @classmethod
    def of(cls, step: Step) -> Self:
        """Show a step."""
        return cls(**step.model_dump())


class DueView(BaseModel):
    """The deadline, with the rule it comes from."""

    day: date
    rule: str
    source: str
    days_left: int


class OpinionView(BaseModel):
    """An opinion. ``reminders`` are the days on which it will be told that it is due."""

    id: str
    meeting_id: str
    item_id: str | None
    title: str
    body: str
    org_id: str
    state: OpinionState
    allowed: list[OpinionState]
    due: DueView | None
    overdue: bool
    reminders: list[datetime]
    steps: list[StepView]
    v: int

    @classmethod
    def of(cls, opinion: Opinion, now: datetime) -> Self:
        """Show an opinion as it stands at an instant."""
        due = opinion.due
        shown = None
        if due is not None:
            left = due.days_left(now)
            shown = DueView(day=due.day, rule=due.key, source=due.source, days_left=left)
        return cls(
            allowed=sorted(NEXT[opinion.state]),
            due=shown,
            overdue=opinion.is_overdue(now),
            reminders=[it.at for it in opinion.reminders],
            steps=[StepView.of(it) for it in opinion.steps],
            **opinion.model_dump(
                include={"id", "meeting_id", "item_id", "title", "body", "org_id", "state", "v"}
            ),
        )


class OpinionsQuery(PageQuery):
    """Those in a state, or only those that are overdue."""

    state: OpinionState | None = None
    overdue: bool = False


class OpinionLists(ApiHandler):
    """Lists of opinions."""

    async def listed(self, query: OpinionsQuery, meeting_id: str | None) -> Page[OpinionView]:
        """Answer a page of those the caller may see, newest first."""
        desk = self.services.meetings.opinions
        now, key = desk.now(), self.after(query)
        found = await desk.list(
            Which(meeting_id, query.state, now if query.overdue else None),
            by=self.user,
            after=key[0] if key else "",
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        after = [shown[-1].id] if len(found) > query.limit else None
        return self.page([OpinionView.of(it, now) for it in shown], after)


class MeetingOpinionsHandler(OpinionLists):
    """``/api/v1/meetings/{meeting_id}/opinions``."""

    @operation(SIGNED_IN)
    async def get(self, meeting_id: Id, query: OpinionsQuery) -> Page[OpinionView]:
        """Show the opinions of a meeting, to its members, its staff and the units."""
        return await self.listed(query, meeting_id)

    @operation(Permission.MEETING_MANAGE, status=201)
    async def post(self, meeting_id: Id, body: OpinionDraft) -> OpinionView:
        """Take an opinion down."""
        desk = self.services.meetings.opinions
        made = await desk.collect(meeting_id, body.model_dump(), by=self.user)
        return OpinionView.of(made, desk.now())


class OpinionsHandler(OpinionLists):
    """``/api/v1/opinions``."""

    @operation(SIGNED_IN)
    async def get(self, query: OpinionsQuery) -> Page[OpinionView]:
        """Show the opinions one looks after or handles; ``overdue=true`` for the late ones."""
        return await self.listed(query, None)


class OpinionHandler(ApiHandler):
    """``/api/v1/opinions/{opinion_id}``."""

    @operation(SIGNED_IN)
    async def get(self, opinion_id: Id) -> OpinionView:
        """Show an opinion."""
        desk = self.services.meetings.opinions
        return OpinionView.of(await desk.show(opinion_id, by=self.user), desk.now())

    @operation(Permission.MEETING_MANAGE)
    async def patch(self, opinion_id: Id, body: OpinionPatch) -> OpinionView:
        """Change an opinion that is not sent yet."""
        desk = self.services.meetings.opinions
        fields = body.model_dump(exclude={"v"}, exclude_none=True)
        changed = await desk.amend(opinion_id, fields, v=body.v, by=self.user)
        return OpinionView.of(changed, desk.now())


class StepsHandler(ApiHandler):
    """``/api/v1/opinions/{opinion_id}/steps``."""

    @operation(SIGNED_IN)
    async def post(self, opinion_id: Id, body: StepDraft) -> OpinionView:
        """Take the next step: the staff send and review, the unit takes up and reports.

        Sending starts the clock of ``npcsc.opinion``.
        """
        desk = self.services.meetings.opinions
        moved = await desk.move(
            opinion_id, OpinionState(body.to), text=body.text.strip(), v=body.v, by=self.user
        )
        return OpinionView.of(moved, desk.now())


_OPINION = r"/api/v1/opinions/(?P<opinion_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/opinions", MeetingOpinionsHandler),
    route(r"/api/v1/opinions", OpinionsHandler),
    route(_OPINION, OpinionHandler),
    route(rf"{_OPINION}/steps", StepsHandler),
]
