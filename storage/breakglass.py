"""Break-glass windows.

::

    break_glass {_id, person_id, obj, reason, state, asked_at, decided_by, decided_at, decision,
                 opened_at, open_until, closed_at, closed_by, uses, v}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.breakglass import Glass, GlassState
from storage.client import Database


class GlassStore:
    """Keeps break-glass windows; implements ``domain.breakglass.GlassStore``."""

    def __init__(self, db: Database) -> None:
        self._glasses = db["break_glass"]

    async def get(self, glass_id: str) -> Glass | None:
        """Answer one window."""
        row = await self._glasses.find_one({"_id": glass_id})
        return _glass(row) if row else None

    async def add(self, glass: Glass) -> None:
        """Keep a new one."""
        await self._glasses.insert_one(_row(glass))

    async def settle(self, glass: Glass, *, was: Glass) -> bool:
        """Keep the new form if the window still is as it ``was``; tell whether it was."""
        changed = {key: value for key, value in _row(glass).items() if key not in {"_id", "uses"}}
        result = await self._glasses.update_one(
            {"_id": was.id, "state": was.state.value, "v": was.v}, {"$set": changed}
        )
        return result.matched == 1

    async def opened(self, person_id: str, at: datetime) -> Sequence[Glass]:
        """Answer a person's windows that are open at an instant."""
        rows = await self._glasses.find(
            {"person_id": person_id, "state": GlassState.OPEN.value, "open_until": {"$gt": at}}
        )
        return [_glass(row) for row in rows]

    async def used(self, glass_id: str) -> None:
        """Count one look."""
        await self._glasses.update_one({"_id": glass_id}, {"$inc": {"uses": 1}})

    async def overdue(self, at: datetime) -> Sequence[Glass]:
        """Answer windows that are noted as open and whose time is over."""
        rows = await self._glasses.find(
            {"state": GlassState.OPEN.value, "open_until": {"$lte": at}}
        )
        return [_glass(row) for row in rows]

    async def list(self, *, after: str, limit: int) -> Sequence[Glass]:
        """Answer windows in descending order of id, those below ``after`` if it is not empty."""
        query = {"_id": {"$lt": after}} if after else {}
        rows = await self._glasses.find(query, sort=[("_id", -1)], limit=limit)
        return [_glass(row) for row in rows]


def _row(glass: Glass) -> dict[str, Any]:
    row = glass.model_dump(exclude={"id"})
    row["state"] = glass.state.value
    return {"_id": glass.id, **row}


def _glass(row: Mapping[str, Any]) -> Glass:
    kept = {name: row[name] for name in Glass.model_fields if name in row}
    return Glass.model_validate({**kept, "id": row["_id"]})
