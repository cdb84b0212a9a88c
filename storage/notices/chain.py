"""Up to when receipts have been digested into the audit: ``notice_chain {_id: "head", until}``."""

from __future__ import annotations

from datetime import datetime

from storage.client import Database


class ChainHeads:
    """Implements ``domain.notices.chain.Heads``."""

    def __init__(self, db: Database) -> None:
        self._heads = db["notice_chain"]

    async def until(self) -> datetime | None:
        """Answer up to when."""
        row = await self._heads.find_one({"_id": "head"})
        return row["until"] if row else None

    async def reach(self, until: datetime) -> None:
        """Remember up to when; it never goes back."""
        await self._heads.update_one({"_id": "head"}, {"$max": {"until": until}}, upsert=True)
