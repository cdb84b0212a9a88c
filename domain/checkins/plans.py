"""The doors of a meeting as its staff set them up, and what they are to know of single people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.checkins.judging import DoorPlan, Gate
from domain.checkins.scan import Result, Scan, ScanStore
from domain.clock import Clock
from domain.errors import Conflict, Invalid, NotFound
from domain.hall.meeting import Meetings, driven
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog


class DoorNote(BaseModel):
    """What the doors are to know of somebody.

    Attributes:
        blocked: They are not to be let in, for ``reason``.
        attention: What they are to be told, for example where their papers are.
    """

    model_config = ConfigDict(frozen=True)

    meeting_id: str
    person_id: str
    blocked: bool
    attention: str
    reason: str
    at: datetime
    by: str


class Doors(NamedTuple):
    """How a plan is to be: gates, and times where they are not as the rules say."""

    gates: tuple[Gate, ...]
    opens_at: datetime | None
    late_at: datetime | None
    closes_at: datetime | None


class PlanStore(Protocol):
    """Keeps plans and notes."""

    async def plan(self, meeting_id: str) -> DoorPlan:
        """Answer the doors of a meeting; the empty plan if nobody has made one."""

    async def put_plan(self, plan: DoorPlan, *, was: int) -> bool:
        """Keep a plan if its version still is ``was``; tell whether."""

    async def put_note(self, note: DoorNote) -> None:
        """Keep what the doors are to know of somebody, in place of what was said before."""

    async def notes(self, meeting_id: str) -> Sequence[DoorNote]:
        """Answer what the doors of a meeting know of people."""


class DoorDesk:
    """Where the staff of a meeting set up its doors, and look at what happened there."""

    def __init__(
        self,
        store: PlanStore,
        scans: ScanStore,
        meetings: Meetings,
        *,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._store = store
        self._scans = scans
        self._meetings = meetings
        self._audit = audit
        self._clock = clock

    async def plan(self, meeting_id: str, *, by: Person) -> DoorPlan:
        """Answer the doors.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        await driven(self._meetings, meeting_id, by=by)
        return await self._store.plan(meeting_id)

    async def set(self, meeting_id: str, doors: Doors, *, v: int, by: Person) -> DoorPlan:
        """Set the doors up.

        Raises:
            Forbidden: The person does not drive this meeting.
            Invalid: Two gates have the same id.
            Conflict: Somebody else was faster.
        """
        await driven(self._meetings, meeting_id, by=by)
        ids = [gate.id for gate in doors.gates]
        if len(set(ids)) < len(ids):
            raise Invalid("入口编号重复", field="gates")
        plan = DoorPlan(
            meeting_id=meeting_id, **doors._asdict(), v=v + 1, at=self._clock(), by=by.id
        )
        if not await self._store.put_plan(plan, was=v):
            now = await self._store.plan(meeting_id)
            raise Conflict("已被他人更改，请以最新状态为准", detail={"v": now.v})
        await self._note("door.plan", meeting_id, by, gates=ids, v=plan.v)
        return plan

    async def remark(self, note: DoorNote, *, by: Person) -> DoorNote:
        """Say what the doors are to know of somebody.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: The other does not take part in it.
        """
        await driven(self._meetings, note.meeting_id, by=by)
        if not await self._meetings.capacities(note.meeting_id, [note.person_id]):
            raise NotFound
        kept = note.model_copy(update={"at": self._clock(), "by": by.id})
        await self._store.put_note(kept)
        # What is told at the door and why may be private; the audit says that something is.
        await self._note(
            "door.note", note.meeting_id, by, person=note.person_id, blocked=note.blocked
        )
        return kept

    async def notes(self, meeting_id: str, *, by: Person) -> Sequence[DoorNote]:
        """Answer what the doors know of people.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        await driven(self._meetings, meeting_id, by=by)
        return await self._store.notes(meeting_id)

    async def scans(
        self,
        meeting_id: str,
        *,
        conflicts: bool,
        result: Result | None,
        after: str,
        limit: int,
        by: Person,
    ) -> Sequence[Scan]:
        """Answer what happened at the doors, newest first.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        await driven(self._meetings, meeting_id, by=by, permission=Permission.CHECKIN_REVERSE)
        return await self._scans.of(
            meeting_id, conflicts=conflicts, result=result, after=after, limit=limit
        )

    async def _note(self, action: str, meeting_id: str, by: Person, **detail: object) -> None:
        await self._audit.record(action, by=by.id, obj=f"meeting:{meeting_id}", detail=detail)
