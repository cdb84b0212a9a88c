"""``/connection/http_stream`` and ``/connection/sse``: the protocol where WebSocket is blocked.

The first commands come with the request, what the hub has to say comes in a response that never
ends, and later commands come by ``/emulation``. Server-sent events put the first commands, with
the token, into the address: it is taken out of the request before anything can log it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import cast

from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import RequestHandler

from handlers.socket import origin_allowed, request_headers
from realtime import render
from realtime.codec import JSON, PROTOBUF, Codec, messages
from realtime.connection import Connection
from realtime.hub import Hub
from realtime.transport import Framing

OCTETS = "application/octet-stream"
FAREWELL = 5.0
"""Seconds a peer has to take the last words."""


class StreamTransport:
    """A ``Transport`` on a response that never ends."""

    def __init__(
        self, handler: RequestHandler, codec: Codec, *, name: str, framing: Framing
    ) -> None:
        self.name = name
        self.framing = framing
        self.pending = 0
        self.over = asyncio.Event()
        self._handler = handler
        self._stream: IOStream = cast("HTTP1Connection", handler.request.connection).stream
        self._codec = codec
        self._drained: Callable[[], None] | None = None

    def serve(self, drained: Callable[[], None]) -> None:
        """Call ``drained`` whenever everything has been sent."""
        self._drained = drained

    def write(self, frame: bytes) -> None:
        """Write a part of the response and count it until it has left."""
        if self.over.is_set():
            return
        try:
            self._handler.write(frame)
            sent = self._handler.flush()
        except StreamClosedError:
            return
        self.pending += len(frame)
        sent.add_done_callback(lambda done: self._sent(done, len(frame)))

    def hang_up(self, code: int, reason: str) -> None:
        """Say why in a push, for there is no close frame, and end the response."""
        push = messages.Push(disconnect=messages.Disconnect(code, reason))
        encoded = self._codec.encode(messages.Reply(push=push))
        self.write(render.dress((encoded,), self._codec, self.framing))
        self.over.set()
        if self.pending:
            # A peer that has stopped reading would keep what waits for it for ever.
            asyncio.get_running_loop().call_later(FAREWELL, self._cut)

    def _cut(self) -> None:
        if self.pending:
            self._stream.close()

    def _sent(self, done: asyncio.Future[None], size: int) -> None:
        self.pending -= size
        if done.cancelled() or done.exception() is not None:
            # The peer is gone; ``on_connection_close`` says so to the core.
            return
        if not self.pending and self._drained is not None:
            self._drained()


class CrossOriginHandler(RequestHandler):
    """What a page of another origin needs to talk to us, if it may."""

    def initialize(self, hub: Hub, allowed_origins: Collection[str] = ()) -> None:
        """Take what the handler needs from the route table."""
        self.hub = hub
        self.allowed_origins = allowed_origins

    def prepare(self) -> None:
        """Refuse foreign pages, and bodies that no client needs."""
        origin = self.request.headers.get("Origin")
        if origin is not None:
            if not origin_allowed(origin, self.request.host, self.allowed_origins):
                self.refuse(403, "origin not allowed")
                return
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Allow-Credentials", "true")
            self.set_header("Vary", "Origin")
        if len(self.request.body) > self.hub.limits.frame:
            self.refuse(413, "body too large")

    def options(self) -> None:
        """Answer the question a browser asks first."""
        self.set_header("Access-Control-Allow-Methods", "POST, GET, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", "Content-Type")
        self.set_header("Access-Control-Max-Age", "300")
        self.set_status(204)

    def refuse(self, status: int, reason: str) -> None:
        """End the request with a plain sentence."""
        self.set_status(status)
        self.set_header("Content-Type", "text/plain")
        _ = self.finish(reason)

    def check_xsrf_cookie(self) -> None:
        """The origin check stands in for it: nothing here acts on a cookie without a command."""


class _StreamHandler(CrossOriginHandler):
    connection: Connection | None = None
    transport: StreamTransport | None = None

    async def stream(
        self, payload: bytes, codec: Codec, *, name: str, framing: Framing, content_type: str
    ) -> None:
        """Serve a connection until it ends."""
        if not self.hub.admits():
            self.set_header("Retry-After", "2")
            self.refuse(503, "too many newcomers")
            return
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "private, no-cache, no-store, must-revalidate, max-age=0")
        self.set_header("X-Accel-Buffering", "no")
        transport = StreamTransport(self, codec, name=name, framing=framing)
        self.transport = transport
        self.connection = self.hub.connect(
            transport,
            codec,
            headers=request_headers(self.request.headers),
            remote=self.request.remote_ip or "",
        )
        transport.serve(self.connection.drained)
        # The head goes out at once: a client waits for it before it reads. An event stream
        # begins with an empty line.
        transport.write(b"\r\n" if framing is Framing.EVENT else b"")
        self.connection.receive(payload)
        await transport.over.wait()

    def on_connection_close(self) -> None:
        """Tell the core that the peer is gone."""
        if self.connection is not None and self.transport is not None:
            self.connection.lost()
            self.transport.over.set()


class HttpStreamHandler(_StreamHandler):
    """``POST /connection/http_stream``."""

    async def post(self) -> None:
        """Answer commands with a stream of lines, or of length-prefixed messages."""
        if self.request.headers.get("Content-Type", "").startswith(OCTETS):
            codec, framing, content_type = PROTOBUF, Framing.BARE, OCTETS
        else:
            codec, framing, content_type = JSON, Framing.LINES, "application/json"
        await self.stream(
            self.request.body, codec, name="http_stream", framing=framing, content_type=content_type
        )


class EventStreamHandler(_StreamHandler):
    """``GET`` or ``POST /connection/sse``."""

    def initialize(self, hub: Hub, allowed_origins: Collection[str] = ()) -> None:
        """Take the commands out of the address, so that no log ever sees them."""
        super().initialize(hub, allowed_origins)
        commands = self.request.query_arguments.pop("cf_connect", [])
        self.request.arguments.pop("cf_connect", None)
        self.commands = commands[-1] if commands else b""
        self.request.uri = self.request.path
        self.request.query = ""

    async def get(self) -> None:
        """Answer the commands in the address with a stream of events."""
        await self._events(self.commands)

    async def post(self) -> None:
        """Answer the commands in the body with a stream of events."""
        await self._events(self.request.body)

    async def _events(self, payload: bytes) -> None:
        if len(payload) > self.hub.limits.frame:
            self.refuse(413, "commands too large")
            return
        await self.stream(
            payload,
            JSON,
            name="sse",
            framing=Framing.EVENT,
            content_type="text/event-stream; charset=utf-8",
        )
