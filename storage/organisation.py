"""Parts of the house, one collection each.

::

    congress   {_id, name, no, starts_on, ends_on, …}      session   {…, congress_id, no, …}
    delegation {_id, name, congress_id, district, …}       group     {_id, name, delegation_id, …}
    committee  {_id, name, congress_id, kind, merged_into, …}
    org        {_id, name, short_name, kind, office_phone, …}
    each       {sort, active, parent, v, created_at, created_by, updated_at, updated_by}

Days are ISO strings. ``parent`` is the congress or delegation a name must be unique in, or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from domain.errors import Conflict
from domain.organisation import Node
from storage.client import Database, Duplicate

N = TypeVar("N", bound=Node)


class OrganisationStore:
    """Implements ``domain.organisation.OrganisationStore``; collections bear the nouns' names."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, kind: type[N], node_id: str) -> N | None:
        """Answer one part, or ``None``."""
        doc = await self._db[kind.noun].find_one({"_id": node_id})
        return None if doc is None else _read(kind, doc)

    async def all(self, kind: type[N]) -> list[N]:
        """Answer every part of a kind, active or not, by ``sort`` and name."""
        found = await self._db[kind.noun].find({}, sort=[("sort", 1), ("name", 1), ("_id", 1)])
        return [_read(kind, doc) for doc in found]

    async def put(self, node: N) -> N:
        """Store a part and answer it with the next version.

        Raises:
            Conflict: ``node.v`` is stale, or another part of this kind has the name.
        """
        stored = node.model_copy(update={"v": node.v + 1})
        nodes = self._db[node.noun]
        try:
            if node.v == 0:
                await nodes.insert_one(_document(stored))
                return stored
            done = await nodes.replace_one({"_id": node.id, "v": node.v}, _document(stored))
        except Duplicate as duplicate:
            field = "id" if "_id" in duplicate.key else "name"
            raise Conflict("已有同名或同编号的机构", field=field) from duplicate
        if done.matched == 0:
            now = await nodes.find_one({"_id": node.id}, projection={"v": 1})
            raise Conflict("内容已被他人修改，请刷新后重试", detail={"v": now["v"] if now else 0})
        return stored

    async def head_count(self) -> Mapping[str, int]:
        """Answer how many active people belong to each scope: deputies, but all of a unit."""
        rows = await self._db["person"].aggregate(
            [
                {"$match": {"state": "active"}},
                {"$unwind": "$audience"},
                {"$group": {"_id": {"scope": "$audience", "kind": "$kind"}, "n": {"$sum": 1}}},
            ]
        )
        counts: dict[str, int] = {}
        for row in rows:
            scope, kind = row["_id"]["scope"], row["_id"]["kind"]
            if kind == "deputy" or scope.startswith("unit:"):
                counts[scope] = counts.get(scope, 0) + row["n"]
        return counts


def _document(node: Node) -> dict[str, Any]:
    # JSON mode would turn instants into strings too, so only the days are written out.
    doc = node.model_dump(mode="python", exclude={"id"}) | {"_id": node.id}
    for field in ("starts_on", "ends_on"):
        if field in doc:
            doc[field] = doc[field].isoformat()
    if "kind" in doc:
        doc["kind"] = doc["kind"].value
    doc["parent"] = doc.get("delegation_id") or doc.get("congress_id") or ""
    return doc


def _read(kind: type[N], doc: Mapping[str, Any]) -> N:
    return kind.model_validate({**doc, "id": doc["_id"]})
