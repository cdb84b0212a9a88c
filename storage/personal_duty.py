"""Keeper of personal data of duty records; implements ``domain.privacy.PersonalData``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.privacy import Erased
from storage.client import Database

_ON_RECORD = "履职记录：常委会应当记录代表履职情况（代表法第五十八条）"
_SHOWN = (
    "kind", "level", "title", "place", "organiser", "start", "end", "minutes", "state", "public",
)  # fmt: skip


class DutyData:
    """What somebody has done as a deputy."""

    name = "履职记录"
    collections = ("duty_record",)

    def __init__(self, db: Database) -> None:
        self._records = db["duty_record"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every record with its history, without who wrote or decided it."""
        rows = self._records.stream({"p": person_id}, sort=[("start", 1)])
        return [
            {
                "id": row["_id"],
                "meeting": row["m"],
                **{name: row[name] for name in _SHOWN},
                "history": [
                    {name: step[name] for name in ("state", "at", "reason", "facts")}
                    for step in row["hist"]
                ],
            }
            async for row in rows
        ]

    async def erase(self, person_id: str) -> Erased:
        """Keep what the law wants on record; forget what the person wrote when they objected."""
        rows = await self._records.find({"p": person_id}, projection={"hist": 1})
        removed = 0
        for row in rows:
            for at, step in enumerate(row["hist"]):
                if step["by"] == person_id and step["reason"]:
                    # Steps are only ever added, so each keeps its place.
                    await self._records.update_one(
                        {"_id": row["_id"]}, {"$set": {f"hist.{at}.reason": ""}}
                    )
                    removed += 1
        return Erased(removed=removed, kept=(_ON_RECORD,) if rows else ())
