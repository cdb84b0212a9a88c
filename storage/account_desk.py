"""Finding accounts for the administrators: accounts, cards and role grants, read together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.account_desk import AccountRow
from domain.listing import Slice
from domain.people import AccountState
from domain.permissions import Role
from domain.roster import Kind
from storage.client import Database
from storage.grants import GrantStore
from storage.search import query_terms
from storage.sorting import sliced

_SHOWN = (
    "state", "openid_h", "login_name", "last_login_at", "locked_until", "ended_at", "planned", "v",
)  # fmt: skip

_MOST_FOUND = 500


class DeskStore:
    """Implements ``domain.account_desk.DeskStore``."""

    def __init__(self, db: Database) -> None:
        self._accounts = db["account"]
        self._people = db["person"]
        self._grants = db["role_grant"]
        self._held = GrantStore(db)

    async def search(
        self,
        *,
        q: str,
        state: AccountState | None,
        role: Role | None,
        at: datetime,
        part: Slice,
    ) -> Sequence[AccountRow]:
        """Answer one part of the rows."""
        every: list[dict[str, Any]] = []
        if state is not None:
            every.append({"state": state.value})
        if role is not None:
            every.append({"_id": {"$in": sorted(await self._held.holders(role, at))}})
        if q:
            every.append({"_id": {"$in": await self._named(q)}})
        accounts = await sliced(
            self._accounts,
            {"$and": every} if every else {},
            part,
            projection=dict.fromkeys(_SHOWN, 1),
        )
        ids = [row["_id"] for row in accounts]
        cards = {row["_id"]: row for row in await self._people.find({"_id": {"$in": ids}})}
        roles = await self._roles(ids, at)
        return [_row(row, cards.get(row["_id"], {}), roles[row["_id"]]) for row in accounts]

    async def _named(self, q: str) -> list[str]:
        terms = query_terms(q)
        found = await self._people.find(
            {"$or": [{"_t": {"$all": terms}}, {"deputy_no": q}]} if terms else {"deputy_no": q},
            projection={"_id": 1},
            limit=_MOST_FOUND,
        )
        return [row["_id"] for row in found]

    async def _roles(self, ids: Sequence[str], at: datetime) -> Mapping[str, frozenset[Role]]:
        rows = await self._grants.find({"person_id": {"$in": list(ids)}, "state": "granted"})
        roles: dict[str, set[Role]] = defaultdict(set)
        for row in rows:
            if row["since"] <= at and (row["until"] is None or at < row["until"]):
                roles[row["person_id"]].add(Role(row["role"]))
        return defaultdict(frozenset, {person: frozenset(held) for person, held in roles.items()})


def _row(account: Mapping[str, Any], card: Mapping[str, Any], roles: frozenset[Role]) -> AccountRow:
    return AccountRow(
        id=account["_id"],
        name=card.get("name", ""),
        kind=Kind(card.get("kind", Kind.STAFF)),
        deputy_no=card.get("deputy_no"),
        delegation_id=card.get("delegation_id"),
        state=account["state"],
        bound=bool(account.get("openid_h")),
        login_name=account.get("login_name"),
        roles=roles,
        last_login_at=account.get("last_login_at"),
        locked_until=account.get("locked_until"),
        ended_at=account.get("ended_at"),
        planned=len(account.get("planned") or ()),
        v=account.get("v", 1),
    )
