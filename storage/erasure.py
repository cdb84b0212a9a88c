"""Requests for erasure.

::

    erasure {_id, person_id, person_name, note, state: received|done|refused, asked_at, due_at,
             decided_at, decided_by, reason, removed{}, kept[], v}

A unique index over the received ones keeps a person to one open request.
"""

from __future__ import annotations

from typing import Any

from domain.erasure import ErasureRequest, ErasureState
from domain.errors import Conflict
from storage.client import Database, Document, Duplicate


class ErasureStore:
    """Implements ``domain.erasure.ErasureStore``."""

    def __init__(self, db: Database) -> None:
        self._requests = db["erasure"]

    async def get(self, request_id: str) -> ErasureRequest | None:
        """Answer one request, or ``None``."""
        doc = await self._requests.find_one({"_id": request_id})
        return None if doc is None else _read(doc)

    async def of(self, person_id: str) -> list[ErasureRequest]:
        """Answer somebody's requests, newest first."""
        found = await self._requests.find({"person_id": person_id}, sort=[("_id", -1)], limit=50)
        return [_read(doc) for doc in found]

    async def put(self, request: ErasureRequest) -> ErasureRequest:
        """Store a request and answer it with the next version.

        Raises:
            Conflict: ``request.v`` is stale, or the person has an open one.
        """
        stored = request.model_copy(update={"v": request.v + 1})
        doc = stored.model_dump(mode="python", exclude={"id"})
        doc |= {"_id": request.id, "state": request.state.value, "kept": list(request.kept)}
        if request.v == 0:
            try:
                await self._requests.insert_one(doc)
            except Duplicate as duplicate:
                raise Conflict("已有一项删除申请正在处理") from duplicate
            return stored
        done = await self._requests.replace_one({"_id": request.id, "v": request.v}, doc)
        if done.matched == 0:
            raise Conflict("内容已被他人修改，请刷新后重试")
        return stored

    async def listed(
        self, state: ErasureState | None, *, after: str | None, limit: int
    ) -> list[ErasureRequest]:
        """Answer requests in the order they came, one page after the id ``after``."""
        query: dict[str, Any] = {} if state is None else {"state": state.value}
        if after is not None:
            query["_id"] = {"$gt": after}
        found = await self._requests.find(query, sort=[("_id", 1)], limit=limit)
        return [_read(doc) for doc in found]


def _read(doc: Document) -> ErasureRequest:
    return ErasureRequest.model_validate({**doc, "id": doc["_id"]})
