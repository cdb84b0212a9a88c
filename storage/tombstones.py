"""Tombstones outside the database: what was deleted for somebody's sake stays deleted.

A backup is older than the deletions that came after it, so restoring it would bring them back. Each
such deletion is a line of JSON in ``tombstones.jsonl`` below the data directory, on the disk before
the deletion itself happens, and ``restore`` deletes anew what it names. It holds ids and instants,
no content. Where several hosts serve, each has its own: give ``restore`` all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from storage.client import Database

NAME = "tombstones.jsonl"


class Ledger:
    """Writes tombstones down.

    Args:
        path: The file; it is made when there is something to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def add(self, stone: Mapping[str, Any]) -> None:
        """Write a tombstone and return once it is on the disk."""
        line = json.dumps(dict(stone), default=datetime.isoformat, sort_keys=True) + "\n"
        await asyncio.to_thread(_append, self._path, line.encode())


def read(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Yield the tombstones of files; a last line that was cut off by a crash is passed over."""
    for path in paths:
        if not path.exists():
            continue
        for line in path.read_bytes().splitlines():
            try:
                stone = json.loads(line)
                stone["at"] = datetime.fromisoformat(stone["at"])
            except (ValueError, KeyError, TypeError):
                continue
            yield stone


async def apply(db: Database, stones: Iterable[Mapping[str, Any]]) -> int:
    """Delete anew what tombstones name, where a backup has brought it back; answer how much.

    A template that was made after its tombstone is somebody's new enrolment, and stays. Where the
    consent was withdrawn, it is withdrawn again.
    """
    gone = 0
    for stone in stones:
        if stone.get("kind") != "face":
            continue
        gone += await db["face"].delete_many({"_id": stone["p"], "made_at": {"$lte": stone["at"]}})
        if stone.get("reason") == "withdrawn":
            await _withdraw(db, stone["p"], stone["at"])
    return gone


async def _withdraw(db: Database, person_id: str, at: datetime) -> None:
    turn = {"decision": "withdrawn", "version": "", "at": at}
    await db["consent"].update_one(
        {"_id": f"{person_id}:face", "decision": "given", "given_at": {"$lte": at}},
        {
            "$set": {"decision": "withdrawn", "withdrawn_at": at, "cleanup": None},
            "$push": {"history": turn},
            "$inc": {"v": 1},
        },
    )


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
