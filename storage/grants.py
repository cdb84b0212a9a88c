"""Role grants and the record of who keeps the hub administered.

::

    role_grant {_id, person_id, role, scopes: [], functions: [], since, until, state, reason,
                asked_by, asked_at, approved_by, approved_at, end_asked_by, ended_by, ended_at,
                end_reason, sole, v,
                open: "<person>/<role>/<scopes…>", excl: "<n>/<person>"}
        ``open`` is there while the grant is asked for or granted, ``excl`` while a role of an
        exclusive set is granted; both are unique, so a second one is impossible.
    role_guard {_id: "admin", holders: [{g: grant, p: person, since, until}]}
        one document, so that the last administrator cannot leave in a race; ``until`` is the end
        of time where the grant has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from domain.errors import Conflict
from domain.listing import Slice
from domain.people import AccountState, Grant
from domain.permissions import EXCLUSIVE, Role
from domain.role_grants import End, GrantState, RoleGrant
from storage.client import Database
from storage.errors import Duplicate
from storage.gathering import Gathering
from storage.sorting import sliced

_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)

_SCOPE_COLLECTIONS = {
    "deleg": "delegation",
    "cmte": "committee",
    "unit": "org",
    "mtg": "meeting",
    "session": "session",
    "room": "room",
}


class GrantStore:
    """Keeps role grants; implements ``domain.role_grants.GrantStore``."""

    def __init__(self, db: Database) -> None:
        self._grants = db["role_grant"]
        self._gathered = Gathering(self._granted)
        self._guard = db["role_guard"]
        self._accounts = db["account"]

    async def in_force(self, person_id: str, at: datetime) -> tuple[Grant, ...]:
        """Answer what a person holds at an instant, oldest first."""
        granted = await self._gathered.get(person_id) or ()
        return tuple(grant.grant for grant in granted if grant.holds(at))

    async def _granted(self, person_ids: Sequence[str]) -> dict[str, list[RoleGrant]]:
        rows = await self._grants.find(
            {"person_id": {"$in": list(person_ids)}, "state": GrantState.GRANTED.value},
            sort=[("_id", 1)],
        )
        found: dict[str, list[RoleGrant]] = {}
        for row in rows:
            found.setdefault(row["person_id"], []).append(_grant(row))
        return found

    async def holders(self, role: Role, at: datetime) -> frozenset[str]:
        """Answer the ids of the people who hold a role at an instant."""
        rows = await self._grants.find({"role": role.value, "state": GrantState.GRANTED.value})
        return frozenset(g.person_id for row in rows if (g := _grant(row)).holds(at))

    async def get(self, grant_id: str) -> RoleGrant | None:
        """Answer one grant."""
        row = await self._grants.find_one({"_id": grant_id})
        return _grant(row) if row else None

    async def of(self, person_id: str) -> Sequence[RoleGrant]:
        """Answer every grant a person ever had, newest first."""
        rows = await self._grants.find({"person_id": person_id}, sort=[("_id", -1)])
        return [_grant(row) for row in rows]

    async def list(
        self, *, role: Role | None, state: GrantState | None, part: Slice
    ) -> Sequence[RoleGrant]:
        """Answer one part of the grants."""
        query: dict[str, Any] = {}
        if role is not None:
            query["role"] = role.value
        if state is not None:
            query["state"] = state.value
        return [_grant(row) for row in await sliced(self._grants, query, part)]

    async def add(self, grant: RoleGrant) -> None:
        """Keep a new grant.

        Raises:
            Conflict: The same role has already been asked for or granted to the person, or the
                person holds one that excludes it.
        """
        try:
            await self._grants.insert_one(_row(grant))
        except Duplicate as duplicate:
            raise _refusal(duplicate) from duplicate

    async def add_many(self, grants: Sequence[RoleGrant]) -> None:
        """Keep new grants in one call, for invented data.

        Raises:
            Conflict: One of them is already there; those before it are kept.
        """
        try:
            await self._grants.insert_many([_row(grant) for grant in grants])
        except Duplicate as duplicate:
            raise _refusal(duplicate) from duplicate

    async def settle(self, grant: RoleGrant, *, was: RoleGrant) -> bool:
        """Keep the new form of a grant if it still is as it ``was``; tell whether it was.

        Raises:
            Conflict: The person holds a role that excludes this one.
        """
        try:
            result = await self._grants.replace_one(
                {"_id": was.id, "state": was.state.value, "v": was.v}, _row(grant)
            )
        except Duplicate as duplicate:
            raise _refusal(duplicate) from duplicate
        return result.matched == 1

    async def lapsed(self, at: datetime) -> Sequence[RoleGrant]:
        """Answer granted ones whose span is over."""
        rows = await self._grants.find({"state": GrantState.GRANTED.value, "until": {"$lte": at}})
        return [_grant(row) for row in rows]

    async def ended_since(self, at: datetime) -> frozenset[str]:
        """Answer the ids of the people who lost a role at an instant or later."""
        rows = await self._grants.find(
            {"state": GrantState.ENDED.value, "ended_at": {"$gte": at}},
            projection={"person_id": 1},
            limit=1_000,
        )
        return frozenset(row["person_id"] for row in rows)

    async def others_administer(self, person_id: str, at: datetime) -> bool:
        """Tell whether anybody else is an administrator at an instant."""
        row = await self._guard.find_one(
            {"_id": Role.ADMIN.value, "holders": {"$elemMatch": _other(person_id, at)}}
        )
        return row is not None

    async def enter_administrator(self, grant: RoleGrant) -> None:
        """Count a grant among those that keep the hub administered; twice is harmless."""
        holder = {
            "g": grant.id,
            "p": grant.person_id,
            "since": grant.since,
            "until": grant.until or _FOREVER,
        }
        await self._guard.update_one(
            {"_id": Role.ADMIN.value}, {"$addToSet": {"holders": holder}}, upsert=True
        )

    async def leave_administrator(self, grant: RoleGrant, at: datetime) -> bool:
        """Stop counting a grant if another person remains, in one atomic step."""
        result = await self._guard.update_one(
            {
                "_id": Role.ADMIN.value,
                "holders": {"$elemMatch": _other(grant.person_id, at)},
            },
            {"$pull": {"holders": {"g": grant.id}}},
        )
        return result.matched == 1

    async def may_act(self, person_id: str) -> bool:
        """Tell whether a person's account is one that can act, a short lock aside."""
        row = await self._accounts.find_one({"_id": person_id}, projection={"state": 1})
        return row is not None and row["state"] in _OPEN


class ScopeStore:
    """Knows which scopes there are; implements ``domain.role_grants.Scopes``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def missing(self, scopes: frozenset[str]) -> frozenset[str]:
        """Answer those that do not exist."""
        return frozenset([scope for scope in scopes if not await self._exists(scope)])

    async def end(self, scope: str) -> End:
        """Answer how a scope ends; only meetings do."""
        kind, _, key = scope.partition(":")
        if kind != "mtg":
            return End()
        row = await self._db["meeting"].find_one(
            {"_id": key}, projection={"state": 1, "ends_at": 1}
        )
        if row is None:
            return End()
        return End(row.get("state") in _OVER, row.get("ends_at"))

    async def _exists(self, scope: str) -> bool:
        kind, _, key = scope.partition(":")
        collection = _SCOPE_COLLECTIONS.get(kind)
        if collection is None or not key:
            return False
        return await self._db[collection].find_one({"_id": key}, projection={"_id": 1}) is not None


_OVER = frozenset({"closed", "archived", "cancelled"})
"""States of a meeting in which nothing of it is still to come (``domain.meetings``)."""

_OPEN = frozenset({AccountState.BOUND.value, AccountState.ACTIVE.value, AccountState.LOCKED.value})


def _other(person_id: str, at: datetime) -> dict[str, Any]:
    return {"p": {"$ne": person_id}, "since": {"$lte": at}, "until": {"$gt": at}}


def _refusal(duplicate: Duplicate) -> Conflict:
    if "excl" in duplicate.key:
        return Conflict("按职责分离要求，同一人不能兼任这两个角色", code="separation_of_duties")
    return Conflict("该人员已有此角色，或已在申请中")


def _row(grant: RoleGrant) -> dict[str, Any]:
    row = grant.model_dump(exclude={"id"})
    row["_id"] = grant.id
    row["role"], row["state"] = grant.role.value, grant.state.value
    row["scopes"] = sorted(grant.scopes)
    row["functions"] = sorted(function.value for function in grant.functions)
    if grant.state in {GrantState.ASKED, GrantState.GRANTED}:
        row["open"] = "/".join((grant.person_id, grant.role.value, *row["scopes"]))
    if grant.state is GrantState.GRANTED:
        for number, together in enumerate(EXCLUSIVE):
            if grant.role in together:
                row["excl"] = f"{number}/{grant.person_id}"
    return row


def _grant(row: dict[str, Any]) -> RoleGrant:
    kept = {name: value for name, value in row.items() if name in RoleGrant.model_fields}
    return RoleGrant(id=row["_id"], **kept)
