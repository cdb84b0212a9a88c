"""A process of the hub from its first to its last second.

Start: storage → indexes → gateways → broker → hub → jobs → listen → ready. On SIGTERM or SIGINT:
not ready → stop listening → send connections away → let requests under way end, up to a grace →
take the rest apart in reverse order.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from server.assembly import Hub, assemble
from server.config import Settings
from server.doorway import Doorway

_log = structlog.get_logger("daibiao.lifecycle")

_IDLE = 75.0  # seconds an idle keep-alive connection stays open; proxies keep theirs for 60
_HEADERS = 32 * 1024
_NO_BOUND = 1 << 62  # bodies are bounded by ``server.web``, which can say so


async def run(
    settings: Settings,
    *,
    tied: bool = False,
    prepare: Callable[[Hub], Awaitable[None]] | None = None,
    announce: Callable[[Hub, int], None] | None = None,
) -> None:
    """Run one process until it is told to stop.

    Args:
        settings: What the operator decided.
        tied: Stop when standard input ends, because the parent is gone.
        prepare: Called with the hub before anybody can connect.
        announce: Called once when ready, with the hub and its port.
    """
    stopping = asyncio.Event()
    _listen_to_signals(stopping)
    if tied:
        await _watch_parent(stopping)
    async with AsyncExitStack() as stack:
        hub = await assemble(settings, stack)
        if prepare is not None:
            await prepare(hub)
        port = await serve(hub, stack, bind(settings))
        # What start-up has made stays; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # Connections are not cyclic; with the usual thresholds a storm of newcomers would have
        # the collector look at all of them again and again.
        gc.set_threshold(100_000, 50, 100)
        _log.info("ready", port=port, pid=os.getpid(), env=settings.env.value)
        if announce is not None:
            announce(hub, port)
        await stopping.wait()
        _log.info("stopping", pid=os.getpid())


class CannotListen(Exception):
    """The address of the settings is not to be had; the sentence says why."""


def bind(settings: Settings) -> list[socket.socket]:
    """Answer sockets bound to the address of the settings.

    Raises:
        CannotListen: Another program has the port, or the address is not ours.
    """
    try:
        return bind_sockets(
            settings.port, address=settings.host, reuse_port=settings.processes > 1, backlog=1024
        )
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise CannotListen(f"cannot listen on {where}: {error.strerror}") from error


async def serve(hub: Hub, stack: AsyncExitStack, sockets: list[socket.socket]) -> int:
    """Listen, be ready, and answer the port; leaving ``stack`` stops in good order."""
    server = Doorway(
        hub.application,
        entrance=hub.realtime.entrance,
        xheaders=hub.settings.trusted_proxy,
        idle_connection_timeout=_IDLE,
        max_header_size=_HEADERS,
        max_body_size=_NO_BOUND,
    )
    server.add_sockets(sockets)
    stack.push_async_callback(_leave, hub, server)
    hub.health.phase = "ready"
    port: int = sockets[0].getsockname()[1]
    return port


async def _leave(hub: Hub, server: HTTPServer) -> None:
    hub.health.phase = "stopping"
    server.stop()
    await hub.realtime.hub.drain(seconds=hub.settings.drain)
    try:
        async with asyncio.timeout(hub.settings.grace):
            await hub.application.quiet()
    except TimeoutError:
        _log.warning("requests were cut off", count=len(hub.application.under_way))
    await server.close_all_connections()


def _listen_to_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)


async def _watch_parent(stopping: asyncio.Event) -> None:
    # A pipe ends when the last process that could write to it is gone, however it went.
    class _End(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            stopping.set()

    await asyncio.get_running_loop().connect_read_pipe(_End, sys.stdin)
