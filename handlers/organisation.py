"""The parts of the house: ``/api/v1/organisation`` and one address for each kind of part."""

from __future__ import annotations

from datetime import date
from typing import Any, Self

from pydantic import BaseModel

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
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.people import NodeId
from handlers.routing import route


class NodeView(BaseModel):
    """What every part of the house shows; ``people`` counts those who belong to it."""

    id: str
    name: str
    sort: int
    active: bool
    v: int
    people: int = 0

    @classmethod
    def of(cls, node: Node, people: int = 0) -> Self:
        """Show a part."""
        return cls(**node.model_dump(include=set(cls.model_fields) - {"people"}), people=people)


class CongressView(NodeView):
    """A congress (届)."""

    no: int
    starts_on: date
    ends_on: date


class SessionView(NodeView):
    """A session (次会议)."""

    congress_id: str
    no: int
    starts_on: date
    ends_on: date


class GroupView(NodeView):
    """A deputies' group (代表小组)."""

    delegation_id: str


class DelegationView(NodeView):
    """A delegation (代表团) with its groups."""

    congress_id: str
    district: str
    groups: list[GroupView] = []


class CommitteeView(NodeView):
    """A committee or working body."""

    congress_id: str
    kind: CommitteeKind
    merged_into: str | None


class OrgView(NodeView):
    """A unit (承办单位)."""

    kind: OrgKind
    short_name: str
    office_phone: str


class TreeView(BaseModel):
    """The house at a glance."""

    congress: CongressView | None
    sessions: list[SessionView]
    delegations: list[DelegationView]
    committees: list[CommitteeView]
    orgs: list[OrgView]


class OrganisationHandler(ApiHandler):
    """``/api/v1/organisation``."""

    @operation(SIGNED_IN)
    async def get(self) -> TreeView:
        """Answer the whole house: who sits where, and how many."""
        tree = await self.services.house.organisation.tree()
        counts = tree.counts
        groups: dict[str, list[GroupView]] = {}
        for group in tree.groups:
            view = GroupView.of(group, counts.get(f"group:{group.id}", 0))
            groups.setdefault(group.delegation_id, []).append(view)
        return TreeView(
            congress=CongressView.of(tree.congress) if tree.congress else None,
            sessions=[SessionView.of(session) for session in tree.sessions],
            delegations=[
                _delegation(one, groups.get(one.id, []), counts.get(f"deleg:{one.id}", 0))
                for one in tree.delegations
            ],
            committees=[
                CommitteeView.of(one, counts.get(f"cmte:{one.id}", 0)) for one in tree.committees
            ],
            orgs=[OrgView.of(one, counts.get(f"unit:{one.id}", 0)) for one in tree.orgs],
        )


class DelegationHandler(ApiHandler):
    """``/api/v1/delegations/{node_id}``."""

    @operation(SIGNED_IN)
    async def get(self, node_id: NodeId) -> DelegationView:
        """Answer a delegation with its groups."""
        house = self.services.house.organisation
        delegation = await house.get(Delegation, node_id)
        counts = await house.counts()
        groups = [
            GroupView.of(group, counts.get(f"group:{group.id}", 0))
            for group in await house.children(node_id)
        ]
        return _delegation(delegation, groups, counts.get(f"deleg:{node_id}", 0))


class GroupHandler(ApiHandler):
    """``/api/v1/groups/{node_id}``."""

    @operation(SIGNED_IN)
    async def get(self, node_id: NodeId) -> GroupView:
        """Answer a deputies' group."""
        house = self.services.house.organisation
        group = await house.get(Group, node_id)
        return GroupView.of(group, (await house.counts()).get(f"group:{node_id}", 0))


class CommitteeHandler(ApiHandler):
    """``/api/v1/committees/{node_id}``."""

    @operation(SIGNED_IN)
    async def get(self, node_id: NodeId) -> CommitteeView:
        """Answer a committee."""
        house = self.services.house.organisation
        committee = await house.get(Committee, node_id)
        return CommitteeView.of(committee, (await house.counts()).get(f"cmte:{node_id}", 0))


class OrgHandler(ApiHandler):
    """``/api/v1/orgs/{node_id}``."""

    @operation(SIGNED_IN)
    async def get(self, node_id: NodeId) -> OrgView:
        """Answer a unit."""
        house = self.services.house.organisation
        org = await house.get(Org, node_id)
        return OrgView.of(org, (await house.counts()).get(f"unit:{node_id}", 0))


VIEWS: dict[type[Node], type[NodeView]] = {
    Congress: CongressView,
    Session: SessionView,
    Delegation: DelegationView,
    Group: GroupView,
    Committee: CommitteeView,
    Org: OrgView,
}


def _delegation(node: Delegation, groups: list[GroupView], people: int) -> DelegationView:
    fields: dict[str, Any] = DelegationView.of(node, people).model_dump()
    return DelegationView(**(fields | {"groups": groups}))


ROUTES = [
    route(r"/api/v1/organisation", OrganisationHandler),
    route(r"/api/v1/delegations/(?P<node_id>[0-9A-Za-z_.-]{1,64})", DelegationHandler),
    route(r"/api/v1/groups/(?P<node_id>[0-9A-Za-z_.-]{1,64})", GroupHandler),
    route(r"/api/v1/committees/(?P<node_id>[0-9A-Za-z_.-]{1,64})", CommitteeHandler),
    route(r"/api/v1/orgs/(?P<node_id>[0-9A-Za-z_.-]{1,64})", OrgHandler),
]
