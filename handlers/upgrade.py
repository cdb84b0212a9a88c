"""``/connection/websocket`` on the wire of our own: Tornado takes the request, the hub the socket.

The handshake is judged here; then the socket leaves Tornado for good, and with it some eighty
objects a connection. It works where the process itself holds the TCP connection; behind TLS of our
own ``handlers.socket`` serves instead.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from tornado.iostream import IOStream
from tornado.web import RequestHandler

from handlers.socket import SUBPROTOCOLS, codec_of, origin_allowed, request_headers
from realtime.hub import Hub
from realtime.transport import Framing
from realtime.wire import Wire

PATH: Final = "/connection/websocket"

# RFC 6455 §1.3: what a server mixes into its answer to prove that it speaks WebSocket.
_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_EARLY: Final = 65_536


class Refusal(NamedTuple):
    """Why a handshake fails, in HTTP."""

    status: int
    reason: str
    header: tuple[str, str] | None = None


BUSY: Final = Refusal(503, "too many newcomers", ("Retry-After", "2"))
_NO_UPGRADE: Final = Refusal(400, "this address speaks only websocket")
_VERSION: Final = Refusal(
    426, "only version 13 of websocket is spoken here", ("Sec-WebSocket-Version", "13")
)
_ORIGIN: Final = Refusal(403, "this origin may not connect")
_KEY: Final = Refusal(400, "bad websocket key")


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where sockets come in: who is let in, and what becomes of them."""

    hub: Hub
    wire: Wire
    allowed_origins: Collection[str] = ()

    def refusal(self, headers: Mapping[str, str]) -> Refusal | None:
        """Judge a handshake by its headers (lower-case names); ``None`` is a yes.

        To be asked once for each newcomer, because newcomers are counted.
        """
        if headers.get("upgrade", "").lower() != "websocket":
            return _NO_UPGRADE
        if "upgrade" not in _words(headers.get("connection", "")):
            return _NO_UPGRADE
        if headers.get("sec-websocket-version") != "13":
            return _VERSION
        # SDKs outside browsers send no Origin.
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is not None and not origin_allowed(origin, host, self.allowed_origins):
            return _ORIGIN
        if not _is_key(headers.get("sec-websocket-key", "")):
            return _KEY
        return None if self.hub.admits() else BUSY

    def admit(
        self,
        sock: socket.socket,
        headers: Mapping[str, str],
        *,
        query: str,
        remote: str,
        early: bytes = b"",
    ) -> None:
        """Answer 101 on a socket that was not refused, and give it to the hub.

        ``early`` is what has been read beyond the headers.
        """
        offered = _words(headers.get("sec-websocket-protocol", ""))
        chosen = next((name for name in offered if name in SUBPROTOCOLS), None)
        codec = codec_of(query, chosen)
        framing = Framing.WEBSOCKET_BINARY if codec.binary else Framing.WEBSOCKET_TEXT
        transport = self.wire.adopt(sock, framing)
        transport.write(_switching(headers["sec-websocket-key"], chosen))
        connection = self.hub.connect(transport, codec, headers=headers, remote=remote)
        transport.listen(connection, early)


class UpgradeHandler(RequestHandler):
    """``GET /connection/websocket``."""

    def initialize(self, hub: Hub, wire: Wire, allowed_origins: Collection[str] = ()) -> None:
        """Take what the handler needs from the route table."""
        self.entrance = Entrance(hub, wire, allowed_origins)

    async def get(self) -> None:
        """Answer 101 and let the socket go, or refuse in plain HTTP."""
        headers = request_headers(self.request.headers)
        refusal = self.entrance.refusal(headers)
        if refusal is None:
            self._hand_over(headers)
            return
        # SDKs look at nothing but the status.
        self.set_status(refusal.status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        if refusal.header is not None:
            self.set_header(*refusal.header)
        await self.finish(refusal.reason + "\n")

    def _hand_over(self, headers: Mapping[str, str]) -> None:
        query, remote = self.request.query, self.request.remote_ip or ""
        sock, early = _take(self.detach())
        # Tornado breaks this cycle when it finishes a request, but not when it lets go of one.
        self.ui.clear()
        if sock is not None:
            self.entrance.admit(sock, headers, query=query, remote=remote, early=early)


def _take(stream: IOStream) -> tuple[socket.socket | None, bytes]:
    """Move the socket out of a stream, with the bytes that have already been read."""
    if stream.closed() or type(stream) is not IOStream:
        # Bytes of a TLS stream cannot be read from its socket.
        stream.close()
        return None, b""
    sock = stream.socket.dup()
    reading = cast("asyncio.Future[bytes]", stream.read_bytes(_EARLY, partial=True))
    early = b""
    if not reading.done():
        reading.add_done_callback(_overlook)
    elif reading.exception() is None:
        early = reading.result()
    stream.close()
    return sock, early


def _overlook(reading: asyncio.Future[Any]) -> None:
    # Closing the stream ends the read in StreamClosedError; that is what was wanted. It is looked
    # at and not raised: a traceback would tie the whole request into a cycle.
    if not reading.cancelled():
        reading.exception()


def _words(header: str) -> list[str]:
    return [word.strip().lower() for word in header.split(",")]


def _is_key(key: str) -> bool:
    """Tell whether a key is 16 bytes in Base64."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _switching(key: str, subprotocol: str | None) -> bytes:
    # SHA-1 is what RFC 6455 asks for; it protects nothing.
    digest = hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest),
    ]
    if subprotocol:
        lines.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode())
    return b"\r\n".join([*lines, b"", b""])
