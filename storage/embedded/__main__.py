"""``python -m storage.embedded FILE --unix SOCKET --parent-stdin``: the engine as a process.

It ends when its standard input does, so it never outlives the hub. Exit codes: 3 the file is in
use, 4 it is damaged, 5 it was written by a newer version.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from storage.embedded.files import Damaged, InUse, Newer, Space, lock
from storage.embedded.server import Server
from storage.embedded.wire import Connection

log = logging.getLogger("storage.embedded")

LOCK_SECONDS = 3.0
DEFAULT_RESERVE = 200_000_000


class JsonLines(logging.Formatter):
    """Each record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, event and the record's own fields."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Parent(asyncio.Protocol):
    """The pipe from the hub: its end is ours."""

    def __init__(self, gone: asyncio.Event) -> None:
        self._gone = gone

    def eof_received(self) -> None:
        self._gone.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()


async def serve(path: Path, socket: Path, *, reserve: int, parent: bool) -> None:
    """Serve the file on a unix socket until the parent is gone or a signal says so."""
    server = Server(path, Space(path.parent, reserve))
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if parent:
        await loop.connect_read_pipe(lambda: _Parent(stop), sys.stdin)
    socket.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        listener = await loop.create_unix_server(
            lambda: Connection(server), str(socket), backlog=512
        )
    finally:
        os.umask(before)
    house = asyncio.create_task(server.keep_house(), name="housekeeping")
    try:
        await stop.wait()
    finally:
        house.cancel()
        with suppress(asyncio.CancelledError):
            await house
        listener.close()
        server.close()
        socket.unlink(missing_ok=True)


def main() -> int:
    """Run the engine; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m storage.embedded")
    parser.add_argument("file", type=Path)
    parser.add_argument("--unix", type=Path, required=True, metavar="SOCKET")
    parser.add_argument("--parent-stdin", action="store_true", help="end with standard input")
    parser.add_argument("--reserve", type=int, default=DEFAULT_RESERVE, metavar="BYTES")
    options = parser.parse_args()
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    os.umask(0o077)
    # A long read must not keep the loop waiting for the interpreter.
    sys.setswitchinterval(0.001)
    try:
        held = lock(options.file, wait=LOCK_SECONDS)
    except InUse:
        # A parent learns it from the exit code and says it in its own sentence.
        if not options.parent_stdin:
            log.error("%s is in use by another process", options.file)  # noqa: TRY400
        return 3
    with held:
        try:
            asyncio.run(
                serve(
                    options.file,
                    options.unix,
                    reserve=options.reserve,
                    parent=options.parent_stdin,
                )
            )
        except Damaged as error:
            log.error("%s is damaged: %s", options.file, error)  # noqa: TRY400
            return 4
        except Newer as error:
            log.error("%s is too new: %s", options.file, error)  # noqa: TRY400
            return 5
    return 0


if __name__ == "__main__":
    sys.exit(main())
