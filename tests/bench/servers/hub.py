"""The hub alone: memory broker, no database, every namespace open. ``hub.py PORT [options]``."""

from __future__ import annotations

import argparse
import asyncio
import gc
import time

from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from handlers.socket import SocketHandler
from handlers.upgrade import Entrance, UpgradeHandler
from realtime.claims import ClaimsAuthority, House
from realtime.hub import Hub
from realtime.limits import Limits, Timing
from realtime.memory import MemoryBroker
from realtime.policy import Policies, Policy
from realtime.tokens import Verifier
from realtime.wire import Wire
from server.doorway import Doorway


class Publish(RequestHandler):
    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    async def post(self) -> None:
        channel = self.get_query_argument("channel", "room:1")
        await self.hub.publish(channel, self.request.body)
        self.finish("{}")


class Ping(RequestHandler):
    def get(self) -> None:
        self.finish("pong")


def policies(history: int) -> Policies:
    keeps = {"history_size": history, "history_ttl": 300.0, "force_recovery": bool(history)}
    return Policies(
        {
            "room": Policy(urgency=1.0, **keeps),
            "notice": Policy(urgency=0.0, **keeps),
            "live": Policy(urgency=3.0, **keeps),
        }
    )


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--transport", choices=["door", "wire", "tornado"], default="door")
    parser.add_argument("--history", type=int, default=100)
    parser.add_argument("--ping", type=float, default=25)
    options = parser.parse_args()
    hub = Hub(
        MemoryBroker(),
        ClaimsAuthority(
            policies(options.history), Verifier((), clock=time.time), House(insecure=True)
        ),
        limits=Limits(connects=0, commands=0),
        timing=Timing(ping=options.ping),
    )
    await hub.start()
    wire = Wire()
    if options.transport == "tornado":
        socket = (SocketHandler, {"hub": hub})
    else:
        socket = (UpgradeHandler, {"hub": hub, "wire": wire})
    app = Application(
        [
            (r"/connection/websocket", *socket),
            (r"/publish", Publish, {"hub": hub}),
            (r"/ping", Ping),
        ]
    )
    entrance = Entrance(hub, wire) if options.transport == "door" else None
    server = Doorway(app, entrance=entrance)
    server.add_sockets(bind_sockets(options.port, "127.0.0.1", backlog=4096))
    # As the product's own process does once it has started.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
