"""Consents to WeChat's subscription messages.

::

    wechat_consent {_id: "<person>:<template>", p, t, left, long: true if for ever,
                    refused_at, told: {page: at, event: at}, keys: [the last twenty reports]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.ladder.consents import SAME, Source, Stock
from domain.privacy import Erased
from storage.client import Database, Document, Duplicate

_KEPT = 20
_MOST = 100


class ConsentStock:
    """Implements ``domain.ladder.consents.ConsentStore``, and keeps what is personal in it."""

    name = "微信订阅授权"
    collections = ("wechat_consent",)

    def __init__(self, db: Database) -> None:
        self._stock = db["wechat_consent"]

    async def get(self, person_id: str, template: str) -> Stock | None:
        """Answer what is left."""
        row = await self._stock.find_one({"_id": _id(person_id, template)})
        if row is None:
            return None
        return Stock(
            template=template,
            left=row["left"],
            long_term=bool(row.get("long")),
            refused=bool(row.get("refused_at")) and row["left"] == 0,
        )

    async def add(
        self, person_id: str, template: str, *, source: Source, key: str, at: datetime, long: bool
    ) -> None:
        """Count a consent, unless ``key`` was counted, or the other source told within ``SAME``."""
        other = Source.EVENT if source is Source.PAGE else Source.PAGE
        told = f"told.{other.value}"
        fresh: Document = {
            "_id": _id(person_id, template),
            "keys": {"$ne": key},
            "left": {"$not": {"$gte": _MOST}},
            "$or": [{told: None}, {told: {"$lt": at - SAME}}],
        }
        change: Document = {
            "$inc": {"left": 1},
            "$set": {"p": person_id, "t": template, f"told.{source.value}": at, "long": long},
            "$unset": {"refused_at": ""},
            "$push": {"keys": {"$each": [key], "$slice": -_KEPT}},
        }
        try:
            await self._stock.update_one(fresh, change, upsert=True)
        except Duplicate:
            # It is there, and this report was counted already. The other side's next report
            # is about another answer, so its time is not kept.
            await self._stock.update_one(
                {"_id": _id(person_id, template), "keys": {"$ne": key}},
                {
                    "$unset": {told: ""},
                    "$push": {"keys": {"$each": [key], "$slice": -_KEPT}},
                },
            )

    async def take(self, person_id: str, template: str, *, stays: bool) -> bool:
        """Use one up; ``False`` if none is left. A long-term one ``stays``."""
        there: Document = {"_id": _id(person_id, template), "left": {"$gt": 0}}
        if stays:
            return await self._stock.count(there, limit=1) == 1
        done = await self._stock.update_one(there, {"$inc": {"left": -1}})
        return done.matched == 1

    async def give_back(self, person_id: str, template: str) -> None:
        """Put one back that was not used."""
        await self._stock.update_one({"_id": _id(person_id, template)}, {"$inc": {"left": 1}})

    async def clear(self, person_id: str, template: str, at: datetime) -> None:
        """Note that none is left: the person refused, or WeChat knows of none."""
        await self._stock.update_one(
            {"_id": _id(person_id, template)},
            {"$set": {"p": person_id, "t": template, "left": 0, "refused_at": at}},
            upsert=True,
        )

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer what somebody has agreed to."""
        rows = await self._stock.find({"p": person_id})
        return [{"template": row["t"], "left": row["left"]} for row in rows]

    async def erase(self, person_id: str) -> Erased:
        """Forget all consents."""
        return Erased(removed=await self._stock.delete_many({"p": person_id}))


def _id(person_id: str, template: str) -> str:
    return f"{person_id}:{template}"
