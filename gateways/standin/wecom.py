"""企业微信 as an application sees it: a token, members by mobile number, and text cards.

It refuses what 企业微信 refuses: a wrong secret (40001), a dead token (40014), a number that is no
member's (46004), another application (40056), and fields that are missing or too long (40058). The
same card to the same member arrives once in half an hour where the sender asks for that.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from tornado.web import RequestHandler

from domain.clock import Clock

_TOKEN_LIFE = timedelta(seconds=7200)
_LONGEST = {"title": 128, "description": 512, "url": 2048}
"""In bytes."""


@dataclass(frozen=True)
class Card:
    """A text card that arrived."""

    user_id: str
    title: str
    url: str
    at: datetime


@dataclass
class WeComStandIn:
    """State of the stand-in: one application and its members, ``{mobile: user id}``."""

    clock: Clock
    corp_id: str
    secret: str
    agent_id: int = 1_000_002
    members: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    """User ids of members who may not see the application."""
    faults: deque[int] = field(default_factory=lambda: deque(maxlen=100))
    inbox: deque[Card] = field(default_factory=lambda: deque(maxlen=10_000))
    _token: tuple[str, datetime] | None = None

    def token(self) -> tuple[str, int]:
        """Answer the token and its seconds; the same one until it ends."""
        now = self.clock()
        if self._token is None or self._token[1] <= now:
            self._token = (secrets.token_urlsafe(64), now + _TOKEN_LIFE)
        return self._token[0], int((self._token[1] - now).total_seconds())

    def lives(self, token: str) -> bool:
        """Tell whether a token is the present one."""
        known = self._token is not None and secrets.compare_digest(self._token[0], token)
        return known and self._token is not None and self._token[1] > self.clock()

    def arrive(self, user_id: str, card: dict[str, str], *, once: timedelta | None) -> None:
        """Put a card on somebody's phone, unless it is there already and shall not be twice."""
        now = self.clock()
        new = Card(user_id, card["title"], card["url"], now)
        if once is not None and any(
            (old.user_id, old.title, old.url) == (new.user_id, new.title, new.url)
            and now - old.at < once
            for old in self.inbox
        ):
            return
        self.inbox.append(new)


class _Handler(RequestHandler):
    def initialize(self, wecom: WeComStandIn) -> None:
        self.wecom = wecom

    def reply(self, errcode: int = 0, errmsg: str = "ok", **more: Any) -> None:
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write(orjson.dumps({"errcode": errcode, "errmsg": errmsg, **more}))

    def asked(self) -> dict[str, Any] | None:
        """Answer the body, or refuse and answer ``None``."""
        if self.wecom.faults:
            self.reply(self.wecom.faults.popleft(), "planted by the test")
        elif not self.wecom.lives(self.get_query_argument("access_token", "")):
            self.reply(40014, "invalid access_token")
        else:
            try:
                body: dict[str, Any] = orjson.loads(self.request.body)
            except orjson.JSONDecodeError:
                self.reply(47001, "data format error")
            else:
                return body
        return None


class _Token(_Handler):
    def get(self) -> None:
        given = [self.get_query_argument(name, "") for name in ("corpid", "corpsecret")]
        if given[0] != self.wecom.corp_id:
            self.reply(40013, "invalid corpid")
        elif given[1] != self.wecom.secret:
            self.reply(40001, "invalid credential")
        else:
            token, seconds = self.wecom.token()
            self.reply(access_token=token, expires_in=seconds)


class _UserId(_Handler):
    def post(self) -> None:
        body = self.asked()
        if body is None:
            return
        user_id = self.wecom.members.get(str(body.get("mobile", "")))
        if user_id is None:
            self.reply(46004, "user not exist")
        else:
            self.reply(userid=user_id)


class _Send(_Handler):
    def post(self) -> None:
        body = self.asked()
        if body is None:
            return
        if body.get("agentid") != self.wecom.agent_id:
            self.reply(40056, "invalid agentid")
            return
        card = body.get("textcard")
        if body.get("msgtype") != "textcard" or not isinstance(card, dict) or not _fits(card):
            self.reply(40058, "invalid parameter")
            return
        user_id = str(body.get("touser", ""))
        if user_id not in self.wecom.members.values():
            self.reply(invaliduser=user_id, msgid="")
        elif user_id in self.wecom.hidden:
            self.reply(81013, "user & party & tag all invalid")
        else:
            once = None
            if body.get("enable_duplicate_check"):
                once = timedelta(seconds=int(body.get("duplicate_check_interval", 1800)))
            self.wecom.arrive(user_id, card, once=once)
            self.reply(invaliduser="", msgid=secrets.token_urlsafe(24))


def _fits(card: dict[str, Any]) -> bool:
    return all(
        isinstance(card.get(name), str) and 0 < len(card[name].encode()) <= longest
        for name, longest in _LONGEST.items()
    )


def routes(wecom: WeComStandIn) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Answer the stand-in's route table."""
    given = {"wecom": wecom}
    return [
        (r"/cgi-bin/gettoken", _Token, given),
        (r"/cgi-bin/user/getuserid", _UserId, given),
        (r"/cgi-bin/message/send", _Send, given),
    ]
