"""Requests for leave, and who was delegated to decide about them.

::

    leave {_id, m, key, p, deleg, kind, reason_enc, since, until, state, asked_by, asked_at,
           decided_by, decided_at, note, eid, at, v, open: "<meeting>:<person>", untold}
        ``open`` is there, and unique, until the request is refused, taken back or over; ``untold``
        until the change has been announced.
    leave_delegate {_id: "session:…" | "mtg:…", people: [], document, by, at}
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from domain.errors import Conflict
from domain.leave.request import OPEN, Leave, LeaveState
from storage.client import Database, Duplicate

_SOME = 500
_SAME = (
    "key", "kind", "reason_enc", "since", "until", "state", "asked_by", "asked_at", "decided_by",
    "decided_at", "note", "eid", "at", "v",
)  # fmt: skip


class LeaveStore:
    """Implements ``domain.leave.request.LeaveStore``."""

    def __init__(self, db: Database) -> None:
        self._leaves = db["leave"]
        self._delegates = db["leave_delegate"]

    async def add(self, leave: Leave) -> None:
        """Keep a new request.

        Raises:
            Conflict: The person has an open one for this meeting.
        """
        try:
            await self._leaves.insert_one(_row(leave))
        except Duplicate as duplicate:
            raise Conflict("已为该会议请假", field="meeting_id") from duplicate

    async def get(self, leave_id: str) -> Leave | None:
        """Answer a request, or ``None``."""
        row = await self._leaves.find_one({"_id": leave_id})
        return _leave(row) if row else None

    async def put(self, leave: Leave, *, was: int) -> bool:
        """Keep a request, marked as not told, if its version still is ``was``; tell whether."""
        done = await self._leaves.replace_one({"_id": leave.id, "v": was}, _row(leave))
        return done.matched == 1

    async def of_meeting(self, meeting_id: str) -> Sequence[Leave]:
        """Answer the requests for a meeting, oldest first, drafts left out."""
        query = {"m": meeting_id, "state": {"$ne": LeaveState.DRAFT.value}}
        return [_leave(row) for row in await self._leaves.find(query, sort=[("_id", 1)])]

    async def of_person(self, person_id: str) -> Sequence[Leave]:
        """Answer the requests of a person, newest first."""
        rows = await self._leaves.find({"p": person_id}, sort=[("_id", -1)], limit=_SOME)
        return [_leave(row) for row in rows]

    async def waiting(self, *, delegation_id: str | None, keys: Collection[str]) -> Sequence[Leave]:
        """Answer submitted requests of a delegation or for any of some keys, oldest first."""
        either: list[dict[str, Any]] = [{"key": {"$in": sorted(keys)}}]
        if delegation_id is not None:
            either.append({"deleg": delegation_id})
        rows = await self._leaves.find(
            {"state": LeaveState.SUBMITTED.value, "$or": either}, sort=[("_id", 1)], limit=_SOME
        )
        return [_leave(row) for row in rows]

    async def due(self, at: datetime) -> Sequence[Leave]:
        """Answer approved ones that have begun and effective ones that have ended by then."""
        found: list[Leave] = []
        for state, field in ((LeaveState.APPROVED, "since"), (LeaveState.EFFECTIVE, "until")):
            rows = await self._leaves.find(
                {"state": state.value, field: {"$type": "date", "$lte": at}}, limit=_SOME
            )
            found += [_leave(row) for row in rows]
        return found

    async def told(self, leave: Leave) -> None:
        """Take the mark from a request that has not changed since."""
        await self._leaves.update_one({"_id": leave.id, "v": leave.v}, {"$unset": {"untold": ""}})

    async def untold(self, before: datetime) -> Sequence[Leave]:
        """Answer some of those that changed before an instant and are still marked."""
        rows = await self._leaves.find({"untold": True, "at": {"$lt": before}}, limit=_SOME)
        return [_leave(row) for row in rows]

    async def delegates(self, key: str) -> frozenset[str]:
        """Answer who was delegated to decide for a session or meeting."""
        row = await self._delegates.find_one({"_id": key}, projection={"people": 1})
        return frozenset(row["people"]) if row else frozenset()

    async def delegate(
        self, key: str, people: frozenset[str], *, document: str, by: str, at: datetime
    ) -> None:
        """Name who decides for a session or meeting, in place of those named before."""
        await self._delegates.update_one(
            {"_id": key},
            {"$set": {"people": sorted(people), "document": document, "by": by, "at": at}},
            upsert=True,
        )

    async def delegated_to(self, person_id: str) -> frozenset[str]:
        """Answer the keys for which somebody was delegated."""
        rows = await self._delegates.find({"people": person_id}, projection={"_id": 1})
        return frozenset(row["_id"] for row in rows)


def _row(leave: Leave) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(leave, name) for name in _SAME}
    row |= {
        "_id": leave.id,
        "m": leave.meeting_id,
        "p": leave.person_id,
        "deleg": leave.delegation_id,
        "kind": leave.kind.value,
        "state": leave.state.value,
        "untold": True,
    }
    if leave.state in OPEN:
        row["open"] = f"{leave.meeting_id}:{leave.person_id}"
    return row


def _leave(row: dict[str, Any]) -> Leave:
    same = {name: row[name] for name in _SAME}
    return Leave(
        id=row["_id"], meeting_id=row["m"], person_id=row["p"], delegation_id=row["deleg"], **same
    )
