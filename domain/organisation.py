"""How the house is made up: congress, sessions, delegations, groups, committees and units.

Every part is a ``Node`` with a version; parts refer to each other by id. Who belongs where is on
the roster cards (``domain.roster``), so that nobody can be in two delegations or in two groups;
``domain.membership`` changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId, local_day
from domain.errors import Conflict, Invalid, NotFound
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog


class Node(BaseModel):
    """One part of the house.

    Attributes:
        sort: Place in lists, ascending; ties are broken by name.
        active: ``False`` once it is dissolved, merged or ended; it is never deleted.
        v: Version as read; 0 for a part that is not stored yet.
    """

    model_config = ConfigDict(frozen=True)

    noun: ClassVar[str] = "node"

    id: str
    name: str
    sort: int = 0
    active: bool = True
    v: int = 0
    created_at: datetime | None = None
    created_by: str = ""
    updated_at: datetime | None = None
    updated_by: str = ""


class Congress(Node):
    """One congress (届): a term of five years."""

    noun: ClassVar[str] = "congress"

    no: int
    starts_on: date
    ends_on: date


class Session(Node):
    """One session (次会议) of a congress."""

    noun: ClassVar[str] = "session"

    congress_id: str
    no: int
    starts_on: date
    ends_on: date


class Delegation(Node):
    """A delegation (代表团): the deputies that one electing unit sends."""

    noun: ClassVar[str] = "delegation"

    congress_id: str
    district: str = ""


class Group(Node):
    """A deputies' group (代表小组) inside a delegation, with one to three conveners."""

    noun: ClassVar[str] = "group"

    delegation_id: str


class CommitteeKind(StrEnum):
    """What a committee is in law."""

    STANDING = "standing"
    """The standing committee (常委会)."""
    SPECIAL = "special"
    """A special committee (专门委员会)."""
    WORKING = "working"
    """A working body of the standing committee (工作委员会)."""
    SESSIONAL = "sessional"
    """Set up for one session (议案审查委员会 and the like)."""


class Committee(Node):
    """A committee or working body of the congress."""

    noun: ClassVar[str] = "committee"

    congress_id: str
    kind: CommitteeKind
    merged_into: str | None = None


class OrgKind(StrEnum):
    """Which branch a unit belongs to (一府一委两院 and the rest)."""

    GOVERNMENT = "government"
    SUPERVISION = "supervision"
    COURT = "court"
    PROCURATORATE = "procuratorate"
    OTHER = "other"


class Org(Node):
    """A unit (承办单位) that handles what deputies ask for; inactive ones get nothing new."""

    noun: ClassVar[str] = "org"

    kind: OrgKind = OrgKind.GOVERNMENT
    short_name: str = ""
    office_phone: str = ""


KINDS: tuple[type[Node], ...] = (Congress, Session, Delegation, Group, Committee, Org)

N = TypeVar("N", bound=Node)


class OrganisationStore(Protocol):
    """Keeps the parts of the house."""

    async def get(self, kind: type[N], node_id: str) -> N | None:
        """Answer one part, or ``None``."""

    async def all(self, kind: type[N]) -> list[N]:
        """Answer every part of a kind, active or not, by ``sort`` and name."""

    async def put(self, node: N) -> N:
        """Store a part and answer it with the next version.

        Raises:
            Conflict: ``node.v`` is stale, or another part of this kind has the name.
        """

    async def head_count(self) -> Mapping[str, int]:
        """Answer how many active deputies belong to each scope (``deleg:…``, ``unit:…``, …).

        For ``unit:…`` everybody counts, since units have no deputies.
        """


class Tree(BaseModel):
    """The whole house at once; ``counts`` maps scopes to numbers of people."""

    model_config = ConfigDict(frozen=True)

    congress: Congress | None
    sessions: tuple[Session, ...]
    delegations: tuple[Delegation, ...]
    groups: tuple[Group, ...]
    committees: tuple[Committee, ...]
    orgs: tuple[Org, ...]
    counts: Mapping[str, int]


class OrganisationService:
    """Shows the house, and lets admins rebuild it."""

    def __init__(
        self, store: OrganisationStore, audit: AuditLog, *, clock: Clock, new_id: NewId
    ) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def tree(self) -> Tree:
        """Answer the active parts of the house, with the congress that is in office now."""
        today = local_day(self._clock())
        congresses = await self._store.all(Congress)
        current = [c for c in congresses if c.starts_on <= today <= c.ends_on] or congresses
        return Tree(
            congress=current[-1] if current else None,
            sessions=tuple(await self._active(Session)),
            delegations=tuple(await self._active(Delegation)),
            groups=tuple(await self._active(Group)),
            committees=tuple(await self._active(Committee)),
            orgs=tuple(await self._active(Org)),
            counts=await self._store.head_count(),
        )

    async def get(self, kind: type[N], node_id: str) -> N:
        """Answer one part, active or not.

        Raises:
            NotFound: There is no such part.
        """
        node = await self._store.get(kind, node_id)
        if node is None:
            raise NotFound
        return node

    async def counts(self) -> Mapping[str, int]:
        """Answer how many people belong to each scope; see ``OrganisationStore.head_count``."""
        return await self._store.head_count()

    async def children(self, delegation_id: str) -> Sequence[Group]:
        """Answer the active groups of a delegation."""
        groups = await self._active(Group)
        return [group for group in groups if group.delegation_id == delegation_id]

    async def create(self, kind: type[N], fields: Mapping[str, Any], *, by: Person) -> N:
        """Found a part.

        Raises:
            Invalid: It refers to a part that is not there.
            Conflict: Another part of this kind has the name.
        """
        by.require(Permission.ROSTER_MANAGE)
        now = self._clock()
        node = kind.model_validate(
            {
                "id": self._new_id(), **fields,
                "v": 0, "created_at": now, "created_by": by.id,
                "updated_at": now, "updated_by": by.id,
            }
        )  # fmt: skip
        await self._check_references(node)
        stored = await self._store.put(node)
        await self._record("create", stored, by, sorted(fields))
        return stored

    async def update(
        self, kind: type[N], node_id: str, fields: Mapping[str, Any], *, v: int, by: Person
    ) -> N:
        """Change some fields of a part that is still at version ``v``.

        Raises:
            NotFound: There is no such part.
            Conflict: Somebody else changed it first, or the name is taken.
            Invalid: It refers to a part that is not there.
        """
        by.require(Permission.ROSTER_MANAGE)
        current = await self.get(kind, node_id)
        if current.v != v:
            raise Conflict("内容已被他人修改，请刷新后重试", detail={"v": current.v})
        changed = kind.model_validate(
            {
                **current.model_dump(), **fields, "id": current.id, "v": current.v,
                "updated_at": self._clock(), "updated_by": by.id,
            }
        )  # fmt: skip
        await self._check_references(changed)
        stored = await self._store.put(changed)
        await self._record("update", stored, by, sorted(fields))
        return stored

    async def _active(self, kind: type[N]) -> list[N]:
        return [node for node in await self._store.all(kind) if node.active]

    async def _check_references(self, node: Node) -> None:
        match node:
            case Congress() | Session() if node.ends_on < node.starts_on:
                raise Invalid("结束日期不能早于开始日期", field="ends_on")
            case Session() | Delegation() | Committee():
                if await self._store.get(Congress, node.congress_id) is None:
                    raise Invalid("届次不存在", field="congress_id")
        match node:
            case Committee(merged_into=str(heir)):
                if heir == node.id or await self._store.get(Committee, heir) is None:
                    raise Invalid("并入的委员会不存在", field="merged_into")
            case Group():
                delegation = await self._store.get(Delegation, node.delegation_id)
                if delegation is None or (node.active and not delegation.active):
                    raise Invalid("代表团不存在或已撤销", field="delegation_id")
            case _:
                pass

    async def _record(self, verb: str, node: Node, by: Person, fields: list[str]) -> None:
        await self._audit.record(
            f"{node.noun}.{verb}",
            by=by.id,
            obj=f"{node.noun}:{node.id}",
            detail={"fields": fields, "v": node.v, "name": node.name},
        )
