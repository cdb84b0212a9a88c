"""The privacy desk: ``/api/v1/admin/erasures``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.erasure import ErasureRequest, ErasureState
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.paging import Page, PageQuery
from handlers.privacy import ErasureView
from handlers.routing import route
from handlers.text import Draft, Id, Note


class ErasuresQuery(PageQuery):
    """Which requests to list."""

    state: ErasureState | None = None


class DeskView(ErasureView):
    """A request as the desk sees it; ``overdue`` once its time is over and it is open."""

    person_id: str
    person_name: str
    decided_by: str
    removed: Mapping[str, int]
    overdue: bool = False

    @classmethod
    def at(cls, request: ErasureRequest, *, overdue: bool) -> Self:
        """Show a request at an instant."""
        return cls.of(request).model_copy(update={"overdue": overdue})


class ErasureDecisionDraft(Draft):
    """Erase, or refuse with a reason that the person reads."""

    erase: bool
    reason: Note = ""
    v: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if not self.erase and not self.reason:
            raise ValueError("请填写不予删除的理由")
        return self


class ErasuresHandler(ApiHandler):
    """``/api/v1/admin/erasures``."""

    @operation(Permission.PRIVACY_HANDLE)
    async def get(self, query: ErasuresQuery) -> Page[DeskView]:
        """List requests for erasure in the order they came."""
        after = self.after(query)
        found = await self.services.house.erasure.listed(
            state=query.state,
            after=after[0] if after else None,
            limit=query.limit + 1,
            by=self.user,
        )
        page = found[: query.limit]
        now = self.web.clock()
        views = [
            DeskView.at(
                request, overdue=request.state is ErasureState.RECEIVED and request.due_at < now
            )
            for request in page
        ]
        return self.page(views, [page[-1].id] if len(found) > query.limit else None)


class ErasureDecisionHandler(ApiHandler):
    """``/api/v1/admin/erasures/{request_id}/decision``."""

    @operation(Permission.PRIVACY_HANDLE, step_up=True)
    async def post(self, request_id: Id, body: ErasureDecisionDraft) -> DeskView:
        """Erase a person, which cannot be undone, or refuse."""
        request = await self.services.house.erasure.decide(
            request_id, erase=body.erase, reason=body.reason, v=body.v, by=self.user
        )
        return DeskView.at(request, overdue=False)


ROUTES = [
    route(r"/api/v1/admin/erasures", ErasuresHandler),
    route(r"/api/v1/admin/erasures/(?P<request_id>[0-9A-Z]{26})/decision", ErasureDecisionHandler),
]
