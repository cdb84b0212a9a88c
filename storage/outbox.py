"""The outbox: what must be announced or sent is written down first, and goes out at least once.

::

    outbox {_id, kind, line, body, at, due, state: waiting|done|dead, tries, owner, error,
            created_at, done_at, dead_at}

The ``_id`` is a natural key (``notice.issue:<notice>:<person>``), so that writing twice is writing
once, and it travels with the message as its idempotency key. Claiming moves ``due`` into the future
and counts the try; if the claimant dies, the message is simply due again. Whoever finishes late
finds that the count has moved on and changes nothing. ``at`` is when it was first due.

The messages of one ``line`` (a channel) go out one after the other, in the order in which they were
written, whoever sends them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pymongo import UpdateOne

from domain.clock import Clock
from storage.client import Database, Document, Duplicate

_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Message:
    """Something that is to go out; ``key`` is also its idempotency key.

    ``line`` names what it must not overtake or be overtaken in; empty for messages that stand
    alone.
    """

    key: str
    kind: str
    line: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    due: datetime | None = None
    at: datetime | None = None
    tries: int = 0


@dataclass(frozen=True, kw_only=True)
class Buried:
    """A message that nobody could send, and why."""

    key: str
    kind: str
    line: str
    tries: int
    error: str
    created_at: datetime
    dead_at: datetime | None


class Outbox:
    """Writes messages down and hands them out, to one claimant at a time."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._outbox = db["outbox"]
        self.clock = clock
        self.written = asyncio.Event()

    async def put(self, messages: Iterable[Message]) -> None:
        """Write messages down; those that are there already stay as they are."""
        now = self.clock()
        writes = [
            UpdateOne(
                {"_id": message.key},
                {
                    "$setOnInsert": {
                        "kind": message.kind,
                        "line": message.line,
                        "body": dict(message.body),
                        "at": message.due or now,
                        "due": message.due or now,
                        "state": "waiting",
                        "tries": 0,
                        "created_at": now,
                    }
                },
                upsert=True,
            )
            for message in messages
        ]
        for start in range(0, len(writes), _AT_ONCE):
            # Where somebody writes the same message at the same moment, all is done that was asked.
            with suppress(Duplicate):
                await self._outbox.bulk(writes[start : start + _AT_ONCE])
        self.written.set()

    async def claim(
        self,
        owner: str,
        seconds: float,
        *,
        key: str = "",
        not_kinds: Collection[str] = (),
        not_lines: Collection[str] = (),
    ) -> Message | None:
        """Answer the message that has been due for longest, ours for ``seconds``; or ``None``.

        Args:
            owner: Who claims.
            seconds: How long it is ours.
            key: Only this one.
            not_kinds: None of these kinds.
            not_lines: None of these lines.
        """
        now = self.clock()
        wanted: dict[str, Any] = {"state": "waiting", "due": {"$lte": now}}
        if key:
            wanted["_id"] = key
        if not_kinds:
            wanted["kind"] = {"$nin": list(not_kinds)}
        if not_lines:
            wanted["line"] = {"$nin": list(not_lines)}
        kept = await self._outbox.find_one_and_update(
            wanted,
            {
                "$set": {"due": now + timedelta(seconds=seconds), "owner": owner},
                "$inc": {"tries": 1},
            },
            sort=[("due", 1), ("_id", 1)],
        )
        if kept is None:
            return None
        return Message(
            key=kept["_id"],
            kind=kept["kind"],
            line=kept.get("line", ""),
            body=kept["body"],
            due=kept["due"],
            at=kept.get("at"),
            tries=kept["tries"],
        )

    async def first(self, line: str) -> str:
        """Answer the key of the message of a line that must go next; empty if none waits."""
        kept = await self._outbox.find_one(
            {"line": line, "state": "waiting"},
            projection={"_id": 1},
            sort=[("created_at", 1), ("_id", 1)],
        )
        return "" if kept is None else str(kept["_id"])

    async def done(self, message: Message) -> None:
        """Mark a claimed message as gone out; the mark itself goes after a week."""
        await self._settle(message, {"$set": {"state": "done", "done_at": self.clock()}})

    async def again(self, message: Message, seconds: float, error: str) -> None:
        """Give a claimed message back, to be due in ``seconds``."""
        due = self.clock() + timedelta(seconds=seconds)
        await self._settle(message, {"$set": {"due": due, "error": error}})

    async def untouched(self, message: Message) -> None:
        """Give a claimed message back as if it had never been claimed: it could not be tried."""
        due = message.at or self.clock()
        await self._settle(message, {"$set": {"due": due}, "$inc": {"tries": -1}})

    async def bury(self, message: Message, error: str) -> None:
        """Put a claimed message aside that nobody could send; ``revive`` brings it back."""
        grave = {"state": "dead", "error": error, "dead_at": self.clock()}
        await self._settle(message, {"$set": grave})

    async def revive(self, key: str) -> bool:
        """Make a buried message due now; ``False`` if there is no such one."""
        now = self.clock()
        done = await self._outbox.update_one(
            {"_id": key, "state": "dead"},
            {"$set": {"state": "waiting", "due": now, "at": now, "tries": 0}},
        )
        self.written.set()
        return done.modified == 1

    async def buried(self, *, limit: int = 100) -> Sequence[Buried]:
        """Answer the messages that nobody could send, the oldest first."""
        found = await self._outbox.find(
            {"state": "dead"}, sort=[("due", 1), ("_id", 1)], limit=limit
        )
        return [_buried(kept) for kept in found]

    async def dead(self) -> int:
        """Count the buried messages."""
        return await self._outbox.count({"state": "dead"})

    async def waiting(self) -> int:
        """Count the messages that are to go out."""
        return await self._outbox.count({"state": "waiting"})

    async def lag(self) -> float:
        """Answer for how many seconds the oldest message has been due for the first time, or 0."""
        now = self.clock()
        oldest = await self._outbox.find_one(
            {"state": "waiting", "at": {"$lte": now}}, projection={"at": 1}, sort=[("at", 1)]
        )
        return 0.0 if oldest is None else float((now - oldest["at"]).total_seconds())

    async def _settle(self, message: Message, change: Mapping[str, Any]) -> None:
        """Change a message that is still ours."""
        await self._outbox.update_one(
            {"_id": message.key, "state": "waiting", "tries": message.tries}, change
        )


def _buried(kept: Document) -> Buried:
    return Buried(
        key=kept["_id"],
        kind=kept["kind"],
        line=kept.get("line", ""),
        tries=kept["tries"],
        error=kept.get("error", ""),
        created_at=kept["created_at"],
        dead_at=kept.get("dead_at"),
    )
