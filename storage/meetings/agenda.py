"""Items of agendas, with their papers and the declared result.

::

    agenda_item {_id, meeting_id, title, kind, reporter, state: pending|done|postponed,
                 papers: [{id, meeting_id, file_id, title, readers, also: [], added_at, added_by,
                           v, former: [{v, file_id, added_at, added_by}]}],
                 result {outcome, tally, override, typed_by, typed_at, confirmed_by, confirmed_at,
                 eid, v, untold?}, v, created_at, created_by, updated_at, updated_by}
    meeting {…, agenda: [item]}     the order
    hall {_id: meeting, pointer {item_id}, quorum {v, reached}}     read only: ``storage.hall``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.meetings.agenda import AgendaItem, ItemState
from domain.meetings.meeting import Capacity, Meeting
from domain.meetings.results import Result
from storage.client import Database

_MOST = 500


class AgendaStore:
    """Implements ``domain.meetings.agenda.AgendaStore``."""

    def __init__(self, db: Database) -> None:
        self._items = db["agenda_item"]
        self._meetings = db["meeting"]
        self._halls = db["hall"]

    async def add(self, item: AgendaItem) -> None:
        """Keep a new item."""
        await self._items.insert_one({"_id": item.id, **_row(item), "result": None})

    async def get(self, meeting_id: str, item_id: str) -> AgendaItem | None:
        """Answer an item of a meeting, or ``None``."""
        row = await self._items.find_one({"_id": item_id, "meeting_id": meeting_id})
        return _read(row) if row else None

    async def of(self, meeting_id: str) -> Sequence[AgendaItem]:
        """Answer the items of a meeting in order, the current one as such."""
        rows = await self._items.find(
            {"meeting_id": meeting_id}, sort=[("meeting_id", 1), ("_id", 1)], limit=_MOST
        )
        meeting = await self._meetings.find_one({"_id": meeting_id}, projection={"agenda": 1})
        hall = await self._halls.find_one({"_id": meeting_id}, projection={"pointer.item_id": 1})
        pointed = ((hall or {}).get("pointer") or {}).get("item_id")
        place = {key: n for n, key in enumerate((meeting or {}).get("agenda") or ())}
        rows.sort(key=lambda row: (place.get(row["_id"], len(place)), row["_id"]))
        return [_read(row, pointed=pointed) for row in rows]

    async def put(self, item: AgendaItem, *, was: AgendaItem) -> bool:
        """Keep the new form if it is still at version ``was.v``; tell whether."""
        done = await self._items.update_one({"_id": was.id, "v": was.v}, {"$set": _row(item)})
        return done.matched == 1

    async def remove(self, item: AgendaItem) -> bool:
        """Remove an item that is still at its version and has no result; tell whether."""
        condition = {"_id": item.id, "v": item.v, "result": None}
        return await self._items.delete_one(condition) == 1

    async def arrange(self, meeting: Meeting, item_ids: Sequence[str]) -> bool:
        """Set the order if the meeting is still at its version, which grows; tell whether."""
        done = await self._meetings.update_one(
            {"_id": meeting.id, "v": meeting.v},
            {"$set": {"agenda": list(item_ids)}, "$inc": {"v": 1}},
        )
        return done.matched == 1

    async def with_paper(self, paper_id: str) -> AgendaItem | None:
        """Answer the item on which a paper is, or ``None``."""
        row = await self._items.find_one({"papers.id": paper_id})
        return _read(row) if row else None


class ResultStore:
    """Implements ``domain.meetings.results.ResultStore`` and ``Quorums``."""

    def __init__(self, db: Database) -> None:
        self._items = db["agenda_item"]
        self._participants = db["participant"]
        self._halls = db["hall"]

    async def result(self, meeting_id: str, item_id: str) -> tuple[bool, Result | None]:
        """Answer whether there is such an item, and its result."""
        row = await self._items.find_one(
            {"_id": item_id, "meeting_id": meeting_id}, projection={"result": 1}
        )
        if row is None:
            return False, None
        return True, Result(**row["result"]) if row.get("result") else None

    async def members(self, meeting_id: str) -> int:
        """Count the members of a meeting."""
        return await self._participants.count({"m": meeting_id, "capacity": Capacity.MEMBER.value})

    async def put(self, meeting_id: str, item_id: str, result: Result, *, was: int) -> bool:
        """Keep a result if the one there is unconfirmed and at version ``was``; tell whether."""
        condition: dict[str, Any] = (
            {"result.v": was, "result.confirmed_at": None} if was else {"result": None}
        )
        row = result.model_dump()
        row["outcome"] = result.outcome.value
        if result.confirmed_at is not None:
            row["untold"] = True
        done = await self._items.update_one(
            {"_id": item_id, "meeting_id": meeting_id, **condition}, {"$set": {"result": row}}
        )
        return done.matched == 1

    async def told(self, item_id: str) -> None:
        """Take the mark from a result that was announced."""
        await self._items.update_one({"_id": item_id}, {"$unset": {"result.untold": ""}})

    async def untold(self, before: datetime) -> Sequence[tuple[str, str, Result]]:
        """Answer (meeting, item, result) of those confirmed before an instant and still marked."""
        rows = await self._items.find(
            {"result.untold": True, "result.confirmed_at": {"$lt": before}}, limit=_MOST
        )
        return [(row["meeting_id"], row["_id"], Result(**row["result"])) for row in rows]

    async def reached(self, meeting_id: str) -> bool:
        """Tell whether the quorum of a meeting is reached now."""
        hall = await self._halls.find_one({"_id": meeting_id}, projection={"quorum": 1})
        return bool(((hall or {}).get("quorum") or {}).get("reached"))


def _row(item: AgendaItem) -> dict[str, Any]:
    # The result is written by ``ResultStore`` alone, with a version of its own.
    row = item.model_dump(exclude={"id", "result"})
    row["kind"] = item.kind.value
    row["state"] = ItemState.PENDING.value if item.state is ItemState.CURRENT else item.state.value
    for paper in row["papers"]:
        paper["readers"], paper["also"] = paper["readers"].value, sorted(paper["also"])
        paper["former"] = list(paper["former"])
    row["papers"] = list(row["papers"])
    return row


def _read(row: Mapping[str, Any], *, pointed: str | None = None) -> AgendaItem:
    kept = {name: value for name, value in row.items() if name in AgendaItem.model_fields}
    if row["_id"] == pointed and kept.get("state", ItemState.PENDING.value) == ItemState.PENDING:
        kept["state"] = ItemState.CURRENT
    return AgendaItem(id=row["_id"], **kept)
