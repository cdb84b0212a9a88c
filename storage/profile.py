"""Asked-for changes of profiles.

::

    profile_change {_id, person_id, person_name, delegation_id, field, value, value_enc,
                    state: submitted|verified|applied|refused, asked_at, decided_at, decided_by,
                    reason, v}

A unique index over the submitted ones keeps a person to one open change of a field. Who verifies is
read from the role grants.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.errors import Conflict
from domain.profile import ProfileChange
from storage.client import Database, Document, Duplicate


class ProfileChangeStore:
    """Implements ``domain.profile.ProfileChangeStore``."""

    def __init__(self, db: Database) -> None:
        self._changes = db["profile_change"]
        self._grants = db["role_grant"]

    async def get(self, change_id: str) -> ProfileChange | None:
        """Answer one change, or ``None``."""
        doc = await self._changes.find_one({"_id": change_id})
        return None if doc is None else _read(doc)

    async def put(self, change: ProfileChange) -> ProfileChange:
        """Store a change and answer it with the next version.

        Raises:
            Conflict: ``change.v`` is stale, or the person has another open change of the field.
        """
        stored = change.model_copy(update={"v": change.v + 1})
        doc = stored.model_dump(mode="python", exclude={"id"})
        doc |= {"_id": stored.id, "field": stored.field.value, "state": stored.state.value}
        if change.v == 0:
            try:
                await self._changes.insert_one(doc)
            except Duplicate as duplicate:
                raise Conflict("已有一项相同的变更正在核实", field="field") from duplicate
            return stored
        done = await self._changes.replace_one({"_id": change.id, "v": change.v}, doc)
        if done.matched == 0:
            raise Conflict("内容已被他人修改，请刷新后重试")
        return stored

    async def of(self, person_id: str) -> list[ProfileChange]:
        """Answer somebody's changes, newest first."""
        found = await self._changes.find({"person_id": person_id}, sort=[("_id", -1)], limit=200)
        return [_read(doc) for doc in found]

    async def submitted(self, delegations: frozenset[str] | None) -> list[ProfileChange]:
        """Answer what waits in some delegations, or everywhere with ``None``, oldest first."""
        query: dict[str, Any] = {"state": "submitted"}
        if delegations is not None:
            query["delegation_id"] = {"$in": sorted(delegations)}
        found = await self._changes.find(query, sort=[("_id", 1)])
        return [_read(doc) for doc in found]

    async def verified(self) -> list[ProfileChange]:
        """Answer what was verified and not applied yet."""
        found = await self._changes.find({"state": "verified"}, sort=[("_id", 1)])
        return [_read(doc) for doc in found]

    async def verifiers(self, delegation_id: str, at: datetime) -> list[str]:
        """Answer the ids of a delegation's liaisons, who verify its changes."""
        found = await self._grants.find(
            {
                "role": "liaison",
                "state": "granted",
                "scopes": f"deleg:{delegation_id}",
                "since": {"$lte": at},
                "$or": [{"until": None}, {"until": {"$gt": at}}],
            },
            projection={"person_id": 1},
        )
        return sorted({doc["person_id"] for doc in found})

    async def forget(self, person_id: str) -> int:
        """Drop somebody's changes; answer how many. The audit keeps that there were some."""
        return await self._changes.delete_many({"person_id": person_id})


def _read(doc: Document) -> ProfileChange:
    return ProfileChange.model_validate({**doc, "id": doc["_id"]})
