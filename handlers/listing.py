"""Lists of the back office: one way to sort, to page and to be saved as a view.

A list inherits its query from ``ListQuery`` and names in ``orders`` what it can be sorted by:
``?sort=state`` or, the other way round, ``?sort=-state``. Its cursor carries the order, so that a
page of one order never continues in another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError

from domain.errors import Invalid
from domain.listing import Order, Slice, Spot, spot_of
from handlers.base import ApiHandler, V
from handlers.paging import Page, PageQuery
from handlers.parsing import read_query

T = TypeVar("T")


class ListQuery(PageQuery):
    """Query string of a list that can be sorted; ``orders`` maps names to stored fields."""

    orders: ClassVar[Mapping[str, str]] = {}
    usual: ClassVar[str] = ""
    """How it is sorted unless somebody asks for another order."""

    sort: Annotated[str, Field(pattern=r"^-?[a-z_]{1,40}$")] | None = None

    @field_validator("sort")
    @classmethod
    def _known(cls, sort: str | None) -> str | None:
        if sort is not None and sort.removeprefix("-") not in cls.orders:
            allowed = "、".join(sorted(cls.orders))
            raise PydanticCustomError("sort", "不能按此排序，可用：{allowed}", {"allowed": allowed})
        return sort

    @property
    def sorted_by(self) -> str:
        """The order that is asked for, by name."""
        return self.sort or self.usual

    @property
    def order(self) -> Order:
        """The order that is asked for."""
        name = self.sorted_by.removeprefix("-")
        return Order(self.orders[name], descending=self.sorted_by.startswith("-"))


class ListHandler(ApiHandler):
    """A handler that answers a list in pages."""

    def part(self, query: ListQuery) -> Slice:
        """Answer which part of the list to read: one item more than is shown.

        Raises:
            Invalid: The cursor is of another order.
        """
        after = self.after(query)
        if after is None:
            return Slice(query.order, None, query.limit + 1)
        order, is_instant, value, item_id = after
        if order != query.sorted_by:
            raise Invalid("翻页标记属于另一种排序", field="cursor")
        value = datetime.fromisoformat(value) if is_instant else value
        return Slice(query.order, Spot(value, item_id), query.limit + 1)

    def listed(self, query: ListQuery, found: Sequence[T], show: Callable[[T], V]) -> Page[V]:
        """Answer a page of what ``part`` brought."""
        items = [show(item) for item in found[: query.limit]]
        if len(found) <= query.limit:
            return self.page(items, None)
        value, item_id = spot_of(found[query.limit - 1], query.order)
        is_instant = isinstance(value, datetime)
        shown: Any = value.isoformat() if isinstance(value, datetime) else value
        return self.page(items, [query.sorted_by, is_instant, shown, item_id])


def kept_query(model: type[BaseModel], query: Mapping[str, str]) -> Mapping[str, str]:
    """Answer a query without its page, if the list takes it.

    Raises:
        Invalid: A filter is not one of the list's, or has a value it does not take.
    """
    kept = {name: text for name, text in query.items() if name not in PageQuery.model_fields}
    for name in kept:
        if name not in model.model_fields:
            raise Invalid("该列表没有此筛选项", field=f"query.{name[:40]}")
    read_query(model, {name: [text.encode()] for name, text in kept.items()})
    return kept
