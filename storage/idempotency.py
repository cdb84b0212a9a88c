"""Rows behind ``Idempotency-Key``; see ``domain.idempotency``.

``idempotency {_id: "<person>:<sha256 of key>", request, state: "running"|"done", claim,
lease_until, status?, body?, created_at}``: the natural key makes a second start impossible, and
an index with an expiry forgets the row after a day.
"""

from __future__ import annotations

import hashlib

from domain.clock import Clock
from domain.errors import Conflict, Invalid
from domain.idempotency import LEASE, Answer
from storage.client import Database, Document, Duplicate

_ATTEMPTS = 3


class IdempotencyRows:
    """``domain.idempotency.IdempotencyStore`` in a collection."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._rows = db["idempotency"]
        self._clock = clock

    async def begin(self, person_id: str, key: str, request: str) -> Answer | None:
        """Claim a key for a request, or answer what was answered the first time.

        Raises:
            Invalid: The key was used for a different request.
            Conflict: The first request is still running.
        """
        now = self._clock()
        row_id = _row_id(person_id, key)
        row: Document = {
            "_id": row_id,
            "request": request,
            "state": "running",
            "lease_until": now + LEASE,
            "created_at": now,
        }
        for _ in range(_ATTEMPTS):
            try:
                await self._rows.insert_one(row)
            except Duplicate:
                known = await self._rows.find_one({"_id": row_id})
            else:
                return None
            if known is None:
                continue  # forgotten between the two calls: try to be the first again
            if known["request"] != request:
                raise Invalid("该 Idempotency-Key 已用于另一请求", field="Idempotency-Key")
            if known["state"] == "done":
                return Answer(known["status"], bytes(known["body"]))
            taken = await self._rows.update_one(
                {"_id": row_id, "state": "running", "lease_until": {"$lte": now}},
                {"$set": {"lease_until": now + LEASE}},
            )
            if taken.matched:
                return None
            break
        raise Conflict("相同的请求正在处理中，请稍候")

    async def finish(self, person_id: str, key: str, answer: Answer) -> None:
        """Keep the answer until the row expires."""
        await self._rows.update_one(
            {"_id": _row_id(person_id, key)},
            {"$set": {"state": "done", "status": answer.status, "body": answer.body}},
        )

    async def forget(self, person_id: str, key: str) -> None:
        """Give the key back."""
        await self._rows.delete_one({"_id": _row_id(person_id, key), "state": "running"})


def _row_id(person_id: str, key: str) -> str:
    return f"{person_id}:{hashlib.sha256(key.encode()).hexdigest()}"
