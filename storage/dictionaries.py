"""Entries of the dictionaries, and where documents keep their codes.

::

    dictionary {_id: "<dictionary>/<code>", dictionary, code, label, note, sort,
                valid_from: "2026-03-01", valid_to, shipped, updated_at, updated_by, v}

Days are texts, so that they stay days in every time zone. A feature that keeps codes adds a line to
``KEPT_IN``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from domain.dictionaries import Entry
from domain.errors import Conflict
from storage.client import Database, Document
from storage.errors import Duplicate

KEPT_IN: Mapping[str, tuple[tuple[str, str], ...]] = {
    "answer.class": (("answer", "class"),),
    "duty.kind": (("duty_record", "kind"),),
    "file.category": (("doc", "category"),),
    "leave.kind": (("leave", "kind"),),
    "notice.kind": (("notice", "kind"),),
    "profession": (("person", "professions"),),
    "satisfaction": (("feedback", "result"), ("feedback", "attitude")),
}
"""Collection and field in which documents keep the codes of a dictionary; lists count too."""


class DictionaryStore:
    """Implements ``domain.dictionaries.EntryStore``."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._entries = db["dictionary"]

    async def all(self) -> Sequence[Entry]:
        """Answer every entry of every dictionary."""
        return [Entry.model_validate(row) for row in await self._entries.find({})]

    async def seed(self, entries: Sequence[Entry]) -> None:
        """Keep entries, each unless it is there already."""
        for entry in entries:
            row = _row(entry)
            await self._entries.update_one({"_id": row["_id"]}, {"$setOnInsert": row}, upsert=True)

    async def add(self, entry: Entry) -> None:
        """Keep a new entry.

        Raises:
            Conflict: The dictionary has the code already.
        """
        try:
            await self._entries.insert_one(_row(entry))
        except Duplicate as duplicate:
            raise Conflict("该字典中已有此代码") from duplicate

    async def change(self, entry: Entry, *, was: int) -> bool:
        """Keep an entry if it still is at version ``was``; tell whether it was."""
        row = _row(entry)
        done = await self._entries.replace_one({"_id": row["_id"], "v": was}, row)
        return done.matched == 1

    async def remove(self, entry: Entry) -> bool:
        """Remove an entry if it still is at its version; tell whether it was."""
        return await self._entries.delete_one({"_id": _id(entry), "v": entry.v}) == 1

    async def uses(self, dictionary: str) -> Mapping[str, int]:
        """Count the documents that keep each code; codes that none keeps are left out."""
        counts: Counter[str] = Counter()
        for collection, field in KEPT_IN[dictionary]:
            rows = await self._db[collection].aggregate(
                [
                    {"$match": {field: {"$exists": True}}},
                    {"$unwind": f"${field}"},
                    {"$group": {"_id": f"${field}", "n": {"$sum": 1}}},
                ]
            )
            counts.update({row["_id"]: row["n"] for row in rows if isinstance(row["_id"], str)})
        return counts


def _id(entry: Entry) -> str:
    return f"{entry.dictionary}/{entry.code}"


def _row(entry: Entry) -> Document:
    row = entry.model_dump()
    row["_id"] = _id(entry)
    row["valid_from"] = entry.valid_from.isoformat()
    row["valid_to"] = entry.valid_to.isoformat() if entry.valid_to else None
    return row
