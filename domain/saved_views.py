"""Saved views: a person's own named filters and orders of a list, in the back office.

A view is the query string of a list without its page: whoever opens it asks the list for exactly
that. Views are private to the person who saved them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.errors import Conflict, NotFound, RuleViolation
from domain.people import Person

MOST = 30
"""Views one person keeps of one list."""


class SavedView(BaseModel):
    """One view.

    Attributes:
        list: Which list it is of.
        query: Filters and ``sort`` of the list by name, values as texts.
        v: Version as read; 0 for one that is not stored yet.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    list: str
    name: str
    query: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    v: int = 0


class SavedViewStore(Protocol):
    """Keeps views; a person has no two of one name on a list."""

    async def get(self, view_id: str) -> SavedView | None:
        """Answer one view."""

    async def of(self, person_id: str, of_list: str | None) -> Sequence[SavedView]:
        """Answer a person's views, of one list or of all, by list and name."""

    async def put(self, view: SavedView) -> bool:
        """Keep a view over version ``view.v``; tell whether it still was at it.

        Raises:
            Conflict: The person has a view of that name on the list.
        """

    async def remove(self, view_id: str) -> None:
        """Remove a view; one that is not there stays so."""


class SavedViewService:
    """Keeps the views of each person."""

    def __init__(self, store: SavedViewStore, *, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def mine(self, of_list: str | None = None, *, by: Person) -> Sequence[SavedView]:
        """Answer one's own views, of one list or of all."""
        return await self._store.of(by.id, of_list)

    async def save(
        self, of_list: str, name: str, query: Mapping[str, str], *, by: Person
    ) -> SavedView:
        """Keep a new view.

        Raises:
            RuleViolation: There are ``MOST`` of this list already.
            Conflict: One has that name.
        """
        if len(await self._store.of(by.id, of_list)) >= MOST:
            raise RuleViolation(f"每个列表最多保存 {MOST} 个视图", rule="saved_view.most")
        now = self._clock()
        view = SavedView(
            id=self._new_id(),
            person_id=by.id,
            list=of_list,
            name=name,
            query=query,
            created_at=now,
            updated_at=now,
        )
        await self._store.put(view)
        return view.model_copy(update={"v": 1})

    async def get(self, view_id: str, *, by: Person) -> SavedView:
        """Answer one of one's own views.

        Raises:
            NotFound: There is none, or it is somebody else's.
        """
        view = await self._store.get(view_id)
        if view is None or view.person_id != by.id:
            raise NotFound
        return view

    async def change(
        self, view_id: str, name: str, query: Mapping[str, str], *, v: int, by: Person
    ) -> SavedView:
        """Rename a view, or keep another query under its name.

        Raises:
            NotFound: There is none, or it is somebody else's.
            Conflict: It is no longer at version ``v``, or another has that name.
        """
        view = await self.get(view_id, by=by)
        changed = view.model_copy(
            update={"name": name, "query": query, "updated_at": self._clock(), "v": v}
        )
        if not await self._store.put(changed):
            raise Conflict("视图刚在别处更改，请刷新后再试", detail={"v": view.v})
        return changed.model_copy(update={"v": v + 1})

    async def remove(self, view_id: str, *, by: Person) -> None:
        """Remove one of one's own views.

        Raises:
            NotFound: There is none, or it is somebody else's.
        """
        await self._store.remove((await self.get(view_id, by=by)).id)
