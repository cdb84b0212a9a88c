"""The outbox: what must be announced or sent is written down first, and goes out at least once.

::

    outbox {_id, kind, line, body, at, due, state: waiting|done|dead, tries, owner, error,
            created_at, done_at, dead_at}

The ``_id`` is a natural key (``notice.issue:<notice>:<person>``), so that writing twice is writing
once, and it travels with the message as its idempotency key. Claiming moves ``due`` into the future
and counts the try; if the claimant dies, the message is simply due again. Whoever finishes late
finds that the count has moved on and changes nothing. ``at`` is when it was first due.

The messages of one ``line`` (a channel) go out one after the other, in the order in which they were
written, whoever sends them; ``created_at`` is that order, and no two of a process have the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cachetools import LRUCache
from pymongo import UpdateOne

from domain.clock import Clock, new_ulid
from storage.client import Database, Document, Duplicate

_AT_ONCE = 1000
_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True)
class Message:
    """Something that is to go out; ``key`` is also its idempotency key.

    ``line`` names what it must not overtake or be overtaken in; empty for messages that stand
    alone. ``written`` is when it was written down.
    """

    key: str
    kind: str
    line: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    due: datetime | None = None
    at: datetime | None = None
    written: datetime | None = None
    tries: int = 0

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it stands in its line."""
        return self.written or datetime.max.replace(tzinfo=UTC), self.key


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
        self._last: LRUCache[str, datetime] = LRUCache(10_000)

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
                        "created_at": self._place(message.line, now),
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

    def _place(self, line: str, now: datetime) -> datetime:
        """Answer an instant after that of every message this process has written in a line."""
        if not line:
            return now
        last = self._last.get(line)
        self._last[line] = now if last is None else max(now, last + _TICK)
        return self._last[line]

    async def claim(self, owner: str, seconds: float, *, key: str = "") -> Message | None:
        """Answer the message that has been due for longest, ours for ``seconds``; or ``None``.

        With ``key`` only that one, if it is due.
        """
        now = self.clock()
        wanted: dict[str, Any] = {"state": "waiting", "due": {"$lte": now}}
        if key:
            wanted["_id"] = key
        kept = await self._outbox.find_one_and_update(
            wanted, _claimed(now, seconds, owner), sort=[("due", 1), ("_id", 1)]
        )
        return None if kept is None else _message(kept)

    async def claim_some(
        self,
        owner: str,
        seconds: float,
        *,
        most: int,
        not_kinds: Collection[str] = (),
        not_lines: Collection[str] = (),
    ) -> list[Message]:
        """Answer messages of one kind that have been due for longest, ours for ``seconds``.

        Args:
            owner: Who claims.
            seconds: How long they are ours.
            most: How many.
            not_kinds: None of these kinds.
            not_lines: None of these lines.
        """
        now = self.clock()
        wanted: dict[str, Any] = {"state": "waiting", "due": {"$lte": now}}
        if not_kinds:
            wanted["kind"] = {"$nin": list(not_kinds)}
        if not_lines:
            wanted["line"] = {"$nin": list(not_lines)}
        rows = await self._outbox.find(wanted, sort=[("due", 1), ("_id", 1)], limit=most)
        rows = [row for row in rows if row["kind"] == rows[0]["kind"]]
        if not rows:
            return []
        keys = {"_id": {"$in": [row["_id"] for row in rows]}}
        # Whose it is must be told apart from what the same claimant took before.
        mine = f"{owner}/{new_ulid()}"
        change = _claimed(now, seconds, mine)
        done = await self._outbox.update_many({**wanted, **keys}, change)
        if done.matched == len(rows):
            due = now + timedelta(seconds=seconds)
            return [_message({**row, "due": due, "tries": row["tries"] + 1}) for row in rows]
        rows = await self._outbox.find({**keys, "state": "waiting", "owner": mine})
        return sorted(map(_message, rows), key=lambda it: (it.at or now, it.key))

    async def ahead(self, messages: Sequence[Message]) -> dict[str, tuple[datetime, str]]:
        """Answer who stands first in the lines of messages among those that are not of them.

        Answers their places; a line that is not named has nobody else before the messages.
        """
        lines = {message.line for message in messages if message.line}
        if not lines:
            return {}
        last = max(message.place[0] for message in messages if message.line)
        rows = await self._outbox.find(
            {
                "line": {"$in": sorted(lines)},
                "state": "waiting",
                "created_at": {"$lte": last},
                "_id": {"$nin": [message.key for message in messages]},
            },
            projection={"line": 1, "created_at": 1},
            sort=[("created_at", 1), ("_id", 1)],
            limit=_AT_ONCE,
        )
        first: dict[str, tuple[datetime, str]] = {}
        if len(rows) == _AT_ONCE:
            # Where the list ends may be the place of anybody.
            end = (rows[-1]["created_at"], rows[-1]["_id"])
            first = dict.fromkeys(lines, end)
        for row in reversed(rows):
            first[row["line"]] = (row["created_at"], row["_id"])
        return first

    async def first(self, line: str) -> str:
        """Answer the key of the message of a line that must go next; empty if none waits."""
        kept = await self._outbox.find_one(
            {"line": line, "state": "waiting"},
            projection={"_id": 1},
            sort=[("created_at", 1), ("_id", 1)],
        )
        return "" if kept is None else str(kept["_id"])

    async def done(self, *messages: Message) -> None:
        """Mark claimed messages as gone out; the mark itself goes after a week."""
        gone = {"$set": {"state": "done", "done_at": self.clock()}}
        await self._settle([(message, gone) for message in messages])

    async def again(self, message: Message, seconds: float, error: str) -> None:
        """Give a claimed message back, to be due in ``seconds``."""
        due = self.clock() + timedelta(seconds=seconds)
        await self._settle([(message, {"$set": {"due": due, "error": error}})])

    async def untouched(self, *messages: Message) -> None:
        """Give claimed messages back as if they had never been claimed: they were not tried."""
        now = self.clock()
        await self._settle(
            [
                (message, {"$set": {"due": message.at or now}, "$inc": {"tries": -1}})
                for message in messages
            ]
        )

    async def bury(self, message: Message, error: str) -> None:
        """Put a claimed message aside that nobody could send; ``revive`` brings it back."""
        grave = {"state": "dead", "error": error, "dead_at": self.clock()}
        await self._settle([(message, {"$set": grave})])

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

    async def _settle(self, changes: Sequence[tuple[Message, Mapping[str, Any]]]) -> None:
        """Change messages that are still ours."""
        await self._outbox.bulk(
            [
                UpdateOne({"_id": message.key, "state": "waiting", "tries": message.tries}, change)
                for message, change in changes
            ]
        )


def _claimed(now: datetime, seconds: float, owner: str) -> dict[str, Any]:
    due = now + timedelta(seconds=seconds)
    return {"$set": {"due": due, "owner": owner}, "$inc": {"tries": 1}}


def _message(kept: Document) -> Message:
    return Message(
        key=kept["_id"],
        kind=kept["kind"],
        line=kept.get("line", ""),
        body=kept["body"],
        due=kept["due"],
        at=kept.get("at"),
        written=kept.get("created_at"),
        tries=kept["tries"],
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
