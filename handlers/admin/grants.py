"""Giving and taking roles: ``/api/v1/admin/grants``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, Field, StringConstraints

from domain.permissions import GuestFunction, Permission, Role
from domain.role_grants import GrantState, RoleGrant
from handlers.admin.rules import RefusalDraft
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.listing import ListHandler, ListQuery
from handlers.operation import operation
from handlers.paging import Page
from handlers.routing import route
from handlers.text import Draft, Id, Reason

Scope = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,10}:[0-9A-Za-z_.-]{1,64}$")]
"""``<kind>:<id>``, for example ``deleg:pudong``."""


class GrantDraft(Draft):
    """A role for somebody; without ``since`` from now, without ``until`` for good.

    A guest's names one meeting and its ``functions``, and ends with the meeting.
    """

    person_id: Id
    role: Role
    scopes: Annotated[tuple[Scope, ...], Field(max_length=50)] = ()
    functions: frozenset[GuestFunction] = frozenset()
    since: Instant | None = None
    until: Instant | None = None
    reason: Reason


class RoleGrantView(BaseModel):
    """One grant with its history.

    ``end_asked_by`` is set where one administrator wants an administrator or auditor removed and a
    second one has not agreed yet. ``sole``: approved by the only administrator there was.
    """

    id: str
    person_id: str
    role: Role
    scopes: list[str]
    functions: list[GuestFunction]
    since: datetime
    until: datetime | None
    state: GrantState
    reason: str
    asked_by: str
    asked_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    end_asked_by: str | None
    ended_by: str | None
    ended_at: datetime | None
    end_reason: str
    sole: bool
    v: int

    @classmethod
    def of(cls, grant: RoleGrant) -> Self:
        """Show a grant."""
        lists = {"scopes": sorted(grant.scopes), "functions": sorted(grant.functions)}
        return cls(**grant.model_dump() | lists)


class GrantsQuery(ListQuery):
    """Grants of one role, or in one state."""

    orders: ClassVar[Mapping[str, str]] = {
        "id": "_id", "asked": "asked_at", "since": "since", "until": "until",
    }  # fmt: skip
    usual = "-id"

    role: Role | None = None
    state: GrantState | None = None


class PersonGrantsView(BaseModel):
    """Every grant a person ever had, newest first."""

    grants: list[RoleGrantView]


class GrantsHandler(ListHandler):
    """``/api/v1/admin/grants``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def get(self, query: GrantsQuery) -> Page[RoleGrantView]:
        """Show grants; newest first unless another order is asked for."""
        found = await self.services.administration.grants.list(
            by=self.user, role=query.role, state=query.state, part=self.part(query)
        )
        return self.listed(query, found, RoleGrantView.of)

    @operation(Permission.CONTROL_CHANGE, status=201, step_up=True)
    async def post(self, body: GrantDraft) -> RoleGrantView:
        """Ask that somebody be given a role; a second administrator approves."""
        grant = await self.services.administration.grants.ask(
            body.person_id,
            body.role,
            scopes=frozenset(body.scopes),
            functions=body.functions,
            since=body.since,
            until=body.until,
            reason=body.reason,
            by=self.user,
        )
        return RoleGrantView.of(grant)


class PersonGrantsHandler(ApiHandler):
    """``/api/v1/admin/people/{person_id}/grants``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def get(self, person_id: Id) -> PersonGrantsView:
        """Show every grant a person ever had."""
        found = await self.services.administration.grants.of(person_id, by=self.user)
        return PersonGrantsView(grants=[RoleGrantView.of(grant) for grant in found])


class ApproveHandler(ApiHandler):
    """``/api/v1/admin/grants/{grant_id}/approve``."""

    @operation(Permission.CONTROL_CHANGE, step_up=True)
    async def post(self, grant_id: Id) -> RoleGrantView:
        """Approve as the second administrator; the role is in force."""
        grants = self.services.administration.grants
        return RoleGrantView.of(await grants.approve(grant_id, by=self.user))


class RefuseHandler(ApiHandler):
    """``/api/v1/admin/grants/{grant_id}/refuse``."""

    @operation(Permission.CONTROL_CHANGE)
    async def post(self, grant_id: Id, body: RefusalDraft) -> RoleGrantView:
        """Refuse, or take one's own request back."""
        grants = self.services.administration.grants
        return RoleGrantView.of(await grants.refuse(grant_id, reason=body.reason, by=self.user))


class EndHandler(ApiHandler):
    """``/api/v1/admin/grants/{grant_id}/end``."""

    @operation(Permission.CONTROL_CHANGE, step_up=True)
    async def post(self, grant_id: Id, body: RefusalDraft) -> RoleGrantView:
        """End a role at once; an administrator's or auditor's when a second one agrees."""
        grants = self.services.administration.grants
        return RoleGrantView.of(await grants.end(grant_id, reason=body.reason, by=self.user))


_GRANT = r"/api/v1/admin/grants/(?P<grant_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/admin/grants", GrantsHandler),
    route(rf"{_GRANT}/approve", ApproveHandler),
    route(rf"{_GRANT}/end", EndHandler),
    route(rf"{_GRANT}/refuse", RefuseHandler),
    route(r"/api/v1/admin/people/(?P<person_id>[0-9A-Z]{26})/grants", PersonGrantsHandler),
]
