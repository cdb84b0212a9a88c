"""Signing pages for WeChat's JS-SDK.

What is signed is the address of the page without its fragment. The H5 routes by fragment, so that
address never changes; a page that routes by path must send the address of its *first* entry on iOS,
and the present one on Android, because that is what each of the two compares with.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

from domain.clock import Clock
from domain.errors import Invalid
from domain.identity.ports import WeChat
from domain.identity.wechat_login import OfficialAccount


class Signed(NamedTuple):
    """What ``wx.config`` takes; ``timestamp`` in seconds."""

    app_id: str
    timestamp: int
    nonce_str: str
    signature: str


class JsSdk:
    """Signs pages of this hub."""

    def __init__(self, wechat: WeChat, official: OfficialAccount, *, clock: Clock) -> None:
        self._wechat = wechat
        self._official = official
        self._clock = clock

    async def sign(self, url: str) -> Signed:
        """Sign a page.

        Raises:
            Invalid: The page is not one of ours.
            UpstreamDown: WeChat gives no ticket.
        """
        page = url.partition("#")[0]
        origin = self._official.origin
        # Compared as text: what two parsers make of a strange address may differ.
        if page != origin and not page.startswith((f"{origin}/", f"{origin}?")):
            raise Invalid("只能签名本站页面", field="url")
        ticket = await self._wechat.jsapi_ticket()
        timestamp, nonce = int(self._clock().timestamp()), secrets.token_hex(8)
        return Signed(
            self._official.app_id,
            timestamp,
            nonce,
            signature(ticket, nonce=nonce, timestamp=timestamp, url=page),
        )


def signature(ticket: str, *, nonce: str, timestamp: int, url: str) -> str:
    """Answer the SHA-1 that WeChat prescribes for ``wx.config``."""
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
