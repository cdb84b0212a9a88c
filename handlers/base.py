"""What every endpoint is made of: who is asking, the reply, and the envelope of refusals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel
from tornado.httputil import HTTPHeaders
from tornado.web import HTTPError, RequestHandler

from domain.clock import Clock, NewId
from domain.errors import DomainError, Forbidden, Invalid, StepUpRequired, Unauthenticated
from domain.idempotency import IdempotencyStore
from domain.people import AccountState, Person
from domain.permissions import Permission
from domain.services import Services
from handlers.csrf import SAFE_METHODS, Csrf
from handlers.errors import envelope, retry_after, status_of, unexpected
from handlers.limits import Limits
from handlers.operation import Access, Operation, operation_of
from handlers.paging import Cursors, Page, PageQuery

V = TypeVar("V", bound=BaseModel)

SESSION_COOKIE = "daibiao_session"
CSRF_COOKIE = "daibiao_csrf"

STEP_UP_METHODS = ("sms", "pin", "totp", "password")
"""Ways to prove oneself once more; ``GET /api/v1/step-up`` says which of them a person has."""

_VERBS = ("get", "head", "post", "put", "patch", "delete")

_log = logging.getLogger("daibiao.http")


@dataclass(frozen=True, kw_only=True)
class Web:
    """What endpoints need beside the use cases.

    Attributes:
        headers: Sent with every reply.
        request_id: Makes a fresh id for a request.
        secure: Whether cookies are for https only.
        travel: Sets the time of the present request; ``None`` outside tests.
    """

    clock: Clock
    new_id: NewId
    cursors: Cursors
    csrf: Csrf
    idempotency: IdempotencyStore
    limits: Limits
    headers: Mapping[str, str]
    request_id: Callable[[HTTPHeaders], str]
    secure: bool
    travel: Callable[[datetime], None] | None = None


class ApiHandler(RequestHandler):
    """Base of every endpoint under ``/api/v1``."""

    services: Services
    web: Web
    request_id: str
    max_body = 1024 * 1024
    """Bytes a request body may have."""

    admitted: Operation | None = None
    """Set by handlers that had to let the caller in before the body came."""

    _person: Person | None = None

    def initialize(self, services: Services, web: Web) -> None:
        """Keep what the application hands over."""
        self.services = services
        self.web = web

    # -- who is asking ---------------------------------------------------------------------------

    @property
    def user(self) -> Person:
        """The person who asks.

        Raises:
            Unauthenticated: The endpoint is public and nobody was asked who they are.
        """
        if self._person is None:
            raise Unauthenticated("请先登录")
        return self._person

    @property
    def token(self) -> str | None:
        """The login token of the request, from the bearer header or else the cookie."""
        header = self.request.headers.get("Authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
        return self.get_cookie(SESSION_COOKIE)

    @property
    def caller(self) -> str:
        """Id of the person who asks, or empty if nobody knows; for logs."""
        return self._person.id if self._person else ""

    async def identify(self) -> Person:
        """Find out who is asking.

        Raises:
            Unauthenticated: No token, or one that is not valid any more.
        """
        token = self.token
        if not token:
            raise Unauthenticated("请先登录")
        self._person = await self.services.sessions.whois(token)
        return self._person

    async def admit(self, promise: Operation) -> None:
        """Let the request pass if this caller may make it now.

        Raises:
            Unauthenticated: We do not know who is asking.
            Forbidden: They may not, or another site made their browser ask, or the feature is
                paused.
            StepUpRequired: They must prove it once more.
            RateLimited: They ask too often.
        """
        if self.admitted is promise:
            return
        self._travel()
        if promise.access is Access.PUBLIC:
            await self.web.limits.hit(promise.rate, self.request.remote_ip or "")
        else:
            await self._let_in(promise)
        if promise.flag:
            await self.services.administration.flags.require(promise.flag)

    async def _let_in(self, promise: Operation) -> None:
        person = await self.identify()
        await self.web.limits.hit(promise.rate, person.id)
        safe = self.request.method in SAFE_METHODS
        if not safe and "Authorization" not in self.request.headers:
            self.web.csrf.check(self.request, self.token or "")
        require(person, promise.access, safe=safe)
        if promise.step_up and not self._fresh(person):
            raise StepUpRequired("请再次验证身份", detail={"methods": list(STEP_UP_METHODS)})

    def _fresh(self, person: Person) -> bool:
        return person.step_up_until is not None and self.web.clock() < person.step_up_until

    def _travel(self) -> None:
        said = self.request.headers.get("X-Test-Now")
        if said is None or self.web.travel is None:
            return
        try:
            instant = datetime.fromisoformat(said)
        except ValueError:
            raise Invalid("时间格式不正确", field="X-Test-Now") from None
        self.web.travel(instant if instant.tzinfo else instant.replace(tzinfo=UTC))

    # -- cookies ---------------------------------------------------------------------------------

    def open_session(self, token: str, *, seconds: int) -> None:
        """Give the browser a login token, and its pages the token that proves they are ours."""
        how: dict[str, Any] = {"secure": self.web.secure, "samesite": "Lax", "max_age": seconds}
        self.set_cookie(SESSION_COOKIE, token, httponly=True, **how)
        self.set_cookie(CSRF_COOKIE, self.web.csrf.token(token), **how)

    def close_session(self) -> None:
        """Take the login token back from the browser."""
        for name in (SESSION_COOKIE, CSRF_COOKIE):
            self.clear_cookie(name, secure=self.web.secure, samesite="Lax")

    # -- pages -----------------------------------------------------------------------------------

    def after(self, query: PageQuery) -> list[Any] | None:
        """Answer the sort key after which the page begins, or ``None`` for the first page."""
        return self.web.cursors.open(query.cursor, where=self._list())

    def page(self, items: Sequence[V], after: Sequence[Any] | None) -> Page[V]:
        """Answer a page; ``after`` is the sort key of its last item, ``None`` if it is the end."""
        return Page(items=list(items), next=self.web.cursors.seal(after, where=self._list()))

    def _list(self) -> str:
        return f"{self.request.path} {self.caller}"

    # -- replies ---------------------------------------------------------------------------------

    def set_default_headers(self) -> None:
        """Give the request its id and the reply the headers that every reply has."""
        if not hasattr(self, "request_id"):
            # Called from the constructor, before ``initialize``.
            web: Web | None = getattr(self.application, "web", None)
            self.request_id = web.request_id(self.request.headers) if web else ""
            self._headers_for_all = web.headers if web else {}
        for name, value in self._headers_for_all.items():
            self.set_header(name, value)
        self.set_header("X-Request-Id", self.request_id)

    def reply(self, status: int, body: bytes) -> None:
        """Send a JSON text, or nothing with 204."""
        self.set_status(status)
        if status == 204:
            self.clear_header("Content-Type")
        else:
            self.write(body)

    def compute_etag(self) -> None:
        """Replies are made afresh each time; hashing them would only cost time."""

    def redirect(self, url: str, *args: Any, **kwargs: Any) -> None:
        """Send the caller elsewhere, with no body and so without a type of one."""
        self.clear_header("Content-Type")
        super().redirect(url, *args, **kwargs)

    # -- refusals --------------------------------------------------------------------------------

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log a stack for what nobody expected; refusals are part of the conversation."""
        if not isinstance(value, DomainError | HTTPError):
            _log.error(
                "unexpected error",
                exc_info=(typ, value, tb),  # type: ignore[arg-type]
                extra={"request_id": self.request_id, "path": self.request.path},
            )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send the envelope."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, DomainError):
            status, body = status_of(error), envelope(error, self.request_id)
            if (wait := retry_after(error)) is not None:
                self.set_header("Retry-After", str(wait))
        else:
            status, body = unexpected(error, status_code, self.request_id)
        if status == 405:
            self.set_header("Allow", ", ".join(allowed(type(self))))
        if status == 401:
            self.set_header("WWW-Authenticate", 'Bearer realm="daibiao"')
        self.set_status(status)
        self.write(body)


class UnknownAddress(ApiHandler):
    """Every address that nobody has claimed."""

    def prepare(self) -> None:
        """Refuse, whatever the method."""
        raise HTTPError(404)


def allowed(handler: type[RequestHandler]) -> list[str]:
    """Answer the methods a handler has declared."""
    return [verb.upper() for verb in _VERBS if operation_of(getattr(handler, verb, None))]


def require(person: Person, access: Permission | Access, *, safe: bool) -> None:
    """Do nothing if a person in this state may call; ``safe`` calls change nothing.

    Raises:
        Forbidden: They may not.
    """
    if isinstance(access, Permission):
        person.require(access)
    elif person.is_device:
        # What is open to everybody who is signed in is open to people, not to things.
        raise Forbidden("设备令牌不能进行此操作")
    elif access is Access.SIGNED_IN:
        looks_only = safe and person.state is AccountState.SUSPENDED
        if person.state is not AccountState.ACTIVE and not looks_only:
            raise Forbidden("账号当前状态不能进行此操作", detail={"state": person.state.value})
