"""``/connection/websocket``: the protocol over WebSocket, in Tornado's own implementation.

This is the portable transport: it works behind TLS and on every platform. Tornado frames each
message, so frames are bare payloads here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from urllib.parse import parse_qs, urlsplit

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from realtime.codec import JSON, PROTOBUF, Codec
from realtime.connection import Connection
from realtime.hub import Hub
from realtime.transport import Framing

SUBPROTOCOLS = {"centrifuge-json": JSON, "centrifuge-protobuf": PROTOBUF}


class SocketTransport:
    """A ``Transport`` on one WebSocket handler."""

    name = "websocket"
    framing = Framing.BARE

    def __init__(self, handler: WebSocketHandler, *, binary: bool) -> None:
        self._handler = handler
        self._binary = binary
        self._drained: Callable[[], None] | None = None
        self.pending = 0

    def serve(self, drained: Callable[[], None]) -> None:
        """Call ``drained`` whenever everything has been sent."""
        self._drained = drained

    def write(self, frame: bytes) -> None:
        """Give a message to Tornado and count it until it has left."""
        try:
            sent = self._handler.write_message(frame, binary=self._binary)
        except WebSocketClosedError:
            return
        self.pending += len(frame)
        sent.add_done_callback(lambda done: self._sent(done, len(frame)))

    def hang_up(self, code: int, reason: str) -> None:
        """Send a close frame; Tornado cuts the line if the peer does not answer in five seconds."""
        self._handler.close(code, reason)

    def _sent(self, done: asyncio.Future[None], size: int) -> None:
        self.pending -= size
        if done.cancelled() or done.exception() is not None:
            # The peer is gone; ``on_close`` says so to the core.
            return
        if not self.pending and self._drained is not None:
            self._drained()


class SocketHandler(WebSocketHandler):
    """``GET /connection/websocket``."""

    def initialize(self, hub: Hub, allowed_origins: Collection[str] = ()) -> None:
        """Take what the handler needs from the route table."""
        self.hub = hub
        self.allowed_origins = allowed_origins
        self.connection: Connection | None = None

    def prepare(self) -> None:
        """Turn newcomers away while there are too many or while closing down."""
        if not self.hub.admits():
            self.set_status(503)
            self.set_header("Retry-After", "2")
            _ = self.finish()

    def check_origin(self, origin: str) -> bool:
        """Same host, or one that is listed; Tornado asks only if there is an Origin at all."""
        return origin_allowed(origin, self.request.host, self.allowed_origins)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Echo the first one we speak: clients that ask for Protobuf insist on it."""
        return next((name for name in subprotocols if name in SUBPROTOCOLS), None)

    def open(self, *args: str, **kwargs: str) -> None:
        """Hand the socket to the core."""
        self.set_nodelay(True)
        codec = codec_of(self.request.query, self.selected_subprotocol)
        transport = SocketTransport(self, binary=codec.binary)
        self.connection = self.hub.connect(
            transport,
            codec,
            headers=request_headers(self.request.headers),
            remote=self.request.remote_ip or "",
        )
        transport.serve(self.connection.drained)

    def on_message(self, message: str | bytes) -> None:
        """Pass a message on."""
        if self.connection is not None:
            payload = message.encode() if isinstance(message, str) else message
            self.connection.receive(payload)

    def on_close(self) -> None:
        """Tell the core that the peer is gone."""
        if self.connection is not None:
            self.connection.lost()


def codec_of(query: str, subprotocol: str | None) -> Codec:
    """Answer the spelling a client asked for: by sub-protocol, or else in the query string."""
    if subprotocol:
        return SUBPROTOCOLS[subprotocol]
    asked = parse_qs(query) if query else {}
    wishes = {*asked.get("cf_protocol", ()), *asked.get("format", ())}
    return PROTOBUF if "protobuf" in wishes else JSON


def origin_allowed(origin: str, host: str, allowed: Collection[str]) -> bool:
    """Tell whether a page of ``origin`` may talk to us: the same host, or one that is listed."""
    return "*" in allowed or origin in allowed or urlsplit(origin).netloc.lower() == host.lower()


def request_headers(headers: object) -> dict[str, str]:
    """Answer request headers with lower-case names."""
    return {name.lower(): value for name, value in dict(headers).items()}  # type: ignore[call-overload]
