"""Content in MongoDB in the layout of GridFS, for installations with several hosts.

::

    blob.files   {_id, filename: sha256, length, chunkSize, uploadDate}   filename "" while written
    blob.chunks  {_id: "<files_id>:<n>", files_id, n, data}

Any GridFS tool reads it (bucket ``blob``). A name stands for whole content: the chunks come first,
and the name is given last, by one update.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime

from domain.clock import Clock, new_ulid
from domain.errors import NotFound, TooLarge
from domain.files import Blob
from storage.client import Database, Document

CHUNK = 255 * 1024


class GridFsWriter:
    """Content on its way to MongoDB."""

    def __init__(self, db: Database, file_id: str, limit: int) -> None:
        self._chunks = db["blob.chunks"]
        self._id = file_id
        self._limit = limit
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._size = 0
        self._count = 0
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
        for start in range(0, len(chunk), CHUNK):
            self._buffer += chunk[start : start + CHUNK]
            if len(self._buffer) >= CHUNK:
                await self._flush(CHUNK)

    @property
    def blob(self) -> Blob:
        """What was kept, after the block."""
        if self._kept is None:
            raise RuntimeError("the content is not kept yet")
        return self._kept

    async def finish(self) -> Blob:
        """Store the rest and answer name and size."""
        if self._buffer:
            await self._flush(len(self._buffer))
        return Blob(self._hash.hexdigest(), self._size)

    def keep(self, blob: Blob) -> None:
        """Note that the content has its name."""
        self._kept = blob

    async def _flush(self, size: int) -> None:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        # A quarter of a megabyte takes less time to hash than to hand to a thread.
        self._hash.update(data)
        await self._chunks.insert_one(
            {
                "_id": f"{self._id}:{self._count}",
                "files_id": self._id,
                "n": self._count,
                "data": data,
            }
        )
        self._count += 1


class GridFsBlobs:
    """The port ``BlobStore`` in the database."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._files = db["blob.files"]
        self._chunks = db["blob.chunks"]
        self._clock = clock

    @asynccontextmanager
    async def writer(self, *, limit: int) -> AsyncIterator[GridFsWriter]:
        """Take content in; it is kept when the block ends, and forgotten if the block raises."""
        file_id = new_ulid()
        writer = GridFsWriter(self._db, file_id, limit)
        await self._files.insert_one(
            {
                "_id": file_id,
                "filename": "",
                "length": 0,
                "chunkSize": CHUNK,
                "uploadDate": self._clock(),
            }
        )
        try:
            yield writer
            blob = await writer.finish()
            await self._name(file_id, blob)
            writer.keep(blob)
        except BaseException:
            await self._remove(file_id)
            raise

    async def read(
        self, sha256: str, *, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to, not including, ``stop``."""
        file = await self._find(sha256)
        size = file["chunkSize"]
        stop = file["length"] if stop is None else min(stop, file["length"])
        for n in range(start // size, -(-stop // size)):
            if start >= stop:
                return
            chunk = await self._chunks.find_one({"_id": f"{file['_id']}:{n}"})
            if chunk is None:
                raise NotFound
            first = max(start - n * size, 0)
            yield bytes(chunk["data"][first : stop - n * size])

    async def stat(self, sha256: str) -> Blob:
        """Answer name and size."""
        return Blob(sha256, (await self._find(sha256))["length"])

    async def delete(self, sha256: str) -> None:
        """Remove content; it is no error if it is not there."""
        if sha256:
            for file in await self._files.find({"filename": sha256}, projection={"_id": 1}):
                await self._remove(file["_id"])

    async def names(self) -> AsyncIterator[str]:
        """Yield the sha256 of everything that is kept, in order."""
        last = ""
        rows = self._files.stream(
            {"filename": {"$gt": ""}}, projection={"filename": 1}, sort=[("filename", 1)]
        )
        async for file in rows:
            if file["filename"] != last:
                last = file["filename"]
                yield last

    async def sweep(self, kept: Collection[str], *, before: datetime) -> list[str]:
        """Remove what nobody refers to, and what broken uploads left behind."""
        gone = []
        old = {"uploadDate": {"$lt": before}}
        async for file in self._files.stream(old, projection={"filename": 1}):
            if file["filename"] in kept:
                continue
            # The date is asked again: it moves when the same content comes once more.
            if await self._files.delete_one({"_id": file["_id"], **old}):
                await self._chunks.delete_many({"files_id": file["_id"]})
                if file["filename"]:
                    gone.append(file["filename"])
        return gone

    async def _name(self, file_id: str, blob: Blob) -> None:
        """Give the content its name, or drop it where the same is there already."""
        now = self._clock()
        same = await self._files.update_one(
            {"filename": blob.sha256}, {"$set": {"uploadDate": now}}
        )
        if same.matched:
            await self._remove(file_id)
            return
        # Two uploads at the same moment may both get here; the name then stands for either.
        await self._files.update_one(
            {"_id": file_id},
            {"$set": {"filename": blob.sha256, "length": blob.size, "uploadDate": now}},
        )

    async def _find(self, sha256: str) -> Document:
        file = await self._files.find_one({"filename": sha256}) if sha256 else None
        if file is None:
            raise NotFound
        return file

    async def _remove(self, file_id: str) -> None:
        await self._files.delete_one({"_id": file_id})
        await self._chunks.delete_many({"files_id": file_id})
