"""Files: content under its own hash, and the record of whose it is and who may see it.

Content (``Blob``) has no owner and no name but its sha256; the same content is kept once. A
``FileRecord`` gives it a name, an owner and a class, and refers to what it is attached to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Blob:
    """Content that is kept: its name and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file as people know it.

    Attributes:
        id: ULID.
        blob: The content.
        name: File name as it was given, without a path.
        mime: Type that the content was found to have.
        owner: Person id.
        ref: What it belongs to, ``<kind>:<id>``.
        cls: Class of the data, ``C0`` to ``C3``.
        created_at: When it came.
    """

    id: str
    blob: Blob
    name: str
    mime: str
    owner: str
    ref: str
    cls: str
    created_at: datetime


class BlobWriter(Protocol):
    """Content on its way in. ``blob`` is there after the ``async with`` block."""

    async def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            TooLarge: The limit is passed.
            StorageFull: There is no room.
        """

    @property
    def blob(self) -> Blob:
        """What was kept.

        Raises:
            RuntimeError: The block has not ended, or ended with an error.
        """


class BlobStore(Protocol):
    """Keeps content by its sha256."""

    def writer(self, *, limit: int) -> AbstractAsyncContextManager[BlobWriter]:
        """Take content in; it is kept when the block ends, and forgotten if the block raises.

        Args:
            limit: Most bytes.
        """

    def read(self, sha256: str, *, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to, not including, ``stop``, in chunks.

        Raises:
            NotFound: There is no such content.
        """

    async def stat(self, sha256: str) -> Blob:
        """Answer name and size.

        Raises:
            NotFound: There is no such content.
        """

    async def delete(self, sha256: str) -> None:
        """Remove content; it is no error if it is not there."""

    def names(self) -> AsyncIterator[str]:
        """Yield the sha256 of everything that is kept."""

    async def sweep(self, kept: Collection[str], *, before: datetime) -> list[str]:
        """Remove content that is not in ``kept`` and came before an instant; answer its names.

        Content comes before the record that refers to it, so ``before`` must lie further back than
        an upload takes. Broken uploads of that age go too.
        """


class FileRecords(Protocol):
    """Keeps the records."""

    async def add(self, record: FileRecord) -> None:
        """Keep a new record."""

    async def get(self, file_id: str) -> FileRecord:
        """Answer a record.

        Raises:
            NotFound: There is none.
        """

    async def of(self, ref: str) -> list[FileRecord]:
        """Answer the files that belong to something, oldest first."""

    async def remove(self, file_id: str) -> None:
        """Forget a record; its content goes with the next sweep if nobody else refers to it."""
