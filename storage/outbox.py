"""The outbox: what must be announced or sent is written down first, and goes out at least once.

::

    outbox {_id, kind, body, due, state: waiting|done|dead, tries, owner, error,
            created_at, done_at}

The ``_id`` is a natural key (``notice.issue:<notice>:<person>``), so that writing twice is writing
once, and it travels with the message as its idempotency key. Claiming moves ``due`` into the future
and counts the try; if the claimant dies, the message is simply due again. Whoever finishes late
finds that the count has moved on and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pymongo import UpdateOne

from domain.clock import Clock
from domain.errors import UpstreamDown
from storage.client import Database, Duplicate

log = logging.getLogger(__name__)

_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Message:
    """Something that is to go out; ``key`` is also its idempotency key."""

    key: str
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)
    due: datetime | None = None
    tries: int = 0


Publish = Callable[[Message], Awaitable[None]]


class Outbox:
    """Writes messages down and hands them out, to one claimant at a time."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._outbox = db["outbox"]
        self._clock = clock
        self.written = asyncio.Event()

    async def put(self, messages: Iterable[Message]) -> None:
        """Write messages down; those that are there already stay as they are."""
        now = self._clock()
        writes = [
            UpdateOne(
                {"_id": message.key},
                {
                    "$setOnInsert": {
                        "kind": message.kind,
                        "body": dict(message.body),
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

    async def claim(self, owner: str, seconds: float) -> Message | None:
        """Answer the message that has been due for longest, ours for ``seconds``; or ``None``."""
        now = self._clock()
        kept = await self._outbox.find_one_and_update(
            {"state": "waiting", "due": {"$lte": now}},
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
            body=kept["body"],
            due=kept["due"],
            tries=kept["tries"],
        )

    async def done(self, message: Message) -> None:
        """Mark a claimed message as gone out; the mark itself goes after a week."""
        await self._settle(message, {"state": "done", "done_at": self._clock()})

    async def again(self, message: Message, seconds: float, error: str) -> None:
        """Give a claimed message back, to be due in ``seconds``."""
        due = self._clock() + timedelta(seconds=seconds)
        await self._settle(message, {"due": due, "error": error})

    async def bury(self, message: Message, error: str) -> None:
        """Put a claimed message aside that nobody could send; ``revive`` brings it back."""
        await self._settle(message, {"state": "dead", "error": error})

    async def revive(self, key: str) -> bool:
        """Make a buried message due now; ``False`` if there is no such one."""
        done = await self._outbox.update_one(
            {"_id": key, "state": "dead"},
            {"$set": {"state": "waiting", "due": self._clock(), "tries": 0}},
        )
        self.written.set()
        return done.modified == 1

    async def dead(self) -> int:
        """Count the buried messages."""
        return await self._outbox.count({"state": "dead"})

    async def lag(self) -> float:
        """Answer for how many seconds the oldest due message has been waiting, or 0."""
        oldest = await self._outbox.find_one({"state": "waiting"}, sort=[("due", 1)])
        if oldest is None:
            return 0.0
        due: datetime = oldest["due"]
        return max(0.0, (self._clock() - due).total_seconds())

    async def _settle(self, message: Message, change: Mapping[str, Any]) -> None:
        """Change a message that is still ours."""
        await self._outbox.update_one(
            {"_id": message.key, "state": "waiting", "tries": message.tries}, {"$set": change}
        )


class OutboxRelay:
    """Sends what the outbox holds, in the order in which it became due.

    Several relays may run, in one process or many. ``publish`` may see a message again after a
    crash or a time-out and must use its key to do the work once.

    Args:
        outbox: Where the messages are.
        publish: Sends one message; an exception means that it did not go.
        owner: Name of this process.
        claim: Seconds within which ``publish`` must be done.
        idle: Seconds between looks when nothing is due and nothing is written here.
        tries: Attempts before a message is buried.
    """

    def __init__(
        self,
        outbox: Outbox,
        publish: Publish,
        *,
        owner: str,
        claim: float = 30.0,
        idle: float = 1.0,
        tries: int = 12,
    ) -> None:
        self._outbox = outbox
        self._publish = publish
        self._owner = owner
        self._claim = claim
        self._idle = idle
        self._tries = tries

    async def run(self) -> None:
        """Send for ever; to be supervised. Ending it in the midst of a message is harmless."""
        while True:
            self._outbox.written.clear()
            try:
                while await self.step():
                    pass
            except UpstreamDown:
                log.warning("outbox: the database does not answer, looking again soon")
                await asyncio.sleep(self._idle)
            try:
                async with asyncio.timeout(self._idle):
                    await self._outbox.written.wait()
            except TimeoutError:
                continue

    async def step(self) -> bool:
        """Send one message; ``False`` if none is due."""
        message = await self._outbox.claim(self._owner, self._claim)
        if message is None:
            return False
        try:
            # A little less than the claim, so that two processes do not send at the same time.
            async with asyncio.timeout(self._claim * 0.9):
                await self._publish(message)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the message stays
            await self._failed(message, error)
        else:
            await self._outbox.done(message)
        return True

    async def _failed(self, message: Message, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"[:500]
        if message.tries >= self._tries:
            log.error("outbox: %s buried after %d tries: %s", message.key, message.tries, reason)
            await self._outbox.bury(message, reason)
            return
        log.warning("outbox: %s did not go (try %d): %s", message.key, message.tries, reason)
        await self._outbox.again(message, min(300.0, 2.0 ** (message.tries - 1)), reason)
