"""The web application: routes found in constant time, bounded bodies, an envelope for everything.

The framework's own application tries every route in turn and answers in HTML; here both are
replaced at its public seams (``start_request``, ``find_handler``, ``get_handler_delegate``,
``log_request``).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakSet

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import Application, RequestHandler

from domain.errors import TooLarge
from domain.services import Services
from handlers.base import ApiHandler, UnknownAddress, Web
from handlers.errors import unexpected
from handlers.routing import Routes

Watch = Callable[[RequestHandler, str, float], None]
"""Told of each request that was answered: its handler, the pattern of its route, the seconds."""

_FORWARDED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

_LARGEST_MESSAGE = 64 * 1024
"""Bytes of one WebSocket message from a client."""

_PATIENT = 64 * 1024 * 1024
"""Bytes beyond the limit that are read and dropped, so that the caller can hear the refusal."""


class RequestIds:
    """Makes ids that are unique, short and cost nothing: a random word and a count."""

    def __init__(self) -> None:
        self._word = secrets.token_hex(5)
        self._count = 0

    def __call__(self, headers: HTTPHeaders) -> str:
        """Answer the id a proxy has given the request, or a fresh one."""
        given = headers.get("X-Request-Id")
        if given is not None and _FORWARDED_ID.fullmatch(given):
            return given
        self._count += 1
        return f"{self._word}-{self._count:x}"


class HubApplication(Application):
    """All routes of the hub."""

    def __init__(self, routes: Routes, services: Services, web: Web, watch: Watch) -> None:
        super().__init__([], websocket_max_message_size=_LARGEST_MESSAGE)
        self.routes = routes
        self.web = web
        self._given = {"services": services, "web": web}
        self._arguments: dict[str, dict[str, Any]] = {
            route.pattern: {**self._given_to(route.handler), **route.given} for route in routes.all
        }
        self._watch = watch
        # Weak, because a caller who hangs up in the middle leaves without being counted out.
        self.under_way: WeakSet[HTTPServerRequest] = WeakSet()
        self._quiet: asyncio.Event | None = None

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """Answer who receives the next request of a connection."""
        return _Door(super().start_request(server_conn, request_conn), request_conn, self.web)

    # The framework promises its own private class here; any delegate will do.
    def find_handler(  # type: ignore[override]
        self, request: HTTPServerRequest, **_: Any
    ) -> HTTPMessageDelegate:
        """Answer who answers a request."""
        found = self.routes.match(request.path)
        if found is None:
            return self.get_handler_delegate(request, UnknownAddress, self._given)
        route, groups = found
        request.route = route.template  # type: ignore[attr-defined]
        if issubclass(route.handler, ApiHandler):
            # Others speak a protocol of their own, for hours; they are sent away, not waited for.
            self.under_way.add(request)
        return self.get_handler_delegate(
            request, route.handler, self._arguments[route.pattern], path_kwargs=dict(groups)
        )

    def get_handler_delegate(  # type: ignore[override]
        self,
        request: HTTPServerRequest,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[bytes] | None = None,
        path_kwargs: dict[str, bytes] | None = None,
    ) -> HTTPMessageDelegate:
        """Answer who answers a request, behind a bound where the request has a body."""
        make = super().get_handler_delegate
        delegate = make(request, target_class, target_kwargs, path_args, path_kwargs)
        headers = request.headers
        if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
            return delegate
        limit = getattr(target_class, "max_body", ApiHandler.max_body)
        return _Bounded(
            delegate,
            limit,
            refuse=lambda: make(request, _Overlong, {**self._given, "limit": limit}),
            gone=lambda: self.under_way.discard(request),
        )

    def _given_to(self, handler: type[RequestHandler]) -> dict[str, Any]:
        return self._given if issubclass(handler, ApiHandler) else {}

    def log_request(self, handler: RequestHandler) -> None:
        """Tell the watch."""
        request = handler.request
        self.under_way.discard(request)
        if self._quiet is not None and not self.under_way:
            self._quiet.set()
        self._watch(handler, getattr(request, "route", "unknown"), request.request_time())

    async def quiet(self) -> None:
        """Return once no request is under way."""
        self._quiet = asyncio.Event()
        if self.under_way:
            await self._quiet.wait()


class _Overlong(ApiHandler):
    """Where requests go whose body is too long."""

    def initialize(self, limit: int, **more: Any) -> None:  # type: ignore[override]
        super().initialize(**more)
        self._limit = limit

    def prepare(self) -> None:
        raise TooLarge("内容超过大小限制", detail={"limit": self._limit})


class _Bounded(HTTPMessageDelegate):
    """Passes a body on up to a limit; beyond, somebody else answers."""

    def __init__(
        self,
        target: HTTPMessageDelegate,
        limit: int,
        *,
        refuse: Callable[[], HTTPMessageDelegate],
        gone: Callable[[], None],
    ) -> None:
        self._target = target
        self._left = limit
        self._refuse = refuse
        self._gone = gone
        self._refusing = self._answered = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        declared = headers.get("Content-Length", "")
        # An absurd number of digits is as good as too much; the parser has bounds of its own.
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > self._left):
            self._give_up()
            if len(declared) > 18 or int(declared) > self._left + _PATIENT:
                self._answer()
        return self._target.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._left -= len(chunk)
        if self._left < 0 and not self._refusing:
            self._give_up()
        if not self._refusing:
            return self._target.data_received(chunk)
        if self._left < -_PATIENT:
            self._answer()
        return None

    def finish(self) -> None:
        self._answer()

    def on_connection_close(self) -> None:
        if not self._answered:
            # Nobody will answer half a request, so nobody would count it out.
            self._gone()
        self._target.on_connection_close()

    def _give_up(self) -> None:
        self._target, self._refusing = self._refuse(), True

    def _answer(self) -> None:
        if not self._answered:
            self._answered = True
            self._target.finish()


class _Door(HTTPMessageDelegate):
    """Answers with the envelope what the framework would hang up on: bad query, bad host."""

    def __init__(self, target: HTTPMessageDelegate, connection: HTTPConnection, web: Web) -> None:
        self._target = target
        self._connection = connection
        self._web = web
        self._refused = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        try:
            return self._target.headers_received(start_line, headers)
        except HTTPInputError:
            self._refused = True
        request_id = self._web.request_id(headers)
        status, body = unexpected(None, 400, request_id)
        reply = HTTPHeaders(
            {**self._web.headers, "X-Request-Id": request_id, "Content-Length": str(len(body))}
        )
        start = ResponseStartLine("", status, "Bad Request")
        # Nobody waits for this client: what it does not read is dropped with the connection.
        _ = self._connection.write_headers(start, reply, body)
        self._connection.finish()
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None if self._refused else self._target.data_received(chunk)

    def finish(self) -> None:
        if not self._refused:
            self._target.finish()

    def on_connection_close(self) -> None:
        if not self._refused:
            self._target.on_connection_close()


def reply_headers(*, secure: bool) -> Mapping[str, str]:
    """Answer the headers that every reply of the API carries."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Server": "daibiao",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(self), geolocation=(self), microphone=(self)",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if secure:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return headers
