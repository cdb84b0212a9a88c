"""The keeper of what meetings know of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.privacy import Erased
from storage.client import Database


class ParticipantData:
    """In which meetings somebody took part, and in which capacity."""

    name = "参会记录"
    collections = ("participant",)

    def __init__(self, db: Database) -> None:
        self._participants = db["participant"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every entry."""
        rows = self._participants.stream({"p": person_id}, sort=[("p", 1), ("_id", 1)])
        return [
            {
                "id": row["_id"],
                "meeting_id": row["m"],
                "capacity": row["capacity"],
                "since": row["since"].isoformat() if row.get("since") else None,
            }
            async for row in rows
        ]

    async def erase(self, person_id: str) -> Erased:
        """Keep them: who was a member of a meeting is part of its record."""
        there = await self._participants.count({"p": person_id})
        kept = "参会记录：会议档案的组成部分（档案法第十三条）"
        return Erased(kept=(kept,) if there else ())
