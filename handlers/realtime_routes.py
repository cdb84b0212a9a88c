"""The addresses under which the real-time protocol is served."""

from __future__ import annotations

from collections.abc import Callable, Collection

from tornado.routing import URLSpec
from tornado.web import url

from handlers.api import ServerApiHandler
from handlers.emulation import EmulationHandler
from handlers.socket import SocketHandler
from handlers.stream import EventStreamHandler, HttpStreamHandler
from handlers.upgrade import UpgradeHandler
from realtime.api import Api
from realtime.hub import Hub
from realtime.wire import Wire


def realtime_routes(
    hub: Hub,
    *,
    wire: Wire | None = None,
    api_keys: Callable[[], Collection[str]] = tuple,
    allowed_origins: Collection[str] = (),
) -> list[URLSpec]:
    """Answer the routes of every transport, and of the server API for who holds one of the keys.

    With a ``wire``, upgraded sockets leave Tornado; without one (TLS in this process, no epoll)
    Tornado keeps them.
    """
    shared = {"hub": hub, "allowed_origins": tuple(allowed_origins)}
    routes = [
        url(r"/connection/websocket", SocketHandler, shared)
        if wire is None
        else url(r"/connection/websocket", UpgradeHandler, shared | {"wire": wire}),
        url(r"/connection/http_stream", HttpStreamHandler, shared),
        url(r"/connection/sse", EventStreamHandler, shared),
        url(r"/emulation", EmulationHandler, shared),
    ]
    server_api = {"api": Api(hub), "keys": api_keys}
    return [*routes, url(r"/api/(?P<method>[a-z_]+)", ServerApiHandler, server_api)]
