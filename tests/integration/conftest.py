"""The real hub on the embedded engine, on an unused port, and people who call it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.testing import bind_unused_port

from domain.people import Person
from server.assembly import Hub, assemble
from server.config import Env, Limit, Log, Mongo, Settings
from server.lifecycle import serve
from storage.client import Database
from tests.conftest import FakeClock

FAST = 1_000_000  # calls a minute: tests are faster than people


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return self.json["code"]


class Caller:
    """Somebody who calls the hub: with a bearer token, or without."""

    def __init__(self, url: str, client: AsyncHTTPClient, token: str = "") -> None:
        self.url = url
        self.token = token
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = client

    async def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
    ) -> Reply:
        if json is not None:
            body = orjson.dumps(json)
        request = HTTPRequest(
            self.url + path,
            method=method,
            body=body,
            headers={**self.headers, **headers},
            allow_nonstandard_methods=True,
            follow_redirects=False,
            request_timeout=30,
        )
        try:
            response = await self._client.fetch(request, raise_error=False)
        except HTTPClientError as error:
            # What is no answer is raised all the same.
            raise ConnectionError(str(error)) from error
        return Reply(response.code, response.headers, response.body or b"")


class MintedSessions:
    """The hub's sessions, and besides them people whom a test has simply declared signed in."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.minted: dict[str, Person] = {}

    async def whois(self, token: str) -> Person:
        if token in self.minted:
            return self.minted[token]
        return await self._real.whois(token)

    async def recognise(self, session_id: str, *, anew: bool = False) -> Person:
        if session_id in self.minted:
            return self.minted[session_id]
        return await self._real.recognise(session_id, anew=anew)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@dataclass
class RunningHub:
    """The hub under test."""

    hub: Hub
    url: str
    clock: FakeClock
    client: AsyncHTTPClient
    minted: dict[str, Person] = field(default_factory=dict)

    @property
    def services(self) -> Any:
        return self.hub.services

    @property
    def db(self) -> Database:
        return self.hub.db

    @property
    def anybody(self) -> Caller:
        """Somebody who is not signed in."""
        return Caller(self.url, self.client)

    async def sign_in(self, who: Person | str) -> Caller:
        """Sign somebody in: an invented person as they are, or one of the roster by name or id."""
        if isinstance(who, Person):
            token = f"minted-{secrets.token_hex(8)}"
            # The token doubles as the session, so that invented people can connect as well.
            self.minted[token] = who.model_copy(update={"session_id": token})
            return Caller(self.url, self.client, token)
        from domain.identity.devices import DeviceSeen

        row = await self.db["person"].find_one({"$or": [{"_id": who}, {"name": who}]})
        assert row is not None, f"{who} is not on the roster"
        opened = await self.services.identity.sessions.open(
            row["_id"], method="password", device=DeviceSeen(key="test")
        )
        return Caller(self.url, self.client, opened.token)


def hub_settings(data_dir: Path, uri: str, name: str, **more: Any) -> Settings:
    """Settings of a hub under test; nothing from the environment of whoever runs the tests."""
    return Settings(
        _env_file=None,
        env=Env.TEST,
        data_dir=data_dir,
        mongo=Mongo(uri=SecretStr(uri), name=name),
        limit=Limit(**dict.fromkeys(Limit.model_fields, FAST)),
        log=Log(access=False),
        grace=2.0,
        drain=0.0,
        **more,
    )


@pytest.fixture
def hub_more() -> Mapping[str, Any]:
    """Further settings of the hub; a module that needs some has a fixture of this name."""
    return {}


@pytest.fixture
async def hub(
    mongo_uri: str,
    tmp_path: Path,
    clock: FakeClock,
    new_id: Callable[[], str],
    hub_more: Mapping[str, Any],
) -> AsyncIterator[RunningHub]:
    """The real application, with nobody in it."""
    async with AsyncExitStack() as stack:
        settings = hub_settings(tmp_path, mongo_uri, f"t{secrets.token_hex(6)}", **hub_more)
        made = await assemble(settings, stack, clock=clock, new_id=new_id)
        stack.push_async_callback(made.db.drop)
        sessions = MintedSessions(made.services.sessions)
        # Handlers hold this very object; there is no other way in, and none in production.
        object.__setattr__(made.services, "sessions", sessions)
        socket, port = bind_unused_port()
        await serve(made, stack, [socket])
        client = AsyncHTTPClient(force_instance=True, max_clients=200)
        stack.callback(client.close)
        yield RunningHub(made, f"http://127.0.0.1:{port}", clock, client, sessions.minted)
