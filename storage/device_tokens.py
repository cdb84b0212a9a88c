"""Tokens of screens and scanners.

::

    device_token {_id: sha256 of the token, device_id, name, role, meeting_id, created_at,
                  created_by, until, revoked_at, revoked_by}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.device_tokens import DeviceToken
from storage.client import Database
from storage.gathering import Gathering


class DeviceTokenStore:
    """Implements ``domain.device_tokens.DeviceTokenStore``."""

    def __init__(self, db: Database) -> None:
        self._tokens = db["device_token"]
        self._gathered = Gathering(self._many)

    async def add(self, token: DeviceToken) -> None:
        """Keep a new token."""
        row = token.model_dump(exclude={"id"}) | {"_id": token.id, "role": token.role.value}
        await self._tokens.insert_one(row)

    async def get(self, token_id: str) -> DeviceToken | None:
        """Answer a token by its fingerprint, or ``None``."""
        return await self._gathered.get(token_id)

    async def of(self, meeting_id: str) -> Sequence[DeviceToken]:
        """Answer the tokens of a meeting, oldest first, those taken back included."""
        rows = await self._tokens.find({"meeting_id": meeting_id}, sort=[("device_id", 1)])
        return [_token(row) for row in rows]

    async def revoke(
        self, meeting_id: str, device_id: str, *, at: datetime, by: str
    ) -> DeviceToken | None:
        """Take back a token that was not taken back yet and answer it, or ``None``."""
        row = await self._tokens.find_one_and_update(
            {"meeting_id": meeting_id, "device_id": device_id, "revoked_at": None},
            {"$set": {"revoked_at": at, "revoked_by": by}},
        )
        return _token(row) if row else None

    async def _many(self, token_ids: Sequence[str]) -> Mapping[str, DeviceToken]:
        rows = await self._tokens.find({"_id": {"$in": list(token_ids)}})
        return {row["_id"]: _token(row) for row in rows}


def _token(row: dict[str, Any]) -> DeviceToken:
    return DeviceToken(id=row["_id"], **{key: row[key] for key in row if key != "_id"})
