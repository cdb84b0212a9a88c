"""Short tasks of the hub: none is lost, none fails in silence, and all end with the hub."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from realtime.broker import BrokerDown

_log = logging.getLogger(__name__)


class Tasks:
    """Holds on to what it started until it is done."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something in the background; a failure is logged."""
        _ = self.run(coroutine)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do the same, and answer the task for those who want to know when it is done."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self, *, within: float) -> None:
        """Wait for what is running, and cancel what takes too long."""
        if self._running:
            await asyncio.wait(self._running, timeout=within)
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, BrokerDown):
            # Its own watchers cry loudly enough; presence runs out and positions are compared.
            _log.warning("broker is down: %s", error)
        else:
            _log.error("background task failed", exc_info=error)
