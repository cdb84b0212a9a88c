"""All stand-ins behind one port, for the demo and the tests.

``http://…/`` is the SMS provider (its API lives at the root), WeChat's addresses are WeChat's own.
``/phones`` shows what arrived on the invented phones, so that a person trying the demo can read the
code that was sent.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Self

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from domain.clock import SHANGHAI, Clock
from gateways.iflytek_face import IflytekAccount
from gateways.sms import SmsAccount
from gateways.standin import iflytek as iflytek_standin
from gateways.standin import sms as sms_standin
from gateways.standin import wechat as wechat_standin
from gateways.standin import wechat_messages
from gateways.standin import wecom as wecom_standin
from gateways.standin.iflytek import IflytekStandIn
from gateways.standin.sms import SmsStandIn
from gateways.standin.wechat import WeChatStandIn
from gateways.standin.wechat_messages import MessagesStandIn
from gateways.standin.wecom import WeComStandIn

LOGIN_CODE = "login_code"
WECOM = ("ww-standin", "secret-of-the-application")
"""Corporation and secret at the stand-in of 企业微信."""
IFLYTEK = IflytekAccount("5f00d001", "key-of-the-stand-in", "secret-of-the-stand-in")
"""The application at the stand-in of iFLYTEK."""


class _Phones(RequestHandler):
    """The newest messages on all phones, as a page."""

    def initialize(self, sms: SmsStandIn, messages: MessagesStandIn) -> None:
        self.sms = sms
        self.messages = messages

    def get(self) -> None:
        users = self.messages.wechat.users
        texts = [
            (one.at, "短信", one.phone, "，".join(one.params)) for one in list(self.sms.inbox)[-50:]
        ]
        chats = [
            (one.at, "微信", users[one.openid].nickname, "，".join(one.data.values()))
            for one in list(self.messages.inbox)[-50:]
        ]
        rows = "".join(
            f"<tr><td>{at.astimezone(SHANGHAI):%H:%M:%S}</td>"
            + "".join(f"<td>{html.escape(text)}</td>" for text in texts)
            + "</tr>"
            for at, *texts in sorted(texts + chats, reverse=True)
        )
        self.write(
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
            '<meta http-equiv="refresh" content="3"><title>手机（模拟）</title>'
            "<style>body{font:18px/1.6 sans-serif;margin:2rem}td{padding:.3rem 1rem}</style>"
            "<h1>手机（模拟）</h1><p>演示数据 人物均为虚构</p>"
            f"<table>{rows or '<tr><td>还没有消息</td></tr>'}</table></html>"
        )


@dataclass
class Neighbourhood:
    """The running stand-ins. ``url`` is the base address for every neighbour."""

    wechat: WeChatStandIn
    messages: MessagesStandIn
    wecom: WeComStandIn
    sms: SmsStandIn
    iflytek: IflytekStandIn
    url: str
    _server: HTTPServer

    @classmethod
    async def open(
        cls, *, clock: Clock, wechat: tuple[str, str], sms: SmsAccount, port: int = 0
    ) -> Self:
        """Start listening on loopback.

        Args:
            clock: The clock by which codes and tokens age.
            wechat: App id and secret of the official account.
            sms: The account at the SMS provider.
            port: 0 takes any free one.
        """
        wechat_state = WeChatStandIn(clock, *wechat)
        messages = MessagesStandIn(wechat_state)
        wecom_state = WeComStandIn(clock, *WECOM)
        sms_state = SmsStandIn(clock, sms)
        iflytek_state = IflytekStandIn(clock, IFLYTEK)
        application = Application(
            [
                *wechat_standin.routes(wechat_state),
                *wechat_messages.routes(messages),
                *wecom_standin.routes(wecom_state),
                *sms_standin.routes(sms_state),
                *iflytek_standin.routes(iflytek_state),
                (r"/phones", _Phones, {"sms": sms_state, "messages": messages}),
            ],
            # A stand-in's requests are not the hub's: they stay out of its access log.
            log_function=lambda _: None,
        )
        server = HTTPServer(application)
        sockets = bind_sockets(port, "127.0.0.1")
        server.add_sockets(sockets)
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        return cls(wechat_state, messages, wecom_state, sms_state, iflytek_state, url, server)

    async def close(self) -> None:
        """Stop listening and close what is open."""
        self._server.stop()
        await self._server.close_all_connections()
