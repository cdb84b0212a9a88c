"""The directory (通讯录, F15): find a person, see their card, keep favourites.

What a card shows depends on who looks. The office number is for everybody who may see the card; the
mobile number only for the person, for deputies if the owner lets them, for staff who have it for a
duty, and for admins, whose look is audited. Units see only contacts of items they handle. People
who left are not found any more; by id their name is still shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.errors import Invalid, NotFound, RateLimited
from domain.events import Event
from domain.favourites import FavouriteStore
from domain.people import Person
from domain.permissions import Permission, Reach
from domain.ports import AuditLog, Bus, Limiter, Vault
from domain.roster import Card, Place, Roster, mobile_context
from domain.visibility import duty_scopes, visible

DETAILS_PER_MINUTE = 60
"""Cards one person may open in a minute (F15); more looks like scraping."""


class CardIndex(Roster, Protocol):
    """The roster, and a way to find cards in it."""

    async def search(
        self,
        q: str,
        *,
        by: Person,
        scopes: frozenset[str] = frozenset(),
        also: frozenset[str] = frozenset(),
        after: Place | None = None,
        limit: int = 20,
    ) -> list[Card]:
        """Answer active cards that ``by`` may see, or that are among ``also``, by sort key."""


class Duties(Protocol):
    """Knows whom somebody deals with in the items they handle now."""

    async def contacts(self, person: Person) -> frozenset[str]:
        """Answer the ids of people whose mobile number ``person`` needs for a duty."""


class Entry(BaseModel):
    """A card as somebody sees it; ``mobile`` is ``None`` unless they may see the number."""

    model_config = ConfigDict(frozen=True)

    card: Card
    favourite: bool = False
    mobile: str | None = None


class ScrapingAlarm(Event):
    """Somebody opens cards faster than a person reads."""

    channels: ClassVar[tuple[str, ...]] = ("ops",)

    type: Literal["directory.scraping"] = "directory.scraping"
    person_id: str
    limit: int


class ScrapingGuard:
    """Counts opened cards, and tells operations when somebody opens too many."""

    def __init__(
        self, limiter: Limiter, *, bus: Bus, audit: AuditLog, clock: Clock, new_id: NewId
    ) -> None:
        self._limiter = limiter
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def count(self, by: Person) -> None:
        """Count one opened card.

        Raises:
            RateLimited: Sixty were opened in the last minute; operations are told.
        """
        try:
            await self._limiter.hit(f"directory.view:{by.id}", limit=DETAILS_PER_MINUTE, seconds=60)
        except RateLimited:
            await self._alarm(by)
            raise

    async def _alarm(self, by: Person) -> None:
        # One alarm a minute says as much as a thousand.
        try:
            await self._limiter.hit(f"directory.scraping:{by.id}", limit=1, seconds=60)
        except RateLimited:
            return
        event = ScrapingAlarm(
            id=self._new_id(), at=self._clock(), person_id=by.id, limit=DETAILS_PER_MINUTE
        )
        await self._bus.publish("ops", event)
        await self._audit.record(
            "directory.scraping", by=by.id, obj=f"person:{by.id}", detail={"limit": event.limit}
        )


class DirectoryService:
    """Finds people and shows their cards."""

    def __init__(
        self,
        index: CardIndex,
        favourites: FavouriteStore,
        guard: ScrapingGuard,
        *,
        vault: Vault,
        audit: AuditLog,
        duties: Sequence[Duties] = (),
    ) -> None:
        self._index = index
        self._favourites = favourites
        self._guard = guard
        self._vault = vault
        self._audit = audit
        self._duties = tuple(duties)

    async def search(
        self,
        q: str = "",
        *,
        by: Person,
        scopes: frozenset[str] = frozenset(),
        after: Place | None = None,
        limit: int = 20,
    ) -> tuple[list[Card], Place | None]:
        """Answer one page of cards and where the next one starts, or ``None`` on the last.

        Args:
            q: Name, part of it, pinyin or initials; empty lists everybody.
            by: Who asks.
            scopes: Only cards in all of these, such as ``deleg:pudong``.
            after: Where the page before ended.
            limit: Most cards on the page.

        Raises:
            Invalid: There is nothing to look for but wildcards and punctuation.
        """
        by.require(Permission.DIRECTORY_READ)
        if q.strip() and not _has_word(q):
            raise Invalid("请输入姓名、拼音或首字母", field="q")
        also = await self.contacts(by)
        found = await self._index.search(
            q, by=by, scopes=scopes, also=also, after=after, limit=limit + 1
        )
        page = found[:limit]
        last = page[-1] if len(found) > limit else None
        return page, None if last is None else Place(last.sort_key, last.id)

    async def view(self, person_id: str, *, by: Person) -> Entry:
        """Open a card.

        A person who left is shown by name only.

        Raises:
            NotFound: There is no such card, or ``by`` may not see it.
            RateLimited: Sixty cards were opened in the last minute; operations are told.
        """
        by.require(Permission.DIRECTORY_READ)
        await self._guard.count(by)
        card = await self.card(person_id, by=by)
        if not card.active:
            return Entry(card=_name_only(card))
        kept = {favourite.card_id for favourite in await self._favourites.of(by.id)}
        mobile = await self._mobile(card, by)
        return Entry(card=card, favourite=person_id in kept, mobile=mobile)

    async def contacts(self, by: Person) -> frozenset[str]:
        """Answer the ids of people whose mobile number somebody needs for a duty now."""
        if not by.may(Permission.PHONE_READ):
            return frozenset()
        found: frozenset[str] = frozenset()
        for duty in self._duties:
            found |= await duty.contacts(by)
        return found

    async def card(self, person_id: str, *, by: Person) -> Card:
        """Answer a card without its mobile number, whatever its state.

        Raises:
            NotFound: There is no such card, or ``by`` may not see it.
        """
        by.require(Permission.DIRECTORY_READ)
        card = await self._index.get(person_id)
        if card is None:
            raise NotFound
        if not visible(by, card) and person_id not in await self.contacts(by):
            raise NotFound
        return card

    async def _mobile(self, card: Card, by: Person) -> str | None:
        if card.mobile_enc is None:
            return None
        if card.id != by.id and not (
            may_see_mobile(by, card) or card.id in await self.contacts(by)
        ):
            return None
        if card.id != by.id and reads_by_office(by, card):
            await self._audit.record("mobile.read", by=by.id, obj=f"person:{card.id}")
        return self._vault.open(card.mobile_enc, context=mobile_context(card.id))


def may_see_mobile(viewer: Person, card: Card) -> bool:
    """Tell whether the matrix lets a person see the mobile number on another's card.

    Contacts of items that are handled now come on top; see ``Duties``.
    """
    if viewer.id == card.id:
        return True
    for grant, cell in viewer.rights(Permission.PHONE_READ):
        match cell.reach:
            case Reach.ALL:
                return True
            case Reach.OWN if card.show_mobile:
                return True
            case Reach.SCOPE if not grant.scopes.isdisjoint(card.audience):
                return True
            case _:
                continue
    return False


def reads_by_office(viewer: Person, card: Card) -> bool:
    """Tell whether only the reach of an admin opens the number, so that the look is audited."""
    reaches = {cell.reach for _, cell in viewer.rights(Permission.PHONE_READ)}
    allowed = (Reach.OWN in reaches and card.show_mobile) or not duty_scopes(viewer).isdisjoint(
        card.audience
    )
    return Reach.ALL in reaches and not allowed


def _name_only(card: Card) -> Card:
    return Card(
        id=card.id,
        kind=card.kind,
        name=card.name,
        sort_key=card.sort_key,
        state=card.state,
        cls=card.cls,
        v=card.v,
    )


def _has_word(q: str) -> bool:
    return any(unicodedata.category(char)[0] in "LN" for char in q)
