"""Cards of the roster.

::

    person {_id, kind, name, sort_key, py, initials, deputy_no, delegation_id, group_id,
            committee_ids[], org_id, post, work_unit, office_phone, mobile_h, mobile_enc,
            show_mobile, email, flags[], state, photo, cls, owner_id, audience[], _t[], v,
            created_at, created_by, updated_at, updated_by}

``_t`` holds what a search may ask for: the name in bigrams, pinyin and initials in every reading,
never a number. ``owner_id`` and ``audience`` repeat the card for ``visible_query``. ``mobile_h`` is
unique among those who are here, so that the number of one who left can find its next owner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.errors import Conflict
from domain.people import Person
from domain.roster import Card, Place
from storage.client import Database, Duplicate
from storage.gathering import Gathering
from storage.names import name_keys
from storage.search import query_terms, search_terms
from storage.visibility import visible_query


class PeopleStore:
    """Implements ``domain.roster.Roster`` and ``domain.directory.CardIndex``."""

    def __init__(self, db: Database) -> None:
        self._people = db["person"]
        self._gathered = Gathering(lambda ids: self.many(frozenset(ids)))

    async def get(self, person_id: str) -> Card | None:
        """Answer a card, whatever its state, or ``None``."""
        return await self._gathered.get(person_id)

    async def many(self, person_ids: frozenset[str]) -> dict[str, Card]:
        """Answer the cards that exist, by person id."""
        found = await self._people.find({"_id": {"$in": sorted(person_ids)}}, projection=_SHOWN)
        return {doc["_id"]: _read(doc) for doc in found}

    async def by_deputy_no(self, deputy_no: str) -> Card | None:
        """Answer the card with a deputy number, or ``None``."""
        return _card(await self._people.find_one({"deputy_no": deputy_no}))

    async def by_mobile(self, mobile_h: str) -> Card | None:
        """Answer the card of the person who has a number now, or ``None``."""
        return _card(await self._people.find_one({"mobile_h": mobile_h, "state": "active"}))

    async def put(self, card: Card) -> Card:
        """Store a card and answer it as stored, with search keys and the next version.

        Raises:
            Conflict: ``card.v`` is stale, or the deputy or mobile number is another's.
        """
        stored = _keyed(card)
        try:
            if card.v == 0:
                await self._people.insert_one(_document(stored))
                return stored
            done = await self._people.replace_one({"_id": card.id, "v": card.v}, _document(stored))
        except Duplicate as duplicate:
            raise _taken(duplicate.key) from duplicate
        if done.matched == 0:
            now = await self._people.find_one({"_id": card.id}, projection={"v": 1})
            raise Conflict("内容已被他人修改，请刷新后重试", detail={"v": now["v"] if now else 0})
        return stored

    async def add_many(self, cards: Sequence[Card]) -> None:
        """Store cards that are not there yet, all in one call.

        Raises:
            Conflict: A person id, deputy number or mobile number is taken; those before it stay.
        """
        try:
            await self._people.insert_many([_document(_keyed(card)) for card in cards])
        except Duplicate as duplicate:
            raise _taken(duplicate.key) from duplicate

    async def members(self, scope: str) -> list[Card]:
        """Answer the active cards of a scope such as ``group:…``, by sort key."""
        found = await self._people.find(
            {"audience": scope, "state": "active"},
            projection=_SHOWN,
            sort=[("sort_key", 1), ("_id", 1)],
        )
        return [_read(doc) for doc in found]

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
        """Answer active cards in the order of ``sort_key``, one page.

        Args:
            q: Name, part of it, pinyin or initials; empty finds everybody.
            by: Who asks: only cards they may see are found.
            scopes: The card must belong to every one of these.
            also: Person ids that may be seen besides, by duty.
            after: Where the page before ended.
            limit: Most cards to answer.
        """
        mine = visible_query(by)
        every = [{"$or": [*mine["$or"], {"_id": {"$in": sorted(also)}}]} if also else mine]
        query: dict[str, Any] = {"state": "active"}
        if terms := query_terms(q):
            every.append({"_t": {"$all": terms}})
            # One term as plain equality leads into the index: the longest one is the rarest. A
            # single letter is in every third name; there, going by the order is faster.
            longest = max(terms, key=len)
            if not (len(longest) == 1 and longest.isascii()):
                query["_t"] = longest
        if scopes:
            query["audience"] = min(scopes)
            every.append({"audience": {"$all": sorted(scopes)}})
        if after is not None:
            every.append(
                {
                    "$or": [
                        {"sort_key": {"$gt": after.sort_key}},
                        {"sort_key": after.sort_key, "_id": {"$gt": after.id}},
                    ]
                }
            )
        found = await self._people.find(
            {**query, "$and": every},
            projection=_SHOWN,
            sort=[("sort_key", 1), ("_id", 1)],
            limit=limit,
        )
        return [_read(doc) for doc in found]


_SHOWN = {"_t": 0}
"""Search terms are most of a document and of no use outside the database."""


def _keyed(card: Card) -> Card:
    keys = name_keys(card.name)
    return card.model_copy(
        update={
            "v": card.v + 1,
            "sort_key": keys.sort_key,
            "py": keys.py,
            "initials": keys.initials,
        }
    )


def _document(card: Card) -> dict[str, Any]:
    doc = card.model_dump(mode="python", exclude={"id"})
    doc |= {
        "_id": card.id,
        "kind": card.kind.value,
        "state": card.state.value,
        "cls": card.cls.value,
        "flags": sorted(flag.value for flag in card.flags),
        "committee_ids": list(card.committee_ids),
        "professions": list(card.professions),
        "owner_id": card.owner_id,
        "audience": sorted(card.audience),
        "_t": search_terms(card.name),
    }
    return doc


def _read(doc: Mapping[str, Any]) -> Card:
    return Card.model_validate({**doc, "id": doc["_id"]})


def _card(doc: Mapping[str, Any] | None) -> Card | None:
    return None if doc is None else _read(doc)


def _taken(key: Mapping[str, Any]) -> Conflict:
    if "mobile_h" in key:
        return Conflict("该手机号已被使用", field="mobile")
    if "deputy_no" in key:
        return Conflict("该代表证号已被使用", field="deputy_no")
    return Conflict("该人员已存在", field="id")
