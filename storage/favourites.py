"""Favourites of the directory.

::

    favourite {_id: "<person>:<card>", person_id, card_id, since}      the key keeps one of a kind
"""

from __future__ import annotations

from domain.favourites import Favourite
from storage.client import Database


class FavouriteStore:
    """Implements ``domain.favourites.FavouriteStore``."""

    def __init__(self, db: Database) -> None:
        self._favourites = db["favourite"]

    async def keep(self, favourite: Favourite) -> None:
        """Store a favourite; keeping it twice changes nothing."""
        await self._favourites.update_one(
            {"_id": f"{favourite.person_id}:{favourite.card_id}"},
            {"$setOnInsert": favourite.model_dump()},
            upsert=True,
        )

    async def drop(self, person_id: str, card_id: str) -> bool:
        """Forget a favourite; tell whether there was one."""
        return await self._favourites.delete_one({"_id": f"{person_id}:{card_id}"}) == 1

    async def of(self, person_id: str) -> list[Favourite]:
        """Answer somebody's favourites."""
        found = await self._favourites.find({"person_id": person_id}, sort=[("_id", 1)])
        return [Favourite.model_validate(doc) for doc in found]

    async def followers(self, card_id: str) -> list[str]:
        """Answer the ids of those who keep a card."""
        found = await self._favourites.find({"card_id": card_id}, projection={"person_id": 1})
        return sorted(doc["person_id"] for doc in found)

    async def forget(self, person_id: str) -> int:
        """Drop every favourite of a person, and the person from everybody's; answer how many."""
        return await self._favourites.delete_many(
            {"$or": [{"person_id": person_id}, {"card_id": person_id}]}
        )
