"""Whom a notice is for: a union of parts of the house, minus the same kind of union.

An audience is an expression, kept as it was written. Who that is gets decided when the notice is
published, and only then: whoever moves afterwards keeps what they have, whoever comes later does
not get it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from domain.permissions import DEVICE_ROLES, Role

PartId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,63}$")]

_Parts = Annotated[frozenset[PartId], Field(max_length=200)]
_People = Annotated[frozenset[PartId], Field(max_length=2_000)]


class Parts(BaseModel):
    """A union of parts of the house; empty means nobody.

    Attributes:
        all: Every deputy (全体代表).
        delegations: Whoever belongs to a delegation, its liaison too, by id.
        groups: Members of deputies' groups, by id.
        committees: Members of committees, by id.
        npcsc: Members of the standing committee.
        meetings: Participants of meetings, by id.
        roles: Whoever holds one of these roles now.
        people: Person ids.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    all: bool = False
    delegations: _Parts = frozenset()
    groups: _Parts = frozenset()
    committees: _Parts = frozenset()
    npcsc: bool = False
    meetings: _Parts = frozenset()
    roles: frozenset[Role] = frozenset()
    people: _People = frozenset()

    @property
    def empty(self) -> bool:
        """Whether nothing is named at all."""
        return not (self.all or self.npcsc or self.scopes or self.roles)

    @property
    def scopes(self) -> frozenset[str]:
        """The parts that have an id, as ``<kind>:<id>``."""
        named = {
            "deleg": self.delegations,
            "group": self.groups,
            "cmte": self.committees,
            "mtg": self.meetings,
            "user": self.people,
        }
        return frozenset(f"{kind}:{key}" for kind, keys in named.items() for key in keys)


class Audience(Parts):
    """Whom a notice is for: the union of the parts, without those in ``minus``."""

    minus: Parts = Parts()

    @property
    def terms(self) -> frozenset[str]:
        """Everything the union names: ``all``, ``npcsc``, ``role:<role>``, ``deleg:<id>`` …."""
        terms = set(self.scopes) | {f"role:{role.value}" for role in self.roles}
        if self.all:
            terms.add("all")
        if self.npcsc:
            terms.add("npcsc")
        return frozenset(terms)

    @property
    def whole_house(self) -> bool:
        """Whether the expression names every deputy, whoever is taken away afterwards."""
        return self.all or Role.DEPUTY in self.roles


class Recipient(NamedTuple):
    """Somebody who is to get a notice, and the delegation they are in now (empty: none)."""

    person_id: str
    delegation_id: str = ""
    deputy: bool = False


class Participants(Protocol):
    """Knows who takes part in a meeting."""

    async def of(self, meeting_id: str) -> frozenset[str]:
        """Answer the person ids of those who take part; nobody if there is no such meeting."""


class Roll(Protocol):
    """Knows who is in the house."""

    async def resolve(self, audience: Audience) -> Sequence[Recipient]:
        """Answer whom an audience names now, sorted by person id.

        Only people who may still receive: on the roster, with an account that is not suspended,
        ended or erased. Parts that do not exist name nobody.
        """

    async def deputies(self) -> int:
        """Count the deputies who may receive."""

    async def homes(self, scopes: frozenset[str]) -> Mapping[str, frozenset[str]]:
        """Answer for each scope the scopes it lies in, itself included.

        A group lies in its delegation; a meeting in its session, committee or delegation; a person
        in their delegation, group, committees and unit; ``npcsc`` in the committee that is the
        standing committee.
        """

    async def names(self, person_ids: frozenset[str]) -> Mapping[str, str]:
        """Answer the names of people, whether they are still here or not."""

    async def delegation_names(self) -> Mapping[str, str]:
        """Answer the names of the delegations, in their order."""


REACHABLE_ROLES = frozenset(Role) - DEVICE_ROLES
"""Roles that people hold; a device gets no notices."""
