"""Saved views of lists.

::

    saved_view {_id, person_id, list, name, query: {name: text}, created_at, updated_at, v}
        unique by person, list and name
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.errors import Conflict
from domain.privacy import Erased
from domain.saved_views import SavedView
from storage.client import Database, Document
from storage.errors import Duplicate


class SavedViewStore:
    """Implements ``domain.saved_views.SavedViewStore``."""

    def __init__(self, db: Database) -> None:
        self._views = db["saved_view"]

    async def get(self, view_id: str) -> SavedView | None:
        """Answer one view."""
        row = await self._views.find_one({"_id": view_id})
        return None if row is None else _read(row)

    async def of(self, person_id: str, of_list: str | None) -> Sequence[SavedView]:
        """Answer a person's views, of one list or of all, by list and name."""
        query = {"person_id": person_id} if of_list is None else _key(person_id, of_list)
        rows = await self._views.find(query, sort=[("list", 1), ("name", 1)])
        return [_read(row) for row in rows]

    async def put(self, view: SavedView) -> bool:
        """Keep a view over version ``view.v``; tell whether it still was at it.

        Raises:
            Conflict: The person has a view of that name on the list.
        """
        row = {"_id": view.id, **view.model_dump(exclude={"id"}), "v": view.v + 1}
        try:
            if view.v == 0:
                await self._views.insert_one(row)
                return True
            done = await self._views.replace_one({"_id": view.id, "v": view.v}, row)
        except Duplicate as duplicate:
            raise Conflict("已有同名的视图", field="name") from duplicate
        return done.matched == 1

    async def remove(self, view_id: str) -> None:
        """Remove a view; one that is not there stays so."""
        await self._views.delete_one({"_id": view_id})

    async def forget(self, person_id: str) -> int:
        """Remove every view of a person; answer how many."""
        return await self._views.delete_many({"person_id": person_id})


class SavedViewData:
    """Saved views as personal data; implements ``domain.privacy.PersonalData``."""

    name = "保存的视图"
    collections = ("saved_view",)

    def __init__(self, views: SavedViewStore) -> None:
        self._views = views

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every view."""
        return [
            view.model_dump(mode="json", exclude={"person_id"})
            for view in await self._views.of(person_id, None)
        ]

    async def erase(self, person_id: str) -> Erased:
        """Delete every view."""
        return Erased(removed=await self._views.forget(person_id))


def _key(person_id: str, of_list: str) -> Document:
    return {"person_id": person_id, "list": of_list}


def _read(row: Document) -> SavedView:
    return SavedView.model_validate({**row, "id": row["_id"]})
