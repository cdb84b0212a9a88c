"""The front end's pages, as ``scripts/front`` has built them: ``/h5/``, ``/gate/`` and so on.

The files are read once, at the start, and with them what the build has compressed beside them;
nothing is read while a request waits. Where nothing is built, the addresses say so.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints
from tornado.web import HTTPError

from domain.errors import NotConfigured
from handlers.base import ApiHandler
from handlers.operation import PUBLIC, Written, operation
from handlers.routing import Route, route
from server.config import Settings

DIST = Path(__file__).parent.parent / "static" / "dist"

APPS = ("h5", "gate", "screen", "console")

POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    # Vue sets styles through the object model, which a policy does not concern.
    "style-src": "'self'",
    # data: are QR codes, which the API answers as SVG; blob: are pictures a person has chosen.
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    # Vant carries its icons as a font within its style sheet.
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
"""What the pages may load: what this hub serves, and nothing from anywhere else."""

WECHAT = "MicroMessenger"
WECHAT_SCRIPTS = "https://res.wx.qq.com"
"""Where WeChat's own browser finds the JS-SDK, which may not be kept elsewhere."""

_FOR_EVER = "public, max-age=31536000, immutable"
_ENCODINGS = {"br": ".br", "gzip": ".gz"}

FileName = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_./-]{0,200}$")]


@dataclass(frozen=True)
class File:
    """One file of an app.

    Attributes:
        bodies: The content by encoding; plain under the empty name.
        lasting: Its name changes with its content.
    """

    kind: str
    tag: str
    lasting: bool
    bodies: Mapping[str, bytes]


@dataclass(frozen=True)
class Front:
    """What is built: files by app and path; the page itself is ``index.html``."""

    files: Mapping[str, Mapping[str, File]]
    origin: str

    @classmethod
    def read(cls, settings: Settings) -> Front:
        """Read everything that is there; the pages of a demo are told that they show one."""
        dist = settings.front or DIST
        return cls(
            {app: dict(_files(dist / app, demo=settings.demo)) for app in APPS}, settings.origin
        )

    @property
    def built(self) -> tuple[str, ...]:
        """The apps that are there."""
        return tuple(app for app in APPS if "index.html" in self.files[app])


def _files(home: Path, *, demo: bool) -> Iterator[tuple[str, File]]:
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home).as_posix()
        # What begins with a dot is the build's own account of itself.
        if not path.is_file() or path.suffix in _ENCODINGS.values() or name.startswith("."):
            continue
        bodies = {"": path.read_bytes()}
        if demo and path.suffix == ".html":
            bodies[""] = bodies[""].replace(b"<html ", b"<html data-demo ", 1)
        else:
            bodies |= _compressed(path)
        yield name, File(_kind(name), _tag(bodies[""]), name.startswith("assets/"), bodies)


def _compressed(path: Path) -> Mapping[str, bytes]:
    found = {encoding: Path(f"{path}{suffix}") for encoding, suffix in _ENCODINGS.items()}
    return {encoding: it.read_bytes() for encoding, it in found.items() if it.exists()}


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:20]}"'


def _kind(name: str) -> str:
    if name.endswith(".js"):
        return "text/javascript; charset=utf-8"
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def policy(origin: str, *, wechat: bool) -> str:
    """Answer the content security policy of a page; ``origin`` is where browsers find the hub."""
    said = dict(POLICY)
    # Safari before 15.4 does not count a socket to the page's own host as 'self'.
    said["connect-src"] += f" ws{origin.removeprefix('http')}"
    if wechat:
        said["script-src"] += f" {WECHAT_SCRIPTS}"
    return "; ".join(f"{what} {where}" for what, where in said.items())


class FrontHandler(ApiHandler):
    """``/h5/``, ``/gate/``, ``/screen/``, ``/console/`` and all below."""

    front: Front
    app: str

    def initialize(self, front: Front, app: str, **more: Any) -> None:  # type: ignore[override]
        """Keep what the application hands over."""
        super().initialize(**more)
        self.front, self.app = front, app

    @operation(PUBLIC, produces="*/*")
    async def get(self, name: FileName) -> Written:
        """Answer a file of an app; without a name, its page."""
        if self.app not in self.front.built:
            raise NotConfigured("页面尚未构建：请运行 scripts/front，再重新启动", upstream="front")
        file = self.front.files[self.app].get(name or "index.html")
        if file is None:
            raise HTTPError(404)
        self._tell(file)
        if self.request.headers.get("If-None-Match") == file.tag:
            self.set_status(304)
            self.clear_header("Content-Type")
            return Written()
        encoding = self._encoding(file)
        if encoding:
            self.set_header("Content-Encoding", encoding)
        self.write(file.bodies[encoding])
        return Written()

    def _tell(self, file: File) -> None:
        self.set_header("Content-Type", file.kind)
        self.set_header("Cache-Control", _FOR_EVER if file.lasting else "no-cache")
        self.set_header("ETag", file.tag)
        self.set_header("Vary", "Accept-Encoding, User-Agent")
        wechat = self.app == "h5" and WECHAT in self.request.headers.get("User-Agent", "")
        self.set_header("Content-Security-Policy", policy(self.front.origin, wechat=wechat))

    def _encoding(self, file: File) -> str:
        taken = {
            part.strip() for part in self.request.headers.get("Accept-Encoding", "").split(",")
        }
        return next((name for name in _ENCODINGS if name in taken and name in file.bodies), "")


class AppHandler(ApiHandler):
    """``/h5`` and the like: people leave the last stroke out."""

    app: str

    def initialize(self, app: str, **more: Any) -> None:  # type: ignore[override]
        """Keep what the application hands over."""
        super().initialize(**more)
        self.app = app

    @operation(PUBLIC, status=301, produces="text/html")
    async def get(self) -> Written:
        """Send the browser to the page."""
        self.redirect(f"/{self.app}/", permanent=True)
        return Written()


def routes(front: Front) -> list[Route]:
    """Answer the routes of this module."""
    return [
        *(route(rf"/{app}", AppHandler, app=app) for app in APPS),
        *(route(rf"/{app}/(?P<name>.*)", FrontHandler, front=front, app=app) for app in APPS),
    ]
