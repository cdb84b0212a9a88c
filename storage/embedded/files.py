"""The data file: opened under a lock, checked, and of a format this engine writes.

::

    meta(name, value)                    format: 1; catalogue: grows with every change of it
    collections(number, name)            name is "database.collection"
    indexes(number, collection, name, spec)
    c<number>(rid, id, doc)              id: the key of _id; doc: BSON as the client sent it
    i<number>(k, rid)                    one row for each entry of an index
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path
from typing import IO

from storage.embedded.errors import Refused

FORMAT = 1
APPLICATION = 0x44616962
CHECK_SECONDS = 3.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS collections(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS indexes(
    number INTEGER PRIMARY KEY, collection INTEGER NOT NULL, name TEXT NOT NULL,
    spec BLOB NOT NULL, UNIQUE(collection, name));
INSERT OR IGNORE INTO meta VALUES('format', 1), ('catalogue', 1);
"""


class InUse(Exception):
    """Another process holds the file."""


class Damaged(Exception):
    """The file is no database, or a broken one."""


class Newer(Exception):
    """The file is of a format that a later version writes."""


def lock(path: Path, *, wait: float) -> IO[str]:
    """Hold the file for this process as long as the returned handle lives.

    Raises:
        InUse: Another process still holds it after ``wait`` seconds.
    """
    handle = path.with_name(path.name + ".lock").open("a+")
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                handle.close()
                raise InUse(str(path)) from None
            # A dying predecessor is writing its log back.
            time.sleep(0.05)
        else:
            return handle


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes.

    Raises:
        Damaged, Newer: The file was not touched.
    """
    try:
        db = _connect(path)
        db.execute("PRAGMA journal_mode=WAL")
        _check(db)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=2000")
        db.execute("PRAGMA journal_size_limit=33554432")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA application_id={APPLICATION}")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            raise
        raise Damaged(str(error)) from error
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that sees committed data only and never writes."""
    db = _connect(path)
    db.execute("PRAGMA query_only=1")
    return db


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    db.execute("PRAGMA cache_size=-32000")
    return db


def _check(db: sqlite3.Connection) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if not tables:
        return
    if application != APPLICATION:
        raise Damaged("the file belongs to another program")
    (written,) = db.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    if written > FORMAT:
        raise Newer(f"format {written}, known up to {FORMAT}")
    _check_pages(db)


def _check_pages(db: sqlite3.Connection) -> None:
    """Look through the file, but no longer than a start may take."""
    deadline = time.monotonic() + CHECK_SECONDS
    db.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        (result,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return
    finally:
        db.set_progress_handler(None, 0)
    if result != "ok":
        raise Damaged(str(result))


def is_full(error: sqlite3.Error) -> bool:
    """Whether SQLite failed for want of space or of a working disk."""
    return any(word in str(error) for word in ("full", "disk", "readonly"))


class Space:
    """The room left beside the file. Writes stop early: the log needs room to be written back.

    Args:
        directory: Where the file lies.
        reserve: Bytes that must stay free.
    """

    def __init__(self, directory: Path, reserve: int) -> None:
        self._directory = directory
        self._reserve = reserve
        self._checked = float("-inf")
        self._free = 0

    def check(self) -> None:
        """Refuse to grow when less than the reserve is free.

        Raises:
            Refused: 14031.
        """
        if not self._reserve:
            return
        now = time.monotonic()
        if now - self._checked > 1:
            found = os.statvfs(self._directory)
            self._free, self._checked = found.f_bavail * found.f_frsize, now
        if self._free < self._reserve:
            raise Refused(
                14031,
                f"only {self._free} bytes are free and {self._reserve} are kept in reserve",
            )
