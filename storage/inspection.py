"""Looks into files on their way in: is it what it says, and does it carry a mark of secrecy?

The content is copied beside the upload into a file without a name, and read in one of two threads
when it is complete. Only the first pages and a bounded number of bytes are looked at: a mark stands
at the beginning, and a container may unpack to a thousand times its size.
"""

from __future__ import annotations

import asyncio
import logging
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from tempfile import TemporaryFile
from typing import IO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from domain.errors import ContentRefused, TypeRefused
from domain.file_kinds import KINDS, marked_text

_BATCH = 1 << 20
_PAGES = 3
_MOST_TEXT = 4 << 20  # bytes of text read from one file
_MOST_MEMBERS = 5_000

_TEXT_MEMBER = re.compile(
    r"word/(document|header\d*|footer\d*)\.xml|xl/sharedStrings\.xml|xl/worksheets/sheet1\.xml"
    r"|ppt/slides/slide[123]\.xml|docProps/(core|custom)\.xml|.*/Pages/Page_[012]/Content\.xml"
    r"|OFD\.xml"
)
_PARAGRAPH = re.compile(rb"</(?:w:p|a:p|si|row|ofd:TextObject|TextObject)>|<w:br/>")
_TAG = re.compile(rb"<[^>]*>")

# The library reports every oddity of a file; oddities of strangers' files are not our news.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


class FileInspector:
    """The port ``Inspector``."""

    def __init__(self, *, threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inspect")

    @asynccontextmanager
    async def examine(self, ext: str) -> AsyncIterator[_Copy]:
        """Begin to look at a file with an extension."""
        if ext in {"jpg", "jpeg", "png", "mp3", "mp4"}:
            yield _Copy(ext, None, self._pool)
            return
        with TemporaryFile() as file:
            yield _Copy(ext, file, self._pool)

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Copy:
    """One file that is being looked at; media have no text and no copy."""

    def __init__(self, ext: str, file: IO[bytes] | None, pool: ThreadPoolExecutor) -> None:
        self._ext = ext
        self._file = file
        self._pool = pool
        self._batch = bytearray()

    async def write(self, chunk: bytes) -> None:
        if self._file is None:
            return
        self._batch += chunk
        if len(self._batch) >= _BATCH:
            await self._flush(self._file)

    async def _flush(self, file: IO[bytes]) -> None:
        batch, self._batch = bytes(self._batch), bytearray()
        await asyncio.get_running_loop().run_in_executor(self._pool, file.write, batch)

    async def judge(self) -> None:
        if self._file is None:
            return
        await self._flush(self._file)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._pool, _judge, self._ext, self._file)


def _judge(ext: str, file: IO[bytes]) -> None:
    """Raise what is to be said against a file."""
    file.seek(0)
    texts = _plain(file) if ext == "txt" else _pdf(file) if ext == "pdf" else _members(ext, file)
    for text in texts:
        if marked_text(text):
            raise ContentRefused("涉密文件不得上传", code="secret_marked", field="body")


def _plain(file: IO[bytes]) -> Iterator[str]:
    raw = file.read(_MOST_TEXT)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield raw.decode("utf-16", errors="replace")
        return
    # Chinese text comes in either; a wrong guess reads as rubbish, so both are looked at.
    yield raw.decode("utf-8", errors="replace")
    yield raw.decode("gb18030", errors="replace")


def _pdf(file: IO[bytes]) -> Iterator[str]:
    try:
        reader = PdfReader(file, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise TypeRefused("不接受加密的文件", field="body")
        for value in (reader.metadata or {}).values():
            yield str(value)
        for page in reader.pages[:_PAGES]:
            yield page.extract_text()
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # Broken files of strangers fail in many ways; all of them mean that it is no PDF.
        raise TypeRefused("文件已损坏或不是 PDF", field="body") from error


def _members(ext: str, file: IO[bytes]) -> Iterator[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if KINDS[ext].part not in names or len(names) > _MOST_MEMBERS:
                raise TypeRefused("文件内容与扩展名不符", field="name")
            left = _MOST_TEXT
            for name in filter(_TEXT_MEMBER.fullmatch, names):
                with archive.open(name) as member:
                    raw = member.read(left)
                left -= len(raw)
                yield _TAG.sub(b"", _PARAGRAPH.sub(b"\n", raw)).decode(errors="replace")
                if left <= 0:
                    return
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise TypeRefused("文件已损坏或已加密", field="body") from error
    except (ValueError, KeyError) as error:
        raise TypeRefused("文件已损坏", field="body") from error
