"""The archive of a meeting: one package with everything that belongs to its record, and checksums.

A closed meeting is archived and never opened again. The package is made by a job, so a process that
dies only delays it; the staff of the meeting fetch it as a file. Why somebody asked for leave is
personal and not in it.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.attendance import Attendance
from domain.clock import SHANGHAI, Clock
from domain.errors import Conflict, NotFound
from domain.file_kinds import extension
from domain.files import Blob, FileRecord
from domain.leave.request import Leave
from domain.meetings.agenda import AgendaItem, AgendaStore
from domain.meetings.desk import MeetingDesk
from domain.meetings.meeting import (
    Meeting,
    MeetingState,
    MeetingStore,
    require_served,
    serves,
)
from domain.meetings.opinions import Opinion
from domain.meetings.participants import Participant, ParticipantStore
from domain.meetings.results import LABEL
from domain.people import Person
from domain.ports import AuditLog
from domain.visibility import DataClass

_log = logging.getLogger(__name__)

_STUCK_AFTER = timedelta(minutes=10)
"""A package that has been in the making for so long is begun anew."""


class PackageState(StrEnum):
    """What became of a package."""

    WAITING = "waiting"
    MAKING = "making"
    DONE = "done"


class Package(BaseModel):
    """The package of a meeting; ``sha256`` and ``size`` are those of the whole zip."""

    model_config = ConfigDict(frozen=True)

    state: PackageState = PackageState.WAITING
    claimed_at: datetime | None = None
    finished_at: datetime | None = None
    file_id: str | None = None
    sha256: str = ""
    size: int = 0
    entries: int = 0


class Part(NamedTuple):
    """One file of a package: a text, or content that is kept already."""

    name: str
    content: bytes | Blob


class Packer(Protocol):
    """Makes zips off the event loop, and keeps them."""

    async def pack(self, parts: Sequence[Part]) -> Blob:
        """Put parts into a zip, with a list of their checksums as the last one, and keep it.

        Raises:
            NotFound: The content of a part is gone.
            StorageFull: There is no room.
        """


class Records(Protocol):
    """What is on record of a meeting besides its own documents."""

    async def attendance(self, meeting_id: str) -> Sequence[Attendance]:
        """Answer who was marked as present, late, gone or absent."""

    async def leave(self, meeting_id: str) -> Sequence[Leave]:
        """Answer the requests for leave."""

    def participants(self, meeting_id: str) -> AsyncIterator[Participant]:
        """Yield everybody who takes part."""

    async def opinions(self, meeting_id: str) -> Sequence[Opinion]:
        """Answer the opinions."""

    async def file(self, file_id: str) -> FileRecord | None:
        """Answer the record of a file, or ``None``."""

    async def keep(self, record: FileRecord) -> None:
        """Keep a record in the place of one with the same id."""


class PackageStore(Protocol):
    """Keeps how far packages are."""

    async def get(self, meeting_id: str) -> Package | None:
        """Answer the package of an archived meeting; ``None`` where it is not archived."""

    async def claim(self, now: datetime, *, stuck_before: datetime) -> str | None:
        """Answer an archived meeting without a package, which is ours to make, or ``None``."""

    async def finish(self, meeting_id: str, package: Package) -> None:
        """Keep a finished package."""


class ArchiveService:
    """Archives meetings."""

    def __init__(
        self,
        store: PackageStore,
        records: Records,
        meetings: MeetingStore,
        agenda: AgendaStore,
        participants: ParticipantStore,
        packer: Packer,
        *,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._store = store
        self._records = records
        self._meetings = meetings
        self._agenda = agenda
        self._participants = participants
        self._packer = packer
        self._audit = audit
        self._clock = clock

    async def archive(self, meeting_id: str, *, v: int, desk: MeetingDesk, by: Person) -> Meeting:
        """Archive a closed meeting for good; its package is made within moments.

        Raises:
            BadState: It is not closed.
            Conflict: A result waits for its second person, or somebody else changed the meeting.
        """
        meeting = await self._meetings.get(meeting_id)
        if meeting is None:
            raise NotFound
        require_served(by, meeting)
        for item in await self._agenda.of(meeting_id):
            if item.result is not None and item.result.confirmed_at is None:
                raise Conflict(
                    "有会议结果尚未经第二人确认", code="unconfirmed", detail={"item": item.id}
                )
        return await desk.move(meeting_id, MeetingState.ARCHIVED, v=v, by=by)

    async def package(self, meeting_id: str, *, by: Person) -> Package:
        """Answer how far the package is, to the staff.

        Raises:
            NotFound: There is no such meeting, or it is not archived.
        """
        meeting = await self._meetings.get(meeting_id)
        if meeting is None:
            raise NotFound
        require_served(by, meeting)
        found = await self._store.get(meeting_id)
        if found is None:
            raise NotFound
        return found

    async def may_read(self, ref: str, file_id: str, *, by: Person) -> bool:
        """Tell whether a person may have the package of a meeting, ``archive:<meeting>``."""
        meeting = await self._meetings.get(ref.partition(":")[2])
        return meeting is not None and serves(by, meeting)

    async def make_next(self) -> bool:
        """Make one package that is wanted; tell whether there was one. Run every few seconds."""
        now = self._clock()
        meeting_id = await self._store.claim(now, stuck_before=now - _STUCK_AFTER)
        if meeting_id is None:
            return False
        meeting = await self._meetings.get(meeting_id)
        if meeting is None:
            return True
        parts = await self._parts(meeting)
        blob = await self._packer.pack(parts)
        # One package for each meeting, under its own id: making it twice is making it once.
        record = FileRecord(
            id=meeting.id,
            blob=blob,
            name=f"会议档案-{_plain(meeting.title)}.zip",
            mime="application/zip",
            owner="system",
            ref=f"archive:{meeting.id}",
            cls=DataClass.C2.value,
            created_at=now,
        )
        await self._records.keep(record)
        package = Package(
            state=PackageState.DONE, claimed_at=now, finished_at=self._clock(),
            file_id=record.id, sha256=blob.sha256, size=blob.size, entries=len(parts),
        )  # fmt: skip
        await self._store.finish(meeting_id, package)
        await self._audit.record(
            "meeting.archive", by="system", obj=f"meeting:{meeting_id}",
            detail={"sha256": blob.sha256, "size": blob.size, "entries": len(parts)},
        )  # fmt: skip
        return True

    async def _parts(self, meeting: Meeting) -> list[Part]:
        items = await self._agenda.of(meeting.id)
        people = [it async for it in self._records.participants(meeting.id)]
        attendance = await self._records.attendance(meeting.id)
        leave = await self._records.leave(meeting.id)
        ids = {it.person_id for it in people} | {it.person_id for it in attendance}
        ids |= {it.person_id for it in leave}
        names = await self._participants.names(ids)
        told = {"eid", "moved_eid"}
        parts = [
            Part("meeting.json", _json(meeting.model_dump(mode="json", exclude=told))),
            Part("agenda.json", _json([_item(it, n) for n, it in enumerate(items, 1)])),
            Part("results.json", _json({"label": LABEL, "results": _results(items)})),
            Part("opinions.json", _json(await self._opinions(meeting.id))),
            Part(
                "participants.csv",
                _csv(
                    ("人员编号", "姓名", "身份", "来源"),
                    ((it.person_id, names.get(it.person_id, ""), it.capacity.value, it.source.value)
                     for it in people),
                ),
            ),
            Part(
                "attendance.csv",
                _csv(
                    ("人员编号", "姓名", "身份", "状态", "时间", "方式", "登记人"),
                    ((it.person_id, names.get(it.person_id, ""), it.capacity, it.state.value,
                      _local(it.at), it.how, it.by) for it in attendance),
                ),
            ),
            Part(
                "leave.csv",
                _csv(
                    ("人员编号", "姓名", "状态", "申请时间", "决定时间", "决定人"),
                    ((it.person_id, names.get(it.person_id, ""), it.state.value,
                      _local(it.asked_at), _local(it.decided_at), it.decided_by or "")
                     for it in leave),
                ),
            ),
        ]  # fmt: skip
        return [*parts, *await self._papers(items)]

    async def _papers(self, items: Sequence[AgendaItem]) -> list[Part]:
        found = []
        for n, item in enumerate(items, 1):
            for place, paper in enumerate(item.papers, 1):
                record = await self._records.file(paper.file_id)
                if record is None:
                    _log.error("paper %s of meeting %s has no file", paper.id, item.meeting_id)
                    continue
                ending = extension(record.name)
                name = f"papers/{n:02}-{place:02}-{_plain(paper.title)}.{ending}"
                found.append(Part(name, record.blob))
        return found

    async def _opinions(self, meeting_id: str) -> list[Mapping[str, Any]]:
        left_out = {"staff", "reminders", "overdue_eid", "next_at", "moved_eid"}
        found = await self._records.opinions(meeting_id)
        return [it.model_dump(mode="json", exclude=left_out) for it in found]


def _item(item: AgendaItem, no: int) -> Mapping[str, Any]:
    return {"no": no, **item.model_dump(mode="json", exclude={"result"})}


def _results(items: Sequence[AgendaItem]) -> list[Mapping[str, Any]]:
    return [
        {
            "no": no,
            "item": it.id,
            "title": it.title,
            **it.result.model_dump(mode="json", exclude={"eid"}),
        }
        for no, it in enumerate(items, 1)
        if it.result is not None
    ]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True).encode()


def _csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(head)
    table.writerows([_cell(value) for value in row] for row in rows)
    # The mark lets spreadsheets see that it is UTF-8.
    return ("\ufeff" + text.getvalue()).encode()


def _cell(value: str) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{value}" if value[:1] in {"=", "+", "-", "@"} else value


def _local(at: datetime | None) -> str:
    return at.astimezone(SHANGHAI).isoformat(timespec="seconds") if at else ""


def _plain(title: str) -> str:
    """Answer a title as part of a file name: short, and without what means something there."""
    return "".join("_" if char in '/\\:*?"<>|' or ord(char) < 32 else char for char in title)[:60]
