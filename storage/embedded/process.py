"""The embedded engine as the hub's child: started, watched, restarted, and stopped cleanly.

::

    hub ── stdin pipe ──► python -m storage.embedded daibiao.db   it ends when the pipe does
     └──── unix socket ─► 0600, in the data directory             MongoDB's wire protocol

The child holds ``flock`` on ``daibiao.db.lock``, so two hubs can never share one data directory.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import stat
import struct
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import bson

FILE = "daibiao.db"
SOCKET = "daibiao.sock"
ROOT = Path(__file__).resolve().parents[2]

# sockaddr_un holds 108 bytes on Linux, the closing NUL among them.
MAX_SOCKET_PATH = 100

# How the child says why it would not start; see ``__main__``.
EXIT_IN_USE = 3
EXIT_CORRUPT = 4
EXIT_NEWER = 5

START_SECONDS = 10.0
STOP_SECONDS = 15.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
STEADY_SECONDS = 30.0


class EmbeddedFailed(Exception):
    """The engine did not start; the sentence says what to do."""


class EmbeddedInUse(EmbeddedFailed):
    """Another hub uses the data directory."""


class EmbeddedCorrupt(EmbeddedFailed):
    """The data file cannot be read as a database. It is left as it is."""


class EmbeddedServer:
    """The engine's process for one data directory.

    Args:
        data_dir: Holds ``daibiao.db`` and its companions; made with mode 0700 if it is not there.
        logger: Hears of starts, deaths and restarts. The child logs JSON lines to stderr itself.
        reserve_bytes: Writes are refused with error 14031 while less than this is free.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        logger: logging.Logger | None = None,
        reserve_bytes: int = 200_000_000,
    ) -> None:
        self._dir = data_dir
        self._log = logger or logging.getLogger("storage.embedded")
        self._reserve = reserve_bytes
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._socket = socket_path(data_dir)

    @property
    def file(self) -> Path:
        """The database file."""
        return self._dir / FILE

    @property
    def uri(self) -> str:
        """The address for a MongoDB driver, whether the engine runs or not."""
        return f"mongodb://{quote(str(self._socket), safe='')}/?directConnection=true"

    @property
    def running(self) -> bool:
        """Whether the child is alive now; false for a moment while it is restarted."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process and self.running else None

    async def start(self) -> str:
        """Start the child, wait until it answers a ping, keep it alive from then on.

        Returns:
            The ``mongodb://`` address.

        Raises:
            EmbeddedInUse: Another process holds the data directory.
            EmbeddedCorrupt: The file is damaged.
            EmbeddedFailed: It did not answer within ten seconds, or the file is from a newer hub.
        """
        if self._watch is not None:
            return self.uri
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_alive(), name="embedded-engine")
        return self.uri

    async def stop(self) -> None:
        """Close the pipe; the child finishes what it holds, writes its log back and ends."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        await self._end()

    async def _spawn(self) -> None:
        began = time.monotonic()
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "storage.embedded",
            str(self.file),
            "--unix",
            str(self._socket),
            "--parent-stdin",
            "--reserve",
            str(self._reserve),
            stdin=PIPE,
            stdout=DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            # Ctrl-C in a terminal must reach the hub alone; it stops us when it is done.
            start_new_session=True,
        )
        try:
            await self._wait_for_ping(process)
        except BaseException:
            await self._end()
            raise
        self._log.info(
            "embedded engine answers after %d ms (pid %d)",
            (time.monotonic() - began) * 1000,
            process.pid,
        )

    async def _wait_for_ping(self, process: Process) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if process.returncode is not None:
                raise self._failure(process.returncode)
            # Somebody else's engine may answer on this socket while ours finds out that it is late.
            if await pid_behind(self._socket) == process.pid:
                return
            if time.monotonic() > deadline:
                raise EmbeddedFailed(
                    f"the embedded engine did not answer within {START_SECONDS:.0f} s"
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.02)

    def _failure(self, code: int) -> EmbeddedFailed:
        match code:
            case 3:
                return EmbeddedInUse(f"another hub is using the data directory {self._dir}")
            case 4:
                return EmbeddedCorrupt(
                    f"the database file {self.file} is damaged and was left untouched; move it "
                    "away and bring back the last backup with: python main.py restore BACKUP"
                )
            case 5:
                return EmbeddedFailed(
                    f"the database file {self.file} was written by a newer version of the hub"
                )
            case _:
                return EmbeddedFailed(f"the embedded engine ended at once (exit code {code})")

    async def _keep_alive(self) -> None:
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            if self._process is not None:
                code = await self._process.wait()
                self._log.error("embedded engine ended (exit code %d); starting it again", code)
            if time.monotonic() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            try:
                await self._spawn()
            except (EmbeddedFailed, OSError) as error:
                self._log.error("embedded engine cannot be started: %s", error)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._log.warning("embedded engine did not end in time and was killed")
            process.kill()
            await process.wait()


def socket_path(data_dir: Path) -> Path:
    """The socket's place: in the data directory, or under the temporary one if that is too deep.

    Raises:
        EmbeddedFailed: Somebody else owns the place under the temporary directory.
    """
    near = data_dir.resolve() / SOCKET
    if len(os.fsencode(near)) <= MAX_SOCKET_PATH:
        return near
    digest = hashlib.sha256(os.fsencode(near)).hexdigest()[:16]
    place = Path(tempfile.gettempdir()) / f"daibiao-{os.getuid()}-{digest}"
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise EmbeddedFailed(f"{place} must be a directory that only this user can enter")
    return place / SOCKET


async def pid_behind(socket: Path) -> int | None:
    """The process id of the engine that answers on this unix socket, if one does."""
    body = bson.encode({"serverStatus": 1, "$db": "admin"})
    message = struct.pack("<iiiiIB", 21 + len(body), 1, 0, 2013, 0, 0) + body
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(message)
                head = await reader.readexactly(21)
                reply = await reader.readexactly(struct.unpack_from("<i", head)[0] - 21)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None
    pid = bson.decode(reply).get("pid")
    return int(pid) if pid is not None else None
