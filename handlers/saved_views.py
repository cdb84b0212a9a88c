"""One's own saved views of lists: ``/api/v1/me/views``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from domain.errors import Invalid
from domain.saved_views import SavedView
from handlers.admin.accounts import AccountsQuery
from handlers.admin.audit import AuditQuery
from handlers.admin.grants import GrantsQuery
from handlers.admin.privacy import ErasuresQuery
from handlers.admin.rules import ChangesQuery
from handlers.base import ApiHandler
from handlers.listing import kept_query
from handlers.operation import SIGNED_IN, operation
from handlers.paging import PageQuery
from handlers.people import PeopleQuery
from handlers.routing import route
from handlers.text import Draft, Id, Key, Name

LISTS: Mapping[str, type[PageQuery]] = {
    "accounts": AccountsQuery,
    "audit": AuditQuery,
    "erasures": ErasuresQuery,
    "grants": GrantsQuery,
    "people": PeopleQuery,
    "rule-changes": ChangesQuery,
}
"""Lists that can be saved, by the last part of their address: one line for each."""

Texts = Annotated[
    dict[Key, Annotated[str, StringConstraints(max_length=200)]], Field(max_length=20)
]


class ViewDraft(Draft):
    """A list, a name, and the list's query string as an object of texts, without its page."""

    list: Key
    name: Name
    query: Texts


class ViewChangeDraft(Draft):
    """Another name or query, over version ``v``."""

    name: Name
    query: Texts
    v: Annotated[int, Field(ge=1)]


class ViewsQuery(Draft):
    """``?list=accounts``; without, the views of every list."""

    list: Key | None = None


class SavedViewView(BaseModel):
    """One view."""

    id: str
    list: str
    name: str
    query: dict[str, str]
    created_at: datetime
    updated_at: datetime
    v: int

    @classmethod
    def of(cls, view: SavedView) -> Self:
        """Show a view."""
        return cls(**view.model_dump(exclude={"person_id"}))


class SavedViewsView(BaseModel):
    """One's own views, by list and name."""

    views: list[SavedViewView]


class ViewsHandler(ApiHandler):
    """``/api/v1/me/views``."""

    @operation(SIGNED_IN)
    async def get(self, query: ViewsQuery) -> SavedViewsView:
        """Show one's own views."""
        found = await self.services.house.saved_views.mine(query.list, by=self.user)
        return SavedViewsView(views=[SavedViewView.of(view) for view in found])

    @operation(SIGNED_IN, status=201)
    async def post(self, body: ViewDraft) -> SavedViewView:
        """Keep a filter and an order of a list under a name."""
        if body.list not in LISTS:
            raise Invalid("没有这个列表", field="list", detail={"allowed": sorted(LISTS)})
        query = kept_query(LISTS[body.list], body.query)
        views = self.services.house.saved_views
        return SavedViewView.of(await views.save(body.list, body.name, query, by=self.user))


class ViewHandler(ApiHandler):
    """``/api/v1/me/views/{view_id}``."""

    @operation(SIGNED_IN)
    async def put(self, view_id: Id, body: ViewChangeDraft) -> SavedViewView:
        """Rename a view, or keep another query under its name."""
        views = self.services.house.saved_views
        kept = await views.get(view_id, by=self.user)
        query = kept_query(LISTS[kept.list], body.query)
        changed = await views.change(view_id, body.name, query, v=body.v, by=self.user)
        return SavedViewView.of(changed)

    @operation(SIGNED_IN)
    async def delete(self, view_id: Id) -> None:
        """Remove a view."""
        await self.services.house.saved_views.remove(view_id, by=self.user)


ROUTES = [
    route(r"/api/v1/me/views", ViewsHandler),
    route(r"/api/v1/me/views/(?P<view_id>[0-9A-Z]{26})", ViewHandler),
]
