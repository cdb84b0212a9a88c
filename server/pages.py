"""The few pages the hub shows by itself: a welcome, and the reference of its own API.

Everything comes from ``server/assets``: no foreign host is asked for anything, and the content
security policy would not allow it.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from handlers.base import ApiHandler
from handlers.operation import PUBLIC, Written, operation
from handlers.routing import Route, route
from server.config import Settings
from server.health import product_version

ASSETS = Path(__file__).parent / "assets"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_APP_CARDS = {
    app: f'<li><a href="/{app}/"><b>{name}</b><span>{about}</span></a></li>'
    for app, name, about in (
        ("h5", "代表端", "手机页面：登录、签到、我的签到码、刷脸"),
        ("gate", "会场扫码", "门口的扫码设备，没有网络也能用"),
        ("screen", "会场大屏", "签到人数、议程、签到码"),
        ("console", "工作台", "工作人员在电脑上使用"),
    )
}

_NO_APPS = "<li>页面尚未构建：请运行 <code>scripts/front</code>，再重新启动。</li>"

_RIBBON = '<p class="ribbon" role="note">演示数据 人物均为虚构</p>'


@dataclass(frozen=True)
class Pages:
    """The pages of one process, made once.

    Attributes:
        files: Assets by name.
        openapi: Answers the OpenAPI document as JSON text.
        asyncapi: Answers the AsyncAPI document as JSON text.
    """

    welcome: bytes
    docs: bytes
    files: Mapping[str, bytes]
    openapi: Callable[[], bytes]
    asyncapi: Callable[[], bytes]


def make_pages(
    settings: Settings,
    *,
    apps: Collection[str],
    openapi: Callable[[], bytes],
    asyncapi: Callable[[], bytes],
) -> Pages:
    """Read the assets and fill in what depends on the settings, and on which apps are built."""
    filled = {
        "apps": "".join(_APP_CARDS[app] for app in apps) or _NO_APPS,
        "ribbon": _RIBBON if settings.demo else "",
        "version": escape(product_version()),
        "origin": escape(settings.origin),
    }
    read = {path.name: path.read_bytes() for path in ASSETS.iterdir() if path.suffix != ".html"}
    welcome, docs = (
        Template((ASSETS / name).read_text("utf-8")).substitute(filled).encode()
        for name in ("welcome.html", "docs.html")
    )
    return Pages(welcome, docs, read, openapi, asyncapi)


class PageHandler(ApiHandler):
    """Base of what a browser shows."""

    pages: Pages

    def initialize(self, pages: Pages, **more: object) -> None:  # type: ignore[override]
        """Keep what the application hands over."""
        super().initialize(**more)  # type: ignore[arg-type]
        self.pages = pages

    def show(self, content: bytes, kind: str) -> Written:
        """Send something that may be looked at."""
        self.set_header("Content-Security-Policy", PAGE_POLICY)
        self.set_header("Content-Type", kind)
        self.set_header("Cache-Control", "no-cache")
        self.write(content)
        return Written()


class WelcomeHandler(PageHandler):
    """``/``."""

    @operation(PUBLIC, produces="text/html")
    async def get(self) -> Written:
        """Say what this is and where to go on."""
        return self.show(self.pages.welcome, "text/html; charset=utf-8")


class DocsHandler(PageHandler):
    """``/docs``."""

    @operation(PUBLIC, produces="text/html")
    async def get(self) -> Written:
        """Show the reference of the API."""
        return self.show(self.pages.docs, "text/html; charset=utf-8")


class OpenApiHandler(PageHandler):
    """``/openapi.json``."""

    @operation(PUBLIC)
    async def get(self) -> Written:
        """Answer the OpenAPI document."""
        return self.show(self.pages.openapi(), "application/json; charset=utf-8")


class AsyncApiHandler(PageHandler):
    """``/asyncapi.json``."""

    @operation(PUBLIC)
    async def get(self) -> Written:
        """Answer the AsyncAPI document: channels, events and RPC methods."""
        return self.show(self.pages.asyncapi(), "application/json; charset=utf-8")


class AssetHandler(PageHandler):
    """``/docs/assets/{name}``."""

    @operation(PUBLIC, produces="*/*")
    async def get(self, name: str) -> Written:
        """Answer a style sheet, a script or a picture of the pages."""
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self.show(self.pages.files[name], kind)


def routes(pages: Pages) -> list[Route]:
    """Answer the routes of this module."""
    names = "|".join(sorted(name.replace(".", r"\.") for name in pages.files))
    return [
        route(r"/", WelcomeHandler, pages=pages),
        route(r"/docs", DocsHandler, pages=pages),
        route(r"/openapi\.json", OpenApiHandler, pages=pages),
        route(r"/asyncapi\.json", AsyncApiHandler, pages=pages),
        route(rf"/docs/assets/(?P<name>{names})", AssetHandler, pages=pages),
    ]
