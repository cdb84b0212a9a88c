"""HTTP towards our neighbours: bounded, timed, never trusting.

One ``JsonClient`` per neighbour. It limits how many requests run at once and how large an answer
may be, never follows a redirect, and turns every failure to talk into ``UpstreamDown`` with the
neighbour's name, or into ``Unsent`` where the request certainly was not taken. Five failures in a
row open the circuit: for a minute nobody waits for a neighbour that is not there. What the
neighbour *says* (its error codes) is for the module of that neighbour.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError, SimpleAsyncHTTPClient

from domain.errors import Unsent, UpstreamDown

_LARGEST_ANSWER = 1024 * 1024

_FAILURES = 5
_OPEN = 60.0

_BUSY = {429, 503}
"""Statuses by which a server says that it has not taken the request."""


class Breaker:
    """Five failures in a row open it for a minute; then one request tries whether all is well.

    Args:
        timer: Answers seconds that only ever grow.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._failures = 0
        self._open_until = 0.0

    def admit(self) -> float:
        """Answer 0 if a request may go, or the seconds to wait."""
        wait = self._open_until - self._timer()
        if self._failures < _FAILURES:
            return 0.0
        if wait > 0:
            return wait
        # This one goes to look; the others wait for what it finds.
        self._open_until = self._timer() + _OPEN
        return 0.0

    def succeeded(self) -> None:
        """Note an answer."""
        self._failures = 0

    def failed(self) -> None:
        """Note that there was none."""
        self._failures += 1
        if self._failures >= _FAILURES:
            self._open_until = self._timer() + _OPEN


class JsonClient:
    """Calls one neighbour's JSON API.

    Args:
        upstream: The neighbour's name, shown in ``upstream_down``.
        base_url: Scheme, host and port; a stand-in is chosen by giving another one.
        at_once: How many requests may run together; further ones wait their turn.
        timeout: Seconds for one request, connecting included.
        breaker: Keeps requests from a neighbour that does not answer.
    """

    def __init__(
        self,
        upstream: str,
        base_url: str,
        *,
        at_once: int = 20,
        timeout: float = 5.0,
        breaker: Breaker | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{upstream}: {base_url!r} is not an http(s) address")
        self.upstream = upstream
        self._base = base_url.rstrip("/")
        self._timeout = timeout
        self._breaker = breaker or Breaker()
        self._gate = asyncio.Semaphore(at_once)
        self._client: AsyncHTTPClient = SimpleAsyncHTTPClient(
            force_instance=True, max_clients=at_once, max_body_size=_LARGEST_ANSWER
        )

    @property
    def host(self) -> str:
        """Host and port as they stand in the ``Host`` header."""
        return urlsplit(self._base).netloc

    def close(self) -> None:
        """Let go of open connections."""
        self._client.close()

    async def get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """Fetch ``path`` with a query string and answer the JSON object.

        Raises:
            Unsent: The neighbour has not taken the request.
            UpstreamDown: No answer, not 2xx, too large, or not a JSON object.
        """
        return await self._fetch(HTTPRequest(f"{self._base}{path}?{urlencode(params)}"))

    async def post(
        self, path: str, body: bytes, *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a body and answer the JSON object.

        Raises:
            Unsent: The neighbour has not taken the request.
            UpstreamDown: No answer, not 2xx, too large, or not a JSON object.
        """
        sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        return await self._fetch(
            HTTPRequest(f"{self._base}{path}", method="POST", body=body, headers=sent)
        )

    async def _fetch(self, request: HTTPRequest) -> dict[str, Any]:
        if wait := self._breaker.admit():
            raise Unsent("外部服务暂时停用", upstream=self.upstream, retry_after=wait)
        try:
            answer = await self._ask(request)
        except UpstreamDown:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return answer

    async def _ask(self, request: HTTPRequest) -> dict[str, Any]:
        request.connect_timeout = request.request_timeout = self._timeout
        request.follow_redirects = False
        async with self._gate:
            try:
                response = await self._client.fetch(request)
            except (HTTPClientError, HTTPTimeoutError, HTTPStreamClosedError, OSError) as error:
                kind = Unsent if _not_taken(error) else UpstreamDown
                # The text of the error holds the address, and with it secrets of the query.
                raise kind("外部服务暂时无法连接", upstream=self.upstream) from _without_address(
                    error
                )
        try:
            answer = orjson.loads(response.body)
        except orjson.JSONDecodeError as error:
            raise UpstreamDown("外部服务返回了无法识别的内容", upstream=self.upstream) from error
        if not isinstance(answer, dict):
            raise UpstreamDown("外部服务返回了无法识别的内容", upstream=self.upstream)
        return answer


def _not_taken(error: Exception) -> bool:
    """Tell whether the neighbour certainly did nothing."""
    if isinstance(error, ConnectionRefusedError | socket.gaierror):
        return True
    if isinstance(error, HTTPTimeoutError):
        return "during request" not in str(error)
    return isinstance(error, HTTPClientError) and error.code in _BUSY


def _without_address(error: Exception) -> Exception:
    """Answer an exception that says what went wrong, but not with which query string."""
    code = getattr(error, "code", None)
    return ConnectionError(f"{type(error).__name__} {code}" if code else type(error).__name__)
