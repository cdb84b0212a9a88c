"""What WeChat's server tells us of people: they follow the account, leave it, or scan a code."""

from __future__ import annotations

from domain.errors import DomainError
from domain.identity.account import OPENID_DOMAIN, AccountStore
from domain.identity.qr_login import QrLogin
from domain.identity.surroundings import Surroundings
from domain.identity.wechat_login import H5
from domain.ports import Vault

QR_SCENE = "qr-login:"
"""Beginning of the scene of a parametric code that stands for a login at a PC."""


class WeChatMessages:
    """Answers events of the official account with a text, or with nothing."""

    def __init__(
        self,
        accounts: AccountStore,
        qr: QrLogin,
        vault: Vault,
        around: Surroundings,
        *,
        origin: str,
    ) -> None:
        self._accounts = accounts
        self._qr = qr
        self._vault = vault
        self._around = around
        self._origin = origin

    async def subscribed(self, openid: str, scene: str = "") -> str:
        """Greet somebody who follows the account, perhaps by scanning a code."""
        if scene:
            return await self.scanned(openid, scene)
        if await self._person(openid):
            return f"欢迎回来。点击进入：{self._origin}{H5}"
        return f"欢迎关注代表服务平台。代表首次使用请先绑定身份：{self._origin}{H5}"

    async def unsubscribed(self, openid: str) -> None:
        """Note that somebody left; notices cannot reach them through WeChat any more."""
        person_id = await self._person(openid)
        if person_id:
            await self._around.audit.record(
                "wechat.unsubscribe", by=person_id, obj=f"person:{person_id}"
            )

    async def scanned(self, openid: str, scene: str) -> str:
        """Answer somebody who scanned one of our codes."""
        person_id = await self._person(openid)
        if not scene.startswith(QR_SCENE):
            return f"点击进入：{self._origin}{H5}"
        if not person_id:
            return f"请先绑定身份后再扫码登录：{self._origin}{H5}"
        attempt_id = scene.removeprefix(QR_SCENE)
        try:
            await self._qr.scan_as(attempt_id, person_id)
        except DomainError as refusal:
            return refusal.msg
        return f"请确认是否本人在电脑端登录：{self._origin}{H5}#/qr-login/{attempt_id}"

    async def _person(self, openid: str) -> str:
        openid_h = self._vault.blind(openid, domain=OPENID_DOMAIN)
        account = await self._accounts.by_openid(openid_h)
        return account.id if account else ""
