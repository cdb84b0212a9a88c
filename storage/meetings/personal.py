"""The keeper of what meetings know of a person: where they take part, and where they wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.meetings.sign_ups import LEAVING, OPEN_TO
from domain.privacy import Erased
from storage.client import Database

_LINES = tuple(it.value for it in OPEN_TO)


class ParticipantData:
    """In which meetings somebody took part, and in which capacity."""

    name = "参会记录"
    collections = ("participant", "meeting")

    def __init__(self, db: Database) -> None:
        self._participants = db["participant"]
        self._meetings = db["meeting"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every entry."""
        rows = self._participants.stream({"p": person_id}, sort=[("p", 1), ("_id", 1)])
        found = [
            {
                "id": row["_id"],
                "meeting_id": row["m"],
                "capacity": row["capacity"],
                "since": row["since"].isoformat() if row.get("since") else None,
            }
            async for row in rows
        ]
        for name in _LINES:
            async for meeting in self._meetings.stream(
                {f"signups.{name}.line.p": person_id}, projection={f"signups.{name}.line": 1}
            ):
                found += [
                    {"id": it["id"], "meeting_id": meeting["_id"], "capacity": name,
                     "signed_up_at": it["at"].isoformat()}
                    for it in meeting["signups"][name]["line"]
                    if it["p"] == person_id
                ]  # fmt: skip
        return found

    async def erase(self, person_id: str) -> Erased:
        """Leave every line of a meeting still to come; who took part is part of its record."""
        left = 0
        for name in _LINES:
            line = f"signups.{name}.line"
            done = await self._meetings.update_many(
                {f"{line}.p": person_id, "state": {"$in": sorted(it.value for it in LEAVING)}},
                {
                    "$pull": {line: {"p": person_id}},
                    "$inc": {"signups_v": 1},
                    "$set": {"unsettled": True},
                },
            )
            left += done.modified
        there = await self._participants.count({"p": person_id})
        kept = "参会记录：会议档案的组成部分（档案法第十三条）"
        return Erased(removed=left, kept=(kept,) if there else ())
