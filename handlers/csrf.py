"""Requests that another site made the browser send, and how they are told apart.

Only callers with a cookie can be abused this way; bearer callers are exempt. A request that may
change something must come from our own pages (``Sec-Fetch-Site``, or ``Origin`` where a browser is
too old to send it) and carry ``X-CSRF-Token``: an HMAC of the login token, which a page of ours
reads from the cookie ``daibiao_csrf`` and a page of somebody else's cannot.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from domain.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Csrf:
    """Makes and checks tokens.

    Args:
        key: Secret shared by all processes of a hub.
        public_url: Where browsers find the hub.
    """

    def __init__(self, key: bytes, *, public_url: str) -> None:
        self._key = hashlib.sha256(b"daibiao.csrf:" + key).digest()
        self._origin = origin_of(public_url)

    def token(self, session_token: str) -> str:
        """Answer the token that belongs to a login token."""
        tag = hmac.digest(self._key, session_token.encode(errors="replace"), "sha256")
        return base64.urlsafe_b64encode(tag[:24]).decode()

    def check(self, request: HTTPServerRequest, session_token: str) -> None:
        """Do nothing if the request comes from one of our pages.

        Raises:
            Forbidden: It does not, with code ``csrf``.
        """
        headers = request.headers
        site = headers.get("Sec-Fetch-Site")
        if site is not None:
            ours = site in {"same-origin", "none"}
        else:
            origin = headers.get("Origin")
            here = f"{request.protocol}://{request.host}"
            ours = origin is None or origin in {self._origin, here}
        said = headers.get("X-CSRF-Token", "")
        if not ours or not hmac.compare_digest(
            said.encode(errors="replace"), self.token(session_token).encode()
        ):
            raise Forbidden("请求来源不明，请刷新页面后重试", code="csrf")


def origin_of(url: str) -> str:
    """Answer ``scheme://host[:port]`` of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
