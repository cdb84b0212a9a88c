"""Lists in any order, in pages: where a page goes on, whatever it is sorted by.

A list is sorted by one field and then by ``_id``, so that no two documents share a place. A page
goes on after the place of the last document: its value in the field and its id. Documents without
a value come first in ascending order, as the server sorts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.listing import Order, Slice, Spot
from storage.client import Collection, Document


async def sliced(
    documents: Collection,
    wanted: Mapping[str, Any],
    part: Slice,
    *,
    projection: Mapping[str, int] | None = None,
) -> list[Document]:
    """Answer one part of the documents that are wanted, in its order."""
    rest = beyond(part.order, part.after)
    return await documents.find(
        {"$and": [wanted, rest]} if wanted and rest else wanted or rest,
        projection=projection,
        sort=sorting(part.order),
        limit=part.limit,
    )


def sorting(order: Order) -> list[tuple[str, int]]:
    """Answer the sort of a list."""
    way = -1 if order.descending else 1
    return [("_id", way)] if order.field == "_id" else [(order.field, way), ("_id", way)]


def beyond(order: Order, after: Spot | None) -> Mapping[str, Any]:
    """Answer the filter for what comes after a place; nothing for the first page."""
    if after is None:
        return {}
    past = "$lt" if order.descending else "$gt"
    if order.field == "_id":
        return {"_id": {past: after.id}}
    same = {order.field: after.value, "_id": {past: after.id}}
    if after.value is None:
        # ``null`` equals what is missing; everything that has a value lies on one side of it.
        return same if order.descending else {"$or": [same, {order.field: {"$ne": None}}]}
    further = [same, {order.field: {past: after.value}}]
    return {"$or": [*further, {order.field: None}] if order.descending else further}
