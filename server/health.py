"""Health: is the process alive, may it be sent requests, how is it doing, what is it.

``/livez`` answers as long as the event loop turns. ``/readyz`` is 200 only after start-up and
before shutdown, with every dependency answering and no supervised task down.
"""

from __future__ import annotations

import asyncio
import hmac
import platform
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import tornado
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, SecretStr

from domain.errors import DomainError, NotFound
from handlers.base import ApiHandler
from handlers.operation import PUBLIC, Written, operation
from handlers.routing import Route, route
from server.metrics import Metrics
from server.supervise import Supervisor

Probe = Callable[[], Awaitable[None]]

_PATIENCE = 2.0


def product_version() -> str:
    """Answer the version of the hub."""
    try:
        return version("daibiao")
    except PackageNotFoundError:
        return "0.1.0"


class Alive(BaseModel):
    """The process turns its event loop."""

    status: str = "alive"


class Readiness(BaseModel):
    """Whether requests may be sent here, and why not."""

    status: str
    dependencies: dict[str, str]
    tasks: dict[str, str]
    warnings: dict[str, str]


class Version(BaseModel):
    """What is running."""

    name: str = "daibiao"
    version: str
    python: str
    tornado: str


@dataclass
class Health:
    """What this process knows of its own health.

    Attributes:
        probes: One for each dependency; each raises if the dependency does not answer.
        warnings: What an operator should look into although requests may be sent here: each
            answers a sentence, or nothing while all is well.
        phase: ``starting``, ``ready`` or ``stopping``.
    """

    supervisor: Supervisor
    probes: dict[str, Probe] = field(default_factory=dict)
    warnings: dict[str, Callable[[], str]] = field(default_factory=dict)
    phase: str = "starting"

    async def readiness(self) -> tuple[bool, Readiness]:
        """Ask every dependency, all at once, and give none more than two seconds."""
        answers = await asyncio.gather(*(_ask(probe) for probe in self.probes.values()))
        dependencies = dict(zip(self.probes, answers, strict=True))
        good = (
            self.phase == "ready"
            and self.supervisor.healthy
            and all(answer == "ok" for answer in answers)
        )
        status = "ready" if good else self.phase if self.phase != "ready" else "degraded"
        said = {name: warn() for name, warn in self.warnings.items()}
        return good, Readiness(
            status=status,
            dependencies=dependencies,
            tasks=dict(self.supervisor.status()),
            warnings={name: sentence for name, sentence in said.items() if sentence},
        )


async def _ask(probe: Probe) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            await probe()
    except TimeoutError:
        return "no answer"
    except DomainError as refusal:
        return refusal.code
    return "ok"


class LiveHandler(ApiHandler):
    """``/livez``."""

    @operation(PUBLIC)
    async def get(self) -> Alive:
        """Tell that the process is alive."""
        return Alive()


class ReadyHandler(ApiHandler):
    """``/readyz``."""

    health: Health

    def initialize(self, health: Health, **more: object) -> None:  # type: ignore[override]
        """Keep what the application hands over."""
        super().initialize(**more)  # type: ignore[arg-type]
        self.health = health

    @operation(PUBLIC)
    async def get(self) -> Written:
        """Tell whether requests may be sent here; 503 and the reasons if not."""
        good, readiness = await self.health.readiness()
        self.reply(200 if good else 503, readiness.model_dump_json().encode())
        return Written()


class MetricsHandler(ApiHandler):
    """``/metrics``."""

    metrics: Metrics
    key: SecretStr

    def initialize(self, metrics: Metrics, key: SecretStr, **more: object) -> None:  # type: ignore[override]
        """Keep what the application hands over."""
        super().initialize(**more)  # type: ignore[arg-type]
        self.metrics = metrics
        self.key = key

    @operation(PUBLIC, produces="text/plain")
    async def get(self) -> Written:
        """Show the numbers, to those who know the key if there is one."""
        key = self.key.get_secret_value()
        if key and not hmac.compare_digest(key.encode(), (self.token or "").encode()):
            raise NotFound
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(self.metrics.render())
        return Written()


class VersionHandler(ApiHandler):
    """``/version``."""

    @operation(PUBLIC)
    async def get(self) -> Version:
        """Tell what is running."""
        return Version(
            version=product_version(), python=platform.python_version(), tornado=tornado.version
        )


def routes(health: Health, metrics: Metrics, key: SecretStr) -> list[Route]:
    """Answer the routes of this module."""
    return [
        route(r"/livez", LiveHandler),
        route(r"/readyz", ReadyHandler, health=health),
        route(r"/metrics", MetricsHandler, metrics=metrics, key=key),
        route(r"/version", VersionHandler),
    ]
