"""Badges of meetings.

::

    pass {_id, m, p, serial, state, issued_at, issued_by, until, revoked_at, revoked_by, reason,
          open: "<meeting>:<person>"}
        ``open`` is there, and unique, while the badge holds: one for each person at a meeting.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from domain.passes.badges import Badge, BadgeState
from storage.client import Database, Duplicate

_SAME = ("serial", "state", "issued_at", "issued_by", "until", "revoked_at", "revoked_by", "reason")


class BadgeStore:
    """Implements ``domain.passes.badges.BadgeStore``."""

    def __init__(self, db: Database) -> None:
        self._passes = db["pass"]
        self._counters = db["counter"]

    async def many(self, badge_ids: Collection[str]) -> Mapping[str, Badge]:
        """Answer badges by id."""
        if not badge_ids:
            return {}
        rows = await self._passes.find({"_id": {"$in": sorted(badge_ids)}})
        return {row["_id"]: _badge(row) for row in rows}

    async def of(self, meeting_id: str) -> Sequence[Badge]:
        """Answer every badge of a meeting, by number."""
        rows = await self._passes.find({"m": meeting_id}, sort=[("serial", 1)])
        return [_badge(row) for row in rows]

    async def add(self, badge: Badge) -> bool:
        """Keep a new badge; ``False`` if the person has one that holds."""
        row: dict[str, Any] = {name: getattr(badge, name) for name in _SAME}
        row |= {
            "_id": badge.id,
            "m": badge.meeting_id,
            "p": badge.person_id,
            "state": badge.state.value,
            "open": f"{badge.meeting_id}:{badge.person_id}",
        }
        try:
            await self._passes.insert_one(row)
        except Duplicate:
            return False
        return True

    async def revoke(
        self, badge_id: str, meeting_id: str, *, at: datetime, by: str, reason: str
    ) -> Badge | None:
        """Void a badge that holds and answer it, or ``None``."""
        gone = {
            "state": BadgeState.REVOKED.value, "revoked_at": at, "revoked_by": by, "reason": reason,
        }  # fmt: skip
        row = await self._passes.find_one_and_update(
            {"_id": badge_id, "m": meeting_id, "state": BadgeState.ACTIVE.value},
            {"$set": gone, "$unset": {"open": ""}},
        )
        return _badge(row) if row else None

    async def serials(self, meeting_id: str, count: int) -> int:
        """Draw ``count`` numbers in a row; answer the first."""
        name = f"badge:{meeting_id}"
        with suppress(Duplicate):
            await self._counters.insert_one({"_id": name, "n": 0})
        row = await self._counters.find_one_and_update({"_id": name}, {"$inc": {"n": count}})
        if row is None:
            raise RuntimeError(f"the counter {name} was not answered")
        return int(row["n"]) - count + 1


def _badge(row: Mapping[str, Any]) -> Badge:
    same = {name: row[name] for name in _SAME}
    return Badge(id=row["_id"], meeting_id=row["m"], person_id=row["p"], **same)
