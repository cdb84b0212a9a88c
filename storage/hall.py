"""The live state of meetings, one document each.

::

    hall {_id: meeting, pointer {v, at, eid, item_id},
          countdown {v, at, eid, status, label, total_s, ends_at, left_ms},
          scene {v, at, eid, scene, ref}, quorum {v, at, eid, present, total, needed, reached, seq,
          open}, speakers {v, at, eid, waiting: [turn]}, speaking {v, at, eid, turn, …},
          untold: [part]}
        ``untold`` names the parts whose event is not in the outbox yet.
"""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from domain.hall.meeting import Meeting
from domain.hall.state import Hall, Part
from domain.rules import begin_of
from storage.client import Collection, Database, Duplicate

_FACTS = (
    "kind", "state", "title", "starts_at", "ends_at", "closed_at", "session_id",
    "committee_id", "delegation_id", "members_only", "v",
)  # fmt: skip
_PARTS = tuple(name for name in Hall.model_fields if name != "meeting_id")


class HallStore:
    """Implements ``domain.hall.board.HallStore``."""

    def __init__(self, db: Database) -> None:
        self._halls = db["hall"]

    async def get(self, meeting_id: str) -> Hall:
        """Answer the state of a meeting; of one that nobody has touched, the empty one."""
        row = await self._halls.find_one({"_id": meeting_id})
        kept = {name: row[name] for name in _PARTS if name in row} if row else {}
        return Hall(meeting_id=meeting_id, **kept)

    async def put(self, meeting_id: str, name: str, part: Part, *, was: int) -> bool:
        """Keep a part, marked as not told, if its version still is ``was``; tell whether."""
        if was == 0:
            await begin_hall(self._halls, meeting_id)
        changes = {f"{name}.{field}": value for field, value in plain_part(part).items()}
        done = await self._halls.update_one(
            {"_id": meeting_id, f"{name}.v": was},
            {"$set": changes, "$addToSet": {"untold": name}},
        )
        return done.matched == 1

    async def told(self, meeting_id: str, name: str, v: int) -> None:
        """Take the mark from a part that still has version ``v``."""
        await self._halls.update_one(
            {"_id": meeting_id, f"{name}.v": v}, {"$pull": {"untold": name}}
        )

    async def untold(self, before: datetime) -> Sequence[tuple[str, str]]:
        """Answer (meeting, part) of those marked, whose part changed before an instant."""
        rows = await self._halls.find({"untold": {"$in": list(_PARTS)}}, limit=1000)
        return [
            (row["_id"], name) for row in rows for name in row["untold"] if row[name]["at"] < before
        ]


async def begin_hall(halls: Collection, meeting_id: str) -> None:
    """Make the document of a meeting's live state, if there is none yet."""
    if await halls.find_one({"_id": meeting_id}, projection={"_id": 1}) is not None:
        return
    empty = Hall(meeting_id=meeting_id)
    parts = {name: plain_part(empty.part(name)) for name in _PARTS}
    with suppress(Duplicate):
        await halls.update_one(
            {"_id": meeting_id}, {"$setOnInsert": {**parts, "untold": []}}, upsert=True
        )


def plain_part(part: Part) -> dict[str, Any]:
    """Answer the form in which a part is kept: enumerations as their values."""
    return {key: getattr(value, "value", value) for key, value in part.model_dump().items()}


class MeetingFacts:
    """Implements ``domain.hall.meeting.Meetings`` over the collections of the meetings."""

    def __init__(self, db: Database) -> None:
        self._meetings = db["meeting"]
        self._items = db["agenda_item"]
        self._participants = db["participant"]
        self._sessions = db["session"]

    async def get(self, meeting_id: str) -> Meeting | None:
        """Answer a meeting, or ``None``."""
        row = await self._meetings.find_one({"_id": meeting_id}, projection=_FACTS)
        if row is None:
            return None
        opens = await self._opens(row.get("session_id"))
        facts = {name: row[name] for name in _FACTS if row.get(name) is not None}
        return Meeting(id=meeting_id, session_opens=opens, **facts)

    async def has_item(self, meeting_id: str, item_id: str) -> bool:
        """Tell whether an item is on the agenda of a meeting."""
        return await self.item_title(meeting_id, item_id) is not None

    async def item_title(self, meeting_id: str, item_id: str) -> str | None:
        """Answer what an item of the agenda is called, ``None`` if it is not on it."""
        found = await self._items.find_one(
            {"_id": item_id, "meeting_id": meeting_id}, projection={"title": 1}
        )
        return str(found["title"]) if found else None

    async def capacities(self, meeting_id: str, person_ids: Some[str]) -> dict[str, str]:
        """Answer in which capacity people take part, those who do."""
        ids = [f"{meeting_id}:{person_id}" for person_id in person_ids]
        rows = await self._participants.find(
            {"_id": {"$in": ids}}, projection={"p": 1, "capacity": 1}
        )
        return {row["p"]: row["capacity"] for row in rows}

    async def members(self, meeting_id: str) -> int:
        """Count those who are members of a meeting."""
        return await self._participants.count({"m": meeting_id, "capacity": "member"})

    async def _opens(self, session_id: str | None) -> datetime | None:
        row = await self._sessions.find_one({"_id": session_id}) if session_id else None
        return begin_of(date.fromisoformat(row["starts_on"])) if row else None
