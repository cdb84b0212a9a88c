"""The ``websockets`` library with its own ``broadcast``; the publisher is a client that says so."""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

clients: set[ServerConnection] = set()


async def client(connection: ServerConnection) -> None:
    offset = 0
    async for message in connection:
        if message == "subscribe":
            clients.add(connection)
            await connection.send('{"id":2,"subscribe":{}}')
        else:
            offset += 1
            text = f'{{"push":{{"channel":"room:1","pub":{{"data":{message},"offset":{offset}}}}}}}'
            broadcast(clients, text)
    clients.discard(connection)


async def main(port: int) -> None:
    async with serve(client, "127.0.0.1", port, compression=None, ping_interval=None, backlog=4096):
        await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1])))
