"""Sends text messages after the answer has been given.

Whether a code was really sent must not show in how long the answer took: a stranger could tell
known people from unknown ones. So messages wait in a short queue of this process. One that is lost
with the process costs its receiver a minute; the code is nowhere else in the clear.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

from domain.errors import DomainError, RateLimited
from domain.ports import SmsGateway

_log = logging.getLogger(__name__)

_WAITING = 1_000
_PATIENCE = 15.0  # seconds for one message


class _Message(NamedTuple):
    phone: str
    template: str
    params: Mapping[str, str]


class Courier:
    """Carries messages to the gateway, several at once; ``run`` is supervised."""

    def __init__(self, gateway: SmsGateway, *, hands: int = 4) -> None:
        self._gateway = gateway
        self._hands = hands
        self._queue: asyncio.Queue[_Message] = asyncio.Queue(_WAITING)

    def send(self, phone: str, template: str, params: Mapping[str, str]) -> None:
        """Take a message along.

        Raises:
            RateLimited: Too many wait already.
        """
        try:
            self._queue.put_nowait(_Message(phone, template, params))
        except asyncio.QueueFull:
            raise RateLimited("短信发送繁忙，请稍后再试", retry_after=10) from None

    async def run(self) -> None:
        """Carry messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._hands):
                group.create_task(self._carry())

    async def delivered(self) -> None:
        """Return once everything taken so far was handed over or given up."""
        await self._queue.join()

    async def _carry(self) -> None:
        while True:
            message = await self._queue.get()
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._gateway.send(message.phone, message.template, message.params)
            except (DomainError, TimeoutError) as error:
                # The receiver asks again; those on watch see the reason, never number or code.
                _log.warning("a text message was not sent: %s", type(error).__name__)
            finally:
                self._queue.task_done()
