"""``/api/<method>``: the server API over HTTP, for those who hold a key; closed without any.

Keys are asked for at each call: they change while the hub runs, and two may fit for a while.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection

import msgspec
from tornado.web import RequestHandler

from realtime import codes
from realtime.api import Api

# With this header a refusal is an HTTP status too; without it everything is 200.
_STATUS = {100: 500, 102: 404, 104: 404, 107: 400, 108: 400, 112: 416, 113: 409}
MAX_BODY = 1 << 20


class ServerApiHandler(RequestHandler):
    """``POST /api/<method>``. The key comes in ``X-API-Key``, never in the address."""

    def initialize(self, api: Api, keys: Callable[[], Collection[str]]) -> None:
        """Take what the handler needs from the route table."""
        self.api = api
        self.keys = keys

    def prepare(self) -> None:
        """Turn away whoever does not hold the key."""
        given = self.request.headers.get("X-API-Key", "")
        if not given:
            scheme, _, rest = self.request.headers.get("Authorization", "").partition(" ")
            given = rest if scheme.lower() == "apikey" else ""
        keys = self.keys()
        # Every key is compared, so that the time it takes says nothing about which fits.
        fits = [hmac.compare_digest(given.encode(), key.encode()) for key in keys if key]
        if not fits:
            self.set_status(404)
            _ = self.finish({"error": {"code": 404, "message": "the server API is closed"}})
        elif not any(fits):
            self.set_status(401)
            _ = self.finish({"error": {"code": 401, "message": "unauthorized"}})
        elif len(self.request.body) > MAX_BODY:
            self.set_status(413)
            _ = self.finish({"error": {"code": 413, "message": "body too large"}})

    async def post(self, method: str) -> None:
        """Do a method and answer its document, or ``{"error"}``."""
        self.set_header("Content-Type", "application/json")
        try:
            self.write(await self.api.answer(method, self.request.body))
        except codes.Refused as refused:
            if self.request.headers.get("X-Centrifugo-Error-Mode") == "transport":
                self.set_status(_STATUS.get(refused.error.code, 500))
            self.write(b'{"error":' + msgspec.json.encode(refused.error) + b"}")

    def check_xsrf_cookie(self) -> None:
        """The key stands in for it: no browser sends one by itself."""
