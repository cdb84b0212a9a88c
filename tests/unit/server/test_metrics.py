"""The numbers of a process."""

from __future__ import annotations

import asyncio
import time

from server.metrics import Metrics


async def test_an_event_loop_that_was_held_up_shows():
    metrics = Metrics()
    watching = asyncio.ensure_future(metrics.watch_loop(every=0.05))
    try:
        await asyncio.sleep(0)
        time.sleep(0.3)
        async with asyncio.timeout(20):
            while not metrics.registry.get_sample_value("hub_loop_lag_seconds"):
                await asyncio.sleep(0)
        assert metrics.registry.get_sample_value("hub_loop_lag_seconds") > 0.2
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def test_requests_and_jobs_are_counted_by_what_they_were():
    metrics = Metrics()
    metrics.request("GET", "/x", 200, 0.02)
    metrics.request("GET", "/x", 200, 3.0)
    metrics.job_runs.labels("sweep", "done").inc()
    value = metrics.registry.get_sample_value
    labels = {"method": "GET", "route": "/x", "status": "200"}
    assert value("hub_request_seconds_count", labels) == 2
    assert value("hub_request_seconds_bucket", labels | {"le": "0.025"}) == 1
    assert value("hub_job_runs_total", {"job": "sweep", "outcome": "done"}) == 1
