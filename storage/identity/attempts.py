"""Attempts before a session, and the counts of wrong tries.

::

    login_attempt {_id: hash of a secret, or a ULID; kind, state, person_id, data: {…}, created_at,
                   until}
    login_try     {_id: "<kind>:<whose>", n, until}

``LoginSweep`` removes both when ``until`` has passed by the hub's own clock; an expiring index
would go by the server's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.clock import Clock
from domain.identity.attempts import Attempt
from storage.client import Database, Duplicate


class AttemptStore:
    """Implements ``domain.identity.attempts.AttemptStore``."""

    def __init__(self, db: Database) -> None:
        self._attempts = db["login_attempt"]

    async def add(self, attempt: Attempt) -> None:
        """Keep a new attempt."""
        row = attempt.model_dump(exclude={"id"})
        await self._attempts.insert_one({**row, "data": dict(attempt.data), "_id": attempt.id})

    async def get(self, kind: str, attempt_id: str, *, at: datetime) -> Attempt | None:
        """Answer an attempt that is not over, whatever its state."""
        return _attempt(
            await self._attempts.find_one({"_id": attempt_id, "kind": kind, "until": {"$gt": at}})
        )

    async def move(
        self,
        kind: str,
        attempt_id: str,
        *,
        at: datetime,
        was: str,
        to: str,
        person_id: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Attempt | None:
        """Take an attempt that is not over from one state to another, once."""
        change: dict[str, Any] = {"state": to}
        if person_id is not None:
            change["person_id"] = person_id
        change |= {f"data.{name}": value for name, value in (data or {}).items()}
        return _attempt(
            await self._attempts.find_one_and_update(
                {"_id": attempt_id, "kind": kind, "state": was, "until": {"$gt": at}},
                {"$set": change},
            )
        )


class TryStore:
    """Implements ``domain.identity.lockout.TryStore``."""

    def __init__(self, db: Database) -> None:
        self._tries = db["login_try"]

    async def count(self, key: str, *, at: datetime, limit: int, until: datetime) -> int | None:
        """Count a try and answer its number, from 1; ``None`` if ``limit`` were made already."""
        # Each round either counts, or finds out why it did not; races make it go round again.
        for _ in range(5):
            counted = await self._tries.find_one_and_update(
                {"_id": key, "until": {"$gt": at}, "n": {"$lt": limit}},
                {"$inc": {"n": 1}, "$set": {"until": until}},
            )
            if counted is not None:
                return int(counted["n"])
            if await self._begin(key, at=at, until=until):
                return 1
            if await self.full(key, at=at, limit=limit):
                return None
        return None

    async def full(self, key: str, *, at: datetime, limit: int) -> bool:
        """Tell whether ``limit`` tries were made and the count has not started anew."""
        full = {"_id": key, "until": {"$gt": at}, "n": {"$gte": limit}}
        return await self._tries.find_one(full) is not None

    async def until(self, key: str) -> datetime | None:
        """Answer when the count of a key starts anew, or ``None``."""
        row = await self._tries.find_one({"_id": key})
        found: datetime | None = row["until"] if row else None
        return found

    async def clear(self, key: str) -> None:
        """Forget the tries of a key."""
        await self._tries.delete_one({"_id": key})

    async def _begin(self, key: str, *, at: datetime, until: datetime) -> bool:
        """Begin a count at 1 where there is none, or the last one is over."""
        try:
            done = await self._tries.update_one(
                {"_id": key, "until": {"$lte": at}}, {"$set": {"n": 1, "until": until}}, upsert=True
            )
        except Duplicate:
            return False
        return done.matched == 1 or done.upserted_id is not None


def _attempt(row: Mapping[str, Any] | None) -> Attempt | None:
    return None if row is None else Attempt.model_validate({**row, "id": row["_id"]})


class LoginSweep:
    """Removes what is over: attempts, counts of tries, and sessions past their absolute end."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._collections = [db[name] for name in ("login_attempt", "login_try", "login_session")]
        self._clock = clock

    async def run(self) -> int:
        """Remove everything whose ``until`` has passed; answer how much that was."""
        over = {"until": {"$lte": self._clock()}}
        return sum([await collection.delete_many(over) for collection in self._collections])
