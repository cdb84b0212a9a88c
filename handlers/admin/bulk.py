"""Doing one thing to many: ``/api/v1/admin/bulk``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from domain.bulk import MOST, BulkItem, BulkOrder, BulkParams, BulkState, ItemState
from domain.permissions import GuestFunction, Permission, Role
from handlers.admin.grants import Scope
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Draft, Id, Key, Line, Reason


class BulkDraft(Draft):
    """What to do to whom.

    ``accounts.invite`` and ``accounts.suspend`` (with ``document``) take ids of people,
    ``grants.ask`` too (with ``role``, ``scopes``, ``functions``, ``until``); ``grants.approve``
    takes ids of grants.
    """

    action: Key
    items: Annotated[list[Id], Field(min_length=1, max_length=MOST)]
    reason: Reason
    document: Line = ""
    role: Role | None = None
    scopes: Annotated[tuple[Scope, ...], Field(max_length=50)] = ()
    functions: frozenset[GuestFunction] = frozenset()
    until: Instant | None = None

    @property
    def params(self) -> BulkParams:
        """What the action needs to know."""
        return BulkParams.model_validate(self.model_dump(exclude={"action", "items"}))


class BulkItemView(BaseModel):
    """What becomes of one item, and if it is refused or failed, why."""

    id: str
    state: ItemState
    code: str
    msg: str

    @classmethod
    def of(cls, item: BulkItem) -> Self:
        """Show an item."""
        return cls(**item.model_dump())


class BulkPreviewView(BaseModel):
    """What would become of each item; nothing has happened."""

    ready: int
    refused: int
    items: list[BulkItemView]


class BulkOrderView(BaseModel):
    """An order; until ``runs_at`` it can be taken back."""

    id: str
    action: str
    reason: str
    state: BulkState
    asked_at: datetime
    runs_at: datetime
    finished_at: datetime | None
    counts: dict[ItemState, int]
    items: list[BulkItemView]

    @classmethod
    def of(cls, order: BulkOrder) -> Self:
        """Show an order."""
        return cls(
            id=order.id,
            action=order.action,
            reason=order.params.reason,
            state=order.state,
            asked_at=order.asked_at,
            runs_at=order.runs_at,
            finished_at=order.finished_at,
            counts=dict(order.counts),
            items=[BulkItemView.of(item) for item in order.items],
        )


class BulkOrdersView(BaseModel):
    """One's own latest orders, newest first."""

    orders: list[BulkOrderView]


class PreviewHandler(ApiHandler):
    """``/api/v1/admin/bulk/preview``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def post(self, body: BulkDraft) -> BulkPreviewView:
        """Show what would become of each item, and change nothing."""
        bulk = self.services.administration.bulk
        judged = await bulk.preview(body.action, body.items, body.params, by=self.user)
        refused = sum(item.state is ItemState.REFUSED for item in judged)
        return BulkPreviewView(
            ready=len(judged) - refused,
            refused=refused,
            items=[BulkItemView.of(item) for item in judged],
        )


class OrdersHandler(ApiHandler):
    """``/api/v1/admin/bulk``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def get(self) -> BulkOrdersView:
        """Show one's own latest orders."""
        found = await self.services.administration.bulk.mine(by=self.user)
        return BulkOrdersView(orders=[BulkOrderView.of(order) for order in found])

    @operation(Permission.ACCOUNT_MANAGE, status=201, step_up=True)
    async def post(self, body: BulkDraft) -> BulkOrderView:
        """Order it; it happens ten seconds later, without the items that are refused now."""
        bulk = self.services.administration.bulk
        order = await bulk.order(body.action, body.items, body.params, by=self.user)
        return BulkOrderView.of(order)


class OrderHandler(ApiHandler):
    """``/api/v1/admin/bulk/{order_id}``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def get(self, order_id: Id) -> BulkOrderView:
        """Show how far an order of one's own has come."""
        return BulkOrderView.of(await self.services.administration.bulk.get(order_id, by=self.user))


class UndoHandler(ApiHandler):
    """``/api/v1/admin/bulk/{order_id}/undo``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def post(self, order_id: Id) -> BulkOrderView:
        """Take an order back before anything has happened."""
        return BulkOrderView.of(
            await self.services.administration.bulk.undo(order_id, by=self.user)
        )


_ONE = r"/api/v1/admin/bulk/(?P<order_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/admin/bulk", OrdersHandler),
    route(r"/api/v1/admin/bulk/preview", PreviewHandler),
    route(_ONE, OrderHandler),
    route(rf"{_ONE}/undo", UndoHandler),
]
