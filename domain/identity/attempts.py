"""Attempts: the short-lived things that stand between a stranger and a session.

A round trip to WeChat, a ticket for a next step, a binding waiting for its SMS code, a code on a
PC's screen: each is one row with a state, found by the hash of a secret, gone soon after it ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field


class Attempt(BaseModel):
    """One attempt.

    Attributes:
        id: Hash of a secret, or a ULID where knowing it is not enough.
        kind: ``oauth``, ``ticket``, ``binding``, ``code`` or ``qr``.
        state: Where it stands; what the words mean is the kind's business.
        person_id: Whom it is about, or empty while nobody knows.
        data: What the kind keeps besides; sealed or hashed where it is personal.
        until: When it is over.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    state: str = "open"
    person_id: str = ""
    data: Mapping[str, Any] = Field(default_factory=dict, repr=False)
    created_at: datetime
    until: datetime


class AttemptStore(Protocol):
    """Where attempts are kept."""

    async def add(self, attempt: Attempt) -> None:
        """Keep a new attempt."""

    async def get(self, kind: str, attempt_id: str, *, at: datetime) -> Attempt | None:
        """Answer an attempt that is not over, whatever its state."""

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
        """Take an attempt that is not over from one state to another, once.

        ``person_id`` and ``data`` replace those fields where they are given; ``data`` by key.
        Answers it as it is afterwards, or ``None`` if it was not in state ``was`` any more.
        """
