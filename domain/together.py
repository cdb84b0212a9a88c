"""Work that waits at the same moment is done together, and everybody gets an answer of their own.

Whoever gets the turn does the work for all who wait by then; somebody who comes alone waits for
nobody, and nobody waits for a crowd to gather. Where the work fails for several it is done again
for each by itself, so that a failure reaches the one who caused it; the work must bear that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from domain.errors import DomainError, UpstreamDown

A = TypeVar("A")
R = TypeVar("R")


class _Asked(Generic[A, R]):
    """Somebody who waits."""

    def __init__(self, one: A) -> None:
        self.one = one
        self.settled = False
        self.answer: R | Exception | None = None

    def settle(self, answer: R | Exception) -> None:
        self.answer, self.settled = answer, True


class Together(Generic[A, R]):
    """Takes those who wait through one piece of work.

    Args:
        work: Answers for each, in their order, what came of it, or the refusal that is theirs.
        most: How many go together.
    """

    def __init__(
        self, work: Callable[[Sequence[A]], Awaitable[Sequence[R | DomainError]]], *, most: int
    ) -> None:
        self._work = work
        self._most = most
        self._waiting: deque[_Asked[A, R]] = deque()
        self._turn = asyncio.Lock()

    async def ask(self, one: A) -> R:
        """Answer what came of it; the work began after this call.

        Raises:
            DomainError: It was refused, or could not be done.
        """
        asked: _Asked[A, R] = _Asked(one)
        self._waiting.append(asked)
        try:
            async with self._turn:
                # Those who arrive in this turn of the loop come along.
                await asyncio.sleep(0)
                while not asked.settled:
                    await self._some()
        finally:
            # Who has gone away is not served an hour later, when somebody else comes.
            with suppress(ValueError):
                self._waiting.remove(asked)
        if isinstance(asked.answer, Exception):
            raise asked.answer
        return asked.answer  # type: ignore[return-value]

    async def _some(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            await self._done(batch)
        except UpstreamDown as down:
            for asked in batch:
                asked.settle(down)
        except Exception:  # noqa: BLE001 - each learns by itself whether it is theirs
            for asked in batch:
                await self._alone(asked)
        finally:
            # Only cancellation leaves any; the others wait for the next in turn.
            self._waiting.extendleft(it for it in reversed(batch) if not it.settled)

    async def _alone(self, asked: _Asked[A, R]) -> None:
        try:
            await self._done([asked])
        except Exception as error:  # noqa: BLE001 - told to who asked
            asked.settle(error)

    async def _done(self, batch: Sequence[_Asked[A, R]]) -> None:
        answers = await self._work([it.one for it in batch])
        for asked, answer in zip(batch, answers, strict=True):
            asked.settle(answer)
