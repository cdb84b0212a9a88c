"""Changing the rules, by two administrators: ``/api/v1/admin/rule-changes``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, Field, StrictBool, StrictInt

from domain.permissions import Permission
from domain.rule_changes import ChangeState, RuleChange
from domain.rules import Unit
from handlers.base import ApiHandler
from handlers.listing import ListHandler, ListQuery
from handlers.operation import operation
from handlers.paging import Page
from handlers.routing import route
from handlers.rules import RuleValue
from handlers.text import Draft, Id, Key, Name, Note, Reason, Subject


class ChangeDraft(Draft):
    """A new value for a rule, from a day on, by a text that says so."""

    key: Key
    value: StrictBool | StrictInt | Name | Annotated[list[Name], Field(max_length=20)] | None
    valid_from: date
    source: Subject
    note: Note = ""
    reason: Reason


class RefusalDraft(Draft):
    """Why something is refused or ended."""

    reason: Reason


class ChangeView(BaseModel):
    """A change on its way, or done."""

    id: str
    key: str
    before: RuleValue
    value: RuleValue
    unit: Unit
    valid_from: date
    source: str
    note: str
    reason: str
    state: ChangeState
    proposed_by: str
    proposed_at: datetime
    asked_by: str | None
    asked_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    decision: str
    v: int

    @classmethod
    def of(cls, change: RuleChange) -> Self:
        """Show a change."""
        shown = change.model_dump()
        for name in ("value", "before"):
            if isinstance(shown[name], tuple):
                shown[name] = list(shown[name])
        return cls(**shown)


class ChangesQuery(ListQuery):
    """The log of changes, of one rule or in one state."""

    orders: ClassVar[Mapping[str, str]] = {"id": "_id", "key": "key", "valid_from": "valid_from"}
    usual = "-id"

    key: Key | None = None
    state: ChangeState | None = None


class ChangesHandler(ListHandler):
    """``/api/v1/admin/rule-changes``."""

    @operation(Permission.CONTROL_CHANGE)
    async def get(self, query: ChangesQuery) -> Page[ChangeView]:
        """Show the log of changes; newest first unless another order is asked for."""
        found = await self.services.administration.rule_changes.changes(
            by=self.user, key=query.key, state=query.state, part=self.part(query)
        )
        return self.listed(query, found, ChangeView.of)

    @operation(Permission.CONTROL_CHANGE, status=201)
    async def post(self, body: ChangeDraft) -> ChangeView:
        """Propose a change; an administrator's own is asked for at once."""
        change = await self.services.administration.rule_changes.propose(
            body.key,
            tuple(body.value) if isinstance(body.value, list) else body.value,
            valid_from=body.valid_from,
            source=body.source,
            note=body.note,
            reason=body.reason,
            by=self.user,
        )
        return ChangeView.of(change)


class AskHandler(ApiHandler):
    """``/api/v1/admin/rule-changes/{change_id}/ask``."""

    @operation(Permission.CONTROL_CHANGE)
    async def post(self, change_id: Id) -> ChangeView:
        """Take up what a clerk proposed, as the first administrator."""
        changes = self.services.administration.rule_changes
        return ChangeView.of(await changes.ask(change_id, by=self.user))


class ApproveHandler(ApiHandler):
    """``/api/v1/admin/rule-changes/{change_id}/approve``."""

    @operation(Permission.CONTROL_CHANGE, step_up=True)
    async def post(self, change_id: Id) -> ChangeView:
        """Approve as the second administrator; the rule changes on its day."""
        changes = self.services.administration.rule_changes
        return ChangeView.of(await changes.approve(change_id, by=self.user))


class RefuseHandler(ApiHandler):
    """``/api/v1/admin/rule-changes/{change_id}/refuse``."""

    @operation(Permission.CONTROL_CHANGE)
    async def post(self, change_id: Id, body: RefusalDraft) -> ChangeView:
        """Refuse a change, or take one's own back."""
        changes = self.services.administration.rule_changes
        return ChangeView.of(await changes.refuse(change_id, reason=body.reason, by=self.user))


_CHANGE = r"/api/v1/admin/rule-changes/(?P<change_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/admin/rule-changes", ChangesHandler),
    route(rf"{_CHANGE}/approve", ApproveHandler),
    route(rf"{_CHANGE}/ask", AskHandler),
    route(rf"{_CHANGE}/refuse", RefuseHandler),
]
