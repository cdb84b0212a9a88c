"""Favourites of the directory: cards somebody keeps at hand, and hears about when they change."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.errors import Invalid, NotFound
from domain.events import Event
from domain.people import Person
from domain.ports import Bus
from domain.roster import Card, Roster
from domain.visibility import visible

MOST_FAVOURITES = 200


class Favourite(BaseModel):
    """A card that somebody keeps at hand."""

    model_config = ConfigDict(frozen=True)

    person_id: str
    card_id: str
    since: datetime


class FavouriteStore(Protocol):
    """Keeps favourites."""

    async def keep(self, favourite: Favourite) -> None:
        """Store a favourite; keeping it twice changes nothing."""

    async def drop(self, person_id: str, card_id: str) -> bool:
        """Forget a favourite; tell whether there was one."""

    async def of(self, person_id: str) -> list[Favourite]:
        """Answer somebody's favourites."""

    async def followers(self, card_id: str) -> list[str]:
        """Answer the ids of those who keep a card."""


class CardChanged(Event):
    """A card among the receiver's favourites has changed."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["card.changed"] = "card.changed"
    person_id: str


class CardDesk(Protocol):
    """The directory, as far as favourites need it."""

    async def card(self, person_id: str, *, by: Person) -> Card:
        """Answer a card that ``by`` may see, or raise ``NotFound``."""


class FavouriteService:
    """Keeps favourites, and tells their owners of changes."""

    def __init__(
        self,
        desk: CardDesk,
        roster: Roster,
        store: FavouriteStore,
        *,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._desk = desk
        self._roster = roster
        self._store = store
        self._bus = bus
        self._clock = clock
        self._new_id = new_id

    async def keep(self, person_id: str, *, by: Person) -> None:
        """Put a card among the favourites.

        Raises:
            NotFound: There is no such active card, or ``by`` may not see it.
            Invalid: There are already as many favourites as anybody may keep.
        """
        card = await self._desk.card(person_id, by=by)
        if not card.active:
            raise NotFound
        kept = {favourite.card_id for favourite in await self._store.of(by.id)}
        if person_id not in kept and len(kept) >= MOST_FAVOURITES:
            raise Invalid(f"常用联系人最多 {MOST_FAVOURITES} 位", field="person_id")
        await self._store.keep(Favourite(person_id=by.id, card_id=person_id, since=self._clock()))

    async def drop(self, person_id: str, *, by: Person) -> None:
        """Take a card out of the favourites; one that is not there stays so."""
        await self._store.drop(by.id, person_id)

    async def of(self, *, by: Person) -> list[Card]:
        """Answer the favourites that are still in the house and visible, by sort key."""
        kept = frozenset(favourite.card_id for favourite in await self._store.of(by.id))
        cards = [
            card
            for card in (await self._roster.many(kept)).values()
            if card.active and await self._admits(card, by)
        ]
        return sorted(cards, key=lambda card: (card.sort_key, card.id))

    async def changed(self, person_id: str) -> None:
        """Tell those who keep a card among their favourites that it has changed."""
        for follower in await self._store.followers(person_id):
            event = CardChanged(id=self._new_id(), at=self._clock(), person_id=person_id)
            await self._bus.publish(f"user:#{follower}", event)

    async def _admits(self, card: Card, by: Person) -> bool:
        if visible(by, card):
            return True
        try:
            await self._desk.card(card.id, by=by)
        except NotFound:
            return False
        return True
