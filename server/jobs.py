"""Periodic work: one row for each job, each in a supervised task of its own.

A job that must run once for the whole hub holds a lease while it runs; the other processes skip
that turn. A run that fails is logged and counted, and the next one comes at its time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from domain.errors import UpstreamDown
from domain.services import Services
from server.metrics import Metrics
from server.supervise import Supervisor

_log = structlog.get_logger("daibiao.jobs")


class LeaseHolder(Protocol):
    """The part of ``storage.leases.Leases`` that jobs need."""

    async def hold(self, name: str, seconds: float) -> int:
        """Take or keep a lease; 0 if somebody else holds it."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row.

    Attributes:
        every: Pause between two runs; a little chance is added so that processes spread.
        run: Does the work; may be cancelled at any ``await`` and must be able to resume.
        everywhere: Run in each process, without a lease.
    """

    name: str
    every: timedelta
    run: Callable[[], Awaitable[object]]
    everywhere: bool = False


def rows(services: Services) -> tuple[Job, ...]:
    """Answer every periodic job: one line for each, sorted by name."""
    desk, house = services.administration, services.house
    second, minute = timedelta(seconds=1), timedelta(minutes=1)
    return (
        Job(name="attendance.announce", every=2 * second, run=services.attendance.catch_up),
        Job(name="breakglass.close", every=second, run=desk.break_glass.sweep),
        Job(name="accounts.due", every=20 * second, run=services.identity.accounts.apply_due),
        Job(name="bulk.run", every=second, run=desk.bulk.run_next),
        Job(name="checkins.announce", every=2 * second, run=services.checkins.doors.catch_up),
        Job(name="consents.withdraw", every=20 * second, run=house.consents.finish_withdrawals),
        Job(name="duty.announce", every=2 * second, run=services.duty.book.catch_up),
        Job(name="duty.close", every=5 * second, run=services.duty.book.close),
        Job(name="duty.follow", every=second, run=services.duty.book.follow),
        Job(name="exports.expire", every=10 * minute, run=house.exports.expire),
        Job(name="exports.make", every=2 * second, run=house.exports.run_next),
        Job(
            name="faces.refresh",
            every=5 * second,
            run=services.faces.enrolment.refresh,
            everywhere=True,
        ),
        Job(name="faces.sweep", every=10 * minute, run=services.faces.enrolment.sweep),
        Job(name="grants.count", every=minute, run=desk.grants.count_administrators),
        Job(name="grants.expire", every=second, run=desk.grants.expire),
        Job(name="hall.announce", every=2 * second, run=services.hall.board.catch_up),
        Job(
            name="integrations.refresh",
            every=second,
            run=desk.integrations.refresh,
            everywhere=True,
        ),
        Job(name="leave.announce", every=2 * second, run=services.leave.catch_up),
        Job(name="leave.turn", every=minute, run=services.leave.turn),
        Job(name="logins.sweep", every=10 * minute, run=services.identity.sweep.run),
        Job(name="meetings.archive", every=2 * second, run=services.meetings.archive.make_next),
        Job(name="meetings.announce", every=2 * second, run=services.meetings.desk.catch_up),
        Job(name="notices.chain", every=minute, run=services.notices.chain.run),
        Job(name="notices.expire", every=20 * second, run=services.notices.afterwards.expire_due),
        Job(name="notices.publish", every=second, run=services.notices.review.publish_due),
        Job(
            name="notices.escalate", every=second, run=services.ladder.climb.sweep, everywhere=True
        ),
        Job(name="opinions.announce", every=5 * second, run=services.meetings.opinions.catch_up),
        Job(name="opinions.remind", every=minute, run=services.meetings.opinion_clock.remind),
        Job(name="profile.apply", every=minute, run=house.profile.resume),
        Job(name="quorum.count", every=second, run=services.hall.quorum.beat, everywhere=True),
        Job(name="quorum.sweep", every=5 * second, run=services.hall.quorum.sweep),
        Job(name="results.announce", every=2 * second, run=services.meetings.results.catch_up),
        Job(name="seats.announce", every=2 * second, run=services.seats.catch_up),
        Job(name="signups.settle", every=second, run=services.meetings.sign_ups.catch_up),
        Job(name="workdays.seed", every=1440 * minute, run=desk.calendar.seed),
    )


class Jobs:
    """Runs the rows."""

    def __init__(
        self,
        leases: LeaseHolder,
        metrics: Metrics,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._leases = leases
        self._metrics = metrics
        self._sleep = sleep

    def start(self, supervisor: Supervisor, jobs: Iterable[Job]) -> None:
        """Start a supervised task for each row."""
        for job in jobs:
            supervisor.supervise(f"job {job.name}", lambda job=job: self._repeat(job))  # type: ignore[misc]

    async def _repeat(self, job: Job) -> None:
        pause = job.every.total_seconds()
        while True:
            # Up to a tenth of the pause, so that processes started together drift apart.
            await self._sleep(pause * random.uniform(1.0, 1.1))  # noqa: S311 - not a secret
            await self.turn(job)

    async def turn(self, job: Job) -> str:
        """Run a job once and answer what became of it: ``done``, ``elsewhere`` or ``failed``."""
        try:
            outcome = await self._run(job)
        except UpstreamDown as down:
            # A neighbour is away: no mistake of ours, so a line and no stack.
            _log.warning("job could not run", job=job.name, upstream=down.detail.get("upstream"))
            outcome = "failed"
        except Exception:  # noqa: BLE001 - logged with its stack; the next turn is a new chance
            _log.exception("job failed", job=job.name)
            outcome = "failed"
        self._metrics.job_runs.labels(job.name, outcome).inc()
        return outcome

    async def _run(self, job: Job) -> str:
        # The lease outlasts the pause a little: the process that has it keeps it.
        seconds = max(60.0, job.every.total_seconds() * 1.5)
        if not job.everywhere and not await self._leases.hold(f"job:{job.name}", seconds):
            return "elsewhere"
        await job.run()
        return "done"
