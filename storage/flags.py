"""Feature flags that were changed; one that never was has no document.

::

    flag {_id: "login.qr", on, reason, changed_by, changed_at, v}
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.flags import FlagState
from storage.client import Database
from storage.errors import Duplicate


class FlagStore:
    """Implements ``domain.flags.FlagStore``."""

    def __init__(self, db: Database) -> None:
        self._flags = db["flag"]

    async def all(self) -> Sequence[FlagState]:
        """Answer every flag that was ever changed."""
        return [FlagState(key=row["_id"], **row) for row in await self._flags.find({})]

    async def put(self, state: FlagState, *, was: int) -> bool:
        """Keep a flag if it still is at version ``was``; tell whether it was."""
        row = {"_id": state.key, **state.model_dump(exclude={"key"})}
        if was == 0:
            try:
                await self._flags.insert_one(row)
            except Duplicate:
                return False
            return True
        done = await self._flags.replace_one({"_id": state.key, "v": was}, row)
        return done.matched == 1
