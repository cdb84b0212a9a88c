"""Who may do what: the seam where an application says yes.

The core asks an ``Authority`` before anything happens and takes its answer as final. It has no
opinion of its own: what an authority does not grant is refused. ``realtime.claims`` has the one
that decides by namespace options and tokens, as Centrifugo does; the product brings its own.

An authority refuses with ``Refused(codes.X)`` (the command is answered with that error) or
``HangUp(codes.X)`` (the connection ends). Any other exception is logged and answered with 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from realtime.broker import Position
from realtime.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a client says of itself when it connects.

    Attributes:
        token: From the connect command, perhaps empty.
        data: JSON text from the connect command, perhaps empty.
        headers: Of the HTTP request, lower-case names, cookies included.
        emulated: Headers the client put into the connect command.
        remote: Address of the peer.
        client: Connection id the core gave it.
    """

    token: str = ""
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    emulated: Mapping[str, str] = field(default_factory=dict)
    remote: str = ""
    name: str = ""
    version: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave to listen on a channel.

    Attributes:
        chan_info: JSON text others see beside the client on this channel.
        data: JSON text for the subscriber, in the reply.
        expire_at: Seconds since 1970 after which leave must be renewed, 0 for never.
        policy: Options in place of the channel's own, for a token that overrides them.
        since: Where the stream stood before ``data`` was read. A subscriber that asks for nothing
            in particular is sent what came after it with the reply, so that data and publications
            together miss nothing.
    """

    chan_info: bytes = b""
    data: bytes = b""
    expire_at: float = 0
    policy: Policy | None = None
    since: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a connection belongs to.

    Attributes:
        user: Stable id, empty for nobody in particular.
        info: JSON text that others on a channel see.
        data: JSON text for the client, in the reply.
        expire_at: Seconds since 1970 after which the connection must be renewed, 0 for never.
        channels: Server-side subscriptions, attached at once.
        session: Login session, by which connections can be closed; empty for none.
        subject: Whatever the application wants back in every question.
    """

    user: str = ""
    info: bytes = b""
    data: bytes = b""
    expire_at: float = 0
    channels: Mapping[str, Grant] = field(default_factory=dict)
    session: str = ""
    subject: object = None


class Authority(Protocol):
    """Says who a client is and what it may do."""

    def policy(self, channel: str) -> Policy | None:
        """Answer the options of a channel, or ``None`` if there is no such namespace."""

    async def connect(self, ask: Ask) -> Identity:
        """Answer who it is."""

    async def refresh(self, identity: Identity, token: str) -> Identity:
        """Answer who it is from now on; the user must stay the same."""

    async def subscribe(self, identity: Identity, channel: str, token: str, data: bytes) -> Grant:
        """Let a client listen. Also asked, without token, when rights may have changed."""

    async def sub_refresh(self, identity: Identity, channel: str, token: str) -> Grant:
        """Let a client listen for longer."""

    async def recheck(self, identity: Identity, channel: str) -> bool:
        """Tell whether a subscription that was granted is still allowed.

        Raises:
            Refused: It cannot be told now; the client must ask anew.
        """

    async def publish(
        self, identity: Identity, channel: str, data: bytes, *, subscribed: bool
    ) -> bytes | None:
        """Let a client publish; answer the data to publish, or ``None`` if it was dealt with."""

    async def presence(self, identity: Identity, channel: str, *, subscribed: bool) -> None:
        """Let a client ask who is there."""

    async def history(self, identity: Identity, channel: str, *, subscribed: bool) -> None:
        """Let a client ask what was said."""

    async def rpc(self, identity: Identity, method: str, data: bytes) -> bytes:
        """Do what the application does under that name, and answer JSON text."""

    async def send(self, identity: Identity, data: bytes) -> None:
        """Take a message that wants no answer."""
