"""The listening side: one connection, subscribed to what this process has listeners for.

A lost connection is made anew with growing pauses, subscribed again to everything, and only then
the listener is told that it may have missed something. A connection that is open but silent is
found out by the probe (``RedisBroker``), which calls ``reconnect``.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable

from redis import asyncio as aioredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from realtime.broker import BrokerDown

_log = logging.getLogger(__name__)

_BATCH = 512
"""Channels named in one SUBSCRIBE."""
_LONGEST_PAUSE = 3.0


class Subscriber:
    """Keeps a set of pub/sub channels subscribed, whatever happens to the connection.

    Args:
        pool: Where connections come from (a plain or a Sentinel pool).
        on_message: Called with (pub/sub channel, payload), in order; must not block.
        on_interrupted: Called after a lost connection has been replaced.
        timeout: Seconds to wait for a confirmation.
    """

    def __init__(
        self,
        pool: aioredis.ConnectionPool,
        *,
        on_message: Callable[[bytes, bytes], None],
        on_interrupted: Callable[[], None],
        timeout: float,
    ) -> None:
        self._pool = pool
        self._on_message = on_message
        self._on_interrupted = on_interrupted
        self._timeout = timeout
        self._wanted: set[str] = set()
        self._confirming: dict[str, asyncio.Future[None]] = {}
        self._connection: AbstractConnection | None = None
        self._was_up = False
        self._ever_up = False

    @property
    def listening(self) -> bool:
        """Whether there is a connection and it has confirmed a channel."""
        return self._connection is not None and self._was_up

    def want(self, *channels: str) -> None:
        """Have the loop subscribe to channels as soon as it has a connection."""
        self._wanted.update(channels)

    async def subscribe(self, channel: str) -> None:
        """Return once later messages of the channel will be told.

        Raises:
            BrokerDown: No confirmation in time. The channel stays wanted until ``unsubscribe``.
        """
        self._wanted.add(channel)
        future = self._confirming.get(channel)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._confirming[channel] = future
            await self._say("SUBSCRIBE", [channel])
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(future)
        except TimeoutError as error:
            raise BrokerDown("no confirmation of a subscription in time") from error

    async def unsubscribe(self, channel: str) -> None:
        """Stop being told of a channel."""
        self._wanted.discard(channel)
        future = self._confirming.pop(channel, None)
        if future is not None:
            future.cancel()
        await self._say("UNSUBSCRIBE", [channel])

    async def listen_loop(self) -> None:
        """Keep a connection and pass on what it says, for ever."""
        pause = 0.05
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                _log.warning("redis_subscription_lost", extra={"error": type(error).__name__})
            finally:
                await self._drop()
            await asyncio.sleep(pause)
            pause = 0.05 if self._was_up else min(pause * 2, _LONGEST_PAUSE)
            self._was_up = False

    async def reconnect(self) -> None:
        """Give up the connection, which seems dead; the loop makes another."""
        await self._drop()

    async def _listen(self) -> None:
        connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        self._connection = connection
        interrupted = self._ever_up
        for channel in self._wanted:
            if channel not in self._confirming:
                self._confirming[channel] = asyncio.get_running_loop().create_future()
        outstanding = set(self._wanted)
        await self._say("SUBSCRIBE", sorted(outstanding))
        while True:
            reply = await connection.read_response(timeout=math.inf)
            match reply:
                case [b"message", channel, payload]:
                    self._on_message(channel, payload)
                case [b"subscribe", channel, _]:
                    name = channel.decode()
                    self._confirm(name)
                    outstanding.discard(name)
                    if interrupted and not outstanding:
                        interrupted = False
                        self._on_interrupted()
                    self._was_up = self._ever_up = True
                case _:
                    pass

    def _confirm(self, channel: str) -> None:
        future = self._confirming.get(channel)
        if future is not None and not future.done():
            future.set_result(None)
        if channel in self._wanted:
            self._confirming.pop(channel, None)

    async def _say(self, verb: str, channels: Iterable[str]) -> None:
        connection = self._connection
        if connection is None:
            return  # the loop subscribes to everything wanted when it has a connection
        names = list(channels)
        try:
            for start in range(0, len(names), _BATCH):
                await connection.send_command(verb, *names[start : start + _BATCH])
        except (RedisError, OSError) as error:
            # The reading side sees the same loss and makes a new connection.
            _log.debug("redis_subscription_not_sent", extra={"error": type(error).__name__})

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)
