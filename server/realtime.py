"""Puts the real-time hub together: broker, authority, transports, bus, and what watches over it."""

from __future__ import annotations

import asyncio
import hmac
import logging
import select
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import jwt

from domain.errors import UpstreamDown
from domain.realtime import AUDIENCE, RealtimeService, StreamPosition
from domain.services import Services
from handlers.channels import CHANNELS
from handlers.realtime import ProductAuthority
from handlers.realtime_routes import realtime_routes
from handlers.routing import Route, bare
from handlers.upgrade import Entrance
from realtime import codes, control, positions
from realtime.broker import Broker, BrokerDown, BrokerRefused
from realtime.hub import Clocks, Hub
from realtime.memory import MemoryBroker
from realtime.tokens import Verifier, hmac_keys
from realtime.wire import Limits, Wire
from server.application import METHODS
from server.bus import NotTaken
from server.ground import Ground
from server.realtime_metrics import HubCollector, OutboxGauges
from storage.outbox_relay import OutboxRelay
from storage.streams import RedisBroker

_log = logging.getLogger("daibiao.realtime")

_SWEEP = 60.0
"""Seconds in which every connection is asked once whether its login session still lives."""

REVOKED = codes.End(4504, "session revoked")


class Signer:
    """Signs connection tokens with the hub's own secret (HS256)."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Answer the claims as a signed JWT."""
        return jwt.encode(dict(claims), self._secret, algorithm="HS256")


@dataclass(frozen=True)
class Realtime:
    """The running hub and the addresses at which clients reach it."""

    hub: Hub
    routes: tuple[Route, ...]
    warning: Callable[[], str]
    """A sentence about announcements that need an operator; empty while all is well."""
    entrance: Entrance | None = None
    """Where the process lets plain handshakes in before Tornado reads them."""


class Live:
    """What the bus asks of the hub.

    A word about connections goes to every process over the broker. When the broker is away this
    process obeys at once and the bus tells the others later; they also sweep.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def publish(self, channel: str, data: bytes, *, idempotency_key: str) -> None:
        """Append to the channel's stream and tell everybody who is subscribed, everywhere."""
        try:
            await self._hub.publish(channel, data, idempotency_key=idempotency_key)
        except (codes.Refused, BrokerRefused) as error:
            raise NotTaken(f"{channel}: {error}") from error
        except BrokerDown as error:
            raise _away() from error

    async def disconnect(
        self, *, user: str = "", session: str = "", code: int, reason: str
    ) -> None:
        """Close the connections of a user, or of a login session, on every process."""
        target = control.Target(user=user, session=session)
        await self._tell(control.Disconnect(target, code, reason))

    async def recheck(self, user: str) -> None:
        """Judge every subscription of a user anew, on every process."""
        await self._tell(control.Recheck(control.Target(user=user)))

    async def position(self, channel: str) -> StreamPosition:
        """Answer where a channel's stream stands now."""
        try:
            top = await positions.top(self._hub, channel)
        except BrokerDown as error:
            raise _away() from error
        return StreamPosition(offset=top.offset, epoch=top.epoch)

    async def _tell(self, word: control.Word) -> None:
        try:
            await control.tell(self._hub, word)
        except BrokerDown as error:
            control.apply(self._hub, word)
            raise _away() from error


def _away() -> UpstreamDown:
    return UpstreamDown("实时通道暂时不可用", upstream="redis")


def realtime_service(ground: Ground) -> RealtimeService:
    """Answer the use case that lets people onto the hub."""
    return RealtimeService(Signer(_secret(ground)), ground.bus, clock=ground.clock)


async def build_realtime(ground: Ground, services: Services, stack: AsyncExitStack) -> Realtime:
    """Start the hub of this process; leaving ``stack`` ends every connection.

    Raises:
        BrokerDown: Redis is configured and cannot be reached.
    """
    settings = ground.settings
    broker = _broker(settings.redis.url.get_secret_value())

    def seconds() -> float:
        return ground.clock().timestamp()

    authority = ProductAuthority(
        services,
        [kind(services) for kind in CHANNELS],
        METHODS,
        verifier=Verifier(hmac_keys(_secret(ground)), clock=seconds, audience=AUDIENCE),
        new_id=ground.new_id,
    )
    hub = Hub(broker, authority, clocks=Clocks(calendar=seconds), version="daibiao")
    wire = make_wire(hub) if settings.realtime.wire else None
    if wire is not None:
        stack.push_async_callback(wire.close)  # after the hub has said why
    await hub.start()
    for name, loop in broker.loops().items():
        ground.supervisor.supervise(name, loop)
    stack.push_async_callback(hub.close)
    ground.bus.attach(Live(hub))
    relay = OutboxRelay(ground.outbox, ground.bus.relay, owner=broker.node_id)
    ground.supervisor.supervise("outbox", relay.run)
    ground.supervisor.supervise("realtime sweep", lambda: _sweep(hub, authority))
    outbox = _measure(ground, hub, relay)
    rules = realtime_routes(
        hub,
        wire=wire,
        api_keys=lambda: [key["key"] for key in ground.keys.accepted("server_api")],
        allowed_origins=settings.realtime.allowed_origins,
    )
    entrance = None
    if wire is not None:
        entrance = Entrance(hub, wire, settings.realtime.allowed_origins)
    return Realtime(hub, tuple(bare(rule) for rule in rules), outbox.warning, entrance)


def make_wire(hub: Hub) -> Wire | None:
    """Answer what carries upgraded sockets, or ``None`` where the platform has no epoll."""
    if not hasattr(select, "epoll"):
        return None
    # The core's own queue gives way first, channel by channel; the wire's is the last resort.
    return Wire(Limits(message=hub.limits.frame, queue=2 * hub.limits.queue))


async def probe(hub: Hub) -> None:
    """Do nothing while the broker delivers.

    Raises:
        UpstreamDown: It does not.
    """
    if not await hub.broker.healthy():
        raise UpstreamDown("实时通道暂时不可用", upstream="broker")


async def _sweep(hub: Hub, authority: ProductAuthority) -> None:
    """End connections whose login session is over, in case the word of it was lost."""
    while True:
        connections = tuple(hub.connections.values())
        pause = _SWEEP / max(1, len(connections))
        if not connections:
            await asyncio.sleep(_SWEEP / 10)
        for connection in connections:
            await asyncio.sleep(pause)
            try:
                if connection.is_open and not await authority.still_welcome(connection.identity):
                    connection.close(REVOKED)
            except UpstreamDown:
                continue  # nobody is sent away for a database that does not answer


def _broker(url: str) -> Broker:
    return RedisBroker.from_url(url) if url else MemoryBroker()


def _secret(ground: Ground) -> str:
    said = ground.settings.realtime.secret.get_secret_value()
    return said or hmac.digest(ground.key, b"realtime", "sha256").hex()


def _measure(ground: Ground, hub: Hub, relay: OutboxRelay) -> OutboxGauges:
    gauge = ground.metrics.gauge
    gauge("hub_realtime_connections", "Open connections.", lambda: len(hub.connections))
    gauge("hub_realtime_users", "People connected.", lambda: len(hub.users))
    gauge("hub_realtime_channels", "Channels somebody listens on.", lambda: len(hub.rooms))
    gauge("hub_bus_waiting", "Words that wait for the broker.", lambda: ground.bus.waiting)
    outbox = OutboxGauges(ground.metrics.registry, ground.outbox)
    ground.supervisor.supervise("outbox gauges", outbox.run)
    ground.metrics.registry.register(HubCollector(hub, relay.counted))
    return outbox
