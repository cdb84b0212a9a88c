"""企业微信: messages from an application of the congress to its members, found by mobile number.

https://developer.work.weixin.qq.com/document/path/90236. The access token belongs to the
application and is fetched with its secret; the same one is answered until it ends.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import orjson

from domain.clock import Clock
from domain.errors import NotConfigured, Unsent, UpstreamDown
from domain.ladder.ports import Handover, Message, Outcome
from gateways.http import JsonClient
from gateways.wechat import BAD_TOKEN, Cached, WeChatError, lasting, refuse_errors

_log = logging.getLogger(__name__)

_UPSTREAM = "wecom"

_TITLE = 128
"""Longest title of a card, in bytes."""

_LATER = BAD_TOKEN | {-1, 45009, 45033}
"""Busy, or too many calls a minute: nothing was sent."""
_STRANGER = {46004, 60111, 60003, 40058}
"""No member has this number, or this id."""
_NOT_ALLOWED = {81013, 60011, 82001}
"""The member is not among those who may see the application."""


class WeComMessages:
    """Implements ``domain.ladder.ports.MemberSender``: one text card to a member."""

    def __init__(
        self,
        http: JsonClient,
        *,
        corp_id: str,
        agent_id: int,
        secret: str | Callable[[], str],
        clock: Clock,
    ) -> None:
        self._http = http
        self._corp_id = corp_id
        self._agent_id = agent_id
        self._secret = secret
        self._token = Cached(self._fetch_token, clock)

    def close(self) -> None:
        """Let go of open connections."""
        self._http.close()

    async def send(self, phone: str, message: Message) -> Handover:
        """Send a text card; refused with ``no_member`` if nobody has this number."""
        user_id = await self._member(phone)
        if isinstance(user_id, Handover):
            return user_id
        try:
            answer = await self._call("/cgi-bin/message/send", self._card(user_id, message))
        except (WeChatError, NotConfigured) as error:
            return _refused(error)
        except Unsent:
            return Handover(outcome=Outcome.LATER, reason="busy")
        except UpstreamDown:
            return Handover(outcome=Outcome.UNKNOWN, reason="unknown")
        if answer.get("invaliduser"):
            return Handover(outcome=Outcome.REFUSED, reason="no_member")
        return Handover(outcome=Outcome.SENT, message_id=str(answer.get("msgid", "")))

    async def _member(self, phone: str) -> str | Handover:
        try:
            answer = await self._call("/cgi-bin/user/getuserid", {"mobile": phone})
        except (WeChatError, NotConfigured) as error:
            return _refused(error)
        except UpstreamDown:
            # A question that was not answered has done nothing.
            return Handover(outcome=Outcome.LATER, reason="busy")
        return str(answer.get("userid", ""))

    def _card(self, user_id: str, message: Message) -> dict[str, Any]:
        return {
            "touser": user_id,
            "msgtype": "textcard",
            "agentid": self._agent_id,
            "textcard": {
                "title": message.title.encode()[:_TITLE].decode(errors="ignore"),
                "description": html.escape(f"{message.priority} {message.kind}"),
                "url": message.url,
                "btntxt": "查看",
            },
            # The same message to the same member is sent once within half an hour.
            "enable_duplicate_check": 1,
            "duplicate_check_interval": 1800,
        }

    async def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        token = await self._fresh_token()
        try:
            return await self._post(path, token, body)
        except WeChatError as error:
            if error.errcode not in BAD_TOKEN:
                raise
        self._token.forget(token)
        return await self._post(path, await self._fresh_token(), body)

    async def _fresh_token(self) -> str:
        try:
            return await self._token.get()
        except (NotConfigured, WeChatError):
            raise
        except UpstreamDown as error:
            raise Unsent(error.msg, upstream=_UPSTREAM) from error

    async def _post(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        query = urlencode({"access_token": token})
        answer = await self._http.post(f"{path}?{query}", orjson.dumps(body))
        if "errcode" not in answer:
            raise UpstreamDown("企业微信返回了无法识别的内容", upstream=_UPSTREAM)
        refuse_errors(answer)
        return answer

    async def _fetch_token(self) -> tuple[str, int]:
        secret = self._secret if isinstance(self._secret, str) else self._secret()
        if not secret:
            raise NotConfigured("未配置企业微信密钥", upstream=_UPSTREAM)
        answer = await self._http.get(
            "/cgi-bin/gettoken", {"corpid": self._corp_id, "corpsecret": secret}
        )
        refuse_errors(answer)
        return lasting(answer, "access_token")


def _refused(error: WeChatError | NotConfigured) -> Handover:
    if isinstance(error, NotConfigured):
        return Handover(outcome=Outcome.REFUSED, reason="not_configured")
    if error.errcode in _LATER:
        return Handover(outcome=Outcome.LATER, reason="busy")
    if error.errcode in _STRANGER | _NOT_ALLOWED:
        return Handover(outcome=Outcome.REFUSED, reason="no_member")
    _log.warning("企业微信 refused a message: %s %s", error.errcode, error.errmsg[:200])
    return Handover(outcome=Outcome.REFUSED, reason="refused")
