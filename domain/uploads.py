"""Files on their way in and out: what may enter, whose it is, who may have it.

An upload is taken chunk by chunk; nothing is kept before its end, when the content has been looked
through. Until a feature attaches it to something, a file is its owner's alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from domain.clock import Clock, NewId
from domain.errors import ContentRefused, Invalid, NotFound, TooLarge, TypeRefused
from domain.file_kinds import HEAD, KINDS, begins_like, extension, marked_name
from domain.files import BlobStore, BlobWriter, FileRecord, FileRecords
from domain.people import Person
from domain.visibility import DataClass, visible

LIMIT = 50 * 1024 * 1024
"""Bytes of one file."""

_MOST_IN_A_NAME = 120


class Examination(Protocol):
    """Looks at one file on its way in."""

    async def write(self, chunk: bytes) -> None:
        """See more of the content."""

    async def judge(self) -> None:
        """Say whether the whole content may enter.

        Raises:
            TypeRefused: It is not what its name says.
            ContentRefused: It carries a mark of secrecy.
        """


class Inspector(Protocol):
    """Looks into files."""

    def examine(self, ext: str) -> AbstractAsyncContextManager[Examination]:
        """Begin to look at a file with an extension."""


class Keeper(Protocol):
    """A feature that attaches files to its things, and knows who may read those."""

    async def may_read(self, ref: str, file_id: str, *, by: Person) -> bool:
        """Tell whether a person may read a file that is attached to ``<kind>:<id>``."""


@dataclass(frozen=True)
class _Seen:
    """A record as ``domain.visibility`` judges it."""

    cls: DataClass
    owner_id: str | None
    audience: frozenset[str]


class _Abandoned(Exception):
    """The upload did not come to its end."""


class Taking:
    """One file on its way in; end it with ``finish`` or ``abandon``."""

    def __init__(self, ext: str, writer: BlobWriter, examination: Examination) -> None:
        self._ext = ext
        self._writer = writer
        self._examination = examination
        self._head = b""
        self._judged = False
        self.size = 0

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            TypeRefused: The content does not begin as its name says.
            TooLarge: There are more than ``LIMIT``.
            StorageFull: There is no room.
        """
        self.size += len(chunk)
        if self.size > LIMIT:
            raise TooLarge("文件不能超过 50 MB", detail={"limit": LIMIT})
        if not self._judged:
            self._head += chunk[: HEAD - len(self._head)]
            if len(self._head) >= HEAD:
                self._judge_head()
        await self._writer.write(chunk)
        await self._examination.write(chunk)

    async def judge(self) -> None:
        """Judge the whole.

        Raises:
            Invalid: There is nothing in it.
            TypeRefused: It is not what its name says.
            ContentRefused: It carries a mark of secrecy.
        """
        if not self.size:
            raise Invalid("文件是空的", field="body")
        if not self._judged:
            self._judge_head()
        await self._examination.judge()

    def _judge_head(self) -> None:
        self._judged = True
        if not begins_like(self._ext, self._head):
            raise TypeRefused("文件内容与扩展名不符", field="name")


class Upload:
    """A ``Taking`` together with what must be let go of at its end."""

    def __init__(self, taking: Taking, writer: BlobWriter, stack: AsyncExitStack) -> None:
        self._taking = taking
        self._writer = writer
        self._stack = stack
        self.write = taking.write

    async def finish(self) -> BlobWriter:
        """Judge and keep; afterwards the writer knows the blob."""
        try:
            await self._taking.judge()
        except BaseException:
            await self.abandon()
            raise
        await self._stack.aclose()
        return self._writer

    async def abandon(self) -> None:
        """Forget what came; safe to call twice."""
        gone = _Abandoned()
        with contextlib.suppress(_Abandoned):
            await self._stack.__aexit__(_Abandoned, gone, None)


class FileService:
    """Takes files in and hands them out.

    ``keepers`` judge, by the kind of thing a file is attached to, what the one rule of visibility
    cannot know: who was sent it.
    """

    def __init__(
        self,
        records: FileRecords,
        blobs: BlobStore,
        inspector: Inspector,
        *,
        clock: Clock,
        new_id: NewId,
        keepers: Mapping[str, Keeper] = MappingProxyType({}),
    ) -> None:
        self._keepers = keepers
        self._records = records
        self._blobs = blobs
        self._inspector = inspector
        self._clock = clock
        self._new_id = new_id

    async def begin(self, name: str) -> Upload:
        """Begin to take a file in.

        Raises:
            Invalid: The name is none, or too long.
            TypeRefused: Files of this type may not enter.
            ContentRefused: The name carries a mark of secrecy.
        """
        ext = extension(name)
        if not name or len(name) > _MOST_IN_A_NAME:
            raise Invalid(f"文件名应为 1–{_MOST_IN_A_NAME} 个字", field="name")
        if ext not in KINDS:
            allowed = sorted(KINDS)
            raise TypeRefused("不支持这种文件", field="name", detail={"allowed": allowed})
        if marked_name(name):
            raise ContentRefused("涉密文件不得上传", code="secret_marked", field="name")
        async with AsyncExitStack() as stack:
            writer = await stack.enter_async_context(self._blobs.writer(limit=LIMIT))
            examination = await stack.enter_async_context(self._inspector.examine(ext))
            return Upload(Taking(ext, writer, examination), writer, stack.pop_all())

    async def keep(self, upload: Upload, name: str, *, by: Person) -> FileRecord:
        """End an upload: the file now belongs to ``by``, and nobody else sees it.

        Raises:
            Invalid: It is empty.
            TypeRefused: Its content is not what its name says.
            ContentRefused: Its content carries a mark of secrecy.
        """
        writer = await upload.finish()
        record = FileRecord(
            id=self._new_id(),
            blob=writer.blob,
            name=name,
            mime=KINDS[extension(name)].mime,
            owner=by.id,
            ref="",
            cls=DataClass.C3.value,
            created_at=self._clock(),
        )
        await self._records.add(record)
        return record

    async def get(self, file_id: str, *, by: Person) -> FileRecord:
        """Answer a record.

        Raises:
            NotFound: There is none, or this person may not know.
        """
        record = await self._records.get(file_id)
        seen = _Seen(
            DataClass(record.cls), record.owner, frozenset({record.ref} if record.ref else ())
        )
        if visible(by, seen, at=self._clock()):
            return record
        keeper = self._keepers.get(record.ref.partition(":")[0])
        if keeper is None or not await keeper.may_read(record.ref, record.id, by=by):
            raise NotFound
        return record

    def read(self, record: FileRecord, *, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a file from ``start`` up to, not including, ``stop``."""
        return self._blobs.read(record.blob.sha256, start=start, stop=stop)
