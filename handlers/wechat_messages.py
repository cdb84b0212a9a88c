"""What WeChat's server posts to us: signed, and in secure mode encrypted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field
from wechatpy import parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.events import (
    ScanEvent,
    SubscribeEvent,
    SubscribeMsgChangeEvent,
    SubscribeMsgPopupEvent,
    SubscribeMsgSentEvent,
    SubscribeScanEvent,
    TemplateSendJobFinishEvent,
    UnsubscribeEvent,
)
from wechatpy.exceptions import InvalidAppIdException, InvalidSignatureException
from wechatpy.replies import TextReply
from wechatpy.utils import check_signature

from domain.errors import Forbidden, Malformed, NotConfigured
from handlers.entry import EntryHandler
from handlers.operation import PUBLIC, Written, operation
from handlers.routing import route

_Short = Annotated[str, Field(max_length=256)]


class PushQuery(BaseModel):
    """How WeChat signs what it says."""

    signature: _Short = ""
    timestamp: _Short = ""
    nonce: _Short = ""
    echostr: _Short = ""
    encrypt_type: _Short = ""
    msg_signature: _Short = ""


class MessagesHandler(EntryHandler):
    """``/api/v1/wechat/messages``: the address registered with the official account."""

    max_body = 64 * 1024

    @operation(PUBLIC, produces="text/plain")
    async def get(self, query: PushQuery) -> Written:
        """Prove to WeChat that the address is ours."""
        self._signed(query)
        self._say(query.echostr, "text/plain; charset=utf-8")
        return Written()

    @operation(PUBLIC, produces="text/xml")
    async def post(self, query: PushQuery) -> Written:
        """Receive an event and answer it with a text, or with nothing."""
        key = self._signed(query)
        text = self._opened(query, self.request.body, key)
        message = _parse(text)
        answer = await self._react(message)
        if not answer:
            # WeChat takes this word for "heard"; anything else it would repeat twice.
            self._say("success", "text/plain; charset=utf-8")
            return Written()
        reply = TextReply(content=answer, message=message).render()
        self._say(self._sealed(query, reply, key), "text/xml; charset=utf-8")
        return Written()

    def _signed(self, query: PushQuery) -> Mapping[str, str]:
        """Answer the key it is signed with; while keys are changed over there are two."""
        keys = self.identity.official.messages()
        if not keys:
            raise NotConfigured("未配置微信消息接口", upstream="wechat")
        for key in keys:
            with contextlib.suppress(InvalidSignatureException):
                check_signature(key["token"], query.signature, query.timestamp, query.nonce)
                return key
        raise Forbidden("签名不正确", code="bad_signature")

    def _opened(self, query: PushQuery, body: bytes, key: Mapping[str, str]) -> bytes | str:
        if query.encrypt_type != "aes":
            return body
        try:
            opened: str = self._crypto(key).decrypt_message(
                body, query.msg_signature, query.timestamp, query.nonce
            )
        except (InvalidSignatureException, InvalidAppIdException):
            raise Forbidden("签名不正确", code="bad_signature") from None
        except Exception as error:
            # The body is a stranger's: base64, padding, XML may each be broken in its own way.
            raise Malformed("消息无法解析") from error
        return opened

    def _sealed(self, query: PushQuery, reply: str, key: Mapping[str, str]) -> str:
        if query.encrypt_type != "aes":
            return reply
        sealed: str = self._crypto(key).encrypt_message(reply, query.nonce, query.timestamp)
        return sealed

    def _crypto(self, key: Mapping[str, str]) -> WeChatCrypto:
        if not key["aes_key"]:
            raise NotConfigured("未配置微信消息加密", upstream="wechat")
        return WeChatCrypto(key["token"], key["aes_key"], self.identity.official.app_id)

    async def _react(self, message: object) -> str:
        messages = self.identity.messages
        match message:
            case SubscribeScanEvent():
                return await messages.subscribed(message.source, message.scene_id)
            case SubscribeEvent():
                return await messages.subscribed(message.source)
            case UnsubscribeEvent():
                await messages.unsubscribed(message.source)
            case ScanEvent():
                return await messages.scanned(message.source, message.scene_id)
            case SubscribeMsgPopupEvent() | SubscribeMsgChangeEvent():
                said = {
                    _text(one, "TemplateId"): _text(one, "SubscribeStatusString")
                    for one in _listed(message)
                }
                key = f"event:{message.event}:{_created(message)}"
                await self.services.ladder.consents.pushed(message.source, said, key=key)
            case SubscribeMsgSentEvent():
                for one in _listed(message):
                    await self._sent(message.source, _text(one, "MsgID"), _text(one, "ErrorStatus"))
            case TemplateSendJobFinishEvent():
                await self._sent(message.source, str(message.id), str(message.status))
        return ""

    async def _sent(self, openid: str, message_id: str, result: str) -> None:
        await self.services.ladder.consents.reported(
            openid, message_id=message_id[:64], result=result[:64]
        )

    def _say(self, text: str, kind: str) -> None:
        self.set_header("Content-Type", kind)
        self.write(text)


def _listed(message: SubscribeMsgPopupEvent) -> list[Mapping[str, object]]:
    """Answer what an event lists: WeChat sends one thing alone, or several in a row."""
    info = message.subscribes_info
    found = info.get("List") if isinstance(info, Mapping) else None
    rows = found if isinstance(found, list) else [found]
    return [row for row in rows if isinstance(row, Mapping)]


def _text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _created(message: SubscribeMsgPopupEvent) -> str:
    """Answer when WeChat made an event: the same when it is sent again."""
    return str(message._data.get("CreateTime", ""))  # noqa: SLF001 - wechatpy reads no instant here


def _parse(text: bytes | str) -> object:
    try:
        return parse_message(text)
    except Exception as error:
        # wechatpy lets the XML parser's own complaints through, of which there are many kinds.
        raise Malformed("消息无法解析") from error


ROUTES = [route(r"/api/v1/wechat/messages", MessagesHandler)]
