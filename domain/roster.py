"""The roster: one card for everybody the congress deals with, deputies first.

A card says who somebody is and where they belong. It is not an account: whether and how the person
may sign in is ``domain.identity``'s business. The mobile number on a card is C3 and travels sealed.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from domain.people import Flag
from domain.visibility import DataClass


class Kind(StrEnum):
    """What sort of participant a card describes."""

    DEPUTY = "deputy"
    STAFF = "staff"
    GUEST = "guest"
    DEVICE = "device"


class CardState(StrEnum):
    """``left`` cards are not found any more, but old items still show their name."""

    ACTIVE = "active"
    LEFT = "left"


class Card(BaseModel):
    """One person of the roster.

    Attributes:
        id: Person id, a ULID; the account has the same.
        sort_key: Orders lists by pinyin; filled by the store.
        py: Full pinyin of the usual reading, lower case; filled by the store.
        initials: First letters of ``py``; filled by the store.
        deputy_no: Number of the deputy's certificate, unique in the congress.
        mobile_h: Keyed hash by which a mobile number is found; never the number.
        mobile_enc: The mobile number as the vault sealed it for ``mobile_context(id)``.
        show_mobile: Whether the person lets other deputies see the mobile number.
        professions: Codes of the dictionary ``profession``.
        photo: File id of the portrait, or empty.
        cls: Data class of the card without its C3 fields.
        v: Version as read; 0 for a card that is not stored yet.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind
    name: str
    sort_key: str = ""
    py: str = ""
    initials: str = ""
    deputy_no: str | None = None
    delegation_id: str | None = None
    group_id: str | None = None
    committee_ids: tuple[str, ...] = ()
    org_id: str | None = None
    post: str = ""
    work_unit: str = ""
    office_phone: str = ""
    mobile_h: str | None = None
    mobile_enc: bytes | None = Field(default=None, repr=False)
    show_mobile: bool = False
    email: str = ""
    flags: frozenset[Flag] = frozenset()
    professions: tuple[str, ...] = ()
    state: CardState = CardState.ACTIVE
    photo: str = ""
    cls: DataClass = DataClass.C1
    v: int = 0
    created_at: datetime | None = None
    created_by: str = ""
    updated_at: datetime | None = None
    updated_by: str = ""

    @property
    def owner_id(self) -> str:
        """The person the card is about."""
        return self.id

    @property
    def audience(self) -> frozenset[str]:
        """The scopes the person belongs to, in the form that grants use."""
        return membership(
            delegation_id=self.delegation_id,
            group_id=self.group_id,
            committee_ids=self.committee_ids,
            org_id=self.org_id,
        )

    @property
    def active(self) -> bool:
        """Whether the person still belongs to the house."""
        return self.state is CardState.ACTIVE


def membership(
    *,
    delegation_id: str | None,
    group_id: str | None,
    committee_ids: tuple[str, ...] | frozenset[str],
    org_id: str | None,
) -> frozenset[str]:
    """Answer the scopes somebody belongs to, as ``<kind>:<id>`` strings."""
    scopes = {f"cmte:{committee}" for committee in committee_ids}
    if delegation_id:
        scopes.add(f"deleg:{delegation_id}")
    if group_id:
        scopes.add(f"group:{group_id}")
    if org_id:
        scopes.add(f"unit:{org_id}")
    return frozenset(scopes)


PHONE_DOMAIN = "phone"
"""Blind-index domain of mobile numbers, shared by roster and accounts."""


def mobile_context(person_id: str) -> str:
    """Answer the vault context of the mobile number on a card."""
    return f"person.mobile:{person_id}"


class Place(NamedTuple):
    """Where a page of cards ended: the sort key and id of its last card."""

    sort_key: str
    id: str


class Roster(Protocol):
    """What services need from the store of cards."""

    async def get(self, person_id: str) -> Card | None:
        """Answer a card, whatever its state, or ``None``."""

    async def many(self, person_ids: frozenset[str]) -> dict[str, Card]:
        """Answer the cards that exist, by person id."""

    async def by_deputy_no(self, deputy_no: str) -> Card | None:
        """Answer the card with a deputy number, or ``None``."""

    async def by_mobile(self, mobile_h: str) -> Card | None:
        """Answer the card with a blinded mobile number, or ``None``."""

    async def put(self, card: Card) -> Card:
        """Store a card and answer it as stored, with search keys and the next version.

        Raises:
            Conflict: ``card.v`` is stale, or the deputy or mobile number is another's.
        """
