"""Give the installation its identity, which backups carry and restores keep.

``installation {_id: "this", id, since}``.
"""

from __future__ import annotations

from domain.clock import new_ulid, system_clock
from storage.client import Database


async def apply(db: Database) -> None:
    """Draw the id once."""
    await db["installation"].update_one(
        {"_id": "this"},
        {"$setOnInsert": {"id": new_ulid(), "since": system_clock()}},
        upsert=True,
    )
