"""Scans, and the tickets they used up.

::

    checkin {_id: "<who scanned>:<nonce>", m, p, by, gate, way, dir, result, at, at_device,
             at_server, skew_ms, offline, said, conflict, raw, note, reason, first_at, first_gate,
             eid, untold}
        ``untold`` is there until the scan has been announced.
    checkin_claim {_id: ticket, p, scan, at}    gone after a day
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.checkins.scan import Result, Scan
from storage.client import Database, Duplicate

_SOME = 500
_MOST = 1_000
_SAME = tuple(name for name in Scan.model_fields if name not in {"id", "meeting_id", "person_id"})


class ScanStore:
    """Implements ``domain.checkins.scan.ScanStore``."""

    def __init__(self, db: Database) -> None:
        self._scans = db["checkin"]
        self._claims = db["checkin_claim"]

    async def many(self, scan_ids: Iterable[str]) -> dict[str, Scan]:
        """Answer those that are kept, by id."""
        wanted = sorted(set(scan_ids))
        found: dict[str, Scan] = {}
        for start in range(0, len(wanted), _MOST):
            rows = await self._scans.find({"_id": {"$in": wanted[start : start + _MOST]}})
            found |= {row["_id"]: _scan(row) for row in rows}
        return found

    async def add(self, scan: Scan) -> bool:
        """Keep a new scan, marked as not told; ``False`` if it is kept already."""
        try:
            await self._scans.insert_one(_row(scan))
        except Duplicate:
            return False
        return True

    async def told(self, scans: Iterable[Scan]) -> None:
        """Take the mark away."""
        ids = [scan.id for scan in scans]
        if ids:
            await self._scans.update_many({"_id": {"$in": ids}}, {"$unset": {"untold": ""}})

    async def untold(self, before: datetime) -> Sequence[Scan]:
        """Answer some that were kept before an instant and are still marked."""
        rows = await self._scans.find({"untold": True, "at_server": {"$lt": before}}, limit=_SOME)
        return [_scan(row) for row in rows]

    async def of(
        self,
        meeting_id: str,
        *,
        conflicts: bool,
        result: Result | None,
        after: str,
        limit: int,
    ) -> Sequence[Scan]:
        """Answer scans of a meeting by id of their event, newest first, those below ``after``."""
        query: dict[str, Any] = {"m": meeting_id}
        if conflicts:
            query["conflict"] = True
        if result is not None:
            query["result"] = result.value
        if after:
            query["eid"] = {"$lt": after}
        rows = await self._scans.find(query, sort=[("eid", -1)], limit=limit)
        return [_scan(row) for row in rows]

    async def claim(self, claim_id: str, *, person_id: str, scan_id: str, at: datetime) -> bool:
        """Use up a claim; ``True`` for the scan that used it, however often it asks."""
        try:
            await self._claims.insert_one(
                {"_id": claim_id, "p": person_id, "scan": scan_id, "at": at}
            )
        except Duplicate:
            row = await self._claims.find_one({"_id": claim_id}, projection={"scan": 1})
            return row is not None and row["scan"] == scan_id
        return True


def _row(scan: Scan) -> dict[str, Any]:
    row = {name: getattr(scan, name) for name in _SAME}
    row |= {name: row[name].value for name in ("way", "dir", "result")}
    return row | {"_id": scan.id, "m": scan.meeting_id, "p": scan.person_id, "untold": True}


def _scan(row: Mapping[str, Any]) -> Scan:
    same = {name: row[name] for name in _SAME}
    return Scan(id=row["_id"], meeting_id=row["m"], person_id=row["p"], **same)
