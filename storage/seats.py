"""Seats, one document each.

::

    seat {_id: "<meeting>:<no>", m, no, row, col, block, state, at, v, p,
          held: "<meeting>:<person>", untold}
        ``held`` is there while the seat belongs to somebody, and unique; ``untold`` until the
        change has been announced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from domain.errors import Conflict
from domain.seats import Seat, SeatState
from storage.client import Database, Duplicate

_SAME = ("no", "row", "col", "block", "state", "at", "v")
_SOME = 500


class SeatStore:
    """Implements ``domain.seats.SeatStore``."""

    def __init__(self, db: Database) -> None:
        self._seats = db["seat"]

    async def of(self, meeting_id: str) -> Sequence[Seat]:
        """Answer the seats of a meeting by row and column, those removed left out."""
        rows = await self._seats.find(
            {"m": meeting_id, "state": {"$ne": SeatState.REMOVED.value}},
            sort=[("row", 1), ("col", 1), ("_id", 1)],
        )
        return [_seat(row) for row in rows]

    async def get(self, meeting_id: str, no: str) -> Seat | None:
        """Answer a seat, removed or not, or ``None``."""
        row = await self._seats.find_one({"_id": f"{meeting_id}:{no}"})
        return _seat(row) if row else None

    async def held(self, meeting_id: str, person_id: str) -> Seat | None:
        """Answer the seat that somebody was given, or ``None``."""
        row = await self._seats.find_one({"held": f"{meeting_id}:{person_id}"})
        return _seat(row) if row else None

    async def held_by(self, person_id: str, meeting_ids: Collection[str]) -> Mapping[str, Seat]:
        """Answer the seats that somebody was given at some meetings, by meeting."""
        some = sorted(meeting_ids)
        rows = await self._seats.find({"p": person_id, "m": {"$in": some}}, limit=max(1, len(some)))
        return {row["m"]: _seat(row) for row in rows}

    async def add(self, meeting_id: str, seats: Sequence[Seat]) -> None:
        """Keep new seats; those that are there already stay as they are."""
        with suppress(Duplicate):
            await self._seats.insert_many([_row(meeting_id, it) for it in seats], ordered=False)

    async def put(self, meeting_id: str, seat: Seat, *, was: int) -> bool:
        """Keep a seat, marked as not told, if its version still is ``was``; tell whether.

        Raises:
            Conflict: The person has another seat (code ``has_seat``).
        """
        row = _row(meeting_id, seat)
        try:
            done = await self._seats.replace_one({"_id": row["_id"], "v": was}, row)
        except Duplicate as duplicate:
            raise Conflict("该人员已有座位", code="has_seat") from duplicate
        return done.matched == 1

    async def told(self, meeting_id: str, seats: Iterable[Seat]) -> None:
        """Take the mark from seats that have not changed since."""
        await self._seats.bulk(
            [
                UpdateOne({"_id": f"{meeting_id}:{it.no}", "v": it.v}, {"$unset": {"untold": ""}})
                for it in seats
            ]
        )

    async def untold(self, before: datetime) -> Sequence[tuple[str, Seat]]:
        """Answer some (meeting, seat) that changed before an instant and are still marked."""
        rows = await self._seats.find({"untold": True, "at": {"$lt": before}}, limit=_SOME)
        return [(row["m"], _seat(row)) for row in rows]


def _row(meeting_id: str, seat: Seat) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(seat, name) for name in _SAME}
    row |= {
        "_id": f"{meeting_id}:{seat.no}",
        "m": meeting_id,
        "state": seat.state.value,
        "p": seat.person_id,
        "untold": True,
    }
    if seat.person_id is not None:
        row["held"] = f"{meeting_id}:{seat.person_id}"
    return row


def _seat(row: dict[str, Any]) -> Seat:
    return Seat(person_id=row["p"], **{name: row[name] for name in _SAME})
