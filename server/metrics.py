"""Numbers for Prometheus, one registry for each process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What this process has done and how it feels."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._latency = Histogram(
            "hub_request_seconds",
            "Time from the request's first byte to the reply's last, by route pattern.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._lag = Gauge(
            "hub_loop_lag_seconds",
            "How late the event loop was, last second.",
            registry=self.registry,
        )
        self.job_runs = Counter(
            "hub_job_runs", "Runs of periodic jobs.", ("job", "outcome"), registry=self.registry
        )
        # ``labels`` looks its child up under a lock; here is one dictionary look-up instead.
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one request."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._latency.labels(method, route, str(status))
        child.observe(seconds)

    def gauge(self, name: str, what: str, read: Callable[[], float]) -> None:
        """Show a number that somebody else keeps."""
        Gauge(name, what, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """Answer everything in Prometheus' text format."""
        return generate_latest(self.registry)

    async def watch_loop(self, *, every: float = 1.0) -> None:
        """Measure for ever how late the event loop wakes a sleeper."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + every
            await asyncio.sleep(every)
            self._lag.set(max(0.0, loop.time() - due))
