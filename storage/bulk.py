"""Orders to do one thing to many.

::

    bulk_order {_id, action, params{}, items: [{id, state, code, msg}], by, state, asked_at,
                runs_at, moved_at, finished_at, v}     gone ninety days after it was asked for
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.bulk import BulkOrder, BulkState
from storage.client import Database, Document


class BulkStore:
    """Implements ``domain.bulk.BulkStore``."""

    def __init__(self, db: Database) -> None:
        self._orders = db["bulk_order"]

    async def get(self, order_id: str) -> BulkOrder | None:
        """Answer one order."""
        row = await self._orders.find_one({"_id": order_id})
        return None if row is None else _read(row)

    async def of(self, person_id: str, *, limit: int) -> Sequence[BulkOrder]:
        """Answer somebody's latest orders, newest first."""
        rows = await self._orders.find({"by": person_id}, sort=[("_id", -1)], limit=limit)
        return [_read(row) for row in rows]

    async def put(self, order: BulkOrder) -> bool:
        """Keep an order over version ``order.v``; tell whether it still was at it."""
        row = _row(order)
        if order.v == 0:
            await self._orders.insert_one(row)
            return True
        done = await self._orders.replace_one({"_id": order.id, "v": order.v}, row)
        return done.matched == 1

    async def claim(self, now: datetime, *, stuck_before: datetime) -> BulkOrder | None:
        """Take the oldest order that is due or stuck and answer it as running, or ``None``."""
        row = await self._orders.find_one_and_update(
            {
                "$or": [
                    {"state": BulkState.WAITING.value, "runs_at": {"$lte": now}},
                    {"state": BulkState.RUNNING.value, "moved_at": {"$lt": stuck_before}},
                ]
            },
            {"$set": {"state": BulkState.RUNNING.value, "moved_at": now}, "$inc": {"v": 1}},
            sort=[("_id", 1)],
        )
        return None if row is None else _read(row)


def _row(order: BulkOrder) -> Document:
    row = order.model_dump(exclude={"id"})
    row |= {"_id": order.id, "state": order.state.value, "v": order.v + 1}
    row["items"] = [item.model_dump(mode="json") for item in order.items]
    params = order.params
    row["params"]["role"] = params.role.value if params.role else None
    row["params"]["scopes"] = sorted(params.scopes)
    row["params"]["functions"] = sorted(function.value for function in params.functions)
    return row


def _read(row: Document) -> BulkOrder:
    return BulkOrder.model_validate({**row, "id": row["_id"]})
