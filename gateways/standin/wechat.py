"""A WeChat official account's API and its phone: OAuth, tokens, tickets.

The addresses, parameters, limits and error codes are WeChat's: a code works once and for five
minutes, a wrong secret is 40125, a dead token 40001, a redirect domain that was not registered
10003. Users are invented: ``add_user`` makes one, and ``/connect/oauth2/authorize`` asks which of
them holds the phone (or takes ``user=`` so that a test needs no page).
"""

from __future__ import annotations

import html
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from tornado.web import RequestHandler

from domain.clock import Clock

_CODE_LIFE = timedelta(minutes=5)
_TOKEN_LIFE = timedelta(seconds=7200)
_SAME_TOKEN_UNTIL = timedelta(minutes=5)
_CODES_KEPT = 10_000


@dataclass
class WeChatUser:
    """Somebody with a phone. ``snapshot`` makes the exchange answer ``is_snapshotuser``."""

    openid: str
    nickname: str
    snapshot: bool = False


@dataclass
class _Issued:
    openid: str
    at: datetime
    used: bool = False


@dataclass
class WeChatStandIn:
    """State of the stand-in: one official account and the users who may open its pages.

    Args:
        app_id: Id of the account.
        app_secret: Its secret.
        domains: Registered 网页授权域名, host with port; empty accepts every loopback address.
    """

    clock: Clock
    app_id: str
    app_secret: str
    domains: frozenset[str] = frozenset()
    users: OrderedDict[str, WeChatUser] = field(default_factory=OrderedDict)
    fault: int | None = None
    """When set, the next server call answers this ``errcode``, once."""
    _codes: OrderedDict[str, _Issued] = field(default_factory=OrderedDict)
    _token: tuple[str, datetime] | None = None

    def add_user(self, nickname: str, *, openid: str = "", snapshot: bool = False) -> WeChatUser:
        """Add somebody who can open pages; the openid is invented unless given."""
        user = WeChatUser(openid or f"o{secrets.token_urlsafe(20)[:27]}", nickname, snapshot)
        self.users[user.openid] = user
        return user

    def allows(self, redirect_uri: str) -> bool:
        """Tell whether a redirect address lies in a registered domain."""
        parts = urlsplit(redirect_uri)
        if self.domains:
            return parts.netloc in self.domains
        return parts.hostname in {"127.0.0.1", "localhost", "::1"}

    def issue_code(self, openid: str) -> str:
        """Answer a fresh OAuth code for a user."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Issued(openid, self.clock())
        while len(self._codes) > _CODES_KEPT:
            self._codes.popitem(last=False)
        return code

    def redeem(self, code: str) -> WeChatUser | int:
        """Answer the user of a code and use it up, or WeChat's error code."""
        issued = self._codes.get(code)
        if issued is None:
            return 40029
        if issued.used:
            return 40163
        issued.used = True
        if self.clock() - issued.at > _CODE_LIFE:
            return 42003
        return self.users[issued.openid]

    def stable_token(self) -> tuple[str, int]:
        """Answer the current token and its remaining seconds; renewed five minutes before."""
        now = self.clock()
        if self._token is None or self._token[1] - now <= _SAME_TOKEN_UNTIL:
            self._token = (secrets.token_urlsafe(96), now + _TOKEN_LIFE)
        return self._token[0], int((self._token[1] - now).total_seconds())

    def token_lives(self, token: str) -> bool:
        """Tell whether an access token is the current one."""
        return self._token is not None and secrets.compare_digest(self._token[0], token)

    def take_fault(self) -> int | None:
        """Answer the planted error code, and forget it."""
        fault, self.fault = self.fault, None
        return fault


class _Handler(RequestHandler):
    def initialize(self, wechat: WeChatStandIn) -> None:
        self.wechat = wechat

    def reply(self, body: dict[str, Any]) -> None:
        # WeChat answers errors with status 200 and a text type; clients must not rely on either.
        self.set_header("Content-Type", "text/plain")
        self.write(orjson.dumps(body))

    def refuse(self, errcode: int, errmsg: str) -> None:
        self.reply({"errcode": errcode, "errmsg": errmsg})

    def planted(self) -> bool:
        """Answer a planted fault if there is one."""
        if (fault := self.wechat.take_fault()) is not None:
            self.refuse(fault, "planted by the test")
            return True
        return False

    def knows_account(self, app_id: object, secret: object) -> bool:
        if app_id != self.wechat.app_id:
            self.refuse(40013, "invalid appid")
        elif secret != self.wechat.app_secret:
            self.refuse(40125, "invalid appsecret")
        else:
            return True
        return False


class _StableToken(_Handler):
    def post(self) -> None:
        try:
            body = orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            self.refuse(47001, "data format error")
            return
        if self.planted() or not self.knows_account(body.get("appid"), body.get("secret")):
            return
        if body.get("grant_type") != "client_credential":
            self.refuse(40002, "invalid grant_type")
            return
        token, seconds = self.wechat.stable_token()
        self.reply({"access_token": token, "expires_in": seconds})


class _Ticket(_Handler):
    def get(self) -> None:
        if self.planted():
            return
        if not self.wechat.token_lives(self.get_query_argument("access_token", "")):
            self.refuse(40001, "invalid credential, access_token is invalid or not latest")
        elif self.get_query_argument("type", "") != "jsapi":
            self.refuse(40097, "invalid args")
        else:
            ticket = f"ticket-{self.wechat.app_id}-{self.get_query_argument('access_token')[:16]}"
            self.reply({"errcode": 0, "errmsg": "ok", "ticket": ticket, "expires_in": 7200})


class _Exchange(_Handler):
    def get(self) -> None:
        asked = {k: self.get_query_argument(k, "") for k in ("appid", "secret", "code")}
        if self.planted() or not self.knows_account(asked["appid"], asked["secret"]):
            return
        if not asked["code"]:
            self.refuse(41008, "missing code")
            return
        if self.get_query_argument("grant_type", "") != "authorization_code":
            self.refuse(40002, "invalid grant_type")
            return
        user = self.wechat.redeem(asked["code"])
        if isinstance(user, int):
            self.refuse(user, "code been used" if user == 40163 else "invalid code")
            return
        body: dict[str, Any] = {
            "access_token": secrets.token_urlsafe(48),
            "expires_in": 7200,
            "refresh_token": secrets.token_urlsafe(48),
            "openid": user.openid,
            "scope": "snsapi_base",
        }
        if user.snapshot:
            body["is_snapshotuser"] = 1
        self.reply(body)


_AUTHORIZE_ORDER = ("appid", "redirect_uri", "response_type", "scope", "state")


class _Authorize(_Handler):
    """What the phone does when a page of the account is opened."""

    def get(self) -> None:
        given = [name for name in self.request.query_arguments if name in _AUTHORIZE_ORDER]
        redirect = self.get_query_argument("redirect_uri", "")
        if self.get_query_argument("appid", "") != self.wechat.app_id:
            self.fail(10006, "AppID 参数错误")
        elif tuple(given) != _AUTHORIZE_ORDER:
            # The real page refuses parameters that are missing or out of order.
            self.fail(10015, "链接参数错误")
        elif self.get_query_argument("scope") not in {"snsapi_base", "snsapi_userinfo"}:
            self.fail(10005, "Scope 参数错误")
        elif not self.wechat.allows(redirect):
            self.fail(10003, "redirect_uri 参数错误")
        elif openid := self.get_query_argument("user", ""):
            self.go_back(openid, redirect)
        else:
            self.choose()

    def fail(self, code: int, text: str) -> None:
        self.set_status(400)
        self.write(f"<!doctype html><meta charset=utf-8><p>{code} {html.escape(text)}</p>")

    def go_back(self, openid: str, redirect: str) -> None:
        if openid not in self.wechat.users:
            self.fail(10010, "用户不存在")
            return
        state = self.get_query_argument("state")
        query = urlencode({"code": self.wechat.issue_code(openid), "state": state})
        self.redirect(f"{redirect}{'&' if '?' in redirect else '?'}{query}")

    def choose(self) -> None:
        address = html.escape(self.request.uri or "")
        links = "".join(
            f'<li><a href="{address}&amp;user={html.escape(user.openid)}">'
            f"{html.escape(user.nickname)}</a></li>"
            for user in self.wechat.users.values()
        )
        self.write(
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            "<title>微信（模拟）</title><h1>微信（模拟）</h1>"
            f"<p>谁拿着这部手机？</p><ul>{links}</ul></html>"
        )


def routes(wechat: WeChatStandIn) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Answer the stand-in's route table."""
    given = {"wechat": wechat}
    return [
        (r"/connect/oauth2/authorize", _Authorize, given),
        (r"/sns/oauth2/access_token", _Exchange, given),
        (r"/cgi-bin/stable_token", _StableToken, given),
        (r"/cgi-bin/ticket/getticket", _Ticket, given),
    ]
