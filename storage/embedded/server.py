"""The engine's heart: commands in, replies out, one transaction for all writes of a moment.

Everything that arrived in one turn of the event loop shares one SQLite transaction and one fsync
("group commit"). A reply to a write is sent after the commit. Reads run after the commit too; those
that turn out to be long are done again by a reader thread.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson

from storage.embedded.catalogue import Catalogue
from storage.embedded.commands import Kind, Request, command_of, common_checks, kind_of
from storage.embedded.commands.core import Engine
from storage.embedded.context import SHORT_WORK, Context, Meter, TooLong
from storage.embedded.cursors import Cursors
from storage.embedded.documents import EXPIRE_BATCH, Writer
from storage.embedded.errors import Refused
from storage.embedded.files import Space, is_full, open_writer
from storage.embedded.readers import Readers
from storage.embedded.values import Doc

log = logging.getLogger("storage.embedded")

EXPIRE_SECONDS = 60.0
SLOW_MILLISECONDS = 100.0

Reply = Callable[[bytes], None]


@dataclass
class Job:
    """A request with the way back to its client, and its answer once there is one."""

    request: Request
    reply: Reply | None
    kind: Kind
    answer: bytes = b""
    milliseconds: float = 0.0

    def send(self) -> None:
        """Give the client its answer, unless it asked not to get one."""
        if self.reply is not None:
            self.reply(self.answer)


class Server:
    """One data file and the commands on it.

    Args:
        path: The data file; the caller holds its lock.
        space: Says when the disk is too full to write.

    Raises:
        Damaged, Newer: See ``files``.
    """

    def __init__(self, path: Path, space: Space) -> None:
        self._db = open_writer(path)
        self._catalogue = Catalogue(self._db)
        self._writer = Writer(self._db, self._catalogue)
        self._cursors = Cursors()
        self._space = space
        self._readers = Readers(path)
        self._queue: list[Job] = []
        self._scheduled = False
        self._counts = {"commands": 0, "commits": 0, "slow": 0}

    def submit(self, request: Request, reply: Reply | None) -> None:
        """Take a command; ``reply`` is called with the answer's BSON, now or later."""
        self._queue.append(Job(request, reply, kind_of(request)))
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        jobs, self._queue, self._scheduled = self._queue, [], False
        self._counts["commands"] += len(jobs)
        writes = [job for job in jobs if job.kind in {Kind.WRITE, Kind.SHRINK}]
        if writes:
            self._write_all(writes)
        for job in writes:
            job.send()
        for job in jobs:
            if job.kind is Kind.LONG:
                self._read_aside(job)
            elif job.kind in {Kind.READ, Kind.PLAIN}:
                self._read(job)

    # Writing

    def _write_all(self, jobs: list[Job]) -> None:
        """Run the writes in one transaction; if it cannot be kept, none of them happened."""
        done: list[Job] = []
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in jobs:
                done.append(job)
                self._write(job)
            self._db.execute("COMMIT")
            self._counts["commits"] += 1
        except sqlite3.Error as error:
            log.error("the writes of this turn are rolled back: %s", error)  # noqa: TRY400
            self._roll_back()
            refusal = Refused(
                14031 if is_full(error) else 8, f"the writes were rolled back: {error}"
            )
            for job in done:
                job.answer = bson.encode(refusal.reply())
            if jobs[len(done) :]:
                self._write_all(jobs[len(done) :])

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._catalogue.load()

    def _write(self, job: Job) -> None:
        """Run one write; a refused one leaves nothing behind."""
        self._db.execute("SAVEPOINT command")
        meter = Meter(milliseconds=_time_limit(job.request))
        try:
            if job.kind is Kind.WRITE:
                self._space.check()
            job.answer = self._answer(job, self._db, self._catalogue, meter, self._writer)
        except sqlite3.Error:
            raise
        except Refused as refusal:
            self._undo()
            job.answer = bson.encode(refusal.reply())
        except Exception as error:
            log.exception("internal error in %s", job.request.name)
            self._undo()
            job.answer = bson.encode(_internal(error))
        self._db.execute("RELEASE command")

    def _undo(self) -> None:
        self._db.execute("ROLLBACK TO command")
        self._catalogue.load()

    # Reading

    def _read(self, job: Job) -> None:
        budget = SHORT_WORK if job.kind is Kind.READ else None
        meter = Meter(budget, _time_limit(job.request))
        try:
            job.answer = self._guarded(
                lambda: self._answer(job, self._db, self._catalogue, meter, None), job
            )
        except TooLong:
            self._read_aside(job)
            return
        job.send()

    def _read_aside(self, job: Job) -> None:
        meter = Meter(None, _time_limit(job.request), self._readers.stopping)
        loop = asyncio.get_running_loop()

        def run(db: sqlite3.Connection, catalogue: Catalogue) -> bytes:
            return self._guarded(lambda: self._answer(job, db, catalogue, meter, None), job)

        def finish(future: Future[bytes]) -> None:
            if future.cancelled():
                return
            error = future.exception()
            if error is not None:
                log.error("a reader failed: %s", error)
            job.answer = bson.encode(_internal(error)) if error else future.result()
            if not loop.is_closed():
                loop.call_soon_threadsafe(job.send)

        self._readers.submit(run).add_done_callback(finish)

    def _guarded(self, run: Callable[[], bytes], job: Job) -> bytes:
        try:
            return run()
        except Refused as refusal:
            return bson.encode(refusal.reply())
        except TooLong:
            raise
        except Exception as error:
            log.exception("internal error in %s", job.request.name)
            return bson.encode(_internal(error))

    def _answer(
        self,
        job: Job,
        db: sqlite3.Connection,
        catalogue: Catalogue,
        meter: Meter,
        writer: Writer | None,
    ) -> bytes:
        began = time.perf_counter()
        request = job.request
        command = command_of(request.name)
        common_checks(request, command)
        context = Context(db, catalogue, _now(), str(request.body.get("$db", "test")), meter)
        engine = Engine(self._cursors, writer, self.status)
        answer = bson.encode(command.run(context, request, engine))
        self._log_slow(request, meter, (time.perf_counter() - began) * 1000)
        return answer

    def _log_slow(self, request: Request, meter: Meter, milliseconds: float) -> None:
        """Log what took long, by field names only: values may be people's."""
        if milliseconds < SLOW_MILLISECONDS:
            return
        self._counts["slow"] += 1
        body = request.body
        query = body.get("filter") or body.get("query") or {}
        log.warning(
            "slow command",
            extra={
                "fields": {
                    "command": request.name,
                    "collection": str(body.get(request.name)),
                    "filter": sorted(query) if isinstance(query, dict) else [],
                    "plans": sorted(set(meter.plans)),
                    "examined": meter.examined,
                    "ms": round(milliseconds, 1),
                }
            },
        )

    # Housekeeping

    def status(self) -> Doc:
        """What ``serverStatus`` shows."""
        return {**self._counts, "cursors": len(self._cursors), "engine": "embedded"}

    async def keep_house(self) -> None:
        """Remove expired documents and forgotten cursors, for ever."""
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            self._cursors.close_idle()
            removed = self.expire()
            while removed >= EXPIRE_BATCH:
                await asyncio.sleep(0)
                removed = self.expire()

    def expire(self) -> int:
        """Remove one batch of expired documents; how many it were."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            removed = self._writer.expire(_now())
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            log.error("expired documents could not be removed: %s", error)  # noqa: TRY400
            self._roll_back()
            return 0
        return removed

    def close(self) -> None:
        """End the readers, write the log back into the file, close it."""
        self._readers.close()
        try:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            log.error("the log could not be written back: %s", error)  # noqa: TRY400
        self._db.close()


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _time_limit(request: Request) -> int:
    value: Any = request.body.get("maxTimeMS", 0)
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def _internal(error: BaseException) -> Doc:
    return Refused(8, f"internal error: {type(error).__name__}: {error}").reply()
