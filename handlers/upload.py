"""Uploads as streams: the body goes through in chunks and is never held whole.

The body is the file itself. Its name comes in ``X-File-Name``, percent-encoded UTF-8. What is wrong
with a file is said after its last byte: a caller that is still sending would not hear it.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from tornado.ioloop import IOLoop
from tornado.web import stream_request_body

from domain.errors import DomainError, Invalid
from domain.uploads import LIMIT, Upload
from handlers.base import ApiHandler
from handlers.operation import operation_of
from handlers.text import clean


@stream_request_body
class UploadHandler(ApiHandler):
    """Base of endpoints that take a file; ``post`` finds it in ``upload`` and ``file_name``."""

    max_body = LIMIT
    file_name = ""
    _upload: Upload | None = None
    _refusal: DomainError | None = None

    async def prepare(self) -> None:
        """Let the caller in, then begin to take the file."""
        promise = operation_of(getattr(self, (self.request.method or "").lower(), None))
        if promise is None:
            return
        await self.admit(promise)
        self.admitted = promise
        try:
            self.file_name = _name(self.request.headers.get("X-File-Name", ""))
            self._upload = await self.services.files.begin(self.file_name)
        except DomainError as refusal:
            self._refusal = refusal

    async def data_received(self, chunk: bytes) -> None:
        """Pass a chunk on; after a refusal, drop what still comes."""
        if self._upload is None or self._refusal is not None:
            return
        try:
            await self._upload.write(chunk)
        except DomainError as refusal:
            self._refusal = refusal
            await self._upload.abandon()

    @property
    def upload(self) -> Upload:
        """The file, complete.

        Raises:
            DomainError: What was wrong with it.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._upload is None:
            raise Invalid("缺少文件内容", field="body")
        return self._upload

    def on_connection_close(self) -> None:
        """Forget what came of a file whose sender is gone."""
        super().on_connection_close()
        if self._upload is not None:
            IOLoop.current().add_callback(self._upload.abandon)


def _name(header: str) -> str:
    try:
        name = unquote_to_bytes(header).decode()
    except UnicodeDecodeError:
        raise Invalid("文件名不是有效的 UTF-8", field="X-File-Name") from None
    # A path is not a name: keep what stands behind the last separator of either kind.
    name = clean(name).replace("\n", " ").replace("\\", "/").rpartition("/")[2].strip()
    if not name:
        raise Invalid("缺少文件名，请放入 X-File-Name（百分号编码）", field="X-File-Name")
    return name
