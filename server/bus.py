"""The port ``Bus`` on the real-time hub of this process: keep first, tell afterwards.

A durable event is written into the outbox, from which the relay publishes it: a crash in between
costs a delay, never an event. Words about connections, and events of which only the newest matters,
go out at once; while the broker does not answer they wait here, in order, because a service that
has stored a change must not fail for a late announcement.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from domain.errors import UpstreamDown
from domain.events import Event
from domain.realtime import StreamPosition
from storage.outbox import Message, Outbox

_log = structlog.get_logger("daibiao.bus")

EVENT = "event"
"""Kind of the outbox messages that are events; the body is ``{channel, id, data}``."""

_MOST_WAITING = 10_000
_PAUSE = 0.5
_SLICE = 100
"""Announcements of a spread that go to the broker at once; others come in between."""


class LiveHub(Protocol):
    """What the bus asks of the real-time hub; nothing here waits for a client."""

    async def publish(self, channel: str, data: bytes, *, idempotency_key: str) -> None:
        """Append to the channel's stream and tell everybody who is subscribed, everywhere.

        Raises:
            NotTaken: There is no such channel, or the data is too long for it.
            UpstreamDown: The broker does not answer.
        """

    async def disconnect(
        self, *, user: str = "", session: str = "", code: int, reason: str
    ) -> None:
        """Close the connections of a user, or of a login session, on every process."""

    async def recheck(self, user: str) -> None:
        """Judge every subscription of a user anew, on every process."""

    async def position(self, channel: str) -> StreamPosition:
        """Answer where a channel's stream stands now.

        Raises:
            UpstreamDown: The broker does not answer.
        """


Word = Callable[[LiveHub], Awaitable[None]]


class NotTaken(Exception):
    """The hub will never take this, however often it is said."""


class HubBus:
    """``domain.ports.Bus`` over the hub that ``attach`` brings.

    Before that, and in commands that run beside the hub, nobody is connected to this process: what
    is said waits, and is dropped with the process.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._hub: LiveHub | None = None
        self._waiting: deque[Word] = deque()
        self._work = asyncio.Event()

    def attach(self, hub: LiveHub) -> None:
        """Speak through a hub from now on; ``deliver`` must run as a supervised task."""
        self._hub = hub
        self._work.set()

    @property
    def waiting(self) -> int:
        """How many words wait for the broker."""
        return len(self._waiting)

    async def publish(self, channel: str, event: Event) -> None:
        """Announce an event; its id keeps a repeated announcement from being heard twice."""
        await self.publish_all([(channel, event)])

    async def publish_all(self, said: Sequence[tuple[str, Event]]) -> None:
        """Announce events, each on a channel; the durable ones are written down in one call."""
        messages = []
        for channel, event in said:
            data = event.__pydantic_serializer__.to_json(event)
            if event.durable:
                messages.append(_message(channel, event.id, data))
            else:
                await self._say(functools.partial(_word, channel, event.id, data))
        if messages:
            await self._outbox.put(messages)

    async def spread(self, channels: Sequence[str], event: Event) -> None:
        """Announce an event on many channels, now; the caller keeps its place and may repeat.

        It is written once for all of them. Nothing goes through the outbox: a thousand messages
        there would cost more than the thousand announcements.

        Raises:
            UpstreamDown: The broker does not answer, or there is no hub in this process.
        """
        hub = self._hub
        if hub is None:
            raise UpstreamDown("实时通道尚未就绪", upstream="broker")
        data = event.__pydantic_serializer__.to_json(event)
        for start in range(0, len(channels), _SLICE):
            await asyncio.gather(
                *[
                    hub.publish(channel, data, idempotency_key=event.id)
                    for channel in channels[start : start + _SLICE]
                ]
            )

    async def relay(self, message: Message) -> None:
        """Publish an event out of the outbox.

        Raises:
            NotTaken: The hub has no such channel, or the event is too long for it.
            UpstreamDown: The broker does not answer, or there is no hub in this process.
        """
        if self._hub is None:
            raise _not_ready()
        body = message.body
        await self._hub.publish(body["channel"], body["data"].encode(), idempotency_key=body["id"])

    async def position(self, channel: str) -> StreamPosition:
        """Answer where a channel's stream stands now; ``domain.realtime.Positions``.

        Raises:
            UpstreamDown: The broker does not answer, or there is no hub in this process.
        """
        if self._hub is None:
            raise _not_ready()
        return await self._hub.position(channel)

    async def disconnect(self, person_id: str, *, code: int, reason: str) -> None:
        """Close every connection of a person, on every process."""
        await self._say(lambda hub: hub.disconnect(user=person_id, code=code, reason=reason))

    async def disconnect_session(self, session_id: str, *, code: int, reason: str) -> None:
        """Close every connection that was opened with a login session, on every process."""
        await self._say(lambda hub: hub.disconnect(session=session_id, code=code, reason=reason))

    async def recheck(self, person_id: str) -> None:
        """Judge every subscription of a person anew."""
        await self._say(lambda hub: hub.recheck(person_id))

    async def _say(self, word: Word) -> None:
        if self._hub is not None and not self._waiting:
            try:
                await word(self._hub)
            except UpstreamDown as error:
                _log.warning("the broker does not answer, words wait", error=str(error))
            except NotTaken as error:
                # A service that has stored its change must not fail for what follows.
                _log.error("a word is not taken and dropped", error=str(error))
                return
            else:
                return
        if len(self._waiting) >= _MOST_WAITING:
            _log.error("too many words wait for the broker, the oldest is dropped")
            self._waiting.popleft()
        self._waiting.append(word)
        self._work.set()

    async def deliver(self) -> None:
        """Say what waits, in order, whenever there is something; runs for ever."""
        while True:
            await self._work.wait()
            while self._hub is not None and self._waiting:
                try:
                    await self._waiting[0](self._hub)
                except UpstreamDown:
                    await asyncio.sleep(_PAUSE)
                    continue
                except NotTaken as error:
                    _log.error("a word is not taken and dropped", error=str(error))
                self._waiting.popleft()
            self._work.clear()


def _message(channel: str, event_id: str, data: bytes) -> Message:
    body = {"channel": channel, "id": event_id, "data": data.decode()}
    return Message(key=f"{event_id}:{channel}", kind=EVENT, line=channel, body=body)


async def _word(channel: str, event_id: str, data: bytes, hub: LiveHub) -> None:
    await hub.publish(channel, data, idempotency_key=event_id)


def _not_ready() -> UpstreamDown:
    return UpstreamDown("实时通道尚未就绪", upstream="broker")
