"""Real time for the product: how a client gets in, what it may hear, what it may ask.

``POST /api/v1/realtime/token`` answers where the hub listens and a token to connect with. A page of
our own may connect with its cookie instead, and a program with its bearer token: the same login
session either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.cookies import CookieError, SimpleCookie

import orjson
from pydantic import BaseModel

from domain.clock import NewId
from domain.device_tokens import PREFIX as DEVICE
from domain.errors import DomainError, Unauthenticated, UpstreamDown
from domain.people import AccountState, Person
from domain.services import Services
from handlers.base import SESSION_COOKIE, ApiHandler
from handlers.channel import Channel, Directory
from handlers.operation import SELF_SERVICE_WHEN_SUSPENDED, operation
from handlers.routing import route
from handlers.rpc import Dispatcher, Method, Nothing, rpc
from realtime import codes
from realtime.authority import Ask, Grant, Identity
from realtime.broker import Position
from realtime.policy import Policy
from realtime.tokens import BadToken, TokenExpired, Verifier


class TokenView(BaseModel):
    """A connection token, and the addresses of the transports, best first."""

    token: str
    expires_at: datetime
    websocket: str
    http_stream: str
    emulation: str


class TokenHandler(ApiHandler):
    """``/api/v1/realtime/token``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED, idempotent=False)
    async def post(self) -> TokenView:
        """Get a token to connect to the hub with; it lives ten minutes.

        Ask again when the SDK asks for a token. It dies with the login session.
        """
        issued = self.services.realtime.token(by=self.user)
        secure = self.web.secure or self.request.protocol == "https"
        host = self.request.host
        http, ws = (f"https://{host}", f"wss://{host}") if secure else (
            f"http://{host}", f"ws://{host}"
        )  # fmt: skip
        return TokenView(
            token=issued.token,
            expires_at=issued.expires_at,
            websocket=f"{ws}/connection/websocket",
            http_stream=f"{http}/connection/http_stream",
            emulation=f"{http}/emulation",
        )


class Now(BaseModel):
    """The hub's clock, so that countdowns agree on every phone."""

    now: datetime


class Myself(BaseModel):
    """Who the connection belongs to, as the house sees them now."""

    id: str
    name: str
    state: AccountState
    roles: list[str]


@rpc("clock.now", SELF_SERVICE_WHEN_SUSPENDED)
async def clock_now(services: Services, by: Person, params: Nothing) -> Now:
    """Answer the hub's time."""
    return Now(now=services.realtime.now())


@rpc("person.me", SELF_SERVICE_WHEN_SUSPENDED)
async def person_me(services: Services, by: Person, params: Nothing) -> Myself:
    """Answer who is connected."""
    return Myself(id=by.id, name=by.name, state=by.state, roles=sorted(by.roles))


class ProductAuthority:
    """``realtime.authority.Authority`` of the product: the domain decides."""

    def __init__(
        self,
        services: Services,
        channels: Iterable[Channel],
        methods: Iterable[Method],
        *,
        verifier: Verifier,
        new_id: NewId,
    ) -> None:
        self._services = services
        self._channels = Directory(channels)
        self._methods = Dispatcher(services, methods, new_id=new_id)
        self._verifier = verifier

    def policy(self, channel: str) -> Policy | None:
        """Answer the options of a channel."""
        found = self._channels.find(channel)
        return None if found is None else found[0].policy

    async def connect(self, ask: Ask) -> Identity:
        """Find the login session behind a connection token, a bearer token or the cookie.

        A screen gives its device token in the place of a connection token.
        """
        if ask.token.startswith(DEVICE):
            return await self._login(ask.token)
        if ask.token:
            session_id, expire_at = self._read(ask.token, hang_up_expired=False)
            person = await self._speaking(session_id)
            return _identity(person, expire_at)
        token = _login_token(ask)
        if not token:
            raise codes.HangUp(codes.BAD_PROTOCOL)
        return await self._login(token)

    async def refresh(self, identity: Identity, token: str) -> Identity:
        """Take a fresh connection token of the same person."""
        session_id, expire_at = self._read(token, hang_up_expired=True)
        person = await self._speaking(session_id)
        if person.id != identity.user:
            raise codes.HangUp(codes.INVALID_TOKEN)
        return _identity(person, expire_at)

    async def subscribe(self, identity: Identity, channel: str, token: str, data: bytes) -> Grant:
        """Let a person listen where the channel says so; nothing depends on tokens here."""
        found = self._channels.find(channel)
        if found is None:
            raise codes.Refused(codes.UNKNOWN_CHANNEL)
        kind, key = found
        person = await self._speaking(identity.session)
        with _answering():
            if not await _may_listen(kind, person, key):
                raise codes.Refused(codes.PERMISSION_DENIED)
            return await _granted(kind, person, key)

    async def sub_refresh(self, identity: Identity, channel: str, token: str) -> Grant:
        """Subscriptions last until rights change; there is nothing to renew."""
        return await self.subscribe(identity, channel, token, b"")

    async def recheck(self, identity: Identity, channel: str) -> bool:
        """Ask the channel again, about the person as they are now."""
        found = self._channels.find(channel)
        if found is None:
            return False
        with _answering():
            try:
                person = await self._services.sessions.recognise(identity.session, anew=True)
            except Unauthenticated:
                return False
            return await _may_listen(found[0], person, found[1])

    async def publish(
        self, identity: Identity, channel: str, data: bytes, *, subscribed: bool
    ) -> bytes | None:
        """Only those who listen may speak, and only where the channel takes what they say."""
        found = self._channels.find(channel)
        if found is None:
            raise codes.Refused(codes.UNKNOWN_CHANNEL)
        if not subscribed:
            raise codes.Refused(codes.PERMISSION_DENIED)
        person = await self._speaking(identity.session)
        with _answering():
            try:
                return await found[0].say(person, found[1], data)
            except UpstreamDown:
                raise
            except DomainError as error:
                raise codes.Refused(codes.PERMISSION_DENIED) from error

    async def presence(self, identity: Identity, channel: str, *, subscribed: bool) -> None:
        """Those who listen may know who else does."""
        _require_listening(subscribed=subscribed)

    async def history(self, identity: Identity, channel: str, *, subscribed: bool) -> None:
        """Those who listen may read what was said."""
        _require_listening(subscribed=subscribed)

    async def rpc(self, identity: Identity, method: str, data: bytes) -> bytes:
        """Do what a service does under that name."""
        if not self._methods.knows(method):
            raise codes.Refused(codes.METHOD_NOT_FOUND)
        person = await self._speaking(identity.session)
        return await self._methods.call(method, data, by=person)

    async def send(self, identity: Identity, data: bytes) -> None:
        """Nothing is done without an answer."""
        raise codes.HangUp(codes.NO_HANDLER)

    async def still_welcome(self, identity: Identity) -> bool:
        """Tell whether the login session behind a connection is still alive."""
        try:
            await self._services.sessions.recognise(identity.session)
        except Unauthenticated:
            return False
        return True

    async def _login(self, token: str) -> Identity:
        with _answering():
            try:
                person = await self._services.sessions.whois(token)
            except Unauthenticated as error:
                raise codes.HangUp(codes.INVALID_TOKEN) from error
        return _identity(person, 0)

    async def _speaking(self, session_id: str) -> Person:
        with _answering():
            try:
                return await self._services.sessions.recognise(session_id)
            except Unauthenticated as error:
                raise codes.HangUp(codes.INVALID_TOKEN) from error

    def _read(self, token: str, *, hang_up_expired: bool) -> tuple[str, float]:
        try:
            claims = self._verifier.connection(token)
        except TokenExpired as error:
            if hang_up_expired:
                raise codes.HangUp(codes.CONNECTION_EXPIRED) from error
            raise codes.Refused(codes.TOKEN_EXPIRED) from error
        except BadToken as error:
            raise codes.HangUp(codes.INVALID_TOKEN) from error
        session_id = claims.meta.get("session")
        if not isinstance(session_id, str) or not session_id:
            raise codes.HangUp(codes.INVALID_TOKEN)
        return session_id, claims.expire_at


@contextmanager
def _answering() -> Iterator[None]:
    """Ask a client to come again (100) where a dependency does not answer: that is no refusal."""
    try:
        yield
    except UpstreamDown as error:
        raise codes.Refused(codes.INTERNAL) from error


def _identity(person: Person, expire_at: float) -> Identity:
    return Identity(
        user=person.id,
        info=orjson.dumps({"name": person.name}),
        expire_at=expire_at,
        channels={} if person.is_device else {f"user:#{person.id}": Grant()},
        session=person.session_id,
    )


async def _may_listen(kind: Channel, person: Person, key: str) -> bool:
    if person.is_device and not kind.for_devices:
        return False
    return await kind.may_listen(person, key)


async def _granted(kind: Channel, person: Person, key: str) -> Grant:
    try:
        first = await kind.first(person, key)
    except UpstreamDown:
        raise
    except DomainError as error:
        raise codes.Refused(codes.PERMISSION_DENIED) from error
    if first is None:
        return Grant()
    at = first.position
    return Grant(data=first.data, since=None if at is None else Position(at.offset, at.epoch))


def _require_listening(*, subscribed: bool) -> None:
    if not subscribed:
        raise codes.Refused(codes.PERMISSION_DENIED)


def _login_token(ask: Ask) -> str:
    """Answer the login token in the headers, or the empty string."""
    header = ask.headers.get("authorization") or ask.emulated.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    try:
        cookie = SimpleCookie(ask.headers.get("cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie is not None else ""


ROUTES = [route(r"/api/v1/realtime/token", TokenHandler)]

METHODS = [clock_now, person_me]
