"""Packages of archived meetings: how far they are, what goes in, and the zip itself.

::

    meeting {…, package {state: making|done, claimed_at, finished_at, file_id, sha256, size,
             entries}}
        without ``package`` an archived meeting still waits for it.
    <data>/packages/<random>.zip    while it is made; then it is content like any other file
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from domain.attendance import Attendance
from domain.clock import Clock
from domain.errors import NotFound
from domain.files import Blob, BlobStore, FileRecord
from domain.leave.request import Leave
from domain.meetings.archive import Package, PackageState, Part
from domain.meetings.meeting import MeetingState
from domain.meetings.opinions import Opinion
from domain.meetings.participants import Participant
from storage.attendance import AttendanceStore
from storage.client import Database
from storage.files import CHUNK, FileStore, in_thread
from storage.leave import LeaveStore
from storage.meetings.opinions import read_opinion
from storage.meetings.participants import read_participant

LIMIT = 8 * 1024**3
"""Bytes of one package."""

SUMS = "SHA256SUMS"

_LEFT_BEHIND = timedelta(hours=6)

_EPOCH = (1980, 1, 1, 0, 0, 0)
# Zipped again, these would only cost time.
_PACKED = frozenset({"pdf", "docx", "xlsx", "pptx", "ofd", "jpg", "png", "mp3", "mp4"})


class PackageStore:
    """Implements ``domain.meetings.archive.PackageStore``."""

    def __init__(self, db: Database) -> None:
        self._meetings = db["meeting"]

    async def get(self, meeting_id: str) -> Package | None:
        """Answer the package of an archived meeting; ``None`` where it is not archived."""
        row = await self._meetings.find_one(
            {"_id": meeting_id, "state": MeetingState.ARCHIVED.value}, projection={"package": 1}
        )
        return None if row is None else Package(**(row.get("package") or {}))

    async def claim(self, now: datetime, *, stuck_before: datetime) -> str | None:
        """Answer an archived meeting without a package, which is ours to make, or ``None``."""
        making = {"state": PackageState.MAKING.value, "claimed_at": now}
        row = await self._meetings.find_one_and_update(
            {
                "state": MeetingState.ARCHIVED.value,
                "$or": [
                    {"package": {"$exists": False}},
                    {
                        "package.state": PackageState.MAKING.value,
                        "package.claimed_at": {"$lt": stuck_before},
                    },
                ],
            },
            {"$set": {"package": making}},
            projection={"_id": 1},
        )
        return row["_id"] if row else None

    async def finish(self, meeting_id: str, package: Package) -> None:
        """Keep a finished package."""
        row = {**package.model_dump(), "state": package.state.value}
        await self._meetings.update_one({"_id": meeting_id}, {"$set": {"package": row}})


class RecordStore:
    """Implements ``domain.meetings.archive.Records``."""

    def __init__(self, db: Database, files: FileStore) -> None:
        self._participants = db["participant"]
        self._opinions = db["opinion"]
        self._attendance = AttendanceStore(db)
        self._leave = LeaveStore(db)
        self._files = files

    async def attendance(self, meeting_id: str) -> Sequence[Attendance]:
        """Answer who was marked as present, late, gone or absent."""
        return await self._attendance.of(meeting_id)

    async def leave(self, meeting_id: str) -> Sequence[Leave]:
        """Answer the requests for leave."""
        return await self._leave.of_meeting(meeting_id)

    async def participants(self, meeting_id: str) -> AsyncIterator[Participant]:
        """Yield everybody who takes part, by person id."""
        async for row in self._participants.stream({"m": meeting_id}, sort=[("m", 1), ("p", 1)]):
            yield read_participant(row)

    async def opinions(self, meeting_id: str) -> Sequence[Opinion]:
        """Answer the opinions, oldest first."""
        rows = self._opinions.stream(
            {"meeting_id": meeting_id}, sort=[("meeting_id", 1), ("_id", 1)]
        )
        return [read_opinion(row) async for row in rows]

    async def file(self, file_id: str) -> FileRecord | None:
        """Answer the record of a file, or ``None``."""
        try:
            return await self._files.get(file_id)
        except NotFound:
            return None

    async def keep(self, record: FileRecord) -> None:
        """Keep a record in the place of one with the same id."""
        await self._files.remove(record.id)
        await self._files.add(record)


class ZipPacker:
    """Makes zips on disk, in threads, a chunk at a time; implements ``Packer``."""

    def __init__(self, folder: Path, blobs: BlobStore, clock: Clock) -> None:
        self._folder = folder
        self._blobs = blobs
        self._clock = clock

    async def pack(self, parts: Sequence[Part]) -> Blob:
        """Put parts into a zip, with a list of their checksums as the last one, and keep it."""
        path = self._folder / f"{secrets.token_hex(8)}.zip"
        before = (self._clock() - _LEFT_BEHIND).timestamp()
        zipped = await in_thread(_open, path, before)
        try:
            sums = [
                f"{await self._add(zipped, part)}  {part.name}\n" for part in _named_apart(parts)
            ]
            await self._add(zipped, Part(SUMS, "".join(sums).encode()))
            await in_thread(zipped.close)
            return await self._keep(path)
        finally:
            await asyncio.shield(in_thread(_discard, zipped, path))

    async def _add(self, zipped: zipfile.ZipFile, part: Part) -> str:
        """Write one part and answer its checksum."""
        info = zipfile.ZipInfo(part.name, date_time=_EPOCH)
        info.external_attr = 0o644 << 16
        packed = part.name.rpartition(".")[2].lower() in _PACKED
        info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
        digest = hashlib.sha256()
        entry = await in_thread(zipped.open, info, "w", force_zip64=True)
        try:
            async for chunk in self._chunks(part.content):
                await in_thread(_absorb, entry, digest.update, chunk)
        finally:
            await asyncio.shield(in_thread(entry.close))
        return digest.hexdigest()

    async def _chunks(self, content: bytes | Blob) -> AsyncIterator[bytes]:
        if isinstance(content, Blob):
            async for chunk in self._blobs.read(content.sha256):
                yield chunk
            return
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]

    async def _keep(self, path: Path) -> Blob:
        file = await in_thread(path.open, "rb")
        try:
            async with self._blobs.writer(limit=LIMIT) as writer:
                while chunk := await in_thread(file.read, CHUNK):
                    await writer.write(chunk)
            return writer.blob
        finally:
            file.close()


def _named_apart(parts: Sequence[Part]) -> list[Part]:
    """Answer parts whose names differ; the second of a name gets a number."""
    seen: dict[str, int] = {}
    apart = []
    for part in parts:
        seen[part.name] = n = seen.get(part.name, 0) + 1
        stem, dot, ending = part.name.rpartition(".")
        apart.append(part if n == 1 else Part(f"{stem}-{n}{dot}{ending}", part.content))
    return apart


def _open(path: Path, before: float) -> zipfile.ZipFile:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for other in path.parent.glob("*.zip"):
        # Of a process that was killed.
        if other.stat().st_mtime < before:
            other.unlink(missing_ok=True)
    return zipfile.ZipFile(path, "x", compression=zipfile.ZIP_DEFLATED)


def _absorb(entry: IO[bytes], digest: Callable[[bytes], Any], chunk: bytes) -> None:
    digest(chunk)
    entry.write(chunk)


def _discard(zipped: zipfile.ZipFile, path: Path) -> None:
    try:
        zipped.close()
    finally:
        path.unlink(missing_ok=True)
