"""Look-ups that wait at the same moment go to the database together.

A thousand people who come back at once are four thousand look-ups by id; the driver's work for
each call is ten times that of the document. Whoever gets the turn fetches for everybody who waits
by then; somebody who comes alone waits for nobody. What is answered was read after it was asked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from domain.errors import DomainError

T = TypeVar("T")

AT_ONCE = 100
"""Most keys in one call."""


class _Asked(Generic[T]):
    """One look-up that waits."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.settled = False
        self.found: T | None = None
        self.failure: DomainError | None = None


class Gathering(Generic[T]):
    """Gathers look-ups by key.

    Args:
        fetch: Answers what exists, by key; it must not leave out what exists.
    """

    def __init__(self, fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]]) -> None:
        self._fetch = fetch
        self._waiting: deque[_Asked[T]] = deque()
        self._turn = asyncio.Lock()

    async def get(self, key: str) -> T | None:
        """Answer what is there under a key, read after this call began, or ``None``.

        Raises:
            DomainError: It could not be read.
        """
        asked: _Asked[T] = _Asked(key)
        self._waiting.append(asked)
        async with self._turn:
            while not asked.settled:
                await self._fetch_some()
        if asked.failure is not None:
            raise asked.failure
        return asked.found

    async def _fetch_some(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        try:
            found = await self._fetch(list(dict.fromkeys(asked.key for asked in batch)))
        except DomainError as failure:
            for asked in batch:
                asked.failure, asked.settled = failure, True
        except BaseException:
            # Cancelled, or a mistake of ours: the others' look-ups wait for the next in turn.
            self._waiting.extendleft(reversed(batch))
            raise
        else:
            for asked in batch:
                asked.found, asked.settled = found.get(asked.key), True
