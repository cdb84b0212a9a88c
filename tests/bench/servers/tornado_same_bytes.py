"""A bare Tornado handler that answers the same bytes to everybody: what no framework can beat."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

BODY = Path(sys.argv[2]).read_bytes()


class Same(RequestHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.finish(BODY)

    def compute_etag(self) -> None:
        """The hub makes none either."""


async def main() -> None:
    server = HTTPServer(Application([("/api/v1/me", Same)]))
    server.add_sockets(bind_sockets(int(sys.argv[1]), "127.0.0.1"))
    await asyncio.Event().wait()


asyncio.run(main())
