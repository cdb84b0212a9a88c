"""What logging in needs from WeChat; ``gateways.wechat`` fills it."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class WeChatIdentity(NamedTuple):
    """Who opened a page, as WeChat says.

    ``snapshot`` marks the invented identity of a 快照页, which belongs to nobody.
    """

    openid: str
    unionid: str | None = None
    snapshot: bool = False


class WeChat(Protocol):
    """The server side of the official account."""

    async def exchange(self, code: str) -> WeChatIdentity:
        """Trade an OAuth code for the identity of the one who opened the page.

        Raises:
            Unauthenticated: ``code_used``: WeChat does not know the code, or no longer.
            UpstreamDown: WeChat does not answer.
        """

    async def jsapi_ticket(self) -> str:
        """Answer a valid ticket with which pages are signed for the JS-SDK."""
