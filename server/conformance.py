"""The hub with the options an SDK's own test suite expects: no accounts, no database.

``python -m server.conformance js --port 8000`` runs on the memory broker; with ``HUB_REDIS__URL``,
on Redis. Some profiles let everybody do everything, so they refuse to start in production.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from jwt.warnings import InsecureKeyLengthWarning
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from handlers.realtime_routes import realtime_routes
from realtime.broker import Broker
from realtime.claims import ClaimsAuthority, House, Leave
from realtime.hub import Hub
from realtime.limits import Limits
from realtime.memory import MemoryBroker
from realtime.policy import Policies, Policy
from realtime.tokens import Verifier, hmac_keys
from realtime.wire import Limits as WireLimits
from realtime.wire import Wire
from server.supervise import Supervisor
from storage.streams import RedisBroker

SECRET = "secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one suite expects."""

    policies: Mapping[str, Policy]
    house: House
    api_key: str = ""
    limits: Limits = field(
        default_factory=lambda: Limits(
            commands=0, joins=0, subscriptions=128, connections=0, connects=0
        )
    )


_STREAM = Policy(history_size=100, history_ttl=300, force_recovery=True)
_DELTA = Policy(
    history_size=100, history_ttl=300, force_recovery=True, delta=True, delta_publish=True
)
_SMALL = Policy(history_size=2, history_ttl=300, force_recovery=True)

PROFILES: Mapping[str, Profile] = {
    # From the suite's own centrifugo_test.json; map and shared-poll namespaces are left out.
    "js": Profile(
        policies={
            "": Policy(
                history_size=100,
                history_ttl=300,
                force_recovery=True,
                delta=True,
                delta_publish=True,
                presence=True,
            ),
            "delta": _DELTA,
            "recovery": _STREAM,
            "smallhistory": _SMALL,
        },
        house=House(insecure=True),
        api_key="test-api-key",
    ),
    # From the environment in the suite's docker-compose.yml.
    "python": Profile(
        policies={
            "": Policy(
                history_size=100,
                history_ttl=300,
                force_recovery=True,
                delta=True,
                delta_publish=True,
                presence=True,
                join_leave=True,
                force_join_leave=True,
            ),
            "smallhistory": _SMALL,
        },
        house=House(
            personal="",
            leave={
                "": Leave(
                    publish_subscribed=True, presence_subscribed=True, history_subscribed=True
                ),
                "smallhistory": Leave(publish_subscribed=True, history_subscribed=True),
            },
        ),
    ),
    # From the command line in the suite's workflow.
    "pycent": Profile(
        policies={"": Policy(history_size=100, history_ttl=300, presence=True)},
        house=House(),
        api_key="api_key",
    ),
}


def conformance_hub(profile: str, broker: Broker) -> Hub:
    """Build the hub of a profile; it is not started.

    Raises:
        RuntimeError: This is production.
        KeyError: There is no such profile.
    """
    if os.environ.get("HUB_ENV") == "production":
        raise RuntimeError("a conformance profile must not run in production")
    chosen = PROFILES[profile]
    authority = ClaimsAuthority(
        Policies(chosen.policies), Verifier(hmac_keys(SECRET), clock=time.time), chosen.house
    )
    return Hub(broker, authority, limits=chosen.limits, version="daibiao conformance")


def conformance_application(profile: str, hub: Hub, wire: Wire | None = None) -> Application:
    """Answer the web application of a profile around its hub."""
    key = PROFILES[profile].api_key
    return Application(
        realtime_routes(hub, wire=wire, api_keys=lambda: (key,), allowed_origins=("*",)),
        websocket_max_message_size=hub.limits.frame,
    )


@asynccontextmanager
async def conformance_server(
    profile: str, port: int = 0, *, wired: bool = True
) -> AsyncIterator[tuple[Hub, int]]:
    """Serve a profile on loopback; answer the hub and its port.

    Args:
        profile: One of ``PROFILES``.
        port: Where to listen; 0 for any that is free.
        wired: Sockets go onto our own wire, or else they are left to Tornado.
    """
    url = os.environ.get("HUB_REDIS__URL")
    broker: Broker = RedisBroker.from_url(url) if url else MemoryBroker()
    hub = conformance_hub(profile, broker)
    supervisor = Supervisor()
    wire = Wire(WireLimits(message=hub.limits.frame)) if wired else None
    await hub.start()
    for name, loop in broker.loops().items():
        supervisor.supervise(name, loop)
    server = HTTPServer(conformance_application(profile, hub, wire))
    sockets = bind_sockets(port, "127.0.0.1")
    server.add_sockets(sockets)
    try:
        yield hub, sockets[0].getsockname()[1]
    finally:
        server.stop()
        await hub.close()
        await supervisor.stop()
        if wire is not None:
            await wire.close()
        await server.close_all_connections()


def run_conformance(profile: str, port: int, *, wired: bool = True) -> None:
    """Serve a profile until the process is stopped."""
    # The suites sign with six bytes; there is nothing to protect here.
    warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)

    async def forever() -> None:
        until = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, until.set)
        async with conformance_server(profile, port, wired=wired):
            await until.wait()

    asyncio.run(forever())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", choices=sorted(PROFILES))
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--tornado", action="store_true", help="leave sockets to Tornado")
    given = parser.parse_args()
    run_conformance(given.profile, given.port, wired=not given.tornado)
