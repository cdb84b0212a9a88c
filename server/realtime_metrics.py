"""What the real-time hub counts, for Prometheus (REALTIME.md §8.4).

The hub keeps plain integers; everything here is read when somebody asks for the metrics page, so
a delivery costs nothing for being counted.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from domain.errors import UpstreamDown
from realtime.hub import Hub
from realtime.metrics import Spread
from storage.outbox import Outbox
from storage.streams import RedisBroker

_QUEUES = (0, 1 << 10, 1 << 14, 1 << 16, 1 << 18, 1 << 20)
_LOOK = 10.0
LATE = 60.0
"""Seconds by which announcements may be late before ``/readyz`` says so."""


class HubCollector(Collector):
    """Reads one hub."""

    def __init__(self, hub: Hub, outbox: Mapping[str, int]) -> None:
        self._hub = hub
        self._outbox = outbox

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        hub, counted, fanout = self._hub, self._hub.metrics, self._hub.fanout
        yield _count("connects", "Connections taken on.", counted.connects)
        yield _count("commands", "Commands handled.", counted.commands)
        yield _by("published", "Publications sent off here.", "namespace", counted.published)
        yield _by("delivered", "Messages, each listener's.", "namespace", fanout.delivered)
        yield _by("delivered_bytes", "The same in bytes.", "namespace", fanout.bytes)
        # Messages delivered, over these: how many messages left in one write.
        yield _count("writes", "Writes to listeners.", fanout.tally.deliveries)
        yield _count("fanouts", "Fan-outs.", fanout.tally.fanouts)
        yield _spread(
            "hub_realtime_fanout_seconds",
            "From a fan-out's first send to its last.",
            fanout.tally.seconds,
        )
        yield _spread(
            "hub_realtime_batch_messages", "Messages joined in one send.", fanout.tally.batch
        )
        yield _by("closes", "Connections that ended, by code.", "code", counted.closes)
        outcomes = {"recovered": counted.recovered, "failed": counted.unrecovered}
        yield _by("recoveries", "Clients that came back.", "outcome", outcomes)
        yield _count("gaps", "Channels that lost their thread.", counted.gaps)
        yield _count("slow_channels", "Channels taken from slow readers.", counted.slow_channels)
        yield self._queues()
        yield _outcomes(self._outbox)
        if isinstance(hub.broker, RedisBroker):
            yield GaugeMetricFamily(
                "hub_realtime_probe_age_seconds",
                "Since the last word to ourselves came back; infinite before the first.",
                hub.broker.probe_age,
            )
            yield GaugeMetricFamily(
                "hub_redis_round_trip_seconds",
                "What the last word to ourselves took.",
                hub.broker.round_trip,
            )
            yield _spread(
                "hub_redis_pipeline_seconds",
                "From the first byte of what one turn of the loop asks to the last answer.",
                hub.broker.round_trips,
            )
            yield GaugeMetricFamily(
                "hub_redis_waiting", "Commands not sent to Redis yet.", hub.broker.waiting
            )

    def _queues(self) -> Metric:
        waiting = [each.queued for each in tuple(self._hub.connections.values())]
        counts = [0] * (len(_QUEUES) + 1)
        for size in waiting:
            counts[bisect_left(_QUEUES, size)] += 1
        edges = [*(str(float(edge)) for edge in _QUEUES), "+Inf"]
        return GaugeHistogramMetricFamily(
            "hub_realtime_queue_bytes",
            "Bytes that wait for a client, over the connections there are.",
            buckets=list(zip(edges, accumulate(counts), strict=True)),
            gsum_value=sum(waiting),
        )


class OutboxGauges:
    """How late announcements are; asked of the database now and then, not with each scrape."""

    def __init__(self, registry: CollectorRegistry, outbox: Outbox) -> None:
        self._outbox = outbox
        self._late, self._buried = 0.0, 0
        self._lag = Gauge(
            "hub_outbox_lag_seconds", "Age of the oldest message due.", registry=registry
        )
        self._waiting = Gauge(
            "hub_outbox_waiting", "Messages that are to go out.", registry=registry
        )
        self._dead = Gauge("hub_outbox_dead", "Messages nobody could send.", registry=registry)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK)

    async def look(self) -> None:
        """Look once; while the database is away the last numbers stay."""
        try:
            self._late = await self._outbox.lag()
            self._buried = await self._outbox.dead()
            waiting = await self._outbox.waiting()
        except UpstreamDown:
            return
        self._lag.set(self._late)
        self._dead.set(self._buried)
        self._waiting.set(waiting)

    def warning(self) -> str:
        """Answer what an operator must know; the same look as the gauges."""
        if self._buried:
            return f"{self._buried} announcements could not be sent: main.py outbox list"
        if self._late > LATE:
            return f"announcements are {self._late:.0f} seconds late"
        return ""


def _count(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(f"hub_realtime_{name}", what, value)


def _spread(name: str, what: str, spread: Spread) -> Metric:
    edges = [*(str(float(edge)) for edge in spread.edges), "+Inf"]
    buckets = list(zip(edges, accumulate(spread.counts), strict=True))
    return HistogramMetricFamily(name, what, buckets=buckets, sum_value=spread.sum)


def _by(name: str, what: str, label: str, values: Mapping[str, int] | Mapping[int, int]) -> Metric:
    family = CounterMetricFamily(f"hub_realtime_{name}", what, labels=(label,))
    for key, value in tuple(values.items()):
        family.add_metric((str(key),), value)
    return family


def _outcomes(outbox: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(
        "hub_outbox_messages",
        "Messages taken up here, by what became of them.",
        labels=("outcome",),
    )
    for outcome, count in tuple(outbox.items()):
        family.add_metric((outcome,), count)
    return family
