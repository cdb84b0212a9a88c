"""The value lists of the product, for everybody: ``/api/v1/dictionaries``."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, StringConstraints

from domain.clock import local_day
from domain.dictionaries import Entry
from domain.dictionary_defaults import DICTIONARIES
from handlers.base import ApiHandler
from handlers.operation import SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Draft, Key, Name

Code = Annotated[Name, StringConstraints(pattern=r"^[^/]+$")]
"""What documents keep of an entry."""


class EntryView(BaseModel):
    """One entry; ``valid_to`` is the first day on which it is offered no more, or null."""

    code: str
    label: str
    note: str
    sort: int
    valid_from: date
    valid_to: date | None
    offered: bool

    @classmethod
    def on(cls, entry: Entry, day: date) -> Self:
        """Show an entry as it stands on a day."""
        shown = entry.model_dump(include=set(cls.model_fields) - {"offered"})
        return cls(**shown, offered=entry.offered(day))


class DictionaryView(BaseModel):
    """One list. ``rule``: the rule that says what is in it, or empty."""

    key: str
    about: str
    rule: str
    entries: list[EntryView]

    @classmethod
    def of(cls, key: str, entries: list[EntryView]) -> Self:
        """Show a list."""
        declared = DICTIONARIES[key]
        return cls(key=key, about=declared.about, rule=declared.rule, entries=entries)


class DictionariesView(BaseModel):
    """Every list, with what it offers on a day."""

    day: date
    dictionaries: list[DictionaryView]


class DayQuery(Draft):
    """``?day=2026-03-01``; by default today."""

    day: date | None = None


class DictionariesHandler(ApiHandler):
    """``/api/v1/dictionaries``."""

    @operation(SIGNED_IN)
    async def get(self, query: DayQuery) -> DictionariesView:
        """Show what every list offers on a day."""
        day = query.day or local_day(self.web.clock())
        lists = self.services.administration.dictionaries
        shown = [
            DictionaryView.of(
                key, [EntryView.on(entry, day) for entry in await lists.offered(key, day)]
            )
            for key in DICTIONARIES
        ]
        return DictionariesView(day=day, dictionaries=shown)


class DictionaryHandler(ApiHandler):
    """``/api/v1/dictionaries/{key}``."""

    @operation(SIGNED_IN)
    async def get(self, key: Key, query: DayQuery) -> DictionaryView:
        """Show one list with its retired entries, so that old documents can be read."""
        day = query.day or local_day(self.web.clock())
        entries = await self.services.administration.dictionaries.entries(key)
        return DictionaryView.of(key, [EntryView.on(entry, day) for entry in entries])


ROUTES = [
    route(r"/api/v1/dictionaries", DictionariesHandler),
    route(r"/api/v1/dictionaries/(?P<key>[a-z0-9_.-]{1,64})", DictionaryHandler),
]
