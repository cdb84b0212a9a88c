"""Who the deputies are, for an import of the roster, and the log of imports.

::

    roster_import {_id, filename, sha256, at, by, added, changed, unchanged, faulty, returned,
                   removed, ended}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.roster import Card, Kind
from domain.roster_import import ImportRecord
from storage.client import Database


class RosterStore:
    """Implements ``domain.roster_import.ImportStore``."""

    def __init__(self, db: Database) -> None:
        self._people = db["person"]
        self._imports = db["roster_import"]

    async def deputies(self) -> Sequence[Card]:
        """Answer the card of every deputy there ever was."""
        found = self._people.stream({"kind": Kind.DEPUTY.value}, sort=[("_id", 1)])
        return [Card.model_validate({**doc, "id": doc["_id"]}) async for doc in found]

    async def note(self, record: ImportRecord) -> None:
        """Keep the record of an import."""
        row = record.model_dump(exclude={"id"})
        await self._imports.insert_one({"_id": record.id, **row})

    async def records(self, *, after: str, limit: int) -> Sequence[ImportRecord]:
        """Answer imports in descending order of id, those below ``after`` if it is not empty."""
        query = {"_id": {"$lt": after}} if after else {}
        rows = await self._imports.find(query, sort=[("_id", -1)], limit=limit)
        return [_record(row) for row in rows]


def _record(row: Mapping[str, Any]) -> ImportRecord:
    return ImportRecord.model_validate({**row, "id": row["_id"]})
