"""Periodic work runs at its time, once for the whole hub, and survives its own failures."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from structlog.testing import capture_logs

from server.jobs import Job, Jobs
from server.metrics import Metrics
from server.supervise import Supervisor


class Lease:
    """A lease that is ours, or somebody else's."""

    def __init__(self, *, ours: bool) -> None:
        self.ours = ours
        self.asked: list[str] = []

    async def hold(self, name: str, seconds: float) -> int:
        self.asked.append(name)
        return 1 if self.ours else 0


def job(run, **more) -> Job:
    return Job(name="count", every=timedelta(minutes=1), run=run, **more)


async def test_a_job_runs_under_its_lease() -> None:
    runs: list[int] = []

    async def run() -> None:
        runs.append(1)

    lease = Lease(ours=True)
    assert await Jobs(lease, Metrics()).turn(job(run)) == "done"
    assert (runs, lease.asked) == ([1], ["job:count"])


async def test_a_job_whose_lease_is_elsewhere_does_not_run() -> None:
    async def run() -> None:
        raise AssertionError

    assert await Jobs(Lease(ours=False), Metrics()).turn(job(run)) == "elsewhere"


async def test_a_job_for_every_process_needs_no_lease() -> None:
    async def run() -> None: ...

    lease = Lease(ours=False)
    assert await Jobs(lease, Metrics()).turn(job(run, everywhere=True)) == "done"
    assert lease.asked == []


async def test_a_run_that_fails_is_logged_and_counted_and_the_next_one_comes() -> None:
    metrics = Metrics()

    async def run() -> None:
        raise ZeroDivisionError

    with capture_logs() as logs:
        assert await Jobs(Lease(ours=True), metrics).turn(job(run)) == "failed"
    assert logs[0]["exc_info"]
    assert b'hub_job_runs_total{job="count",outcome="failed"} 1.0' in metrics.render()


async def test_each_row_is_a_supervised_task_that_waits_before_its_first_run() -> None:
    runs, pauses = [], []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 3:
            await asyncio.Event().wait()

    async def run() -> None:
        runs.append(len(pauses))

    supervisor = Supervisor()
    Jobs(Lease(ours=True), Metrics(), sleep=sleep).start(supervisor, [job(run)])
    for _ in range(20):
        await asyncio.sleep(0)
    assert supervisor.status() == {"job count": "running"}
    assert runs == [1, 2, 3]
    assert all(60 <= it <= 66 for it in pauses)
    await supervisor.stop()
