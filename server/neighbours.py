"""The outside world as the settings know it; who is not configured is refused in words."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from domain.identity.credentials import TEMPLATE as INVITATION
from domain.identity.ports import WeChat
from domain.identity.sms_codes import TEMPLATE as LOGIN_CODE
from domain.ports import SmsGateway
from gateways.http import JsonClient
from gateways.sms import NoSms, SmsAccount, TencentSms
from gateways.wechat import NoWeChat, WeChatClient
from server.config import Sms
from server.ground import Ground


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """One client for each neighbour."""

    wechat: WeChat
    sms: SmsGateway


def reach(ground: Ground, stack: AsyncExitStack) -> Neighbours:
    """Make the clients; leaving ``stack`` lets their connections go.

    They ask the key ring each time, so that a key is changed without a restart.
    """
    return Neighbours(wechat=_wechat(ground, stack), sms=_sms(ground, stack))


def sms_account(sms: Sms) -> SmsAccount:
    """Answer what the text message provider knows us by."""
    templates = {
        LOGIN_CODE: (sms.template_login_code, ("code", "minutes")),
        INVITATION: (sms.template_invitation, ("name",)),
    }
    return SmsAccount(
        secret_id=sms.secret_id,
        secret_key=sms.key.get_secret_value(),
        app_id=sms.app_id,
        sign_name=sms.sign,
        region=sms.region,
        templates={name: it for name, it in templates.items() if it[0]},
    )


def _wechat(ground: Ground, stack: AsyncExitStack) -> WeChat:
    said, keys = ground.settings.wechat, ground.keys
    if not said.app_id:
        return NoWeChat()
    client = WeChatClient(
        JsonClient("wechat", said.base_url),
        app_id=said.app_id,
        app_secret=lambda: keys.current("wechat").get("secret", ""),
        clock=ground.clock,
    )
    stack.callback(client.close)
    return client


def _sms(ground: Ground, stack: AsyncExitStack) -> SmsGateway:
    said, keys = ground.settings.sms, ground.keys
    if not said.base_url:
        return NoSms()
    account = sms_account(said)

    def present() -> SmsAccount:
        key = keys.current("sms")
        return replace(account, secret_id=key.get("secret_id", ""), secret_key=key.get("key", ""))

    client = TencentSms(JsonClient("sms", said.base_url), present, clock=ground.clock)
    stack.callback(client.close)
    return client
