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

from domain.checkins.scan import Result, Scan, Use
from storage.client import Database

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

    async def add(self, scans: Sequence[Scan]) -> set[str]:
        """Keep new scans, marked as not told; answer the ids of those that were not kept before."""
        return await self._scans.insert_new([_row(scan) for scan in scans])

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

    async def claim(self, uses: Sequence[Use], *, at: datetime) -> set[str]:
        """Use tickets up; answer the scans whose ticket is theirs, however often they ask."""
        first = {it.claim_id: it for it in reversed(uses)}
        rows = [
            {"_id": it.claim_id, "p": it.person_id, "scan": it.scan_id, "at": at}
            for it in first.values()
        ]
        new = await self._claims.insert_new(rows)
        mine = {it.scan_id for it in first.values() if it.claim_id in new}
        used = sorted(first.keys() - new)
        if used:
            kept = await self._claims.find({"_id": {"$in": used}}, projection={"scan": 1})
            mine |= {row["scan"] for row in kept} & {it.scan_id for it in uses}
        return mine


def _row(scan: Scan) -> dict[str, Any]:
    row = {name: getattr(scan, name) for name in _SAME}
    row |= {name: row[name].value for name in ("way", "dir", "result")}
    return row | {"_id": scan.id, "m": scan.meeting_id, "p": scan.person_id, "untold": True}


def _scan(row: Mapping[str, Any]) -> Scan:
    same = {name: row[name] for name in _SAME}
    return Scan(id=row["_id"], meeting_id=row["m"], person_id=row["p"], **same)
