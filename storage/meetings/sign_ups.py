"""The lines of those who sign up, inside the document of the meeting.

::

    meeting {…, state, signups {attend|observe: {quota, no, last, line: [{p, id, no, at}]}},
             signups_v, unsettled}
        The first ``quota`` of ``line`` are accepted. ``no`` is the last number given, ``last`` the
        last time of arrival. ``signups_v`` grows with each change; ``unsettled``: not all of it was
        followed up yet.

Line and state of the meeting are in one document, so that nobody joins a line that has just closed
and no place is given twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from domain.meetings.meeting import Capacity, MeetingState
from domain.meetings.sign_ups import LEAVING, MOST_IN_LINE, OPEN_TO, Entry, Line
from storage.client import Database

_SHOWN = {"signups": 1, "signups_v": 1}
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


class SignUpStore:
    """Implements ``domain.meetings.sign_ups.SignUpStore``."""

    def __init__(self, db: Database) -> None:
        self._meetings = db["meeting"]

    async def lines(self, meeting_id: str) -> Sequence[Line]:
        """Answer the lines of a meeting: of each capacity that has a quota."""
        row = await self._meetings.find_one({"_id": meeting_id}, projection=_SHOWN)
        kept = (row or {}).get("signups") or {}
        return [_read(row or {}, it) for it in OPEN_TO if it.value in kept]

    async def open(self, meeting_id: str, capacity: Capacity, quota: int, *, v: int) -> bool:
        """Set a quota if the meeting is at version ``v`` and nobody accepted would lose."""
        where = f"signups.{capacity.value}"
        grow = {"$inc": {"v": 1, "signups_v": 1}}
        done = await self._meetings.update_one(
            {"_id": meeting_id, "v": v, where: {"$exists": False}},
            {
                "$set": {where: {"quota": quota, "no": 0, "last": _NEVER, "line": []}},
                **grow,
            },
        )
        if done.matched:
            return True
        done = await self._meetings.update_one(
            {
                "_id": meeting_id,
                "v": v,
                where: {"$exists": True},
                # More than before, or all who are in the line fit.
                "$or": [
                    {f"{where}.quota": {"$lte": quota}},
                    {f"{where}.line.{quota}": {"$exists": False}},
                ],
            },
            {"$set": {f"{where}.quota": quota, "unsettled": True}, **grow},
        )
        return done.matched == 1

    async def join(
        self, meeting_id: str, capacity: Capacity, person_id: str, *, entry_id: str, at: datetime
    ) -> Line | None:
        """Put somebody at the end of a line and answer it as it is then, or ``None``."""
        where = f"signups.{capacity.value}"
        no, last = {"$add": [f"${where}.no", 1]}, {"$max": [f"${where}.last", at]}
        entry = {"p": {"$literal": person_id}, "id": {"$literal": entry_id}, "no": no, "at": last}
        row = await self._meetings.find_one_and_update(
            {
                "_id": meeting_id,
                "state": MeetingState.REGISTRATION.value,
                f"{where}.quota": {"$gt": 0},
                **{f"signups.{it.value}.line.p": {"$ne": person_id} for it in OPEN_TO},
                f"{where}.line.{MOST_IN_LINE - 1}": {"$exists": False},
            },
            [
                {
                    "$set": {
                        f"{where}.line": {"$concatArrays": [f"${where}.line", [entry]]},
                        f"{where}.no": no,
                        f"{where}.last": last,
                        "signups_v": {"$add": [{"$ifNull": ["$signups_v", 0]}, 1]},
                        "unsettled": True,
                    }
                }
            ],
            projection=_SHOWN,
        )
        return _read(row, capacity) if row else None

    async def leave(self, meeting_id: str, capacity: Capacity, person_id: str) -> Line | None:
        """Take somebody out and answer the line as it was before, or ``None``."""
        where = f"signups.{capacity.value}"
        row = await self._meetings.find_one_and_update(
            {
                "_id": meeting_id,
                "state": {"$in": sorted(state.value for state in LEAVING)},
                f"{where}.line.p": person_id,
            },
            {
                "$pull": {f"{where}.line": {"p": person_id}},
                "$inc": {"signups_v": 1},
                "$set": {"unsettled": True},
            },
            after=False,
            projection=_SHOWN,
        )
        return _read(row, capacity) if row else None

    async def settled(self, meeting_id: str, seq: int) -> None:
        """Note that everything up to ``seq`` was followed up; if there is more, the mark stays."""
        done = await self._meetings.update_one(
            {"_id": meeting_id, "signups_v": seq}, {"$set": {"unsettled": False}}
        )
        if not done.matched:
            # Somebody changed the line while it was followed up: let the job look at the whole.
            await self._meetings.update_one({"_id": meeting_id}, {"$set": {"unsettled": True}})

    async def unsettled(self) -> Sequence[str]:
        """Answer the meetings with lines that were not followed up to the end."""
        rows = await self._meetings.find({"unsettled": True}, projection={"_id": 1}, limit=1000)
        return [row["_id"] for row in rows]


def _read(row: Mapping[str, Any], capacity: Capacity) -> Line:
    kept = (row.get("signups") or {})[capacity.value]
    return Line(
        capacity=capacity,
        quota=kept["quota"],
        entries=tuple(
            Entry(id=it["id"], person_id=it["p"], no=it["no"], at=it["at"]) for it in kept["line"]
        ),
        seq=row.get("signups_v") or 0,
    )
