"""Doing a thing once although it is asked for twice: the store behind ``Idempotency-Key``.

A client that did not hear the answer repeats its request with the same key. The first request
inserts a row before it does anything; whoever finds a row waits for nobody: a finished one repeats
its answer, a running one is refused, and one for a different request is refused for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

KEEP = timedelta(hours=24)
"""How long an answer is kept."""

LEASE = timedelta(minutes=2)
"""After this long a running request is taken for dead, and its key may be used again."""


@dataclass(frozen=True)
class Answer:
    """What was answered the first time."""

    status: int
    body: bytes


class IdempotencyStore(Protocol):
    """Rows by (person, key)."""

    async def begin(self, person_id: str, key: str, request: str) -> Answer | None:
        """Claim a key for a request, or answer what was answered the first time.

        Args:
            person_id: Who asks; keys of different people never meet.
            key: What the client chose.
            request: Hash of method, address and body.

        Raises:
            Invalid: The key was used for a different request.
            Conflict: The first request is still running.
        """

    async def finish(self, person_id: str, key: str, answer: Answer) -> None:
        """Keep the answer for ``KEEP``."""

    async def forget(self, person_id: str, key: str) -> None:
        """Give the key back: the request was refused and has changed nothing."""
