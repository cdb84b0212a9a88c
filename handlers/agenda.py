"""The agenda of a meeting: items in order, their papers, and what was declared in the hall."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from domain.meetings.agenda import MOST_ITEMS, Agenda, AgendaItem, ItemKind, ItemState
from domain.meetings.papers import Paper, Readers
from domain.meetings.results import LABEL, Outcome, Result, Tally
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.paging import PageQuery
from handlers.routing import route
from handlers.snapshot import PositionView, SnapshotView
from handlers.text import Draft, Id, Line, Note, Subject

Version = Annotated[int, Field(ge=0, lt=2**31)]
Votes = Annotated[int, Field(ge=0, le=10_000)]


class ItemDraft(Draft):
    """An item to be put at the end of the agenda."""

    title: Subject
    kind: ItemKind = ItemKind.OTHER
    reporter: Line = ""


class ItemPatch(Draft):
    """What changes; what is not named stays."""

    v: Version
    title: Subject | None = None
    kind: ItemKind | None = None
    reporter: Line | None = None


class SettleDraft(Draft):
    """The item is done, is postponed, or is taken up again."""

    v: Version
    to: Literal["done", "postponed", "pending"]


class OrderDraft(Draft):
    """All items in their new order; ``v`` is the version of the meeting."""

    v: Version
    items: Annotated[tuple[Id, ...], Field(max_length=MOST_ITEMS)]


class PublishDraft(Draft):
    """``v`` is the version of the meeting."""

    v: Version


class PaperDraft(Draft):
    """A file that one has sent before; ``also`` names people who get it besides its readers."""

    file_id: Id
    title: Subject
    readers: Readers = Readers.PARTICIPANTS
    also: Annotated[frozenset[Id], Field(max_length=50)] = frozenset()


class TallyDraft(Draft):
    """The numbers as they were read out."""

    yes: Votes
    no: Votes
    abstain: Votes


class ResultDraft(Draft):
    """What the chair declared; ``v`` is the version of the result that was seen, 0 without one."""

    v: Version = 0
    outcome: Outcome
    tally: TallyDraft | None = None
    override: Note = ""


class ConfirmDraft(Draft):
    """``v`` is the version of the result that was seen."""

    v: Version


class ItemQuery(PageQuery):
    """The version of the item that was seen."""

    v: Version


class PaperView(BaseModel):
    """A paper; its content is the content of the file, which is another one in each version."""

    id: str
    file_id: str
    title: str
    readers: Readers
    added_at: datetime
    v: int

    @classmethod
    def of(cls, paper: Paper) -> Self:
        """Show a paper."""
        return cls(**paper.model_dump(include=set(cls.model_fields)))


class TallyView(BaseModel):
    """The numbers as they were read out."""

    yes: int
    no: int
    abstain: int


class ResultView(BaseModel):
    """What was declared in the hall; ``label`` says that it is no vote of this platform.

    Only the staff see one that is not confirmed yet.
    """

    outcome: Outcome
    tally: TallyView | None
    label: str
    confirmed: bool
    override: str
    typed_by: str
    typed_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    v: int

    @classmethod
    def of(cls, result: Result) -> Self:
        """Show a result."""
        return cls(label=LABEL, confirmed=result.confirmed_at is not None, **result.model_dump())


class ItemView(BaseModel):
    """An item; ``no`` is its place, from 1."""

    id: str
    no: int
    title: str
    kind: ItemKind
    reporter: str
    state: ItemState
    papers: list[PaperView]
    result: ResultView | None
    v: int

    @classmethod
    def of(cls, item: AgendaItem, no: int = 0) -> Self:
        """Show an item."""
        return cls(
            no=no,
            papers=[PaperView.of(paper) for paper in item.papers],
            result=ResultView.of(item.result) if item.result else None,
            **item.model_dump(include={"id", "title", "kind", "reporter", "state", "v"}),
        )


class AgendaView(BaseModel):
    """The agenda as far as one may see it; ``v`` is the version of the meeting."""

    meeting_id: str
    published_at: datetime | None
    v: int
    items: list[ItemView]

    @classmethod
    def of(cls, agenda: Agenda) -> Self:
        """Show an agenda."""
        meeting = agenda.meeting
        return cls(
            meeting_id=meeting.id,
            published_at=meeting.agenda_published_at,
            v=meeting.v,
            items=[ItemView.of(item, no) for no, item in enumerate(agenda.items, 1)],
        )


class LiveAgendaView(SnapshotView, AgendaView):
    """The agenda, and the position of the channel from which to go on.

    ``agenda.changed``, ``doc.added`` and ``item.result`` say that there is a newer one to fetch,
    ``agenda.pointer`` which item is current.
    """


class AgendaHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/agenda``."""

    @operation(SIGNED_IN)
    async def get(self, meeting_id: Id) -> LiveAgendaView:
        """Show the agenda; to others than the staff it is empty until it is published."""
        channel = f"mtg:{meeting_id}"
        taken = await self.services.realtime.snapshot(
            channel, lambda: self.services.meetings.agenda.show(meeting_id, by=self.user)
        )
        return LiveAgendaView(
            channel=channel,
            position=PositionView.of(taken.position),
            **AgendaView.of(taken.state).model_dump(),
        )

    @operation(Permission.MEETING_MANAGE, status=201)
    async def post(self, meeting_id: Id, body: ItemDraft) -> ItemView:
        """Put an item at the end."""
        agenda = self.services.meetings.agenda
        return ItemView.of(await agenda.add(meeting_id, body.model_dump(), by=self.user))


class OrderHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/agenda/order``."""

    @operation(Permission.MEETING_MANAGE)
    async def put(self, meeting_id: Id, body: OrderDraft) -> AgendaView:
        """Set the order of all items at once."""
        agenda = self.services.meetings.agenda
        return AgendaView.of(await agenda.arrange(meeting_id, body.items, v=body.v, by=self.user))


class PublishHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/agenda/publish``."""

    @operation(Permission.MEETING_MANAGE)
    async def post(self, meeting_id: Id, body: PublishDraft) -> AgendaView:
        """Publish the agenda: whoever may see the meeting sees it, with the papers for them."""
        meetings = self.services.meetings
        await meetings.desk.publish_agenda(meeting_id, v=body.v, by=self.user)
        return AgendaView.of(await meetings.agenda.show(meeting_id, by=self.user))


class ItemHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/agenda/{item_id}``."""

    @operation(Permission.MEETING_MANAGE)
    async def patch(self, meeting_id: Id, item_id: Id, body: ItemPatch) -> ItemView:
        """Change an item."""
        fields = body.model_dump(exclude={"v"}, exclude_none=True)
        agenda = self.services.meetings.agenda
        return ItemView.of(await agenda.amend(meeting_id, item_id, fields, v=body.v, by=self.user))

    @operation(Permission.MEETING_MANAGE)
    async def delete(self, meeting_id: Id, item_id: Id, query: ItemQuery) -> None:
        """Take an item off an agenda that is not published."""
        await self.services.meetings.agenda.remove(meeting_id, item_id, v=query.v, by=self.user)


class ItemStateHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/agenda/{item_id}/state``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, item_id: Id, body: SettleDraft) -> ItemView:
        """Say that an item is done or postponed; which one is current the pointer says."""
        agenda = self.services.meetings.agenda
        return ItemView.of(
            await agenda.settle(meeting_id, item_id, ItemState(body.to), v=body.v, by=self.user)
        )


class PapersHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/agenda/{item_id}/papers``."""

    @operation(Permission.MEETING_MANAGE, status=201)
    async def post(self, meeting_id: Id, item_id: Id, body: PaperDraft) -> ItemView:
        """Put a file in its place."""
        papers = self.services.meetings.papers
        return ItemView.of(
            await papers.attach(meeting_id, item_id, body.model_dump(), by=self.user)
        )


class PaperHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/agenda/{item_id}/papers/{paper_id}``."""

    @operation(Permission.MEETING_MANAGE)
    async def delete(self, meeting_id: Id, item_id: Id, paper_id: Id) -> ItemView:
        """Take a paper away; nobody gets it any more."""
        papers = self.services.meetings.papers
        return ItemView.of(await papers.detach(meeting_id, item_id, paper_id, by=self.user))


class ResultHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/agenda/{item_id}/result``."""

    @operation(Permission.RESULT_RECORD)
    async def put(self, meeting_id: Id, item_id: Id, body: ResultDraft) -> ResultView:
        """Type in what the chair declared; it shows to others once a second person confirms it.

        While the quorum is not reached, 422 unless ``override`` says why it is entered anyway.
        """
        return ResultView.of(
            await self.services.meetings.results.type(
                meeting_id,
                item_id,
                body.outcome,
                Tally(**body.tally.model_dump()) if body.tally else None,
                override=body.override,
                v=body.v,
                by=self.user,
            )
        )


class ConfirmHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/agenda/{item_id}/result/confirm``."""

    @operation(Permission.RESULT_RECORD)
    async def post(self, meeting_id: Id, item_id: Id, body: ConfirmDraft) -> ResultView:
        """Confirm as the second person what another has typed."""
        results = self.services.meetings.results
        return ResultView.of(await results.confirm(meeting_id, item_id, v=body.v, by=self.user))


_AGENDA = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/agenda"
_ITEM = rf"{_AGENDA}/(?P<item_id>[0-9A-Z]{{26}})"

ROUTES = [
    route(_AGENDA, AgendaHandler),
    route(rf"{_AGENDA}/order", OrderHandler),
    route(rf"{_AGENDA}/publish", PublishHandler),
    route(_ITEM, ItemHandler),
    route(rf"{_ITEM}/papers", PapersHandler),
    route(rf"{_ITEM}/papers/(?P<paper_id>[0-9A-Z]{{26}})", PaperHandler),
    route(rf"{_ITEM}/result", ResultHandler),
    route(rf"{_ITEM}/result/confirm", ConfirmHandler),
    route(rf"{_ITEM}/state", ItemStateHandler),
]
