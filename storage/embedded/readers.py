"""Readers: threads with connections of their own, for work that must not hold up the others.

Each command sees one snapshot of what was committed when it began; writers are never blocked.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from storage.embedded.catalogue import Catalogue
from storage.embedded.files import open_reader

THREADS = 2

Job = Callable[[sqlite3.Connection, Catalogue], bytes]


class Readers:
    """A few reading threads over one file.

    Args:
        path: The data file, which the writer has opened already.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="reader")
        self.stopping = threading.Event()

    def submit(self, job: Job) -> Future[bytes]:
        """Run a job on a snapshot of its own.

        Clients wait for their answers, so the queue is never longer than the connections are many.
        """
        return self._pool.submit(self._run, job)

    def _run(self, job: Job) -> bytes:
        db, catalogue = self._connection()
        db.execute("BEGIN")
        try:
            catalogue.refresh()
            return job(db, catalogue)
        finally:
            db.execute("ROLLBACK")

    def _connection(self) -> tuple[sqlite3.Connection, Catalogue]:
        if not hasattr(self._local, "pair"):
            db = open_reader(self._path)
            self._connections.append(db)
            self._local.pair = (db, Catalogue(db))
        pair: tuple[sqlite3.Connection, Catalogue] = self._local.pair
        return pair

    def close(self) -> None:
        """End the running jobs and the connections."""
        self.stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for db in self._connections:
            db.close()
