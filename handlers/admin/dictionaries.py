"""Keeping the value lists: ``/api/v1/admin/dictionaries``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from domain.clock import local_day
from domain.dictionaries import Entry
from domain.dictionary_defaults import DICTIONARIES
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.dictionaries import Code, EntryView
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Draft, Key, Line, Name, Reason

Sort = Annotated[int, Field(ge=0, le=1_000_000)]
Version = Annotated[int, Field(ge=1)]


class EntryDraft(Draft):
    """A new entry; without ``valid_from`` from today, without ``valid_to`` for good."""

    code: Code
    label: Name
    note: Line = ""
    sort: Sort = 1_000
    valid_from: date | None = None
    valid_to: date | None = None
    reason: Reason


class EntryChangeDraft(Draft):
    """An entry as it shall be, over version ``v``; ``valid_to`` retires it from that day on."""

    label: Name
    note: Line = ""
    sort: Sort
    valid_to: date | None = None
    v: Version
    reason: Reason


class RemovalQuery(Draft):
    """Which version is meant, and why it goes."""

    v: Version
    reason: Reason


class KeptEntryView(EntryView):
    """An entry as administrators see it; ``used`` counts the documents that keep its code."""

    shipped: bool
    used: int
    updated_at: datetime | None
    updated_by: str
    v: int

    @classmethod
    def kept(cls, entry: Entry, day: date, uses: Mapping[str, int]) -> Self:
        """Show an entry with its uses."""
        return cls(
            **entry.model_dump(exclude={"dictionary"}),
            offered=entry.offered(day),
            used=uses.get(entry.code, 0),
        )


class KeptDictionaryView(BaseModel):
    """One list as administrators see it.

    ``closed``: programs know the codes, which can be renamed and moved only.
    """

    key: str
    about: str
    rule: str
    closed: bool
    entries: list[KeptEntryView]


class DictionaryHandler(ApiHandler):
    """``/api/v1/admin/dictionaries/{key}``."""

    @operation(Permission.SETTINGS_MANAGE)
    async def get(self, key: Key) -> KeptDictionaryView:
        """Show a list, and how many documents keep each code."""
        lists, day = self.services.administration.dictionaries, local_day(self.web.clock())
        uses = await lists.uses(key, by=self.user)
        entries = [KeptEntryView.kept(it, day, uses) for it in await lists.entries(key)]
        about, _, rule, closed = DICTIONARIES[key]
        return KeptDictionaryView(key=key, about=about, rule=rule, closed=closed, entries=entries)


class EntriesHandler(ApiHandler):
    """``/api/v1/admin/dictionaries/{key}/entries``."""

    @operation(Permission.SETTINGS_MANAGE, status=201)
    async def post(self, key: Key, body: EntryDraft) -> KeptEntryView:
        """Add an entry to a list."""
        day = local_day(self.web.clock())
        fields = body.model_dump(exclude={"reason", "valid_from"})
        entry = Entry(dictionary=key, valid_from=body.valid_from or day, **fields)
        lists = self.services.administration.dictionaries
        return KeptEntryView.kept(await lists.add(entry, reason=body.reason, by=self.user), day, {})


class EntryHandler(ApiHandler):
    """``/api/v1/admin/dictionaries/{key}/entries/{code}``."""

    @operation(Permission.SETTINGS_MANAGE)
    async def put(self, key: Key, code: Code, body: EntryChangeDraft) -> KeptEntryView:
        """Rename, move or retire an entry."""
        day = local_day(self.web.clock())
        fields = body.model_dump(exclude={"reason"})
        entry = Entry(dictionary=key, code=code, valid_from=day, **fields)
        lists = self.services.administration.dictionaries
        changed = await lists.change(entry, reason=body.reason, by=self.user)
        return KeptEntryView.kept(changed, day, await lists.uses(key, by=self.user))

    @operation(Permission.SETTINGS_MANAGE)
    async def delete(self, key: Key, code: Code, query: RemovalQuery) -> None:
        """Remove an entry that was added by mistake; one that is used can only be retired."""
        await self.services.administration.dictionaries.remove(
            key, code, v=query.v, reason=query.reason, by=self.user
        )


_ONE = r"/api/v1/admin/dictionaries/(?P<key>[a-z0-9_.-]{1,64})"

ROUTES = [
    route(_ONE, DictionaryHandler),
    route(rf"{_ONE}/entries", EntriesHandler),
    route(rf"{_ONE}/entries/(?P<code>[^/]{{1,400}})", EntryHandler),
]
