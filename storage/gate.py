"""The queue before the driver: first come, first served, with an end to everybody's patience.

Without it the driver hands its connections out unfairly: with more callers than connections some
wait for the whole run. Here everybody waits about as long, and nobody longer than a few seconds.

The gate also remembers that the server is away. From the first call that found nobody until the
first that is answered again, one call at a time goes and sees; the others wait a moment for what it
finds, and are refused if it finds nothing. So an outage costs each caller a moment, not the seconds
that the driver spends looking for a server, and the places are free when the server comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from pymongo.errors import PyMongoError

from domain.errors import UpstreamDown
from storage.errors import away, refusal


class Gate:
    """A first-come-first-served queue before the driver.

    Args:
        places: How many calls may be with the driver at once.
        patience: Seconds a call waits for its place before it is refused.
        waiting: How many calls may wait; the next one is refused at once.
        timeout: Seconds one call may hold its place.
        moment: Seconds a call waits for another one to see whether the server is back.
    """

    def __init__(
        self,
        places: int,
        *,
        patience: float,
        waiting: int,
        timeout: float,
        moment: float = 0.5,
    ) -> None:
        self._places = asyncio.Semaphore(places)
        self._patience = patience
        self._room = waiting
        self._moment = moment
        self._there = asyncio.Event()
        self._there.set()
        self._scout: Turn | None = None
        self.timeout = timeout
        self.queued = 0

    @property
    def away(self) -> bool:
        """Whether the server did not answer the last time, and nobody has reached it since."""
        return not self._there.is_set()

    def turn(self) -> Turn:
        """Answer a block that waits for a place, holds it, and translates what the driver says.

        Entering and leaving it raise ``UpstreamDown`` where no place became free, or the server did
        not answer, in time; leaving it raises what ``storage.errors`` says.
        """
        return Turn(self)

    async def enter(self, turn: Turn) -> None:
        """Wait for a place.

        Raises:
            UpstreamDown: No place became free in time, or the server is away.
        """
        if self.away and not self._sent(turn):
            await self._wait(self._there.wait(), self._moment, away)
        try:
            if self._places.locked():
                await self._wait(self._places.acquire(), self._patience, _busy)
            else:
                await self._places.acquire()
        except BaseException:
            self._back(turn)
            raise
        # It may have gone while this call stood in the queue.
        if self.away and not self._sent(turn):
            self._places.release()
            raise away()

    def leave(self, turn: Turn, *, answered: bool | None) -> None:
        """Give a place back; ``answered`` tells what was seen of the server, if anything."""
        self._places.release()
        self._back(turn)
        if answered is False:
            self._there.clear()
        elif answered:
            self._there.set()

    def _sent(self, turn: Turn) -> bool:
        """Tell whether this is the call that goes and sees; it is if nobody else does."""
        self._scout = self._scout or turn
        return self._scout is turn

    def _back(self, turn: Turn) -> None:
        if self._scout is turn:
            self._scout = None

    async def _wait(
        self,
        something: Coroutine[Any, Any, object],
        seconds: float,
        refused: Callable[[], UpstreamDown],
    ) -> None:
        if self.queued >= self._room:
            something.close()
            raise _busy()
        self.queued += 1
        try:
            async with asyncio.timeout(seconds):
                await something
        except TimeoutError:
            raise refused() from None
        finally:
            self.queued -= 1


def _busy() -> UpstreamDown:
    return away("系统繁忙，请稍后再试")


class Turn:
    """One place at the gate. Every call of the house passes here, so it is written out by hand."""

    __slots__ = ("_cancelled", "_gate", "_scope", "_task")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __aenter__(self) -> None:
        await self._gate.enter(self)
        self._task = asyncio.current_task()
        self._cancelled = self._task.cancelling() if self._task else 0
        self._scope = asyncio.timeout(self._gate.timeout)
        await self._scope.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        answered: bool | None = True if error is None else None
        try:
            await self._scope.__aexit__(kind, error, trace)
            # The driver sometimes forgets that it was cancelled: it answers, or fails (4.20).
            forgot = self._task is not None and self._task.cancelling() > self._cancelled
            if forgot and not isinstance(error, asyncio.CancelledError):
                raise asyncio.CancelledError from error
            if isinstance(error, PyMongoError):
                said = refusal(error)
                answered = not isinstance(said, UpstreamDown)
                if said is not None:
                    raise said from error
        except TimeoutError as late:
            answered = False
            raise away() from late
        finally:
            self._gate.leave(self, answered=answered)
