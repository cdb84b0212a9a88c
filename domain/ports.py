"""What the house needs from outside: ports that ``storage``, ``gateways`` and ``server`` fill.

A port that only one feature needs (its store) is declared in that feature's module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from domain.events import Event


class Bus(Protocol):
    """The way to everybody who is connected. Nothing here waits for a client."""

    async def publish(self, channel: str, event: Event) -> None:
        """Announce an event on a channel; it is delivered at least once to those subscribed."""

    async def publish_all(self, said: Sequence[tuple[str, Event]]) -> None:
        """Announce events, each on a channel, in this order, as ``publish`` does one."""

    async def disconnect(self, person_id: str, *, code: int, reason: str) -> None:
        """Close every connection of a person, on every process, within two seconds."""

    async def disconnect_session(self, session_id: str, *, code: int, reason: str) -> None:
        """Close every connection that was opened with a login session, on every process."""

    async def recheck(self, person_id: str) -> None:
        """Judge every subscription of a person anew; those no longer allowed end with 2000."""


class AuditLog(Protocol):
    """The append-only, hash-chained record of who did what."""

    async def record(
        self,
        action: str,
        *,
        by: str,
        obj: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Append an entry, and return once it is stored.

        Args:
            action: What was done, ``<noun>.<verb>``, for example ``account.suspend``.
            by: Person id of the one who acted, or ``system``.
            obj: What it was done to, ``<kind>:<id>``.
            detail: JSON values only, no floats; never a secret and never a C3 value.
        """


class SmsGateway(Protocol):
    """Sends text messages."""

    async def send(self, phone: str, template: str, params: Mapping[str, str]) -> str:
        """Send one message and answer the provider's message id.

        Raises:
            UpstreamDown: The provider does not answer or refuses.
            NotConfigured: There is no provider.
        """


class Vault(Protocol):
    """Keeps C3 values: encrypts with a key outside the database, and blinds for look-up."""

    def seal(self, plain: str, *, context: str) -> bytes:
        """Encrypt a value; ``context`` (``<collection>.<field>:<id>``) is authenticated with it."""

    def open(self, sealed: bytes, *, context: str) -> str:
        """Decrypt what ``seal`` made for the same context.

        Raises:
            ValueError: The value was altered, or belongs to another context.
        """

    def blind(self, plain: str, *, domain: str) -> str:
        """Answer a keyed hash by which equal values of one domain can be found."""


class Limiter(Protocol):
    """Counts attempts in windows, for everybody at once."""

    async def hit(self, key: str, *, limit: int, seconds: float) -> None:
        """Count one attempt under ``key``.

        Raises:
            RateLimited: ``limit`` attempts were already made in the last ``seconds``.
        """
