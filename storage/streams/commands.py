"""Commands to Redis, gathered: what is asked in one turn of the loop leaves in one write.

One pipelined connection per process. Answers come back in order, so the publications of a channel
keep theirs. When Redis is away everything that was asked fails with ``BrokerDown``; nothing waits
for it to come back, and nothing is repeated behind the caller's back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis import asyncio as aioredis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from realtime.broker import BrokerDown, BrokerRefused
from realtime.metrics import Spread

_AT_ONCE = 200
"""Commands in one pipeline: enough to fill a packet, few enough not to hold Redis up."""
_WAITING = 20_000
"""Commands that may wait; more than this means that Redis cannot keep up."""


_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)

_PASSING = (
    AskError, AuthenticationError, ClusterDownError, MasterDownError, NoPermissionError,
    OutOfMemoryError, ReadOnlyError, TryAgainError,
)  # fmt: skip
_PASSING_WORDS = ("OOM", "READONLY", "MISCONF", "LOADING", "BUSY", "NOREPLICAS", "NOPERM")
"""How Redis says what is true for everybody and will pass, in answers of a script too."""


CLUSTER = (
    "Redis runs in cluster mode, which the hub does not speak: "
    "give HUB_REDIS__URL one server, or a group watched by Sentinel"
)


class Script:
    """One Lua script, known to Redis by its hash."""

    def __init__(self, name: str) -> None:
        self.text = files("storage.streams").joinpath(f"{name}.lua").read_text("utf-8")
        self.sha = ""


class Commands:
    """The command side of the broker."""

    def __init__(self, redis: aioredis.Redis, scripts: Sequence[Script], *, timeout: float) -> None:
        self._redis = redis
        self._scripts = scripts
        self._timeout = timeout
        self._waiting: deque[tuple[tuple[Any, ...], asyncio.Future[Any]]] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self.round_trips = Spread(_SECONDS)
        """Seconds from a pipeline's first byte to its last answer."""

    @property
    def waiting(self) -> int:
        """Commands that have not been sent yet."""
        return len(self._waiting)

    async def load(self) -> None:
        """Teach Redis the scripts.

        Raises:
            BrokerDown: Redis cannot be reached, or runs in cluster mode.
        """
        try:
            async with asyncio.timeout(self._timeout):
                info = await self._redis.info("cluster")
                if info.get("cluster_enabled"):
                    raise BrokerDown(CLUSTER)
                for script in self._scripts:
                    script.sha = await self._redis.script_load(script.text)
        except (RedisError, OSError, TimeoutError) as error:
            raise BrokerDown("Redis cannot be reached") from error

    async def call(self, script: Script, keys: Sequence[str], *args: str | bytes | float) -> Any:
        """Run a script.

        Raises:
            BrokerDown: Redis does not answer in time, or too much is waiting already.
        """
        try:
            return await self.run("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            # Redis was restarted or its scripts were flushed. The script did not run.
            await self.load()
            return await self.run("EVALSHA", script.sha, len(keys), *keys, *args)

    async def run(self, *command: Any) -> Any:
        """Run one command and answer what Redis says.

        Raises:
            BrokerDown: Redis does not answer in time, or too much is waiting already.
        """
        if self._closed or len(self._waiting) >= _WAITING:
            raise BrokerDown("closed" if self._closed else "too many commands are waiting")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        self._wake.set()
        try:
            async with asyncio.timeout(self._timeout):
                return await future
        except TimeoutError as error:
            raise BrokerDown("Redis does not answer in time") from error

    async def flush_loop(self) -> None:
        """Send what was asked, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                count = min(len(self._waiting), _AT_ONCE)
                await self._send([self._waiting.popleft() for _ in range(count)])

    async def close(self) -> None:
        """Refuse what is asked from now on, and what still waits."""
        self._closed = True
        while self._waiting:
            _, future = self._waiting.popleft()
            _fail(future, BrokerDown("closed"))
        await self._redis.aclose()

    async def _send(self, batch: list[tuple[tuple[Any, ...], asyncio.Future[Any]]]) -> None:
        # Nobody waits any more for what has timed out while Redis was away.
        batch = [(command, future) for command, future in batch if not future.done()]
        if not batch:
            return
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for command, _ in batch:
                pipeline.execute_command(*command)
            began = time.monotonic()
            async with asyncio.timeout(self._timeout):
                answers = await pipeline.execute(raise_on_error=False)
            self.round_trips.add(time.monotonic() - began)
        except (RedisError, OSError, TimeoutError) as error:
            for _, future in batch:
                _fail(future, BrokerDown("Redis cannot be reached"), cause=error)
            return
        except asyncio.CancelledError:
            for _, future in batch:
                _fail(future, BrokerDown("closed"))
            raise
        for (_, future), answer in zip(batch, answers, strict=True):
            if isinstance(answer, NoScriptError):
                _fail(future, answer)
            elif isinstance(answer, Exception):
                _fail(future, _refusal(answer), cause=answer)
            elif not future.done():
                future.set_result(answer)


def _refusal(answer: Exception) -> BrokerDown:
    """Tell what will pass from what Redis will never do."""
    says = f"Redis refuses: {answer}"
    if isinstance(answer, _PASSING) or not isinstance(answer, ResponseError):
        return BrokerDown(says)
    return (BrokerDown if any(word in says for word in _PASSING_WORDS) else BrokerRefused)(says)


def _fail(future: asyncio.Future[Any], error: Exception, *, cause: Exception | None = None) -> None:
    if not future.done():
        error.__cause__ = cause
        future.set_exception(error)
