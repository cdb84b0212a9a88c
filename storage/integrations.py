"""Integration keys, sealed.

::

    integration_key {_id, consumer, sealed, fingerprint, overlap: seconds, reason, state, asked_by,
                     asked_at, decided_by, decided_at, decision, since, v, open: consumer}
        ``open`` is there while the key waits for approval, and unique: one at a time
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from domain.errors import Conflict
from domain.integrations import IntegrationKey, KeyState
from storage.client import Database, Document
from storage.errors import Duplicate


class KeyStore:
    """Implements ``domain.integrations.KeyStore``."""

    def __init__(self, db: Database) -> None:
        self._keys = db["integration_key"]

    async def all(self) -> Sequence[IntegrationKey]:
        """Answer every key, newest first."""
        return [_read(row) for row in await self._keys.find({}, sort=[("_id", -1)])]

    async def get(self, key_id: str) -> IntegrationKey | None:
        """Answer one key."""
        row = await self._keys.find_one({"_id": key_id})
        return None if row is None else _read(row)

    async def add(self, key: IntegrationKey) -> None:
        """Keep a new key.

        Raises:
            Conflict: Another one of the same consumer waits for approval.
        """
        try:
            await self._keys.insert_one(_row(key))
        except Duplicate as duplicate:
            raise Conflict("该服务已有一把密钥等待审批") from duplicate

    async def settle(self, key: IntegrationKey, *, was: IntegrationKey) -> bool:
        """Keep the new form of a key if it still is as it ``was``; tell whether it was."""
        done = await self._keys.replace_one(
            {"_id": was.id, "state": was.state.value, "v": was.v}, _row(key)
        )
        return done.matched == 1


def _row(key: IntegrationKey) -> Document:
    row = key.model_dump(exclude={"id"})
    row |= {"_id": key.id, "state": key.state.value, "overlap": int(key.overlap.total_seconds())}
    if key.state is KeyState.ASKED:
        row["open"] = key.consumer
    return row


def _read(row: Document) -> IntegrationKey:
    overlap = timedelta(seconds=row["overlap"])
    return IntegrationKey.model_validate({**row, "id": row["_id"], "overlap": overlap})
