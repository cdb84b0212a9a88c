"""What carries a connection: bytes out, never waiting, and a way to hang up.

The protocol core is sans-I/O. A transport gives what arrives to ``Connection.receive`` and says
``Connection.lost`` once when the peer is gone; the core calls the methods below from the event
loop. ``framing`` says how a payload must be dressed, so that one encoding and one framing per
(codec, framing, delta variant) serves every receiver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Protocol

from realtime.frames import BINARY, TEXT, frame


class Framing(Enum):
    """How a payload is dressed for a kind of transport."""

    BARE = "bare"
    """As it is: the transport makes a message of it."""
    WEBSOCKET_TEXT = "websocket-text"
    """A finished WebSocket text frame, to be written to the socket as it is."""
    WEBSOCKET_BINARY = "websocket-binary"
    """A finished WebSocket binary frame."""
    LINES = "lines"
    """A line end behind it, for JSON over streaming HTTP."""
    EVENT = "event"
    """A server-sent event with one data line for each message."""


def _event(payload: bytes) -> bytes:
    return b"data: " + payload.replace(b"\n", b"\n\ndata: ") + b"\n\n"


ENFRAME: Mapping[Framing, Callable[[bytes], bytes]] = {
    Framing.BARE: bytes,
    Framing.WEBSOCKET_TEXT: lambda payload: frame(payload, TEXT),
    Framing.WEBSOCKET_BINARY: lambda payload: frame(payload, BINARY),
    Framing.LINES: lambda payload: payload + b"\n",
    Framing.EVENT: _event,
}


class Transport(Protocol):
    """One way to one client."""

    @property
    def name(self) -> str:
        """``websocket``, ``http_stream`` or ``sse``."""

    @property
    def framing(self) -> Framing:
        """How what is given to ``write`` must be dressed."""

    @property
    def pending(self) -> int:
        """Bytes that were given to ``write`` and have not left yet.

        When it returns to 0 after having been above, the transport calls ``Connection.drained``.
        """

    def write(self, frame: bytes) -> None:
        """Send a frame, or keep it until the socket takes it; never wait, never raise."""

    def hang_up(self, code: int, reason: str) -> None:
        """Say why, after what is pending if that goes quickly, and close; never wait.

        The core has already let go: ``Connection.lost`` may be called or not.
        """
