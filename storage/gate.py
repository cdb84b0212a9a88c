"""The queue before the driver: first come, first served, with an end to everybody's patience.

Without it the driver hands its connections out unfairly: with more callers than connections some
wait for the whole run. Here everybody waits about as long, and nobody longer than a few seconds.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from pymongo.errors import PyMongoError

from storage.errors import away, refusal


class Gate:
    """A first-come-first-served queue before the driver.

    Args:
        places: How many calls may be with the driver at once.
        patience: Seconds a call waits for its place before it is refused.
        waiting: How many calls may wait; the next one is refused at once.
        timeout: Seconds one call may hold its place.
    """

    def __init__(self, places: int, *, patience: float, waiting: int, timeout: float) -> None:
        self._places = asyncio.Semaphore(places)
        self._patience = patience
        self._room = waiting
        self.timeout = timeout
        self.queued = 0

    def turn(self) -> Turn:
        """Answer a block that waits for a place, holds it, and translates what the driver says.

        Entering and leaving it raise ``UpstreamDown`` where no place became free, or the server did
        not answer, in time; leaving it raises what ``storage.errors`` says.
        """
        return Turn(self)

    async def enter(self) -> None:
        """Wait for a place.

        Raises:
            UpstreamDown: No place became free in time.
        """
        if self._places.locked():
            await self._queue()
        else:
            await self._places.acquire()

    def leave(self) -> None:
        """Give a place back."""
        self._places.release()

    async def _queue(self) -> None:
        if self.queued >= self._room:
            raise away("系统繁忙，请稍后再试", retry_after=self._patience)
        self.queued += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            raise away("系统繁忙，请稍后再试", retry_after=self._patience) from None
        finally:
            self.queued -= 1


class Turn:
    """One place at the gate. Every call of the house passes here, so it is written out by hand."""

    __slots__ = ("_cancelled", "_gate", "_scope", "_task")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __aenter__(self) -> None:
        await self._gate.enter()
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
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise away() from late
        finally:
            self._gate.leave()
        # The driver sometimes forgets that it was cancelled, and answers or fails instead (4.20).
        forgot = self._task is not None and self._task.cancelling() > self._cancelled
        if forgot and not isinstance(error, asyncio.CancelledError):
            raise asyncio.CancelledError from error
        if isinstance(error, PyMongoError):
            said = refusal(error)
            if said is not None:
                raise said from error
