"""WeChat's messages to people: subscription messages and template messages.

Both fill the fields of a template that was chosen at WeChat. A field's name begins with its type
(``thing1``, ``time3``), and WeChat refuses a whole message for one value that does not fit; so
every value is fitted here, in one place, and cut rather than refused.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.clock import SHANGHAI
from domain.errors import NotConfigured, Unsent, UpstreamDown
from domain.ladder.ports import Handover, Message, Outcome
from gateways.wechat import BAD_TOKEN, WeChatClient, WeChatError

_log = logging.getLogger(__name__)

_SUBSCRIBED = "/cgi-bin/message/subscribe/bizsend"
_CARDED = "/cgi-bin/message/template/send"

# https://developers.weixin.qq.com/doc/oplatform/Return_codes/Return_code_descriptions_new.html
_LATER = BAD_TOKEN | {-1, 43117, 45011}
"""Busy, too many calls a minute, or a new token that is not good either: nothing was sent."""
_REASONS: Mapping[int, str] = {
    40003: "no_wechat",  # the openid is not one of this account
    43004: "not_following",
    43101: "no_consent",
    43116: "blocked",
    45009: "quota",
    47003: "field",
}

_TYPE = re.compile(r"[a-z_]+")
_HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Template:
    """A template at WeChat: its id, and which field takes what.

    ``fields`` maps our names (``title``, ``kind``, ``priority``, ``time``, ``count``) to WeChat's.
    """

    id: str
    fields: Mapping[str, str] = field(default_factory=dict)


class WeChatNotices:
    """Implements ``domain.ladder.ports.WeChatSender``."""

    def __init__(
        self, client: WeChatClient, *, subscription: Template, long_term: bool, card: Template
    ) -> None:
        self._client = client
        self._subscription = subscription
        self._card = card
        self.subscription = subscription.id
        self.long_term = long_term
        self.card = bool(card.id)

    async def subscribed(self, openid: str, message: Message) -> Handover:
        """Send a subscription message; WeChat answers no id for it."""
        body = {
            "touser": openid,
            "template_id": self._subscription.id,
            "page": message.url,
            "data": _data(self._subscription, message),
        }
        return await self._send(_SUBSCRIBED, body)

    async def carded(self, openid: str, message: Message) -> Handover:
        """Send a template message; the same one is not shown twice within ten minutes."""
        body = {
            "touser": openid,
            "template_id": self._card.id,
            "url": message.url,
            "client_msg_id": message.id,
            "data": _data(self._card, message),
        }
        return await self._send(_CARDED, body)

    async def _send(self, path: str, body: dict[str, Any]) -> Handover:
        try:
            answer = await self._client.post(path, body)
        except WeChatError as error:
            return _refused(error)
        except NotConfigured:
            return Handover(outcome=Outcome.REFUSED, reason="not_configured")
        except Unsent:
            return Handover(outcome=Outcome.LATER, reason="busy")
        except UpstreamDown:
            return Handover(outcome=Outcome.UNKNOWN, reason="unknown")
        if "errcode" not in answer:
            return Handover(outcome=Outcome.UNKNOWN, reason="unknown")
        return Handover(outcome=Outcome.SENT, message_id=str(answer.get("msgid") or ""))


def _refused(error: WeChatError) -> Handover:
    # The text names the field at fault; it holds neither openid nor content.
    _log.warning("WeChat refused a message: %s %s", error.errcode, error.errmsg[:200])
    if error.errcode in _LATER:
        return Handover(outcome=Outcome.LATER, reason="busy")
    return Handover(outcome=Outcome.REFUSED, reason=_REASONS.get(error.errcode, "refused"))


class NoWeChatNotices:
    """Stands where no official account is configured."""

    subscription = ""
    long_term = False
    card = False

    async def subscribed(self, openid: str, message: Message) -> Handover:
        """Refuse."""
        return Handover(outcome=Outcome.REFUSED, reason="not_configured")

    async def carded(self, openid: str, message: Message) -> Handover:
        """Refuse."""
        return Handover(outcome=Outcome.REFUSED, reason="not_configured")


def _data(template: Template, message: Message) -> dict[str, dict[str, str]]:
    values: Mapping[str, str | datetime] = {
        "title": message.title,
        "kind": message.kind,
        "priority": message.priority,
        "time": message.at,
        "count": str(message.count),
    }
    return {
        theirs: {"value": fitted(theirs, values[ours])} for ours, theirs in template.fields.items()
    }


def fitted(name: str, value: str | datetime) -> str:
    """Answer a value in the form that a field takes, cut to its length; never empty."""
    found = _TYPE.match(name)
    kind = found.group().rstrip("_") if found else ""
    if isinstance(value, datetime):
        return _moment(kind, value.astimezone(SHANGHAI))
    text = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    match kind:
        case "thing":
            return _cut(text, 20) or "通知"
        case "phrase":
            return "".join(_HAN.findall(text))[:5] or "通知"
        case "character_string":
            plain = unicodedata.normalize("NFKC", text)
            return "".join(c for c in plain if 32 < ord(c) < 127)[:32] or "-"
        case "number":
            return "".join(c for c in text if c in "0123456789")[:32] or "0"
    return _cut(text, 20) or "通知"


def _moment(kind: str, at: datetime) -> str:
    day = f"{at.year}年{at.month}月{at.day}日"
    match kind:
        case "date":
            return day
        case "time":
            return f"{day} {at:%H:%M}"
        case "character_string":
            return f"{at:%Y-%m-%d_%H:%M}"
    return f"{at:%Y-%m-%d %H:%M}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
