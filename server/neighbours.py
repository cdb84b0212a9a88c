"""The outside world as the settings know it; who is not configured is refused in words."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from domain.faces.engine import Comparer, FaceEngine
from domain.identity.credentials import TEMPLATE as INVITATION
from domain.identity.ports import WeChat
from domain.identity.sms_codes import TEMPLATE as LOGIN_CODE
from domain.ladder.carriers import SMS_TEMPLATE as NOTICE
from domain.ladder.ports import MemberSender, WeChatSender
from domain.ports import SmsGateway
from gateways.face import FaceWorkers, NoFaces, missing
from gateways.http import JsonClient
from gateways.iflytek_face import IflytekAccount, IflytekFace
from gateways.sms import NoSms, SmsAccount, TencentSms
from gateways.wechat import NoWeChat, WeChatClient
from gateways.wechat_notices import NoWeChatNotices, Template, WeChatNotices
from gateways.wecom import WeComMessages
from server.config import Settings, Sms
from server.ground import Ground


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """One client for each neighbour."""

    wechat: WeChat
    notices: WeChatSender
    members: MemberSender | None
    sms: SmsGateway
    face: FaceEngine
    comparer: Comparer | None


def reach(ground: Ground, stack: AsyncExitStack) -> Neighbours:
    """Make the clients; leaving ``stack`` lets their connections go.

    They ask the key ring each time, so that a key is changed without a restart.
    """
    wechat = _wechat(ground, stack)
    return Neighbours(
        wechat=wechat,
        notices=_notices(ground.settings, wechat),
        members=_members(ground, stack),
        sms=_sms(ground, stack),
        face=_face(ground, stack),
        comparer=_comparer(ground, stack),
    )


def sms_account(sms: Sms) -> SmsAccount:
    """Answer what the text message provider knows us by."""
    templates = {
        LOGIN_CODE: (sms.template_login_code, ("code", "minutes")),
        INVITATION: (sms.template_invitation, ("name",)),
        NOTICE: (sms.template_notice, ("kind", "title")),
    }
    return SmsAccount(
        secret_id=sms.secret_id,
        secret_key=sms.key.get_secret_value(),
        app_id=sms.app_id,
        sign_name=sms.sign,
        region=sms.region,
        templates={name: it for name, it in templates.items() if it[0]},
    )


def _notices(settings: Settings, wechat: WeChat) -> WeChatSender:
    said = settings.wechat
    if not isinstance(wechat, WeChatClient):
        return NoWeChatNotices()
    return WeChatNotices(
        wechat,
        subscription=Template(said.subscribe_template, said.subscribe_fields),
        long_term=said.subscribe_long_term,
        card=Template(said.card_template, said.card_fields),
    )


def _members(ground: Ground, stack: AsyncExitStack) -> MemberSender | None:
    said = ground.settings.wecom
    if not said.corp_id:
        return None
    client = WeComMessages(
        JsonClient("wecom", said.base_url),
        corp_id=said.corp_id,
        agent_id=said.agent_id,
        secret=said.secret.get_secret_value(),
        clock=ground.clock,
    )
    stack.callback(client.close)
    return client


def _wechat(ground: Ground, stack: AsyncExitStack) -> WeChat:
    said, keys = ground.settings.wechat, ground.keys
    if not said.app_id:
        return NoWeChat()
    client = WeChatClient(
        JsonClient("wechat", said.base_url, timeout=said.timeout),
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


def _face(ground: Ground, stack: AsyncExitStack) -> FaceEngine:
    said = ground.settings.face
    if not said.workers:
        return NoFaces("本系统未启用人脸识别（HUB_FACE__WORKERS=0），请使用其他方式签到")
    if lacking := missing():
        return NoFaces(f"本系统未安装人脸识别组件（缺少 {lacking[0]}），请使用其他方式签到")
    engine = FaceWorkers(
        ground.supervisor.supervise,
        workers=said.workers,
        queue=said.queue,
        timeout=said.timeout,
    )
    ground.metrics.gauge(
        "hub_face_waiting", "Questions about faces waiting for a worker.", lambda: engine.waiting
    )
    stack.push_async_callback(engine.close)
    return engine


def _comparer(ground: Ground, stack: AsyncExitStack) -> Comparer | None:
    said, keys = ground.settings.iflytek, ground.keys
    if not said.base_url:
        return None

    def present() -> IflytekAccount:
        key = keys.current("iflytek")
        return IflytekAccount(said.app_id, key.get("api_key", ""), key.get("api_secret", ""))

    client = IflytekFace(
        JsonClient("iflytek", said.base_url, timeout=said.timeout), present, clock=ground.clock
    )
    stack.callback(client.close)
    return client
