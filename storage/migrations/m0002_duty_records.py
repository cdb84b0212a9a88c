"""Attendance from before there were duty records: each is followed by one, as if marked today.

``attendance.unbooked`` is the mark that ``domain.duty`` works off; it ends with the record.
"""

from __future__ import annotations

from storage.client import Database


async def apply(db: Database) -> None:
    """Mark what no duty record has followed."""
    await db["attendance"].update_many(
        {"unbooked": {"$exists": False}}, {"$set": {"unbooked": True}}
    )
