"""Review opinions.

::

    opinion {_id, meeting_id, item_id, title, body, org_id, state, steps: [{to, at, by, text}],
             due {key, day, at, source, provisional}, reminders: [{id, at, days}], moved_eid,
             overdue_eid, untold?, next_at, overdue_at, staff: [scope], v, created_at, created_by,
             cls, owner_id, audience: []}
        ``due.day`` is an ISO string. ``next_at`` is there while there is something to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.meetings.opinions import OPEN, Opinion, Which
from domain.people import Person
from storage.client import Database
from storage.visibility import visible_query

_OPEN = sorted(state.value for state in OPEN)
_MOST_AT_A_UNIT = 500


class OpinionStore:
    """Implements ``domain.meetings.opinions.OpinionStore``."""

    def __init__(self, db: Database) -> None:
        self._opinions = db["opinion"]

    async def add(self, opinion: Opinion) -> None:
        """Keep a new one."""
        await self._opinions.insert_one({"_id": opinion.id, **_row(opinion)})

    async def get(self, opinion_id: str) -> Opinion | None:
        """Answer one, or ``None``."""
        row = await self._opinions.find_one({"_id": opinion_id})
        return read_opinion(row) if row else None

    async def put(self, opinion: Opinion, *, was: Opinion) -> bool:
        """Keep the new form if it is still at version ``was.v``; tell whether."""
        row = _row(opinion)
        if opinion.moved_eid != was.moved_eid:
            row["untold"] = True
        done = await self._opinions.update_one(
            {"_id": was.id, "v": was.v, "state": was.state.value}, {"$set": row}
        )
        return done.matched == 1

    async def announced(self, opinion: Opinion) -> None:
        """Take the mark away, unless another step was taken since."""
        await self._opinions.update_one(
            {"_id": opinion.id, "moved_eid": opinion.moved_eid}, {"$unset": {"untold": ""}}
        )

    async def unannounced(self, *, limit: int) -> Sequence[Opinion]:
        """Answer those that are marked."""
        rows = await self._opinions.find({"untold": True}, limit=limit)
        return [read_opinion(row) for row in rows]

    async def seen(
        self,
        person: Person,
        which: Which,
        *,
        also: frozenset[str] = frozenset(),
        duties: frozenset[str] = frozenset(),
        after: str = "",
        limit: int = 50,
    ) -> Sequence[Opinion]:
        """Answer those a person may see, newest first, those below ``after`` if not empty."""
        mine = visible_query(person, also=also)["$or"]
        query: dict[str, Any] = {"$or": [*mine, {"staff": {"$in": sorted(duties)}}]}
        if which.meeting_id is not None:
            query["meeting_id"] = which.meeting_id
        if which.state is not None:
            query["state"] = which.state.value
        if which.overdue is not None:
            query["due.at"] = {"$lte": which.overdue}
            query["$and"] = [{"state": {"$in": _OPEN}}]
        if after:
            query["_id"] = {"$lt": after}
        rows = await self._opinions.find(query, sort=[("_id", -1)], limit=limit)
        return [read_opinion(row) for row in rows]

    async def ringing(self, now: datetime, *, limit: int) -> Sequence[Opinion]:
        """Answer open ones about which there is something to tell."""
        rows = await self._opinions.find(
            {"state": {"$in": _OPEN}, "next_at": {"$lte": now}},
            sort=[("next_at", 1)],
            limit=limit,
        )
        return [read_opinion(row) for row in rows]

    async def told(self, opinion: Opinion, *, was: Opinion) -> bool:
        """Keep when to tell next, if nobody else did and it is as it ``was``; tell whether."""
        done = await self._opinions.update_one(
            {"_id": was.id, "v": was.v, "next_at": was.next_at},
            {"$set": {"next_at": opinion.next_at, "overdue_at": opinion.overdue_at}},
        )
        return done.matched == 1

    async def at_unit(self, org_ids: frozenset[str]) -> Sequence[Opinion]:
        """Answer the open ones of some units, the most urgent first."""
        rows = await self._opinions.find(
            {"org_id": {"$in": sorted(org_ids)}, "state": {"$in": _OPEN}},
            sort=[("due.at", 1), ("_id", 1)],
            limit=_MOST_AT_A_UNIT,
        )
        return [read_opinion(row) for row in rows]


def _row(opinion: Opinion) -> dict[str, Any]:
    row = opinion.model_dump(exclude={"id"})
    row["state"] = opinion.state.value
    row["steps"] = [{**it.model_dump(), "to": it.to.value} for it in opinion.steps]
    row["reminders"] = [it.model_dump() for it in opinion.reminders]
    if opinion.due is not None:
        row["due"]["day"] = opinion.due.day.isoformat()
    row["staff"] = sorted(opinion.staff)
    row["cls"], row["owner_id"] = opinion.cls.value, None
    row["audience"] = sorted(opinion.audience)
    return row


def read_opinion(row: Mapping[str, Any]) -> Opinion:
    """Answer an opinion as it is kept."""
    kept = {name: value for name, value in row.items() if name in Opinion.model_fields}
    return Opinion(id=row["_id"], **kept)
