"""Keys that sign codes, the private half sealed by the vault.

::

    pass_key {_id: number, public, private_enc, since, by, overlap: seconds, revoked_at, revoked_by}
        Numbers follow each other: of two processes that make one, one is told to look again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.passes.keys import PassKey
from storage.client import Database, Duplicate


class PassKeyStore:
    """Implements ``domain.passes.keys.KeyStore``."""

    def __init__(self, db: Database) -> None:
        self._keys = db["pass_key"]

    async def all(self) -> Sequence[PassKey]:
        """Answer every key there ever was, by number."""
        return [_key(row) for row in await self._keys.find({}, sort=[("_id", 1)])]

    async def add(self, key: PassKey) -> bool:
        """Keep a new key; ``False`` if there is one of its number."""
        row = key.model_dump(exclude={"no"})
        row |= {"_id": key.no, "overlap": int(key.overlap.total_seconds())}
        try:
            await self._keys.insert_one(row)
        except Duplicate:
            return False
        return True

    async def revoke(self, no: int, *, at: datetime, by: str) -> bool:
        """Mark a key that was not revoked yet; tell whether."""
        done = await self._keys.update_one(
            {"_id": no, "revoked_at": None}, {"$set": {"revoked_at": at, "revoked_by": by}}
        )
        return done.matched == 1


def _key(row: Mapping[str, Any]) -> PassKey:
    fields = {name: value for name, value in row.items() if name != "_id"}
    fields["overlap"] = timedelta(seconds=row["overlap"])
    return PassKey(no=row["_id"], **fields)
