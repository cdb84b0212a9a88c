"""The directory: ``/api/v1/people``, ``/api/v1/favourites``."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, StringConstraints

from domain.directory import Entry
from domain.people import Flag
from domain.permissions import Permission
from domain.roster import Card, CardState, Kind, Place
from handlers.base import ApiHandler
from handlers.operation import Written, operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.text import Draft, Id, Reason, SearchText

NodeId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,63}$")]
"""Id of a part of the house: a ULID, or a natural key such as ``pudong``."""


class PeopleQuery(PageQuery):
    """What to look for: a name, pinyin or initials, and where the person belongs."""

    q: SearchText = ""
    delegation: NodeId | None = None
    group: NodeId | None = None
    committee: NodeId | None = None
    org: NodeId | None = None

    @property
    def scopes(self) -> frozenset[str]:
        """The filters as scopes."""
        asked = {
            "deleg": self.delegation,
            "group": self.group,
            "cmte": self.committee,
            "unit": self.org,
        }
        return frozenset(f"{kind}:{value}" for kind, value in asked.items() if value)


class CardView(BaseModel):
    """One line of the directory; never with a mobile number."""

    id: str
    kind: Kind
    name: str
    py: str
    delegation_id: str | None
    group_id: str | None
    committee_ids: list[str]
    org_id: str | None
    post: str
    work_unit: str
    office_phone: str
    email: str
    flags: list[Flag]
    professions: list[str]
    photo: str
    state: CardState

    @classmethod
    def of(cls, card: Card) -> Self:
        """Show a card."""
        return cls(**_fields(card))


class EntryView(CardView):
    """An opened card; ``mobile`` is ``null`` unless the person who asks may see it."""

    mobile: str | None
    favourite: bool

    @classmethod
    def of_entry(cls, entry: Entry) -> Self:
        """Show an opened card."""
        return cls(**_fields(entry.card), mobile=entry.mobile, favourite=entry.favourite)


class ExportDraft(Draft):
    """Why the directory is taken out of the house, and which part of it."""

    reason: Reason
    delegation: NodeId | None = None


class PeopleHandler(ApiHandler):
    """``/api/v1/people``."""

    @operation(Permission.DIRECTORY_READ, rate="search")
    async def get(self, query: PeopleQuery) -> Page[CardView]:
        """Find people by name, pinyin or initials, by delegation, group, committee and unit."""
        after = self.after(query)
        cards, last = await self.services.house.directory.search(
            query.q,
            by=self.user,
            scopes=query.scopes,
            after=Place(*after) if after else None,
            limit=query.limit,
        )
        return self.page([CardView.of(card) for card in cards], last)


class PersonHandler(ApiHandler):
    """``/api/v1/people/{person_id}``."""

    @operation(Permission.DIRECTORY_READ)
    async def get(self, person_id: Id) -> EntryView:
        """Open a card; of people who left only the name is shown."""
        return EntryView.of_entry(await self.services.house.directory.view(person_id, by=self.user))


class FavouriteHandler(ApiHandler):
    """``/api/v1/people/{person_id}/favourite``."""

    @operation(Permission.DIRECTORY_READ)
    async def put(self, person_id: Id) -> None:
        """Put a card among one's favourites."""
        await self.services.house.favourites.keep(person_id, by=self.user)

    @operation(Permission.DIRECTORY_READ)
    async def delete(self, person_id: Id) -> None:
        """Take a card out of one's favourites."""
        await self.services.house.favourites.drop(person_id, by=self.user)


class FavouritesHandler(ApiHandler):
    """``/api/v1/favourites``."""

    @operation(Permission.DIRECTORY_READ)
    async def get(self) -> list[CardView]:
        """Answer one's favourites, at most two hundred, by name."""
        cards = await self.services.house.favourites.of(by=self.user)
        return [CardView.of(card) for card in cards]


class PeopleExportHandler(ApiHandler):
    """``/api/v1/people/export``."""

    @operation(
        Permission.DIRECTORY_EXPORT,
        step_up=True,
        flag="directory.export",
        rate="export",
        produces="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    )
    async def post(self, body: ExportDraft) -> Written:
        """Write the directory into a spreadsheet with a watermark; the auditor is told."""
        scopes = frozenset({f"deleg:{body.delegation}"} if body.delegation else ())
        export_id, file = await self.services.house.directory_export.write(
            body.reason, by=self.user, scopes=scopes
        )
        self.set_header(
            "Content-Type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        )
        self.set_header("Content-Disposition", f'attachment; filename="people-{export_id}.xlsx"')
        self.set_header("Cache-Control", "no-store")
        self.write(file)
        return Written()


def _fields(card: Card) -> dict[str, Any]:
    fields = card.model_dump(include=set(CardView.model_fields))
    return fields | {
        "flags": sorted(card.flags),
        "committee_ids": list(card.committee_ids),
        "professions": list(card.professions),
    }


ROUTES = [
    route(r"/api/v1/people", PeopleHandler),
    route(r"/api/v1/people/export", PeopleExportHandler),
    route(r"/api/v1/people/(?P<person_id>[0-9A-Z]{26})", PersonHandler),
    route(r"/api/v1/people/(?P<person_id>[0-9A-Z]{26})/favourite", FavouriteHandler),
    route(r"/api/v1/favourites", FavouritesHandler),
]
