"""What the hub asks of a broker: streams with positions, presence, and a word between processes.

A broker keeps one *stream* per channel. A stream has an ``epoch`` (changes when the stream is lost
or made anew) and a growing ``offset`` (starts at 1, gapless). The promise that every broker keeps,
and that ``tests/contract/test_broker.py`` proves: *a listener that joins at any moment, with any
position, sees each offset exactly once and in order, or is told that it cannot.*

A broker calls its ``Listener`` from the event loop and never waits for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class BrokerDown(Exception):
    """The broker cannot be reached; what was asked may or may not have happened."""


class BrokerRefused(BrokerDown):
    """The broker is there and will not do this one thing, however often it is asked."""


class Position(NamedTuple):
    """A place in a stream. Offset 0 is before the first publication."""

    offset: int
    epoch: str


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """Who is connected, as others on the channel may see it. The infos are raw JSON."""

    user: str
    client: str
    conn_info: bytes = b""
    chan_info: bytes = b""


@dataclass(frozen=True, slots=True)
class Publication:
    """One message in a channel.

    ``data`` is passed through unread: JSON text without raw newlines for JSON clients. ``offset``
    is 0 on channels without history. ``time`` is milliseconds since 1970, 0 when unknown.
    """

    data: bytes
    offset: int = 0
    info: ClientInfo | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    time: int = 0


@dataclass(frozen=True, slots=True)
class Retention:
    """How a publication is kept. ``size`` 0 or ``ttl`` 0 means not at all; ``ttl`` in seconds."""

    size: int = 0
    ttl: float = 0

    @property
    def keeps(self) -> bool:
        """Whether there is a stream at all."""
        return self.size > 0 and self.ttl > 0


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publication: its position, and whether it was skipped as known or stale."""

    position: Position
    skipped: bool = False


class Listener(Protocol):
    """Whom a broker tells. Calls come in stream order per channel and must not block."""

    def on_publication(
        self, channel: str, publication: Publication, epoch: str, previous: bytes | None
    ) -> None:
        """A publication arrived. ``previous`` is the data before it, when delta was asked for."""

    def on_join(self, channel: str, info: ClientInfo) -> None:
        """A client joined the channel, on some process."""

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        """A client left the channel, on some process."""

    def on_control(self, sender: str, message: bytes) -> None:
        """Another process (or this one) has a word for this process."""

    def on_interrupted(self) -> None:
        """Messages may have been missed: positions of every channel must be checked again."""


class Broker(Protocol):
    """Streams, presence and control messages, in one process or across many.

    Every coroutine raises ``BrokerDown`` when the broker cannot be reached in time, and
    ``BrokerRefused`` when it was reached and says no to this one thing.
    """

    node_id: str
    """Unique name of this process."""

    async def start(self, listener: Listener) -> None:
        """Begin; from now on the listener is told."""

    def loops(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Answer the endless tasks, by name, that must be supervised while the broker is used."""

    async def close(self) -> None:
        """Stop telling, and let go of every connection."""

    async def healthy(self) -> bool:
        """Tell whether a message sent now would come back (the liveness probe is recent)."""

    async def subscribe(self, channel: str) -> None:
        """Return once every later publication of the channel will reach the listener."""

    async def unsubscribe(self, channel: str) -> None:
        """Stop telling of the channel."""

    async def publish(
        self,
        channel: str,
        publication: Publication,
        retention: Retention = Retention(),
        *,
        idempotency_key: str = "",
        version: int = 0,
        version_epoch: str = "",
        delta: bool = False,
    ) -> Published:
        """Append to the stream and tell every process that is subscribed.

        With an ``idempotency_key`` seen in the last five minutes nothing happens and the first
        answer is repeated with ``skipped``. With a ``version`` not above the last one of the same
        ``version_epoch`` it is skipped as stale.
        """

    async def join(self, channel: str, info: ClientInfo) -> None:
        """Tell every subscribed process that a client joined."""

    async def leave(self, channel: str, info: ClientInfo) -> None:
        """Tell every subscribed process that a client left."""

    async def history(
        self,
        channel: str,
        retention: Retention,
        *,
        since: Position | None = None,
        limit: int = -1,
        reverse: bool = False,
    ) -> tuple[Sequence[Publication], Position]:
        """Answer publications after (``reverse``: before) ``since`` and the top position.

        ``limit`` 0 answers only the position, -1 everything kept. The epoch of ``since`` is not
        judged here. Reading creates the stream's epoch if there is none yet.
        """

    async def remove_history(self, channel: str) -> None:
        """Forget what was published; offset and epoch stay."""

    async def add_presence(self, channel: str, info: ClientInfo, *, ttl: float) -> None:
        """Note, or confirm, that a client is there; it is forgotten after ``ttl`` seconds."""

    async def remove_presence(self, channel: str, info: ClientInfo) -> None:
        """Note that a client is gone."""

    async def presence(self, channel: str) -> Mapping[str, ClientInfo]:
        """Answer who is there, by client id."""

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """Answer (number of clients, number of distinct users) in constant time."""

    async def seat(
        self, user: str, client: str, *, since: float, limit: int, ttl: float
    ) -> Sequence[tuple[str, str]]:
        """Note, or confirm, that a client of this process belongs to a user.

        Answers (process, client) of those that must go, the oldest first, so that no more than
        ``limit`` are left; they are forgotten already. Seats of processes that are gone make room
        before anybody else. A seat that is not confirmed for ``ttl`` seconds is forgotten.

        Args:
            user: Whose it is.
            client: The connection, on this process.
            since: When it was opened, in seconds since 1970.
            limit: How many a user may have over all processes.
            ttl: Seconds for which it counts without another word.
        """

    async def unseat(self, user: str, client: str) -> None:
        """Note that a client of this process is gone."""

    async def control(self, message: bytes, *, node: str = "") -> None:
        """Send a word to one process, or to all of them including this one."""

    async def nodes(self) -> Mapping[str, bytes]:
        """Answer the living processes: node id to what they last said of themselves."""

    async def announce(self, status: bytes, *, ttl: float) -> None:
        """Say what this process has to say of itself, valid for ``ttl`` seconds."""
