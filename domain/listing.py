"""How a list of the back office is ordered, and which part of it is asked for."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple

Value = str | int | datetime | None


class Order(NamedTuple):
    """An order: a stored field, and which way; ties are broken by id."""

    field: str = "_id"
    descending: bool = False


class Spot(NamedTuple):
    """Where a page ends: the value its last item is sorted by, and the id of that item."""

    value: Value
    id: str


class Slice(NamedTuple):
    """Which part of a list: its order, after which spot it begins, and most items."""

    order: Order = Order(descending=True)
    after: Spot | None = None
    limit: int = 50


def spot_of(item: Any, order: Order) -> Spot:
    """Answer where an item stands; its attributes are named as they are stored."""
    value = None if order.field == "_id" else getattr(item, order.field)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = value.isoformat()  # days are stored as texts
    return Spot(str(value) if isinstance(value, str) else value, item.id)


NEWEST = Slice()
"""The newest items first."""
