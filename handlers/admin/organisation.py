"""Rebuilding the house: parts and memberships under ``/api/v1/admin/…``."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeVar

from pydantic import Field

from domain.organisation import (
    Committee,
    CommitteeKind,
    Congress,
    Delegation,
    Group,
    Node,
    Org,
    OrgKind,
    Session,
)
from domain.permissions import Permission
from handlers.admin.people import MemberView, Version
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.organisation import (
    CommitteeView,
    CongressView,
    DelegationView,
    GroupView,
    OrgView,
    SessionView,
)
from handlers.people import NodeId
from handlers.routing import route
from handlers.text import Draft, Id, Line, Name

N = TypeVar("N", bound=Node)

Sort = Annotated[int, Field(ge=0, le=100_000)]
Ordinal = Annotated[int, Field(ge=1, le=1_000)]


class PartDraft(Draft):
    """What every new part has; without ``id`` it gets a ULID."""

    id: NodeId | None = None
    name: Name
    sort: Sort = 0


class PartPatch(Draft):
    """Changes of a part that is still at version ``v``; what is not named stays."""

    v: Version
    name: Name | None = None
    sort: Sort | None = None
    active: bool | None = None


class CongressDraft(PartDraft):
    """A new congress."""

    no: Ordinal
    starts_on: date
    ends_on: date


class CongressPatch(PartPatch):
    """Changes of a congress."""

    starts_on: date | None = None
    ends_on: date | None = None


class SessionDraft(CongressDraft):
    """A new session."""

    congress_id: NodeId


class DelegationDraft(PartDraft):
    """A new delegation."""

    congress_id: NodeId
    district: Line = ""


class DelegationPatch(PartPatch):
    """Changes of a delegation."""

    district: Line | None = None


class GroupDraft(PartDraft):
    """A new deputies' group."""

    delegation_id: NodeId


class CommitteeDraft(PartDraft):
    """A new committee."""

    congress_id: NodeId
    kind: CommitteeKind


class CommitteePatch(PartPatch):
    """Changes of a committee."""

    merged_into: NodeId | None = None


class OrgDraft(PartDraft):
    """A new unit."""

    kind: OrgKind = OrgKind.GOVERNMENT
    short_name: Line = ""
    office_phone: Line = ""


class OrgPatch(PartPatch):
    """Changes of a unit."""

    kind: OrgKind | None = None
    short_name: Line | None = None
    office_phone: Line | None = None


class MemberDraft(Draft):
    """Puts somebody somewhere; ``v`` is the version of the card."""

    v: Version


class GroupMemberDraft(MemberDraft):
    """Puts a deputy into a group; ``leaving`` names the present group if a move is meant."""

    leaving: NodeId | None = None


class MemberQuery(Draft):
    """Version of the card, for requests without a body."""

    v: Version


class PartsHandler(ApiHandler):
    """What founding and changing have in common for all kinds of parts."""

    async def found(self, kind: type[N], body: PartDraft) -> N:
        """Found a part with what the body says."""
        fields = body.model_dump(exclude_none=True)
        return await self.services.house.organisation.create(kind, fields, by=self.user)

    async def change(self, kind: type[N], node_id: str, body: PartPatch) -> N:
        """Change what the body names."""
        fields = body.model_dump(exclude_none=True, exclude={"v"})
        return await self.services.house.organisation.update(
            kind, node_id, fields, v=body.v, by=self.user
        )


class CongressesHandler(PartsHandler):
    """``/api/v1/admin/congresses``."""

    @operation(Permission.ROSTER_MANAGE, status=201)
    async def post(self, body: CongressDraft) -> CongressView:
        """Found a congress."""
        return CongressView.of(await self.found(Congress, body))


class CongressHandler(PartsHandler):
    """``/api/v1/admin/congresses/{node_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def patch(self, node_id: NodeId, body: CongressPatch) -> CongressView:
        """Change a congress."""
        return CongressView.of(await self.change(Congress, node_id, body))


class SessionsHandler(PartsHandler):
    """``/api/v1/admin/sessions``."""

    @operation(Permission.ROSTER_MANAGE, status=201)
    async def post(self, body: SessionDraft) -> SessionView:
        """Found a session."""
        return SessionView.of(await self.found(Session, body))


class SessionHandler(PartsHandler):
    """``/api/v1/admin/sessions/{node_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def patch(self, node_id: NodeId, body: CongressPatch) -> SessionView:
        """Change a session."""
        return SessionView.of(await self.change(Session, node_id, body))


class DelegationsHandler(PartsHandler):
    """``/api/v1/admin/delegations``."""

    @operation(Permission.ROSTER_MANAGE, status=201)
    async def post(self, body: DelegationDraft) -> DelegationView:
        """Found a delegation."""
        return DelegationView.of(await self.found(Delegation, body))


class DelegationHandler(PartsHandler):
    """``/api/v1/admin/delegations/{node_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def patch(self, node_id: NodeId, body: DelegationPatch) -> DelegationView:
        """Change a delegation."""
        return DelegationView.of(await self.change(Delegation, node_id, body))


class GroupsHandler(PartsHandler):
    """``/api/v1/admin/groups``."""

    @operation(Permission.ROSTER_MANAGE, status=201)
    async def post(self, body: GroupDraft) -> GroupView:
        """Found a deputies' group."""
        return GroupView.of(await self.found(Group, body))


class GroupHandler(PartsHandler):
    """``/api/v1/admin/groups/{node_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def patch(self, node_id: NodeId, body: PartPatch) -> GroupView:
        """Change a deputies' group."""
        return GroupView.of(await self.change(Group, node_id, body))


class CommitteesHandler(PartsHandler):
    """``/api/v1/admin/committees``."""

    @operation(Permission.ROSTER_MANAGE, status=201)
    async def post(self, body: CommitteeDraft) -> CommitteeView:
        """Found a committee."""
        return CommitteeView.of(await self.found(Committee, body))


class CommitteeHandler(PartsHandler):
    """``/api/v1/admin/committees/{node_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def patch(self, node_id: NodeId, body: CommitteePatch) -> CommitteeView:
        """Change a committee."""
        return CommitteeView.of(await self.change(Committee, node_id, body))


class OrgsHandler(PartsHandler):
    """``/api/v1/admin/orgs``."""

    @operation(Permission.ROSTER_MANAGE, status=201)
    async def post(self, body: OrgDraft) -> OrgView:
        """Found a unit."""
        return OrgView.of(await self.found(Org, body))


class OrgHandler(PartsHandler):
    """``/api/v1/admin/orgs/{node_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def patch(self, node_id: NodeId, body: OrgPatch) -> OrgView:
        """Change a unit."""
        return OrgView.of(await self.change(Org, node_id, body))


class DelegationMemberHandler(ApiHandler):
    """``/api/v1/admin/delegations/{node_id}/members/{person_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def put(self, node_id: NodeId, person_id: Id, body: MemberDraft) -> MemberView:
        """Put a deputy into a delegation, and out of group and offices of the one before."""
        members = self.services.house.membership
        return MemberView.at(
            await members.join_delegation(person_id, node_id, v=body.v, by=self.user)
        )


class GroupMemberHandler(ApiHandler):
    """``/api/v1/admin/groups/{node_id}/members/{person_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def put(self, node_id: NodeId, person_id: Id, body: GroupMemberDraft) -> MemberView:
        """Put a deputy into a group; a deputy is in one group only."""
        return MemberView.at(
            await self.services.house.membership.join_group(
                person_id, node_id, leaving=body.leaving, v=body.v, by=self.user
            )
        )

    @operation(Permission.ROSTER_MANAGE)
    async def delete(self, node_id: NodeId, person_id: Id, query: MemberQuery) -> MemberView:
        """Take a deputy out of a group."""
        members = self.services.house.membership
        return MemberView.at(await members.leave_group(person_id, node_id, v=query.v, by=self.user))


class CommitteeMemberHandler(ApiHandler):
    """``/api/v1/admin/committees/{node_id}/members/{person_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def put(self, node_id: NodeId, person_id: Id, body: MemberDraft) -> MemberView:
        """Make a deputy a member of a committee."""
        members = self.services.house.membership
        return MemberView.at(
            await members.join_committee(person_id, node_id, v=body.v, by=self.user)
        )

    @operation(Permission.ROSTER_MANAGE)
    async def delete(self, node_id: NodeId, person_id: Id, query: MemberQuery) -> MemberView:
        """End a membership; open subscriptions to the committee end at once."""
        members = self.services.house.membership
        return MemberView.at(
            await members.leave_committee(person_id, node_id, v=query.v, by=self.user)
        )


class OrgMemberHandler(ApiHandler):
    """``/api/v1/admin/orgs/{node_id}/members/{person_id}``."""

    @operation(Permission.ROSTER_MANAGE)
    async def put(self, node_id: NodeId, person_id: Id, body: MemberDraft) -> MemberView:
        """Say that somebody works for a unit."""
        members = self.services.house.membership
        return MemberView.at(await members.join_org(person_id, node_id, v=body.v, by=self.user))


_NODE = r"(?P<node_id>[0-9A-Za-z_.-]{1,64})"
_PERSON = r"(?P<person_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/admin/congresses", CongressesHandler),
    route(rf"/api/v1/admin/congresses/{_NODE}", CongressHandler),
    route(r"/api/v1/admin/sessions", SessionsHandler),
    route(rf"/api/v1/admin/sessions/{_NODE}", SessionHandler),
    route(r"/api/v1/admin/delegations", DelegationsHandler),
    route(rf"/api/v1/admin/delegations/{_NODE}", DelegationHandler),
    route(rf"/api/v1/admin/delegations/{_NODE}/members/{_PERSON}", DelegationMemberHandler),
    route(r"/api/v1/admin/groups", GroupsHandler),
    route(rf"/api/v1/admin/groups/{_NODE}", GroupHandler),
    route(rf"/api/v1/admin/groups/{_NODE}/members/{_PERSON}", GroupMemberHandler),
    route(r"/api/v1/admin/committees", CommitteesHandler),
    route(rf"/api/v1/admin/committees/{_NODE}", CommitteeHandler),
    route(rf"/api/v1/admin/committees/{_NODE}/members/{_PERSON}", CommitteeMemberHandler),
    route(r"/api/v1/admin/orgs", OrgsHandler),
    route(rf"/api/v1/admin/orgs/{_NODE}", OrgHandler),
    route(rf"/api/v1/admin/orgs/{_NODE}/members/{_PERSON}", OrgMemberHandler),
]
