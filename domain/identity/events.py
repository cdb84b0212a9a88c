"""What is announced about logins: to the person, and to those who keep watch."""

from __future__ import annotations

from typing import ClassVar, Literal

from domain.events import Event
from domain.people import AccountState

SUSPENDED = (4501, "suspended")
"""Close code and reason, terminal: the account was suspended."""
REPLACED = (4502, "replaced")
"""Close code and reason, terminal: the person logged in on another device, which took over."""
REVOKED = (4504, "session revoked")
"""Close code and reason, terminal: the session was ended."""


class SessionRevoked(Event):
    """A login session ended before its time; ``reason`` is one of a few stable words."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["session.revoked"] = "session.revoked"
    session_id: str
    reason: str


class AccountChanged(Event):
    """An account has a new state."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["account.state"] = "account.state"
    state: AccountState


class DeviceNew(Event):
    """Somebody logged in with a device that this person has not used before."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["device.new"] = "device.new"
    device_id: str
    name: str


class AuthBurst(Event):
    """Many failed attempts in a short time; ``kind`` says of what. It names nobody."""

    channels: ClassVar[tuple[str, ...]] = ("ops",)

    type: Literal["auth.burst"] = "auth.burst"
    kind: str
    count: int
    seconds: int
