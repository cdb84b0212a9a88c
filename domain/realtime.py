"""The way onto the hub: short-lived tokens with which a client of any kind connects.

A token names the login session that asked for it, so it dies with the session; it lives ten
minutes, and a client asks for another before that (REALTIME.md §8.4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock
from domain.errors import UpstreamDown
from domain.people import Person

T = TypeVar("T")

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


class StreamPosition(BaseModel):
    """Where a channel's stream stands: a client that subscribes from here misses nothing after."""

    model_config = ConfigDict(frozen=True)

    offset: int
    epoch: str


class Positions(Protocol):
    """Knows where streams stand."""

    async def position(self, channel: str) -> StreamPosition:
        """Answer where a channel's stream stands now.

        Raises:
            UpstreamDown: The broker does not answer.
        """


class Snapshot(BaseModel, Generic[T]):
    """What a live view showed, and the position from which to go on.

    ``position`` is ``None`` while the broker is away: the state is true, and to be asked for again.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    state: T
    position: StreamPosition | None


class RealtimeService:
    """Lets people onto the hub, and tells where to begin to listen."""

    def __init__(self, signer: TokenSigner, positions: Positions, *, clock: Clock) -> None:
        self._signer = signer
        self._positions = positions
        self._clock = clock

    async def snapshot(self, channel: str, read: Callable[[], Awaitable[T]]) -> Snapshot[T]:
        """Read a state together with the position of the channel that tells how it changes.

        The position is taken before the state is read: an event that came in between is in both,
        and a client that keeps the newest ``v`` of everything is not troubled by it. The other way
        round it would be in neither.
        """
        try:
            position = await self._positions.position(channel)
        except UpstreamDown:
            position = None
        return Snapshot(state=await read(), position=position)

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
