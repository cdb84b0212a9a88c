"""Meetings, one document each, with the lines of those who sign up inside.

::

    meeting {_id, kind, title, no, place, starts_at, ends_at, session_id, committee_id,
             delegation_id, members_only, state, announced {at, by, rule, urgent},
             agenda_published_at, eid, moved_eid, v, created_at, created_by, updated_at, updated_by,
             cls, owner_id, audience: [], staff: [scope], untold,
             signups {attend|observe: {quota, no, last, line: [{p, id, no, at}]}}, signups_v,
             unsettled, package}
        ``cls`` and ``audience`` repeat the meeting for ``visible_query``, ``staff`` for those who
        work for it. ``untold``: announced not yet. ``signups`` is ``storage.meetings.sign_ups``'s,
        ``package`` is ``storage.meetings.archive``'s.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from domain.meetings.meeting import OVER, TO_COME, Capacity, Meeting, Place, Wanted
from domain.people import Person
from storage.client import Database
from storage.visibility import visible_query

_OWN = tuple(name for name in Meeting.model_fields if name not in {"id", "quotas"})
_SHOWN = dict.fromkeys(_OWN, 1) | {
    f"signups.{capacity.value}.quota": 1 for capacity in (Capacity.ATTEND, Capacity.OBSERVE)
}


class MeetingStore:
    """Implements ``domain.meetings.meeting.MeetingStore``."""

    def __init__(self, db: Database) -> None:
        self._meetings = db["meeting"]

    async def add(self, meeting: Meeting) -> None:
        """Keep a new meeting."""
        await self._meetings.insert_one({"_id": meeting.id, **_row(meeting), "untold": True})

    async def get(self, meeting_id: str) -> Meeting | None:
        """Answer a meeting, or ``None``."""
        row = await self._meetings.find_one({"_id": meeting_id}, projection=_SHOWN)
        return None if row is None else _read(row)

    async def put(self, meeting: Meeting, *, was: Meeting) -> bool:
        """Keep the new form if it is still at version and state of ``was``; tell whether."""
        done = await self._meetings.update_one(
            {"_id": was.id, "v": was.v, "state": was.state.value},
            {"$set": {**_row(meeting), "untold": True}},
        )
        return done.matched == 1

    async def told(self, meeting: Meeting) -> None:
        """Take the mark away, unless the meeting has changed again."""
        await self._meetings.update_one(
            {"_id": meeting.id, "v": meeting.v}, {"$set": {"untold": False}}
        )

    async def untold(self, before: datetime) -> Sequence[Meeting]:
        """Answer those that were changed before an instant and are still marked."""
        rows = await self._meetings.find(
            {"untold": True, "updated_at": {"$lt": before}}, projection=_SHOWN, limit=1000
        )
        return [_read(row) for row in rows]

    async def seen(
        self,
        person: Person,
        wanted: Wanted,
        *,
        also: frozenset[str],
        duties: frozenset[str],
        after: Place | None = None,
        limit: int,
    ) -> Sequence[Meeting]:
        """Answer those a person may see, the latest first."""
        mine = visible_query(person, also=also)["$or"]
        every: list[dict[str, Any]] = [{"$or": [*mine, {"staff": {"$in": sorted(duties)}}]}]
        if wanted.kind is not None:
            every.append({"kind": wanted.kind.value})
        if wanted.state is not None:
            every.append({"state": wanted.state.value})
        if wanted.since is not None:
            every.append({"starts_at": {"$gte": wanted.since}})
        if wanted.until is not None:
            every.append({"starts_at": {"$lt": wanted.until}})
        if after is not None:
            at, key = after
            every.append(
                {"$or": [{"starts_at": {"$lt": at}}, {"starts_at": at, "_id": {"$lt": key}}]}
            )
        rows = await self._meetings.find(
            {"$and": every}, projection=_SHOWN, sort=[("starts_at", -1), ("_id", -1)], limit=limit
        )
        return [_read(row) for row in rows]

    async def among(
        self,
        meeting_ids: Collection[str],
        person: Person,
        *,
        also: frozenset[str],
        over: bool,
        after: Place | None = None,
        limit: int,
    ) -> Sequence[Meeting]:
        """Answer those of some meetings that a person may see and that were announced."""
        query: dict[str, Any] = {
            "_id": {"$in": sorted(meeting_ids)},
            "state": {"$in": sorted(OVER if over else TO_COME)},
            **visible_query(person, also=also),
        }
        way, beyond = (-1, "$lt") if over else (1, "$gt")
        if after is not None:
            at, key = after
            later = [{"starts_at": {beyond: at}}, {"starts_at": at, "_id": {beyond: key}}]
            query = {"$and": [query, {"$or": later}]}
        rows = await self._meetings.find(
            query, projection=_SHOWN, sort=[("starts_at", way), ("_id", way)], limit=limit
        )
        return [_read(row) for row in rows]


def _row(meeting: Meeting) -> dict[str, Any]:
    row = meeting.model_dump(include=set(_OWN))
    row["kind"], row["state"] = meeting.kind.value, meeting.state.value
    row["cls"], row["owner_id"] = meeting.cls.value, None
    row["audience"] = sorted(meeting.audience)
    row["staff"] = sorted(meeting.scopes)
    return row


def _read(row: dict[str, Any]) -> Meeting:
    kept = {name: value for name, value in row.items() if name in _OWN}
    lines = row.get("signups") or {}
    quotas = {name: line["quota"] for name, line in lines.items() if line}
    return Meeting(id=row["_id"], quotas=quotas, **kept)
