"""``--processes N``: a parent that owns the embedded engine, and N workers that serve.

Each worker is a whole hub with an event loop of its own; the kernel spreads connections over them
(SO_REUSEPORT), and they meet in Redis. The parent restarts a worker that dies, hands SIGTERM on,
and holds the writing end of each worker's standard input: a worker stops when that pipe ends, so
even ``kill -9`` of the parent leaves nobody behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import structlog

from server.config import Settings
from server.ground import kept_secret
from server.supervise import Supervisor
from storage.vault import key_from_file

MAIN = Path(__file__).parent.parent / "main.py"

_SPARE = 10.0  # seconds beyond drain and grace before a worker is killed

_log = structlog.get_logger("daibiao.workers")


class WorkerDied(Exception):
    """A worker ended without being told to."""


async def run_workers(settings: Settings) -> None:
    """Run the workers until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        environment = {
            **os.environ,
            "HUB_PORT": str(settings.port),
            "HUB_HOST": settings.host,
            "HUB_PROCESSES": str(settings.processes),
            "HUB_MONGO__URI": await _mongo(settings, stack),
        }
        # Made here, before several workers would make them at once.
        kept_secret(settings.data_dir / "secret")
        key_from_file(settings.data_dir / "vault.key")
        supervisor, workers = Supervisor(), dict[int, Process]()
        patience = settings.drain + settings.grace + _SPARE
        for nth in range(settings.processes):
            supervisor.supervise(
                f"worker {nth}", partial(_work, nth, environment, workers, patience, stopping)
            )
        stack.push_async_callback(supervisor.stop)
        await stopping.wait()
        _log.info("stopping workers", count=len(workers))
        # All at once; the supervisor waits for one after the other.
        for worker in workers.values():
            _terminate(worker)


async def _mongo(settings: Settings, stack: AsyncExitStack) -> str:
    if not settings.embedded:
        return settings.mongo.uri.get_secret_value()
    from storage.embedded.process import EmbeddedServer

    engine = EmbeddedServer(settings.data_dir)
    uri = await engine.start()
    stack.push_async_callback(engine.stop)
    return uri


async def _work(
    number: int,
    environment: Mapping[str, str],
    workers: dict[int, Process],
    patience: float,
    stopping: asyncio.Event,
) -> None:
    """Run one worker for as long as it lives.

    Raises:
        WorkerDied: It ended by itself.
    """
    worker = await asyncio.create_subprocess_exec(
        sys.executable, MAIN, "serve", "--worker", stdin=PIPE, env=environment
    )
    workers[number] = worker
    try:
        status = await worker.wait()
    except asyncio.CancelledError:
        await _end(worker, patience)
        raise
    finally:
        workers.pop(number, None)
    if stopping.is_set():
        # It was told to. The supervisor cancels this task in a moment; until then it must neither
        # fail nor be started again.
        await asyncio.get_running_loop().create_future()
    raise WorkerDied(f"worker {number} (pid {worker.pid}) ended with status {status}")


async def _end(worker: Process, patience: float) -> None:
    _terminate(worker)
    try:
        async with asyncio.timeout(patience):
            await worker.wait()
    except TimeoutError:
        _log.warning("worker did not stop, killing it", pid=worker.pid)
        worker.kill()
        await worker.wait()


def _terminate(worker: Process) -> None:
    if worker.returncode is None:
        worker.terminate()
