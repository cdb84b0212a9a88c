"""Business numbers: counters that many processes draw from, each number once.

``counter {_id: name, n}``. A number is gone once it was drawn: when the caller then fails, or the
answer is lost on the way, there is a gap, and never a number twice.
"""

from __future__ import annotations

from storage.client import Database, Duplicate


class Counters:
    """Draws numbers; ``name`` says of what, for example ``motion:2026``."""

    def __init__(self, db: Database) -> None:
        self._counters = db["counter"]

    async def next(self, name: str) -> int:
        """Answer the next number, starting with 1."""
        try:
            return await self._draw(name)
        except Duplicate:
            # Two callers met where the counter did not exist yet; now it does.
            return await self._draw(name)

    async def current(self, name: str) -> int:
        """Answer the number drawn last, or 0."""
        kept = await self._counters.find_one({"_id": name})
        return int(kept["n"]) if kept else 0

    async def reach(self, name: str, number: int) -> None:
        """Make sure that every number up to ``number`` counts as drawn, after an import."""
        change = {"$max": {"n": number}}
        try:
            await self._counters.update_one({"_id": name}, change, upsert=True)
        except Duplicate:
            await self._counters.update_one({"_id": name}, change)

    async def _draw(self, name: str) -> int:
        kept = await self._counters.find_one_and_update(
            {"_id": name}, {"$inc": {"n": 1}}, upsert=True
        )
        if kept is None:
            raise RuntimeError(f"the counter {name} was not answered")
        return int(kept["n"])
