"""Background tasks are named, logged, started again, and end when they are told to."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from server.supervise import Supervisor


class Pauses:
    """Sleeps that take no time and are written down."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_task_that_fails_once_is_started_again_and_the_failure_is_logged() -> None:
    supervisor, calls = Supervisor(sleep=Pauses()), []

    async def publish() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError("once")
        await asyncio.Event().wait()

    with capture_logs() as logs:
        supervisor.supervise("publisher", publish)
        await turns()
    assert len(calls) == 2
    assert supervisor.status() == {"publisher": "running"}
    assert supervisor.healthy
    assert [(it["log_level"], it["task"]) for it in logs] == [("error", "publisher")]
    assert logs[0]["exc_info"]
    await supervisor.stop()


async def test_pauses_double_up_to_thirty_seconds() -> None:
    pauses = Pauses()
    supervisor = Supervisor(sleep=pauses)

    async def fail() -> None:
        if len(pauses.taken) >= 12:
            await asyncio.Event().wait()
        raise ValueError

    with capture_logs():
        supervisor.supervise("broken", fail)
        await turns(60)
    assert pauses.taken[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses.taken[-1] == 30.0
    await supervisor.stop()


async def test_a_task_between_two_starts_makes_the_process_unhealthy() -> None:
    gate = asyncio.Event()

    async def sleep(_: float) -> None:
        await gate.wait()

    async def fail() -> None:
        raise ValueError

    supervisor = Supervisor(sleep=sleep)
    with capture_logs():
        supervisor.supervise("broken", fail)
        await turns()
    assert not supervisor.healthy
    assert supervisor.status() == {"broken": "restarting"}
    await supervisor.stop()


async def test_a_task_that_returns_is_done() -> None:
    async def once() -> None: ...

    supervisor = Supervisor()
    supervisor.supervise("once", once)
    await turns()
    assert supervisor.status() == {"once": "done"}
    assert supervisor.healthy
    await supervisor.stop()


async def test_stopping_ends_the_youngest_first_and_waits_for_each() -> None:
    ended: list[str] = []

    def task(name: str):
        async def run() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(name)

        return run

    supervisor = Supervisor()
    for name in ("a", "b", "c"):
        supervisor.supervise(name, task(name))
    await turns()
    await supervisor.stop()
    assert ended == ["c", "b", "a"]
    assert supervisor.status() == {}


async def test_two_tasks_cannot_have_one_name() -> None:
    supervisor = Supervisor()
    supervisor.supervise("a", asyncio.Event().wait)
    with pytest.raises(ValueError, match="named a"):
        supervisor.supervise("a", asyncio.Event().wait)
    await supervisor.stop()
