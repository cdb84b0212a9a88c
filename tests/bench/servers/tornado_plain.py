"""Tornado as its documentation shows it: one ``write_message`` for each client."""

from __future__ import annotations

import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

clients: set[WebSocketHandler] = set()


class Socket(WebSocketHandler):
    def open(self) -> None:
        clients.add(self)

    def on_message(self, message: str | bytes) -> None:
        self.write_message('{"id":2,"subscribe":{}}')

    def on_close(self) -> None:
        clients.discard(self)


class Publish(RequestHandler):
    offset = 0

    def post(self) -> None:
        Publish.offset += 1
        data = self.request.body.decode()
        pub = f'{{"data":{data},"offset":{self.offset}}}'
        push = f'{{"push":{{"channel":"room:1","pub":{pub}}}}}'
        for client in tuple(clients):
            client.write_message(push)
        self.finish("{}")


class Ping(RequestHandler):
    def get(self) -> None:
        self.finish("pong")


async def main(port: int) -> None:
    routes = [("/connection/websocket", Socket), ("/publish", Publish), ("/ping", Ping)]
    server = HTTPServer(Application(routes))
    server.add_sockets(bind_sockets(port, "127.0.0.1", backlog=4096))
    await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1])))
