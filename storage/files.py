"""Files: content by its sha256 on disk, and the records that refer to it in ``file``.

::

    <root>/ab/ab12…       content, never changed once it is there
    <root>/.incoming/…    what is being written now
    file {_id, sha256, size, name, mime, owner, ref, cls, created_at}

A writer streams into ``.incoming``, is synced and renamed, so that a name always stands for whole
content. ``storage.gridfs`` keeps content in MongoDB instead, for several hosts. Disk work runs in
threads, a chunk at a time.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from domain.clock import Clock
from domain.errors import Invalid, NotFound, StorageFull, TooLarge
from domain.files import Blob, BlobStore, FileRecord
from storage.client import Database, Document

CHUNK = 256 * 1024
RESERVE = 200 * 1024 * 1024
"""Bytes that stay free on disk: the database needs room to start again."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DiskWriter:
    """Content on its way to the disk."""

    def __init__(self, incoming: Path, limit: int) -> None:
        self._path = incoming / secrets.token_hex(16)
        self._file: BinaryIO | None = None
        self._limit = limit
        self._hash = hashlib.sha256()
        self._size = 0
        self._kept: Blob | None = None

    async def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            TooLarge: The limit is passed.
            StorageFull: There is no room.
        """
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLarge("文件过大", detail={"limit": self._limit})
        await in_thread(self._absorb, chunk)

    @property
    def blob(self) -> Blob:
        """What was kept, after the block."""
        if self._kept is None:
            raise RuntimeError("the content is not kept yet")
        return self._kept

    def open(self) -> None:
        """Begin."""
        self._file = self._path.open("xb")

    def keep(self, root: Path) -> None:
        """Bring everything to the disk, then give it its name."""
        if self._file is None:
            raise RuntimeError("the content was not begun")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        digest = self._hash.hexdigest()
        shelf = root / digest[:2]
        if not shelf.exists():
            shelf.mkdir(exist_ok=True)
            _sync_directory(root)
        # Also where the content is there already: the younger file tells a sweep that it is wanted.
        self._path.replace(shelf / digest)
        _sync_directory(shelf)
        self._kept = Blob(digest, self._size)

    def discard(self) -> None:
        """Forget what was not kept."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        if self._kept is None:
            self._path.unlink(missing_ok=True)

    def _absorb(self, chunk: bytes) -> None:
        if self._file is None:
            raise RuntimeError("the content was not begun")
        self._hash.update(chunk)
        self._file.write(chunk)


class DiskBlobs:
    """The port ``BlobStore`` in a directory of this machine.

    Args:
        root: The directory; it is made if it is not there.
        reserve: Bytes that must stay free on its disk.
    """

    def __init__(self, root: Path, *, reserve: int = RESERVE) -> None:
        self._root = root
        self._incoming = root / ".incoming"
        self._reserve = reserve
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def writer(self, *, limit: int) -> AsyncIterator[DiskWriter]:
        """Take content in; it is kept when the block ends, and forgotten if the block raises."""
        draft = DiskWriter(self._incoming, limit)
        try:
            await in_thread(self._begin, draft)
            yield draft
            await in_thread(draft.keep, self._root)
        finally:
            # Not even a cancelled upload may leave its draft behind.
            await asyncio.shield(asyncio.to_thread(draft.discard))

    async def read(
        self, sha256: str, *, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to, not including, ``stop``."""
        try:
            file = await asyncio.to_thread(self._path(sha256).open, "rb")
        except FileNotFoundError:
            raise NotFound from None
        place = start
        try:
            await asyncio.to_thread(file.seek, start)
            while stop is None or place < stop:
                most = CHUNK if stop is None else min(CHUNK, stop - place)
                chunk = await asyncio.to_thread(file.read, most)
                if not chunk:
                    return
                place += len(chunk)
                yield chunk
        finally:
            file.close()

    async def stat(self, sha256: str) -> Blob:
        """Answer name and size."""
        try:
            found = await asyncio.to_thread(self._path(sha256).stat)
        except FileNotFoundError:
            raise NotFound from None
        return Blob(sha256, found.st_size)

    async def delete(self, sha256: str) -> None:
        """Remove content; it is no error if it is not there."""
        await asyncio.to_thread(self._path(sha256).unlink, missing_ok=True)

    async def names(self) -> AsyncIterator[str]:
        """Yield the sha256 of everything that is kept, in order."""
        for shelf in await asyncio.to_thread(_entries, self._root):
            if not shelf.startswith("."):
                for name in await asyncio.to_thread(_entries, self._root / shelf):
                    yield name

    async def sweep(self, kept: Collection[str], *, before: datetime) -> list[str]:
        """Remove what nobody refers to, and what broken uploads left behind."""
        gone = [
            name
            async for name in self.names()
            if name not in kept and await asyncio.to_thread(self._sweep, self._path(name), before)
        ]
        for draft in await asyncio.to_thread(_entries, self._incoming):
            await asyncio.to_thread(self._sweep, self._incoming / draft, before)
        return gone

    def _path(self, sha256: str) -> Path:
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise NotFound
        return self._root / sha256[:2] / sha256

    def _begin(self, draft: DiskWriter) -> None:
        if shutil.disk_usage(self._root).free < self._reserve:
            raise StorageFull("存储空间不足，暂时无法保存文件")
        draft.open()

    def _sweep(self, path: Path, before: datetime) -> bool:
        """Remove a file if it is old; put it aside first, since it may just be coming again."""
        if not _older(path, before):
            return False
        aside = self._incoming / f"{secrets.token_hex(8)}.old"
        try:
            path.rename(aside)
        except FileNotFoundError:
            return False
        if not _older(aside, before):
            with suppress(FileExistsError):
                os.link(aside, path)
            aside.unlink()
            return False
        aside.unlink()
        return True


class FileStore:
    """The port ``FileRecords``, and the sweep of content that nobody refers to any more."""

    def __init__(self, db: Database, blobs: BlobStore, clock: Clock) -> None:
        self._files = db["file"]
        self._blobs = blobs
        self._clock = clock

    async def add(self, record: FileRecord) -> None:
        """Keep a new record."""
        await self._files.insert_one(
            {
                "_id": record.id,
                "sha256": record.blob.sha256,
                "size": record.blob.size,
                "name": record.name,
                "mime": record.mime,
                "owner": record.owner,
                "ref": record.ref,
                "cls": record.cls,
                "created_at": record.created_at,
            }
        )

    async def get(self, file_id: str) -> FileRecord:
        """Answer a record.

        Raises:
            NotFound: There is none.
        """
        document = await self._files.find_one({"_id": file_id})
        if document is None:
            raise NotFound
        return _record(document)

    async def of(self, ref: str) -> list[FileRecord]:
        """Answer the files that belong to something, oldest first."""
        return [_record(row) for row in await self._files.find({"ref": ref}, sort=[("_id", 1)])]

    async def attach(self, file_ids: Sequence[str], ref: str, *, owner: str) -> list[FileRecord]:
        """Tie the owner's own files to ``ref``, in the order given; doing it twice is harmless.

        Raises:
            Invalid: One is not there, somebody else's, or tied to another thing.
        """
        attached = []
        for place, file_id in enumerate(file_ids):
            row = await self._files.find_one_and_update(
                {"_id": file_id, "$or": [{"owner": owner, "ref": ""}, {"ref": ref}]},
                {"$set": {"ref": ref}},
            )
            if row is None:
                raise Invalid("附件不存在，或不是您上传的", field=f"attachments.{place}")
            attached.append(_record(row))
        return attached

    async def remove(self, file_id: str) -> None:
        """Forget a record."""
        await self._files.delete_one({"_id": file_id})

    async def sweep(self, *, age: timedelta = timedelta(days=1)) -> list[str]:
        """Remove content older than ``age`` that no record refers to, and answer its names."""
        before = self._clock() - age
        rows = self._files.stream({}, projection={"sha256": 1})
        kept = {row["sha256"] async for row in rows}
        return await self._blobs.sweep(kept, before=before)


def _record(row: Document) -> FileRecord:
    return FileRecord(
        id=row["_id"],
        blob=Blob(row["sha256"], row["size"]),
        name=row["name"],
        mime=row["mime"],
        owner=row["owner"],
        ref=row["ref"],
        cls=row["cls"],
        created_at=row["created_at"],
    )


def _older(path: Path, before: datetime) -> bool:
    try:
        return path.stat().st_mtime < before.timestamp()
    except FileNotFoundError:
        return False


def _entries(directory: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(directory)) if directory.exists() else []


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run disk work in a thread to its end, even if the caller is cancelled meanwhile.

    Raises:
        StorageFull: The disk is full.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # The thread cannot be stopped, and must not meet a file that was closed under it.
        await asyncio.wait((task,))
        raise
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFull("存储空间不足，暂时无法保存文件") from error
        raise
