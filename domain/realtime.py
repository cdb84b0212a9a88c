"""The way onto the hub: short-lived tokens with which a client of any kind connects.

A token names the login session that asked for it, so it dies with the session; it lives ten
minutes, and a client asks for another before that (REALTIME.md §8.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock
from domain.people import Person

TOKEN_LIFE = timedelta(minutes=10)
AUDIENCE = "hub"


class ConnectionToken(BaseModel):
    """A token and the instant at which it stops being accepted."""

    model_config = ConfigDict(frozen=True)

    token: str
    expires_at: datetime


class TokenSigner(Protocol):
    """Signs the claims of a connection token."""

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Answer the claims as a signed JWT."""


class RealtimeService:
    """Lets people onto the hub."""

    def __init__(self, signer: TokenSigner, *, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock

    def now(self) -> datetime:
        """Answer the hub's time."""
        return self._clock()

    def token(self, *, by: Person) -> ConnectionToken:
        """Answer a fresh connection token for the session that speaks."""
        now = self._clock()
        until = now + TOKEN_LIFE
        claims = {
            "sub": by.id,
            "aud": AUDIENCE,
            "iat": int(now.timestamp()),
            "exp": int(until.timestamp()),
            "meta": {"session": by.session_id},
        }
        return ConnectionToken(token=self._signer.sign(claims), expires_at=until)
