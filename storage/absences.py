"""Absences from the congress without leave, and the alerts about them.

::

    absence_alert {_id: "<person>:<number of sessions>", p, sessions: [], at}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from storage.client import Database, Duplicate

_EXCUSED = ("approved", "effective", "returned")


class AbsenceStore:
    """Implements ``domain.absences.AbsenceStore``."""

    def __init__(self, db: Database) -> None:
        self._records = db["attendance"]
        self._meetings = db["meeting"]
        self._leaves = db["leave"]
        self._alerts = db["absence_alert"]

    async def unexcused(self, person_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Answer the sessions each person missed without leave."""
        people = sorted(person_ids)
        rows = await self._records.find(
            {"p": {"$in": people}, "state": "absent"}, projection={"m": 1, "p": 1}
        )
        meetings = await self._meetings.find(
            {"_id": {"$in": sorted({row["m"] for row in rows})}, "kind": "npc"},
            projection={"session_id": 1},
        )
        session = {row["_id"]: row.get("session_id") or row["_id"] for row in meetings}
        leaves = await self._leaves.find(
            {"p": {"$in": people}, "state": {"$in": list(_EXCUSED)}}, projection={"m": 1, "p": 1}
        )
        excused = {(row["m"], row["p"]) for row in leaves}
        missed: defaultdict[str, set[str]] = defaultdict(set)
        for row in rows:
            if row["m"] in session and (row["m"], row["p"]) not in excused:
                missed[row["p"]].add(session[row["m"]])
        return {person_id: frozenset(sessions) for person_id, sessions in missed.items()}

    async def alert(self, person_id: str, sessions: frozenset[str], at: datetime) -> bool:
        """Keep an alert about somebody; ``False`` if there was one about as many sessions."""
        try:
            await self._alerts.insert_one(
                {
                    "_id": f"{person_id}:{len(sessions)}",
                    "p": person_id,
                    "sessions": sorted(sessions),
                    "at": at,
                }
            )
        except Duplicate:
            return False
        return True
