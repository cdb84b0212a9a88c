"""The privacy centre (F13): a copy of everything personal, and erasure.

Whoever keeps personal data implements ``PersonalData`` and is named in the assembly. A copy is made
by a job, kept sealed, and can be fetched for a day. A request for erasure is decided by an
administrator within the days that the rule ``privacy.request`` says; what a law demands stays, and
the person is told what and why::

    copy     queued ──▶ running ──▶ done ──▶ expired          (or failed)
    erasure  received ──▶ done | refused(reason)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.errors import BadState, NotFound
from domain.events import Event
from domain.people import Person
from domain.ports import AuditLog, Bus

_log = logging.getLogger(__name__)

KEPT_FOR = timedelta(hours=24)
"""How long a finished copy can be fetched: long enough for once, short enough to be forgotten."""

_STUCK_AFTER = timedelta(minutes=5)
"""A running job this old belonged to a process that died; another takes it."""


class Erased(BaseModel):
    """What one keeper of data did with an erasure.

    Attributes:
        removed: How many objects were deleted or made anonymous.
        kept: What stayed and why, one sentence each.
    """

    model_config = ConfigDict(frozen=True)

    removed: int = 0
    kept: tuple[str, ...] = ()


class PersonalData(Protocol):
    """One keeper of personal data."""

    @property
    def name(self) -> str:
        """Name of its file in the copy, without ending."""

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections it answers for: a test finds those that nobody answers for."""

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every object of a person, each with its ``id``; JSON values and instants.

        C3 values are given in clear, for they are the person's own; C4 is never exported, and
        nothing is said that belongs to somebody else.
        """

    async def erase(self, person_id: str) -> Erased:
        """Delete a person's objects, or make them anonymous; doing it twice changes nothing."""


class JobState(StrEnum):
    """States of a copy."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


class ExportJob(BaseModel):
    """The making of one copy.

    Attributes:
        counts: Objects per file.
        size: Bytes of the finished archive.
        v: Version as read; 0 for one that is not stored yet.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    state: JobState = JobState.QUEUED
    asked_at: datetime
    claimed_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    counts: Mapping[str, int] = {}
    size: int = 0
    v: int = 0


class ExportStore(Protocol):
    """Keeps jobs; at most one per person is queued or running."""

    async def get(self, job_id: str) -> ExportJob | None:
        """Answer one job, or ``None``."""

    async def of(self, person_id: str) -> list[ExportJob]:
        """Answer somebody's jobs, newest first."""

    async def put(self, job: ExportJob) -> ExportJob:
        """Store a job and answer it with the next version.

        Raises:
            Conflict: ``job.v`` is stale, or the person has a queued or running one.
        """

    async def claim(self, now: datetime, *, stuck_before: datetime) -> ExportJob | None:
        """Take the oldest queued or stuck job and answer it as running, or ``None``."""

    async def expired(self, now: datetime) -> list[ExportJob]:
        """Answer the finished jobs whose time is over."""


class ExportBox(Protocol):
    """Keeps finished archives, sealed."""

    async def keep(self, job_id: str, files: Mapping[str, Any]) -> int:
        """Pack JSON documents into an archive and keep it; answer its size in bytes."""

    async def open(self, job_id: str) -> bytes:
        """Answer an archive in clear.

        Raises:
            NotFound: It is not there any more.
        """

    async def drop(self, job_id: str) -> None:
        """Delete an archive; one that is not there stays so."""


class ExportReady(Event):
    """The copy the receiver asked for can be fetched."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["export.ready"] = "export.ready"
    job_id: str


class ExportService:
    """Makes copies of everything personal, one at a time per person."""

    def __init__(
        self,
        keepers: Sequence[PersonalData],
        store: ExportStore,
        box: ExportBox,
        *,
        audit: AuditLog,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._keepers = tuple(keepers)
        self._store = store
        self._box = box
        self._audit = audit
        self._bus = bus
        self._clock = clock
        self._new_id = new_id

    async def ask(self, *, by: Person) -> ExportJob:
        """Ask for a copy of everything about oneself.

        Raises:
            Conflict: One is being made already.
        """
        job = ExportJob(id=self._new_id(), person_id=by.id, asked_at=self._clock())
        stored = await self._store.put(job)
        await self._audit.record("export.ask", by=by.id, obj=f"export_job:{job.id}")
        return stored

    async def mine(self, *, by: Person) -> list[ExportJob]:
        """Answer one's own jobs, newest first."""
        return await self._store.of(by.id)

    async def get(self, job_id: str, *, by: Person) -> ExportJob:
        """Answer one of one's own jobs.

        Raises:
            NotFound: There is no such job, or it is somebody else's.
        """
        job = await self._store.get(job_id)
        if job is None or job.person_id != by.id:
            raise NotFound
        return job

    async def fetch(self, job_id: str, *, by: Person) -> bytes:
        """Answer the finished archive; needs a fresh proof of identity.

        Raises:
            NotFound: There is no such job, or it is somebody else's.
            BadState: It is not finished, or its time is over.
        """
        job = await self.get(job_id, by=by)
        over = job.expires_at is not None and job.expires_at <= self._clock()
        if job.state is not JobState.DONE or over:
            raise BadState("导出文件尚未生成或已过期", allowed=())
        archive = await self._box.open(job.id)
        await self._audit.record("export.fetch", by=by.id, obj=f"export_job:{job.id}")
        return archive

    async def run_next(self) -> bool:
        """Make the oldest copy that waits; tell whether there was one."""
        now = self._clock()
        job = await self._store.claim(now, stuck_before=now - _STUCK_AFTER)
        if job is None:
            return False
        try:
            files = {
                keeper.name: [dict(row) for row in await keeper.export(job.person_id)]
                for keeper in self._keepers
            }
            size = await self._box.keep(job.id, files)
        except Exception:
            await self._finish(job, JobState.FAILED)
            raise
        counts = {name: len(rows) for name, rows in files.items()}
        done = await self._finish(job, JobState.DONE, counts=counts, size=size)
        event = ExportReady(id=self._new_id(), v=done.v, at=self._clock(), job_id=job.id)
        await self._bus.publish(f"user:#{job.person_id}", event)
        return True

    async def expire(self) -> int:
        """Delete the archives whose time is over; answer how many."""
        jobs = await self._store.expired(self._clock())
        for job in jobs:
            await self._box.drop(job.id)
            await self._store.put(job.model_copy(update={"state": JobState.EXPIRED}))
        return len(jobs)

    async def _finish(self, job: ExportJob, state: JobState, **facts: Any) -> ExportJob:
        now = self._clock()
        expires = now + KEPT_FOR if state is JobState.DONE else None
        update = {"state": state, "finished_at": now, "expires_at": expires, **facts}
        return await self._store.put(job.model_copy(update=update))
