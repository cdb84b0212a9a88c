"""WeChat's messages and the phones that show them: fields, consents, quotas, and what it reports.

It refuses what WeChat refuses: a token that is not the present one (40001), an openid that is not
one of the account's (40003), an unknown template (40037), a field that is missing or does not fit
its type (47003, naming the field), no consent left (43101), a follower who left (43004), and a
day's quota that is used up (45009). What it accepts lies in ``inbox``; it then posts what became of
it to the account's callback address, signed, and encrypted where there is a key.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import orjson
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler
from wechatpy.crypto import WeChatCrypto

from domain.clock import SHANGHAI
from gateways.standin.wechat import WeChatStandIn

_HAN = r"[\u4e00-\u9fff]"
_TIME = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
_DATE = r"\d{4}(年\d{1,2}月\d{1,2}日|-\d{1,2}-\d{1,2})"

# https://developers.weixin.qq.com/doc/service/api/notify/notify/api_sendnewsubscribemsg.html
_FITS: Mapping[str, re.Pattern[str]] = {
    "thing": re.compile(r"[^\r\n]{1,20}"),
    "number": re.compile(r"(?=.{1,32}$)[0-9]+(\.[0-9]+)?"),
    "letter": re.compile(r"[A-Za-z]{1,32}"),
    "symbol": re.compile(r"[^\w\s]{1,5}"),
    "character_string": re.compile(r"[!-~]{1,32}"),
    "time": re.compile(rf"({_DATE} )?{_TIME}(~({_DATE} )?{_TIME})?"),
    "date": re.compile(rf"{_DATE}( {_TIME})?(~{_DATE}( {_TIME})?)?"),
    "amount": re.compile(r"[¥$]?\d{1,10}(\.\d+)?元?"),
    "phone_number": re.compile(r"[\d+\-() ]{1,17}"),
    "car_number": re.compile(rf"{_HAN}[A-Za-z0-9]{{5,6}}{_HAN}?"),
    "name": re.compile(rf"({_HAN}{{1,10}}|[A-Za-z .]{{1,20}})"),
    "phrase": re.compile(rf"{_HAN}{{1,5}}"),
    "const": re.compile(r"[^\r\n]{1,20}"),
}


@dataclass(frozen=True)
class AccountTemplate:
    """A template of the account. ``card`` is one for template messages, which need no consent."""

    fields: tuple[str, ...]
    long_term: bool = False
    card: bool = False


@dataclass(frozen=True)
class Callback:
    """Where the account's events go."""

    url: str
    token: str
    aes_key: str = ""


@dataclass(frozen=True)
class Received:
    """A message on a phone."""

    openid: str
    template: str
    data: Mapping[str, str]
    url: str
    at: datetime
    message_id: str


@dataclass
class MessagesStandIn:
    """State of the stand-in.

    Attributes:
        quota: Messages a day, for each template.
        left: Openids of those who do not follow the account any more.
        blocking: Openids of those who take no messages; WeChat learns of it while sending.
        calls: How often somebody asked to send.
        faults: Error codes that the next calls get, one each.
        nonsense: When set, the next answer is this text.
        down: While set, every call is answered with 503.
        stalled: While set, messages arrive, but the answer to the sender does not.
    """

    wechat: WeChatStandIn
    templates: dict[str, AccountTemplate] = field(default_factory=dict)
    callback: Callback | None = None
    quota: int = 100_000
    left: set[str] = field(default_factory=set)
    blocking: set[str] = field(default_factory=set)
    inbox: deque[Received] = field(default_factory=lambda: deque(maxlen=10_000))
    calls: int = 0
    faults: deque[int] = field(default_factory=lambda: deque(maxlen=100))
    nonsense: str = ""
    down: bool = False
    stalled: bool = False
    going_on: asyncio.Event = field(default_factory=asyncio.Event)
    _consents: Counter[tuple[str, str]] = field(default_factory=Counter)
    _spent: Counter[tuple[str, date]] = field(default_factory=Counter)
    _seen: dict[tuple[str, str], str] = field(default_factory=dict)

    def to(self, openid: str) -> list[Received]:
        """Answer what arrived on somebody's phone, oldest first."""
        return [message for message in self.inbox if message.openid == openid]

    async def agree(self, openid: str, template: str, *, tell: bool = True) -> None:
        """Do what a person does who agrees in the pop-up; WeChat may tell the account."""
        self._consents[openid, template] += 1
        if tell:
            await self._popup(openid, template, "accept")

    async def refuse(self, openid: str, template: str) -> None:
        """Do what a person does who switches the messages off."""
        self._consents[openid, template] = 0
        body = _listed("SubscribeMsgChangeEvent", _answer(template, "reject"))
        await self.post(openid, "subscribe_msg_change_event", body)

    def consents(self, openid: str, template: str) -> int:
        """Answer how many messages somebody has agreed to and not got yet."""
        return self._consents[openid, template]

    def judge(self, body: Mapping[str, Any], *, card: bool) -> tuple[int, str] | None:
        """Answer WeChat's refusal of a message, or ``None``."""
        openid, key = str(body.get("touser", "")), str(body.get("template_id", ""))
        template = self.templates.get(key)
        if openid not in self.wechat.users:
            return 40003, "invalid openid"
        if template is None or template.card is not card:
            return 40037, "invalid template_id"
        if wrong := _wrong_field(template, body.get("data"), card=card):
            return 47003, f"argument invalid! data.{wrong}.value invalid"
        return self._unwilling(openid, key, card=card)

    def _unwilling(self, openid: str, key: str, *, card: bool) -> tuple[int, str] | None:
        if openid in self.left:
            return 43004, "require subscribe"
        if not card and not self._consents[openid, key]:
            return 43101, "user refuse to accept the msg"
        if self._spent[key, self._today()] >= self.quota:
            return 45009, "reach max api daily quota limit"
        return None

    def deliver(self, body: Mapping[str, Any], *, card: bool) -> Received:
        """Put a message on the phone."""
        openid, key = body["touser"], body["template_id"]
        again = (openid, str(body.get("client_msg_id", "")))
        if again[1] and again in self._seen:
            return next(m for m in self.inbox if m.message_id == self._seen[again])
        self._spent[key, self._today()] += 1
        if not card and not self.templates[key].long_term:
            self._consents[openid, key] -= 1
        message = Received(
            openid=openid,
            template=key,
            data={name: value["value"] for name, value in body["data"].items()},
            url=str(body.get("url" if card else "page", "")),
            at=self.wechat.clock(),
            message_id=str(3_000_000_000_000_000_000 + secrets.randbelow(10**18)),
        )
        if openid not in self.blocking:
            self.inbox.append(message)
        if again[1]:
            self._seen[again] = message.message_id
        return message

    async def report(self, message: Received, *, card: bool) -> None:
        """Tell the account what became of a message."""
        blocked = message.openid in self.blocking
        if card:
            status = "failed:user block" if blocked else "success"
            body = f"<MsgID>{message.message_id}</MsgID><Status><![CDATA[{status}]]></Status>"
            await self.post(message.openid, "TEMPLATESENDJOBFINISH", body)
            return
        code, status = ("43101", "failed") if blocked else ("0", "success")
        body = _listed(
            "SubscribeMsgSentEvent",
            f"<TemplateId>{escape(message.template)}</TemplateId><MsgID>{message.message_id}</MsgID>"
            f"<ErrorCode>{code}</ErrorCode><ErrorStatus><![CDATA[{status}]]></ErrorStatus>",
        )
        await self.post(message.openid, "subscribe_msg_sent_event", body)

    async def post(self, openid: str, event: str, body: str) -> str:
        """Post an event to the account's callback address, and answer what it said."""
        if self.callback is None:
            return ""
        at = str(int(self.wechat.clock().timestamp()))
        text = (
            f"<xml><ToUserName>gh_standin</ToUserName><FromUserName>{escape(openid)}</FromUserName>"
            f"<CreateTime>{at}</CreateTime><MsgType>event</MsgType><Event>{event}</Event>{body}</xml>"
        )
        request = self._signed(self.callback, text, at)
        response = await AsyncHTTPClient().fetch(request, raise_error=False)
        return response.body.decode("utf-8", "replace") if response.body else ""

    def _signed(self, callback: Callback, text: str, at: str) -> HTTPRequest:
        nonce = secrets.token_hex(8)
        signature = hashlib.sha1("".join(sorted((callback.token, at, nonce))).encode())  # noqa: S324 - WeChat's
        query = {"signature": signature.hexdigest(), "timestamp": at, "nonce": nonce}
        if callback.aes_key:
            crypto = WeChatCrypto(callback.token, callback.aes_key, self.wechat.app_id)
            text = crypto.encrypt_message(text, nonce, at)
            found = re.search(r"<MsgSignature><!\[CDATA\[(\w+)", text)
            query |= {"encrypt_type": "aes", "msg_signature": found.group(1) if found else ""}
        return HTTPRequest(
            f"{callback.url}?{urlencode(query)}",
            method="POST",
            body=text.encode(),
            headers={"Content-Type": "text/xml"},
        )

    async def _popup(self, openid: str, template: str, said: str) -> None:
        body = _listed("SubscribeMsgPopupEvent", _answer(template, said) + _PAGE)
        await self.post(openid, "subscribe_msg_popup_event", body)

    def _today(self) -> date:
        return self.wechat.clock().astimezone(SHANGHAI).date()


class _Send(RequestHandler):
    """``bizsend`` and ``template/send``."""

    def initialize(self, messages: MessagesStandIn, card: bool) -> None:  # noqa: FBT001
        self.messages = messages
        self.card = card

    async def post(self) -> None:
        messages = self.messages
        messages.calls += 1
        if messages.down:
            self.set_status(503)
            return
        if messages.faults:
            self.reply({"errcode": messages.faults.popleft(), "errmsg": "planted by the test"})
            return
        if not messages.wechat.token_lives(self.get_query_argument("access_token", "")):
            self.reply({"errcode": 40001, "errmsg": "invalid credential, access_token is invalid"})
            return
        if messages.nonsense:
            self.set_header("Content-Type", "text/html")
            self.write(messages.nonsense)
            messages.nonsense = ""
            return
        try:
            body = orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            self.reply({"errcode": 47001, "errmsg": "data format error"})
            return
        if refusal := messages.judge(body, card=self.card):
            self.reply({"errcode": refusal[0], "errmsg": refusal[1]})
            return
        await self.accept(body)

    async def accept(self, body: Mapping[str, Any]) -> None:
        messages = self.messages
        message = messages.deliver(body, card=self.card)
        if messages.stalled:
            await messages.going_on.wait()
        # Only template messages are answered with an id.
        more = {"msgid": int(message.message_id)} if self.card else {}
        self.reply({"errcode": 0, "errmsg": "ok", **more})
        # Whoever does not wait for the answer hears what became of it all the same.
        with suppress(StreamClosedError):
            await self.finish()
        await messages.report(message, card=self.card)

    def reply(self, body: dict[str, Any]) -> None:
        self.set_header("Content-Type", "text/plain")
        self.write(orjson.dumps(body))


_PAGE = "<PopupScene>1</PopupScene>"


def _wrong_field(template: AccountTemplate, data: object, *, card: bool) -> str:
    """Answer the name of the first field that is missing, unknown or does not fit."""
    if not isinstance(data, dict):
        return template.fields[0]
    for name in template.fields:
        said = data.get(name)
        value = said.get("value") if isinstance(said, dict) else None
        kind = re.sub(r"\d+$", "", name)
        if not isinstance(value, str) or not _FITS[kind].fullmatch(value):
            return name
    strangers = sorted(data.keys() - set(template.fields))
    return strangers[0] if strangers and not card else ""


def _answer(template: str, said: str) -> str:
    return (
        f"<TemplateId>{escape(template)}</TemplateId>"
        f"<SubscribeStatusString>{said}</SubscribeStatusString>"
    )


def _listed(name: str, inner: str) -> str:
    return f"<{name}><List>{inner}</List></{name}>"


def routes(messages: MessagesStandIn) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Answer the stand-in's route table."""
    return [
        (r"/cgi-bin/message/subscribe/bizsend", _Send, {"messages": messages, "card": False}),
        (r"/cgi-bin/message/template/send", _Send, {"messages": messages, "card": True}),
    ]
