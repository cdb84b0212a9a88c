"""A small application with invented endpoints, on a real socket."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from domain.errors import Conflict, Invalid, Unauthenticated
from domain.idempotency import Answer
from domain.people import Grant, Person
from domain.permissions import Role
from handlers.base import Web
from handlers.csrf import Csrf
from handlers.limits import DEFAULT_RATES, Limits, Rate
from handlers.paging import Cursors
from handlers.routing import Route, Routes
from server.throttle import Throttle
from server.web import HubApplication, RequestIds, reply_headers
from tests.conftest import FakeClock
from tests.integration.conftest import Caller

PEOPLE = {
    "deputy": Person(id="01DEPUTY", name="周明华", grants=(Grant(role=Role.DEPUTY),)),
    "admin": Person(id="01ADMIN", name="梁静", grants=(Grant(role=Role.ADMIN),)),
}


class Tokens:
    """Sessions whose tokens are the names of people."""

    def __init__(self) -> None:
        self.people = dict(PEOPLE)

    async def whois(self, token: str) -> Person:
        if token not in self.people:
            raise Unauthenticated("登录已失效")
        return self.people[token]


class Rows:
    """An idempotency store in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[str, Answer | None]] = {}

    async def begin(self, person_id: str, key: str, request: str) -> Answer | None:
        known = self.rows.setdefault((person_id, key), (request, None))
        if known[0] != request:
            raise Invalid("用于另一请求", field="Idempotency-Key")
        if known[1] is None and known is not self.rows[person_id, key]:
            raise Conflict("处理中")
        return known[1]

    async def finish(self, person_id: str, key: str, answer: Answer) -> None:
        self.rows[person_id, key] = (self.rows[person_id, key][0], answer)

    async def forget(self, person_id: str, key: str) -> None:
        del self.rows[person_id, key]


@dataclass
class Toy:
    """The application under test, and what a test may look into."""

    url: str
    client: AsyncHTTPClient
    tokens: Tokens
    rows: Rows
    web: Web
    seen: list[tuple[str, int]]

    def caller(self, token: str = "") -> Caller:
        return Caller(self.url, self.client, token)


Serve = Callable[..., Awaitable[Toy]]


@pytest.fixture
async def serve(clock: FakeClock) -> AsyncIterator[Serve]:
    """Serve some routes; answers the application."""
    servers: list[HTTPServer] = []
    client = AsyncHTTPClient(force_instance=True, max_clients=100)

    async def start(
        *routes: Route,
        rates: Mapping[str, Rate] = DEFAULT_RATES,
        public_url: str = "http://hub.test",
        secure: bool = False,
        **services: Any,
    ) -> Toy:
        count = itertools.count(1)
        tokens, rows = Tokens(), Rows()
        web = Web(
            clock=clock,
            new_id=lambda: f"{next(count):026d}",
            cursors=Cursors(b"cursor key"),
            csrf=Csrf(b"csrf key", public_url=public_url),
            idempotency=rows,
            limits=Limits(Throttle(), rates),
            headers=reply_headers(secure=secure),
            request_id=RequestIds(),
            secure=secure,
        )
        seen: list[tuple[str, int]] = []
        application = HubApplication(
            Routes(routes),
            SimpleNamespace(sessions=tokens, **services),
            web,
            lambda handler, route, _: seen.append((route, handler.get_status())),
        )
        socket, port = bind_unused_port()
        server = HTTPServer(application, max_body_size=1 << 62)
        server.add_socket(socket)
        servers.append(server)
        return Toy(f"http://127.0.0.1:{port}", client, tokens, rows, web, seen)

    yield start
    for server in servers:
        server.stop()
        await server.close_all_connections()
    client.close()
