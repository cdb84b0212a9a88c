"""WeChat: who opened the page, and what a page needs to use the JS-SDK.

Signatures and message crypto are wechatpy's (``handlers.wechat``); the network calls are our own,
because wechatpy blocks. The access token comes from ``stable_token``, which answers every process
the same token until five minutes before its end, so that no lock between processes is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson

from domain.clock import Clock
from domain.errors import NotConfigured, Unauthenticated, Unsent, UpstreamDown, UpstreamRefused
from domain.identity.ports import WeChatIdentity
from gateways.http import JsonClient

_UPSTREAM = "wechat"

# https://developers.weixin.qq.com/doc/oplatform/Return_codes/Return_code_descriptions_new.html
_BAD_CODE = {40029, 40163, 41008, 42003}
"""The OAuth code is unknown, was used, is missing, or has expired."""
BAD_TOKEN = {40001, 40014, 41001, 42001}
"""The access token is wrong, missing or has expired: fetch another one, once."""

_MARGIN = timedelta(minutes=5)
"""How long before its end a cached token is given up."""


class WeChatError(UpstreamRefused):
    """WeChat answered, but with an error. ``errcode`` is WeChat's own number."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(f"微信接口返回错误 {errcode}", upstream=_UPSTREAM)
        self.errcode = errcode
        self.errmsg = errmsg


class WeChatClient:
    """The official account's server side. One per process; safe for concurrent use."""

    def __init__(
        self, http: JsonClient, *, app_id: str, app_secret: str | Callable[[], str], clock: Clock
    ) -> None:
        self._http = http
        self._app_id = app_id
        self._app_secret = app_secret
        self._token = Cached(self._fetch_token, clock)
        self._ticket = Cached(self._fetch_ticket, clock)

    def close(self) -> None:
        """Let go of open connections."""
        self._http.close()

    async def exchange(self, code: str) -> WeChatIdentity:
        """Trade an OAuth code for the identity of the one who opened the page.

        Raises:
            Unauthenticated: ``code_used``: WeChat does not know the code, or no longer.
            UpstreamDown: WeChat does not answer, or answers with another error.
        """
        answer = await self._http.get(
            "/sns/oauth2/access_token",
            {
                "appid": self._app_id,
                "secret": self._secret(),
                "code": code,
                "grant_type": "authorization_code",
            },
        )
        try:
            refuse_errors(answer)
        except WeChatError as error:
            if error.errcode in _BAD_CODE:
                raise Unauthenticated("微信授权已失效，请重新进入", code="code_used") from error
            raise
        openid = answer.get("openid")
        if not isinstance(openid, str) or not openid:
            raise UpstreamDown("微信返回了无法识别的内容", upstream=_UPSTREAM)
        return WeChatIdentity(
            openid=openid,
            unionid=answer.get("unionid"),
            snapshot=bool(answer.get("is_snapshotuser")),
        )

    async def access_token(self) -> str:
        """Answer a valid access token for server calls."""
        return await self._token.get()

    async def jsapi_ticket(self) -> str:
        """Answer a valid ticket with which pages are signed for the JS-SDK."""
        return await self._ticket.get()

    def _secret(self) -> str:
        """Answer the secret of this moment; it may be changed while the hub runs.

        Raises:
            NotConfigured: There is none.
        """
        secret = self._app_secret if isinstance(self._app_secret, str) else self._app_secret()
        if not secret:
            raise NotConfigured("未配置微信公众号密钥", upstream=_UPSTREAM)
        return secret

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call an API with the access token, once more with a new one if WeChat dislikes it.

        Raises:
            WeChatError: WeChat answers with an error.
            UpstreamDown: It does not answer, or nonsense; ``Unsent`` if it never got the call.
        """
        token = await self._token_for_a_call()
        try:
            return await self._post(path, token, body)
        except WeChatError as error:
            if error.errcode not in BAD_TOKEN:
                raise
        # Refused before anything was done: the second call is the first one that counts.
        self._token.forget(token)
        return await self._post(path, await self._token_for_a_call(), body)

    async def _token_for_a_call(self) -> str:
        try:
            return await self.access_token()
        except (NotConfigured, WeChatError):
            raise
        except UpstreamDown as error:
            raise Unsent(error.msg, upstream=_UPSTREAM, retry_after=error.retry_after) from error

    async def _post(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._http.post(
            f"{path}?{urlencode({'access_token': token})}", orjson.dumps(body)
        )
        refuse_errors(answer)
        return answer

    async def _fetch_token(self) -> tuple[str, int]:
        answer = await self._http.post(
            "/cgi-bin/stable_token",
            orjson.dumps(
                {
                    "grant_type": "client_credential",
                    "appid": self._app_id,
                    "secret": self._secret(),
                    "force_refresh": False,
                }
            ),
        )
        refuse_errors(answer)
        return lasting(answer, "access_token")

    async def _fetch_ticket(self) -> tuple[str, int]:
        try:
            answer = await self._get_ticket()
        except WeChatError as error:
            if error.errcode not in BAD_TOKEN:
                raise
            self._token.forget()
            answer = await self._get_ticket()
        return lasting(answer, "ticket")

    async def _get_ticket(self) -> dict[str, Any]:
        answer = await self._http.get(
            "/cgi-bin/ticket/getticket",
            {"access_token": await self.access_token(), "type": "jsapi"},
        )
        refuse_errors(answer)
        return answer


class NoWeChat:
    """Stands where no official account is configured, and says so."""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    async def exchange(self, code: str) -> WeChatIdentity:
        """Refuse.

        Raises:
            NotConfigured: Always.
        """
        raise NotConfigured("未配置微信公众号", upstream=_UPSTREAM)

    async def jsapi_ticket(self) -> str:
        """Refuse.

        Raises:
            NotConfigured: Always.
        """
        raise NotConfigured("未配置微信公众号", upstream=_UPSTREAM)


class Cached:
    """A value with an end. Fetched by one task at a time; the others wait for its answer."""

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, int]]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value = ""
        self._until: datetime | None = None

    async def get(self) -> str:
        """Answer the value, fetched anew if its end is near."""
        async with self._lock:
            now = self._clock()
            if self._until is None or now >= self._until:
                self._value, seconds = await self._fetch()
                life = timedelta(seconds=seconds)
                self._until = now + max(life - _MARGIN, life / 2)
            return self._value

    def forget(self, value: str = "") -> None:
        """Fetch anew at the next question; a value that was replaced already is no reason."""
        if value in {"", self._value}:
            self._until = None


def lasting(answer: dict[str, Any], name: str) -> tuple[str, int]:
    """Answer a value and for how many seconds it holds.

    Raises:
        UpstreamDown: One of them is not there, or nonsense.
    """
    value, seconds = answer.get(name), answer.get("expires_in")
    if not isinstance(value, str) or not value or not isinstance(seconds, int) or seconds <= 0:
        raise UpstreamDown("微信返回了无法识别的内容", upstream=_UPSTREAM)
    return value, seconds


def refuse_errors(answer: dict[str, Any]) -> None:
    """Do nothing if an answer holds no error.

    Raises:
        WeChatError: It holds one.
        UpstreamDown: It is no answer of WeChat's.
    """
    code = answer.get("errcode", 0)
    if not isinstance(code, int):
        raise UpstreamDown("微信返回了无法识别的内容", upstream=_UPSTREAM)
    if code:
        raise WeChatError(code, str(answer.get("errmsg", "")))
