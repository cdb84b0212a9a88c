"""python-socketio on uvicorn: everybody in one room, ``emit`` to the room."""

from __future__ import annotations

import json
import sys
from typing import Any

import socketio
import uvicorn

server = socketio.AsyncServer(
    async_mode="asgi", logger=False, engineio_logger=False, cors_allowed_origins="*"
)


@server.event
async def connect(sid: str, environ: dict[str, Any]) -> None:
    await server.enter_room(sid, "room:1")


sockets = socketio.ASGIApp(server)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/publish":
        body = (await receive())["body"]
        await server.emit("push", json.loads(body), room="room:1")
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})
    else:
        await sockets(scope, receive, send)


uvicorn.run(
    app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", ws="websockets", backlog=4096
)
