"""The relay: sends what the outbox holds, each line in order, and knows whose fault a failure is.

Where the neighbour does not answer (``UpstreamDown``) the message is given back untried and its
whole kind rests, for pauses that double up to fifteen seconds: an outage of any length costs
nothing but time. Any other failure is the message's own. It is tried again a few times, the rest of
its line waiting behind it, and then buried, so that one poisoned message does not stop a channel.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import UpstreamDown
from storage.outbox import Message, Outbox

log = logging.getLogger(__name__)

FIRST_REST = 0.5
LONGEST_REST = 15.0
ELSEWHERE = 1.0
"""Seconds for which a line that another relay is at is left to it."""
_MOST_LINES = 500
_AT_ONCE = 50
_WHILE = 1.0
"""Seconds for which messages are sent before the rest is left to whoever is free."""

Publish = Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class _Rest:
    """A kind whose neighbour does not answer."""

    until: datetime
    seconds: float


class OutboxRelay:
    """Sends what the outbox holds, in the order in which it became due.

    Several relays may run, in one process or many. ``publish`` may see a message again after a
    crash or a time-out and must use its key to do the work once.

    Args:
        outbox: Where the messages are.
        publish: Sends one message. ``UpstreamDown`` means that nothing can be sent now; any other
            exception that this message did not go.
        owner: Name of this process.
        claim: Seconds within which ``publish`` must be done.
        idle: Seconds between looks when nothing is due and nothing is written here.
        tries: Attempts before a message is buried.

    Attributes:
        counted: Messages by what became of them: ``sent``, ``waited``, ``failed``, ``buried``.
    """

    def __init__(
        self,
        outbox: Outbox,
        publish: Publish,
        *,
        owner: str,
        claim: float = 30.0,
        idle: float = 1.0,
        tries: int = 5,
    ) -> None:
        self._outbox = outbox
        self._publish = publish
        self._owner = owner
        self._claim = claim
        self._idle = idle
        self._tries = tries
        self._resting: dict[str, _Rest] = {}
        self._elsewhere: dict[str, datetime] = {}
        self.counted: Counter[str] = Counter(sent=0, waited=0, failed=0, buried=0)

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
        """Deal with some messages of one kind; ``False`` if there is none to be dealt with now."""
        now, begun = self._outbox.clock(), asyncio.get_running_loop().time()
        self._elsewhere = {line: at for line, at in self._elsewhere.items() if at > now}
        claimed = await self._outbox.claim_some(
            self._owner,
            self._claim,
            most=_AT_ONCE,
            not_kinds=[kind for kind, rest in self._resting.items() if rest.until > now],
            not_lines=list(self._elsewhere)[:_MOST_LINES],
        )
        if claimed:
            await self._send(await self._in_turn(claimed), begun)
        return bool(claimed)

    async def _in_turn(self, claimed: Sequence[Message]) -> list[Message]:
        """Answer what may go now, ours, in order; give back what somebody else's must precede."""
        lines = {
            line: iter(sorted((it for it in claimed if it.line == line), key=lambda it: it.place))
            for line in {it.line for it in claimed if it.line}
        }
        ordered = [next(lines[it.line]) if it.line else it for it in claimed]
        ahead = await self._outbox.ahead(claimed)
        may = [it for it in ordered if it.line not in ahead or it.place < ahead[it.line]]
        going = {it.key for it in may}
        back = [it for it in ordered if it.key not in going]
        await self._outbox.untouched(*back)
        for line in {it.line for it in back} - {it.line for it in may}:
            first = await self._outbox.first(line)
            instead = (
                await self._outbox.claim(self._owner, self._claim, key=first) if first else None
            )
            if instead is None:
                until = self._outbox.clock() + timedelta(seconds=ELSEWHERE)
                self._elsewhere[line] = until
            else:
                may.append(instead)
        return may

    async def _send(self, messages: Sequence[Message], begun: float) -> None:
        """Send messages for a while; what there was no time for is given back."""
        now = asyncio.get_running_loop().time
        # A little less than the claim, so that two processes do not send at the same time.
        end, enough = begun + self._claim * 0.9, begun + min(_WHILE, self._claim / 2)
        left, sent, stuck = list(messages), [], set()
        try:
            while left and now() < enough:
                message = next((it for it in left if it.line not in stuck), None)
                if message is None:
                    break
                try:
                    async with asyncio.timeout_at(end):
                        await self._publish(message)
                except UpstreamDown as down:
                    self._rest(message.kind, down)
                    break
                except Exception as error:  # noqa: BLE001 - whatever went wrong, it stays
                    left.remove(message)
                    # The rest of its line waits behind it.
                    stuck |= {message.line} - {""}
                    await self._failed(message, error)
                else:
                    left.remove(message)
                    self._resting.pop(message.kind, None)
                    self.counted["sent"] += 1
                    sent.append(message)
        finally:
            await self._outbox.done(*sent)
            await self._outbox.untouched(*left)

    def _rest(self, kind: str, down: UpstreamDown) -> None:
        known = self._resting.get(kind)
        seconds = FIRST_REST if known is None else min(LONGEST_REST, known.seconds * 2)
        until = self._outbox.clock() + timedelta(seconds=seconds)
        self._resting[kind] = _Rest(until, seconds)
        self.counted["waited"] += 1
        if known is None:
            log.warning("outbox: %s waits until its neighbour answers: %s", kind, down)

    async def _failed(self, message: Message, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"[:500]
        if message.tries >= self._tries:
            log.error(
                "outbox: %s buried after %d tries, see `main.py outbox list`: %s",
                message.key, message.tries, reason,
            )  # fmt: skip
            self.counted["buried"] += 1
            await self._outbox.bury(message, reason)
            return
        log.warning("outbox: %s did not go (try %d): %s", message.key, message.tries, reason)
        self.counted["failed"] += 1
        await self._outbox.again(message, min(300.0, 2.0 ** (message.tries - 1)), reason)
