"""Who is in the house, as audiences name them; reads what other features keep.

``meeting``, ``person``, ``account``, ``role_grant`` and the parts of the house belong to others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.clock import Clock
from domain.errors import NotFound
from domain.notices.audience import Audience, Participants, Parts, Recipient
from domain.organisation import CommitteeKind
from domain.people import AccountState, Flag
from domain.roster import Kind
from storage.client import Database
from storage.people import PeopleStore

_REACHABLE = tuple(
    state.value
    for state in AccountState
    if state not in {AccountState.SUSPENDED, AccountState.ENDED, AccountState.ERASED}
)
_FEW = 200
"""Up to so many people are looked up by id; beyond that reading all accounts is cheaper."""

_BATCH = 5_000


class MeetingRows:
    """Implements ``domain.notices.drafting.Meetings``."""

    def __init__(self, db: Database) -> None:
        self._meetings = db["meeting"]

    async def starts_at(self, meeting_id: str) -> datetime | None:
        """Answer when a meeting begins.

        Raises:
            NotFound: There is no such meeting.
        """
        row = await self._meetings.find_one({"_id": meeting_id})
        if row is None:
            raise NotFound("没有这次会议")
        starts_at: datetime | None = row.get("starts_at")
        return starts_at


class Roll:
    """Implements ``domain.notices.audience.Roll``."""

    def __init__(self, db: Database, participants: Participants, *, clock: Clock) -> None:
        self._db = db
        self._people = db["person"]
        self._accounts = db["account"]
        self._grants = db["role_grant"]
        self._participants = participants
        self._cards = PeopleStore(db)
        self._clock = clock

    async def resolve(self, audience: Audience) -> Sequence[Recipient]:
        """Answer whom an audience names now, sorted by person id."""
        named = await self._named(audience)
        if not audience.minus.empty:
            for person_id in await self._named(audience.minus):
                named.pop(person_id, None)
        reachable = await self._reachable(named)
        return [named[person_id] for person_id in sorted(named) if person_id in reachable]

    async def deputies(self) -> int:
        """Count the deputies on the roster."""
        return await self._people.count({"state": "active", "kind": Kind.DEPUTY.value})

    async def homes(self, scopes: frozenset[str]) -> Mapping[str, frozenset[str]]:
        """Answer for each scope the scopes it lies in, itself included."""
        return {scope: frozenset({scope}) | await self._around(scope) for scope in scopes}

    async def names(self, person_ids: frozenset[str]) -> Mapping[str, str]:
        """Answer the names of people, whether they are still here or not."""
        rows = await self._people.find(
            {"_id": {"$in": sorted(person_ids)}}, projection={"name": 1}, limit=len(person_ids) or 1
        )
        return {row["_id"]: row["name"] for row in rows}

    async def delegation_names(self) -> Mapping[str, str]:
        """Answer the names of the delegations, in their order."""
        rows = await self._db["delegation"].find({}, sort=[("sort", 1), ("name", 1)])
        return {row["_id"]: row["name"] for row in rows}

    async def _named(self, parts: Parts) -> dict[str, Recipient]:
        clauses = _clauses(parts)
        people = set(parts.people)
        for meeting_id in parts.meetings:
            people |= await self._participants.of(meeting_id)
        if parts.roles:
            people |= await self._holders(parts)
        if people:
            clauses.append({"_id": {"$in": sorted(people)}})
        if not clauses:
            return {}
        # One clause stands alone: an index serves it.
        union: dict[str, Any] = clauses[0] if len(clauses) == 1 else {"$or": clauses}
        rows = self._people.stream(
            {"state": "active", **union},
            projection={"delegation_id": 1, "kind": 1},
            batch=_BATCH,
        )
        return {
            row["_id"]: Recipient(
                row["_id"], row.get("delegation_id") or "", row["kind"] == Kind.DEPUTY.value
            )
            async for row in rows
            if row["kind"] != Kind.DEVICE.value
        }

    async def _holders(self, parts: Parts) -> set[str]:
        at = self._clock()
        rows = self._grants.stream(
            {"role": {"$in": sorted(role.value for role in parts.roles)}, "state": "granted"},
            projection={"person_id": 1, "since": 1, "until": 1},
            batch=_BATCH,
        )
        return {
            row["person_id"]
            async for row in rows
            if row["since"] <= at and (row.get("until") is None or at < row["until"])
        }

    async def _reachable(self, named: Mapping[str, Recipient]) -> set[str]:
        query: dict[str, Any] = {"state": {"$in": list(_REACHABLE)}}
        if len(named) <= _FEW:
            query["_id"] = {"$in": sorted(named)}
        rows = self._accounts.stream(query, projection={"_id": 1}, batch=_BATCH)
        return {row["_id"] async for row in rows}

    async def _around(self, scope: str) -> frozenset[str]:
        kind, _, key = scope.partition(":")
        match kind:
            case "group":
                row = await self._db["group"].find_one({"_id": key})
                return frozenset({f"deleg:{row['delegation_id']}"}) if row else frozenset()
            case "mtg":
                return _around_meeting(await self._db["meeting"].find_one({"_id": key}) or {})
            case "user":
                card = await self._cards.get(key)
                return card.audience if card else frozenset()
            case "npcsc":
                row = await self._db["committee"].find_one({"kind": CommitteeKind.STANDING.value})
                return frozenset({f"cmte:{row['_id']}"}) if row else frozenset()
        return frozenset()


def _around_meeting(row: Mapping[str, Any]) -> frozenset[str]:
    kinds = (("session", "session_id"), ("cmte", "committee_id"), ("deleg", "delegation_id"))
    return frozenset(f"{kind}:{row[name]}" for kind, name in kinds if row.get(name))


def _clauses(parts: Parts) -> list[dict[str, Any]]:
    clauses: list[dict[str, Any]] = []
    if parts.all:
        clauses.append({"kind": Kind.DEPUTY.value})
    kinds = (("deleg", parts.delegations), ("group", parts.groups), ("cmte", parts.committees))
    scopes = [f"{kind}:{key}" for kind, keys in kinds for key in sorted(keys)]
    if scopes:
        clauses.append({"audience": {"$in": scopes}})
    if parts.npcsc:
        clauses.append({"flags": Flag.NPCSC_MEMBER.value})
    return clauses
