"""What keeps the ground in order: where files lie, and the jobs that no feature owns."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from domain.clock import Clock, local_day, system_clock
from domain.files import BlobStore
from server.config import FileKeeping, Settings
from server.ground import Ground
from server.jobs import Job
from storage.audit import sign_head
from storage.client import Database
from storage.files import DiskBlobs, FileStore
from storage.gridfs import GridFsBlobs


def blob_store(settings: Settings, db: Database, *, clock: Clock = system_clock) -> BlobStore:
    """Answer where the content of files lies: on disk, or in the database for several hosts."""
    if settings.files is FileKeeping.GRIDFS:
        return GridFsBlobs(db, clock)
    return DiskBlobs(settings.data_dir / "files")


def rows(ground: Ground) -> tuple[Job, ...]:
    """Answer the jobs, sorted by name."""
    blobs = blob_store(ground.settings, ground.db, clock=ground.clock)
    files = FileStore(ground.db, blobs, ground.clock)
    hour = timedelta(hours=1)
    return (
        Job(name="audit.head", every=hour, run=lambda: keep_head(ground)),
        Job(name="files.sweep", every=6 * hour, run=files.sweep),
    )


async def keep_head(ground: Ground) -> Path:
    """Write the signed head of the audit chain beside the data, one file a day; answer the file.

    A chain that was cut off at its end, or written anew from the beginning, can only be told from
    the true one by a head that was kept elsewhere: copy ``audit-heads`` to another machine.
    """
    head = sign_head(await ground.audit.head(), ground.vault)
    path = ground.settings.data_dir / "audit-heads" / f"{local_day(ground.clock())}.txt"
    await asyncio.to_thread(_write, path, head)
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(text + "\n", "utf-8")
    draft.replace(path)
