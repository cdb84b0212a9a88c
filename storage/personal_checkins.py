"""Keepers of personal data of the doors: badges, scans, notes.

Each implements ``domain.privacy.PersonalData``. The attendance record itself is another keeper's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.privacy import Erased
from storage.client import Database


class DoorData:
    """What the doors of meetings know of somebody."""

    name = "签到"
    collections = ("checkin", "checkin_claim", "door_note", "pass")

    def __init__(self, db: Database) -> None:
        self._scans = db["checkin"]
        self._claims = db["checkin_claim"]
        self._notes = db["door_note"]
        self._passes = db["pass"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every scan, badge and note, without who scanned, issued or wrote them."""
        scans = await self._scans.find({"p": person_id}, sort=[("at", 1)], limit=10_000)
        badges = await self._passes.find({"p": person_id}, sort=[("_id", 1)])
        notes = await self._notes.find({"p": person_id}, sort=[("_id", 1)])
        return [
            *({"meeting": it["m"], **{name: it[name] for name in _OF_A_SCAN}} for it in scans),
            *({"meeting": it["m"], **{name: it[name] for name in _OF_A_BADGE}} for it in badges),
            *({"meeting": it["m"], **{name: it[name] for name in _OF_A_NOTE}} for it in notes),
        ]

    async def erase(self, person_id: str) -> Erased:
        """Void badges and forget the rest; that somebody attended is on record elsewhere."""
        removed = 0
        for collection in (self._scans, self._claims, self._notes, self._passes):
            removed += await collection.delete_many({"p": person_id})
        return Erased(removed=removed)


_OF_A_SCAN = ("gate", "way", "dir", "result", "at", "offline", "reason")
_OF_A_BADGE = ("serial", "state", "issued_at", "until", "revoked_at")
_OF_A_NOTE = ("blocked", "attention", "reason", "at")
