"""The outside world as the settings know it; who is not configured is refused in words."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from domain.clock import Clock
from domain.identity.credentials import TEMPLATE as INVITATION
from domain.identity.ports import WeChat
from domain.identity.sms_codes import TEMPLATE as LOGIN_CODE
from domain.ports import SmsGateway
from gateways.http import JsonClient
from gateways.sms import NoSms, SmsAccount, TencentSms
from gateways.wechat import NoWeChat, WeChatClient
from server.config import Settings, Sms


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """One client for each neighbour."""

    wechat: WeChat
    sms: SmsGateway


def reach(settings: Settings, stack: AsyncExitStack, *, clock: Clock) -> Neighbours:
    """Make the clients; leaving ``stack`` lets their connections go."""
    return Neighbours(
        wechat=_wechat(settings, stack, clock=clock), sms=_sms(settings, stack, clock=clock)
    )


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


def _wechat(settings: Settings, stack: AsyncExitStack, *, clock: Clock) -> WeChat:
    said = settings.wechat
    if not said.app_id:
        return NoWeChat()
    client = WeChatClient(
        JsonClient("wechat", said.base_url),
        app_id=said.app_id,
        app_secret=said.app_secret.get_secret_value(),
        clock=clock,
    )
    stack.callback(client.close)
    return client


def _sms(settings: Settings, stack: AsyncExitStack, *, clock: Clock) -> SmsGateway:
    said = settings.sms
    if not said.base_url:
        return NoSms()
    client = TencentSms(JsonClient("sms", said.base_url), sms_account(said), clock=clock)
    stack.callback(client.close)
    return client
