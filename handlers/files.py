"""Files: send one, look at its record, get its content whole or in part."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Self
from urllib.parse import quote

from pydantic import BaseModel
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from domain.file_kinds import KINDS, extension
from domain.files import FileRecord
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, Written, operation
from handlers.routing import route
from handlers.upload import UploadHandler

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class FileView(BaseModel):
    """A file as its readers know it."""

    id: str
    name: str
    mime: str
    size: int
    sha256: str
    cls: str
    created_at: datetime

    @classmethod
    def of(cls, record: FileRecord) -> Self:
        """Show a record."""
        return cls(
            id=record.id,
            name=record.name,
            mime=record.mime,
            size=record.blob.size,
            sha256=record.blob.sha256,
            cls=record.cls,
            created_at=record.created_at,
        )


class FilesHandler(UploadHandler):
    """``/api/v1/files``."""

    @operation(SIGNED_IN, status=201, rate="upload", idempotent=False)
    async def post(self) -> FileView:
        """Send a file: the body is its content, ``X-File-Name`` its percent-encoded name.

        At most 50 MB; pdf, docx, xlsx, pptx, ofd, txt, jpg, png, mp3, mp4, and the content must be
        what the name says. Until it is attached to something it is its owner's alone.
        """
        record = await self.services.files.keep(self.upload, self.file_name, by=self.user)
        return FileView.of(record)


class FileHandler(ApiHandler):
    """``/api/v1/files/{file_id}``."""

    @operation(SIGNED_IN)
    async def get(self, file_id: str) -> FileView:
        """Show a file's record."""
        return FileView.of(await self.services.files.get(file_id, by=self.user))


class FileContentHandler(ApiHandler):
    """``/api/v1/files/{file_id}/content``."""

    @operation(SIGNED_IN, produces="application/octet-stream")
    async def get(self, file_id: str) -> Written:
        """Get the content, or the part that ``Range`` names."""
        record = await self.services.files.get(file_id, by=self.user)
        if self._introduce(record):
            return Written()
        start, stop = self._part(record)
        self.set_header("Content-Length", str(stop - start))
        try:
            async for chunk in self.services.files.read(record, start=start, stop=stop):
                self.write(chunk)
                await self.flush()
        except StreamClosedError:
            pass  # The reader has seen enough.
        return Written()

    @operation(SIGNED_IN, produces="application/octet-stream")
    async def head(self, file_id: str) -> Written:
        """Get the headers of the content."""
        record = await self.services.files.get(file_id, by=self.user)
        if not self._introduce(record):
            self.set_header("Content-Length", str(record.blob.size))
        return Written()

    def _introduce(self, record: FileRecord) -> bool:
        """Set the headers, and tell whether the reader has the content already."""
        tag = f'"{record.blob.sha256}"'
        kind = KINDS.get(extension(record.name))
        how = "inline" if kind is not None and kind.inline else "attachment"
        self.set_header("ETag", tag)
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
        self.set_header("Content-Type", record.mime)
        self.set_header(
            "Content-Disposition", f"{how}; filename*=UTF-8''{quote(record.name, safe='')}"
        )
        known = self.request.headers.get("If-None-Match", "")
        if tag in (part.strip().removeprefix("W/") for part in known.split(",")):
            self.set_status(304)
            return True
        return False

    def _part(self, record: FileRecord) -> tuple[int, int]:
        """Answer which bytes are wanted; a range that cannot be read means all of them.

        Raises:
            HTTPError: The range lies outside (416).
        """
        size = record.blob.size
        said = _RANGE.fullmatch(self.request.headers.get("Range", ""))
        unchanged = self.request.headers.get("If-Range", f'"{record.blob.sha256}"')
        if said is None or said[0] == "bytes=-" or unchanged != f'"{record.blob.sha256}"':
            return 0, size
        first, last = said[1], said[2]
        start = int(first) if first else max(0, size - int(last))
        stop = min(int(last) + 1, size) if first and last else size
        if start >= size or start >= stop:
            raise HTTPError(416)
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        return start, stop


_ID = r"(?P<file_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/files", FilesHandler),
    route(rf"/api/v1/files/{_ID}", FileHandler),
    route(rf"/api/v1/files/{_ID}/content", FileContentHandler),
]
