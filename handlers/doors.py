"""The doors of a meeting: ``/api/v1/meetings/{meeting_id}/doors`` and what happened there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from domain.checkins.judging import DoorPlan, Gate
from domain.checkins.plans import DoorNote, Doors
from domain.checkins.scan import Result, Seen
from domain.meetings.meeting import Capacity
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.scans import ScanView
from handlers.text import Draft, Id, Line, Name, Note

GateKey = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,16}$")]


class GateDraft(Draft):
    """A gate: who may pass, which scanners stand there, and times if not the meeting's."""

    id: GateKey
    name: Name
    capacities: frozenset[Capacity] = frozenset()
    devices: Annotated[frozenset[Id], Field(max_length=50)] = frozenset()
    opens_at: Instant | None = None
    closes_at: Instant | None = None


class PlanDraft(Draft):
    """The doors; a time that is not named follows the rules. ``v`` is the version seen."""

    v: Annotated[int, Field(ge=0, lt=2**31)]
    gates: Annotated[tuple[GateDraft, ...], Field(max_length=50)] = ()
    opens_at: Instant | None = None
    late_at: Instant | None = None
    closes_at: Instant | None = None


class GateView(BaseModel):
    """A gate."""

    id: str
    name: str
    capacities: list[str]
    devices: list[str]
    opens_at: datetime | None
    closes_at: datetime | None


class PlanView(BaseModel):
    """The doors of a meeting; version 0 until somebody has set them up."""

    meeting_id: str
    gates: list[GateView]
    opens_at: datetime | None
    late_at: datetime | None
    closes_at: datetime | None
    v: int

    @classmethod
    def of(cls, plan: DoorPlan) -> Self:
        """Show a plan."""
        shown = plan.model_dump(include=set(cls.model_fields))
        for gate in shown["gates"]:
            gate |= {name: sorted(gate[name]) for name in ("capacities", "devices")}
        return cls(**shown)


class NoteDraft(Draft):
    """What the doors are to know of somebody: not to let them in, or what to tell them."""

    blocked: bool = False
    attention: Line = ""
    reason: Note = ""


class NoteView(BaseModel):
    """What the doors know of somebody."""

    person_id: str
    blocked: bool
    attention: str
    reason: str
    at: datetime

    @classmethod
    def of(cls, note: DoorNote) -> Self:
        """Show a note."""
        return cls(**note.model_dump(include=set(cls.model_fields)))


class NotesView(BaseModel):
    """What the doors know of people, by person id."""

    notes: list[NoteView]


class ScansQuery(PageQuery):
    """Which scans: only the ``conflicts`` of gates without a network, or of one result."""

    conflicts: bool = False
    result: Result | None = None


class DoorsHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/doors``."""

    @operation(Permission.CONSOLE_RUN)
    async def get(self, meeting_id: Id) -> PlanView:
        """Show the doors."""
        return PlanView.of(await self.services.checkins.desk.plan(meeting_id, by=self.user))

    @operation(Permission.CONSOLE_RUN)
    async def put(self, meeting_id: Id, body: PlanDraft) -> PlanView:
        """Set the doors up."""
        gates = tuple(
            Gate(**{**it.model_dump(), "capacities": {role.value for role in it.capacities}})
            for it in body.gates
        )
        doors = Doors(gates, body.opens_at, body.late_at, body.closes_at)
        desk = self.services.checkins.desk
        return PlanView.of(await desk.set(meeting_id, doors, v=body.v, by=self.user))


class NotesHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/doors/people``."""

    @operation(Permission.CONSOLE_RUN)
    async def get(self, meeting_id: Id) -> NotesView:
        """Show what the doors know of people."""
        notes = await self.services.checkins.desk.notes(meeting_id, by=self.user)
        return NotesView(notes=[NoteView.of(it) for it in notes])


class NoteHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/doors/people/{person_id}``."""

    @operation(Permission.CONSOLE_RUN)
    async def put(self, meeting_id: Id, person_id: Id, body: NoteDraft) -> NoteView:
        """Say what the doors are to know of somebody."""
        note = DoorNote(
            meeting_id=meeting_id,
            person_id=person_id,
            **body.model_dump(),
            at=datetime.now(UTC),
            by=self.user.id,
        )
        return NoteView.of(await self.services.checkins.desk.remark(note, by=self.user))


class MeetingScansHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/scans``."""

    @operation(Permission.CHECKIN_REVERSE)
    async def get(self, meeting_id: Id, query: ScansQuery) -> Page[ScanView]:
        """Show what happened at the doors, newest first; ``conflicts`` are never hidden."""
        after = self.after(query)
        found = await self.services.checkins.desk.scans(
            meeting_id,
            conflicts=query.conflicts,
            result=query.result,
            after=after[0] if after else "",
            limit=query.limit + 1,
            by=self.user,
        )
        shown = found[: query.limit]
        more = len(found) > query.limit
        return self.page([ScanView.of(Seen(it)) for it in shown], [shown[-1].eid] if more else None)


_MEETING = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})"

ROUTES = [
    route(rf"{_MEETING}/doors", DoorsHandler),
    route(rf"{_MEETING}/doors/people", NotesHandler),
    route(rf"{_MEETING}/doors/people/(?P<person_id>[0-9A-Z]{{26}})", NoteHandler),
    route(rf"{_MEETING}/scans", MeetingScansHandler),
]
