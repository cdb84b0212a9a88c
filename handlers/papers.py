"""Papers by themselves, wherever they stand on an agenda: ``/api/v1/papers/{paper_id}``."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from domain.meetings.paper_desk import Placed
from domain.permissions import Permission
from handlers.agenda import PaperView
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Draft, Id


class ReplacementDraft(Draft):
    """A file that one has sent before; ``v`` is the version of the paper that was seen."""

    v: Annotated[int, Field(ge=1, lt=2**31)]
    file_id: Id


class PlacedView(PaperView):
    """A paper in its current version ``v``, and where it stands."""

    meeting_id: str
    meeting: str
    item_id: str
    item: str

    @classmethod
    def placed(cls, it: Placed) -> Self:
        """Show a paper with its place."""
        shown = it.paper.model_dump(include=set(PaperView.model_fields))
        return cls(
            **shown,
            meeting_id=it.meeting.id,
            meeting=it.meeting.title,
            item_id=it.item.id,
            item=it.item.title,
        )


class PaperHandler(ApiHandler):
    """``/api/v1/papers/{paper_id}``."""

    @operation(SIGNED_IN)
    async def get(self, paper_id: Id) -> PlacedView:
        """Show a paper in its current version."""
        return PlacedView.placed(await self.services.meetings.papers.find(paper_id, by=self.user))

    @operation(Permission.MEETING_MANAGE)
    async def put(self, paper_id: Id, body: ReplacementDraft) -> PlacedView:
        """Put a new version in its place; the code on the table opens that from now on."""
        papers = self.services.meetings.papers
        return PlacedView.placed(
            await papers.replace(paper_id, body.file_id, v=body.v, by=self.user)
        )


ROUTES = [route(r"/api/v1/papers/(?P<paper_id>[0-9A-Z]{26})", PaperHandler)]
