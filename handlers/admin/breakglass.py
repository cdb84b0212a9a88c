"""Looking at what administrators must not see: ``/api/v1/admin/break-glass``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, StringConstraints

from domain.breakglass import Glass, GlassState
from domain.permissions import Permission
from handlers.admin.rules import RefusalDraft
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.text import Draft, Id, Reason

Obj = Annotated[str, StringConstraints(pattern=r"^[a-z_]{2,20}:[0-9A-Za-z_.-]{1,64}$")]
"""``<kind>:<id>`` of the one object."""


class GlassDraft(Draft):
    """What somebody wants to look at, and why."""

    obj: Obj
    reason: Reason


class GlassView(BaseModel):
    """One window, with its state now."""

    id: str
    person_id: str
    obj: str
    reason: str
    state: GlassState
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision: str
    opened_at: datetime | None
    open_until: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    uses: int
    v: int

    @classmethod
    def of(cls, glass: Glass) -> Self:
        """Show a window."""
        return cls(**glass.model_dump())


class GlassesHandler(ApiHandler):
    """``/api/v1/admin/break-glass``."""

    @operation(Permission.BREAK_GLASS)
    async def get(self, query: PageQuery) -> Page[GlassView]:
        """Show windows, newest first."""
        after = self.after(query)
        found = await self.services.administration.break_glass.list(
            by=self.user, after=after[0] if after else "", limit=query.limit + 1
        )
        shown = found[: query.limit]
        more = len(found) > query.limit
        return self.page([GlassView.of(it) for it in shown], [shown[-1].id] if more else None)

    @operation(Permission.BREAK_GLASS, status=201, step_up=True)
    async def post(self, body: GlassDraft) -> GlassView:
        """Ask to look at one object; the auditors are told."""
        glasses = self.services.administration.break_glass
        return GlassView.of(await glasses.ask(body.obj, reason=body.reason, by=self.user))


class ApproveHandler(ApiHandler):
    """``/api/v1/admin/break-glass/{glass_id}/approve``."""

    @operation(Permission.BREAK_GLASS, step_up=True)
    async def post(self, glass_id: Id) -> GlassView:
        """Approve as the second administrator."""
        glasses = self.services.administration.break_glass
        return GlassView.of(await glasses.approve(glass_id, by=self.user))


class RefuseHandler(ApiHandler):
    """``/api/v1/admin/break-glass/{glass_id}/refuse``."""

    @operation(Permission.BREAK_GLASS)
    async def post(self, glass_id: Id, body: RefusalDraft) -> GlassView:
        """Refuse, or take one's own request back."""
        glasses = self.services.administration.break_glass
        return GlassView.of(await glasses.refuse(glass_id, reason=body.reason, by=self.user))


class OpenHandler(ApiHandler):
    """``/api/v1/admin/break-glass/{glass_id}/open``."""

    @operation(Permission.BREAK_GLASS, step_up=True)
    async def post(self, glass_id: Id) -> GlassView:
        """Open the window; it closes by itself after fifteen minutes."""
        glasses = self.services.administration.break_glass
        return GlassView.of(await glasses.open(glass_id, by=self.user))


class CloseHandler(ApiHandler):
    """``/api/v1/admin/break-glass/{glass_id}/close``."""

    @operation(Permission.BREAK_GLASS)
    async def post(self, glass_id: Id) -> GlassView:
        """Close the window before its time."""
        glasses = self.services.administration.break_glass
        return GlassView.of(await glasses.close(glass_id, by=self.user))


_GLASS = r"/api/v1/admin/break-glass/(?P<glass_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/admin/break-glass", GlassesHandler),
    route(rf"{_GLASS}/approve", ApproveHandler),
    route(rf"{_GLASS}/close", CloseHandler),
    route(rf"{_GLASS}/open", OpenHandler),
    route(rf"{_GLASS}/refuse", RefuseHandler),
]
