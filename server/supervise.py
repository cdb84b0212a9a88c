"""The only way to start a task that outlives a request: named, logged, restarted, visible.

A supervised task that fails is started again after a pause that doubles up to thirty seconds; one
that ran well for a minute starts from the short pause again. A task that returns is done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

Factory = Callable[[], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0
_WELL = 60.0

_log = structlog.get_logger("daibiao.supervise")


@dataclass
class Watch:
    """What is known of one task."""

    task: asyncio.Task[None] | None = None
    state: str = "starting"
    failures: int = 0
    last_error: str = ""
    since: float = field(default_factory=time.monotonic)


class Supervisor:
    """Keeps tasks running until it is told to stop.

    Args:
        sleep: Waits between a failure and the next start.
    """

    def __init__(self, *, sleep: Sleep = asyncio.sleep) -> None:
        self._watches: dict[str, Watch] = {}
        self._sleep = sleep

    def supervise(self, name: str, factory: Factory) -> None:
        """Run what ``factory`` makes, and make it anew when it fails.

        Raises:
            ValueError: There is a task of that name.
        """
        if name in self._watches:
            raise ValueError(f"a task named {name} is running already")
        watch = self._watches[name] = Watch()
        watch.task = asyncio.create_task(self._keep(name, factory, watch), name=name)

    def status(self) -> Mapping[str, str]:
        """Answer the state of each task: ``running``, ``restarting`` or ``done``."""
        return {name: watch.state for name, watch in self._watches.items()}

    @property
    def healthy(self) -> bool:
        """Whether no task is between a failure and its next start."""
        return all(watch.state != "restarting" for watch in self._watches.values())

    async def stop(self) -> None:
        """Cancel every task, the youngest first, and wait until each has ended."""
        for name, watch in reversed(tuple(self._watches.items())):
            if watch.task is None:
                continue
            watch.task.cancel()
            # The task logs its own failures; here only its end matters.
            await asyncio.gather(watch.task, return_exceptions=True)
            del self._watches[name]

    async def _keep(self, name: str, factory: Factory, watch: Watch) -> None:
        pause = _FIRST_PAUSE
        while True:
            watch.state, watch.since = "running", time.monotonic()
            try:
                await factory()
            except Exception as error:  # noqa: BLE001 - logged, and the task starts anew
                _log.exception("task failed", task=name)
                watch.failures += 1
                watch.last_error = type(error).__name__
            else:
                watch.state = "done"
                return
            if time.monotonic() - watch.since > _WELL:
                pause = _FIRST_PAUSE
            watch.state = "restarting"
            await self._sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
