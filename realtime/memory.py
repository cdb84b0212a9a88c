"""The broker of a single process: streams and presence in dictionaries.

Streams, positions and idempotency keys are lost with the process; every stream then has a new
epoch, and clients are told that they cannot be recovered.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from realtime.broker import ClientInfo, Listener, Position, Publication, Published, Retention

IDEMPOTENCY_WINDOW = 300.0
META_TTL = 30 * 86400.0
SWEEP_EVERY = 30.0


@dataclass(slots=True)
class _Stream:
    epoch: str
    offset: int = 0
    kept: deque[Publication] = field(default_factory=deque)
    kept_until: float = 0
    known_until: float = 0
    last: bytes | None = None
    versions: dict[str, int] = field(default_factory=dict)


class MemoryBroker:
    """See ``Broker``. Everything happens at once and in order, in this process."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.node_id = secrets.token_hex(8)
        self._now = now
        self._listener: Listener | None = None
        self._subscribed: set[str] = set()
        self._streams: dict[str, _Stream] = {}
        self._seen: OrderedDict[tuple[str, str], tuple[float, Published]] = OrderedDict()
        self._presence: dict[str, dict[str, tuple[float, ClientInfo]]] = {}
        self._users: dict[str, Counter[str]] = {}
        self._status: tuple[float, bytes] = (0, b"")
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, listener: Listener) -> None:
        """Begin; from now on the listener is told."""
        self._listener = listener
        self._sweep()

    def loops(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """There are none: the sweep is a timer of this process."""
        return {}

    async def close(self) -> None:
        """Stop telling."""
        self._listener = None
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def healthy(self) -> bool:
        """A process reaches itself."""
        return self._listener is not None

    async def subscribe(self, channel: str) -> None:
        """Tell of the channel from now on."""
        self._subscribed.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Stop telling of the channel."""
        self._subscribed.discard(channel)

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
        """Append to the stream and tell the listener before answering."""
        now = self._now()
        key = (channel, idempotency_key)
        if idempotency_key and (seen := self._seen.get(key)) and seen[0] > now:
            return replace(seen[1], skipped=True)
        if not retention.keeps:
            published = Published(Position(0, ""))
            self._tell(channel, publication, "", None)
        else:
            stream = self._stream(channel)
            if version and version <= stream.versions.get(version_epoch, 0):
                return Published(Position(stream.offset, stream.epoch), skipped=True)
            if version:
                # A new version epoch makes the old one meaningless.
                stream.versions = {version_epoch: version}
            previous = stream.last if delta else None
            publication = self._append(stream, publication, retention)
            published = Published(Position(stream.offset, stream.epoch))
            self._tell(channel, publication, stream.epoch, previous)
        if idempotency_key:
            self._seen[key] = (now + IDEMPOTENCY_WINDOW, published)
            self._seen.move_to_end(key)
        return published

    async def join(self, channel: str, info: ClientInfo) -> None:
        """Tell the listener that a client joined."""
        if self._listener is not None and channel in self._subscribed:
            self._listener.on_join(channel, info)

    async def leave(self, channel: str, info: ClientInfo) -> None:
        """Tell the listener that a client left."""
        if self._listener is not None and channel in self._subscribed:
            self._listener.on_leave(channel, info)

    async def history(
        self,
        channel: str,
        retention: Retention,
        *,
        since: Position | None = None,
        limit: int = -1,
        reverse: bool = False,
    ) -> tuple[Sequence[Publication], Position]:
        """Answer publications after (``reverse``: before) ``since`` and the top position."""
        stream = self._stream(channel)
        top = Position(stream.offset, stream.epoch)
        if limit == 0 or not stream.kept:
            return (), top
        first = stream.kept[0].offset
        size = len(stream.kept)
        if reverse:
            end = size if since is None else max(0, min(size, since.offset - first))
            start = 0 if limit < 0 else max(0, end - limit)
            return [stream.kept[i] for i in range(end - 1, start - 1, -1)], top
        start = 0 if since is None else max(0, since.offset + 1 - first)
        end = size if limit < 0 else min(size, start + limit)
        return [stream.kept[i] for i in range(start, end)], top

    async def remove_history(self, channel: str) -> None:
        """Forget what was published; offset and epoch stay."""
        if stream := self._streams.get(channel):
            stream.kept.clear()
            stream.last = None

    async def add_presence(self, channel: str, info: ClientInfo, *, ttl: float) -> None:
        """Note, or confirm, that a client is there."""
        clients = self._presence.setdefault(channel, {})
        if clients.pop(info.client, None) is None:
            self._users.setdefault(channel, Counter())[info.user] += 1
        # Set anew at the end: whoever was silent for longest stands first.
        clients[info.client] = (self._now() + ttl, info)

    async def remove_presence(self, channel: str, info: ClientInfo) -> None:
        """Note that a client is gone."""
        self._forget(channel, info.client)

    async def presence(self, channel: str) -> Mapping[str, ClientInfo]:
        """Answer who is there, by client id."""
        now = self._now()
        clients = self._presence.get(channel, {})
        return {client: info for client, (until, info) in clients.items() if until > now}

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """Answer (number of clients, number of distinct users)."""
        self._expire(channel)
        return len(self._presence.get(channel, ())), len(self._users.get(channel, ()))

    async def seat(
        self, user: str, client: str, *, since: float, limit: int, ttl: float
    ) -> Sequence[tuple[str, str]]:
        """Nobody: the hub of the only process has counted already."""
        return ()

    async def unseat(self, user: str, client: str) -> None:
        """Nothing was noted."""

    async def control(self, message: bytes, *, node: str = "") -> None:
        """Send a word to this process; there is no other."""
        if self._listener is not None and node in {"", self.node_id}:
            self._listener.on_control(self.node_id, message)

    async def nodes(self) -> Mapping[str, bytes]:
        """Answer this process."""
        until, status = self._status
        return {self.node_id: status if until > self._now() else b""}

    async def announce(self, status: bytes, *, ttl: float) -> None:
        """Say what this process has to say of itself."""
        self._status = (self._now() + ttl, status)

    def _tell(
        self, channel: str, publication: Publication, epoch: str, previous: bytes | None
    ) -> None:
        if self._listener is not None and channel in self._subscribed:
            self._listener.on_publication(channel, publication, epoch, previous)

    def _stream(self, channel: str) -> _Stream:
        """Answer the stream as it is now: what has run out is gone."""
        now = self._now()
        stream = self._streams.get(channel)
        if stream is None or stream.known_until <= now:
            stream = self._streams[channel] = _Stream(secrets.token_urlsafe(4))
        elif stream.kept_until <= now:
            stream.kept.clear()
            stream.last = None
        stream.known_until = now + META_TTL
        return stream

    def _append(
        self, stream: _Stream, publication: Publication, retention: Retention
    ) -> Publication:
        stream.offset += 1
        stamped = replace(publication, offset=stream.offset)
        stream.kept.append(stamped)
        while len(stream.kept) > retention.size:
            stream.kept.popleft()
        stream.kept_until = self._now() + retention.ttl
        stream.last = publication.data
        return stamped

    def _forget(self, channel: str, client: str) -> None:
        clients = self._presence.get(channel)
        entry = clients.pop(client, None) if clients else None
        if entry is None or clients is None:
            return
        users = self._users[channel]
        users[entry[1].user] -= 1
        if not users[entry[1].user]:
            del users[entry[1].user]
        if not clients:
            del self._presence[channel], self._users[channel]

    def _expire(self, channel: str) -> None:
        """Forget the clients of a channel that were silent for too long."""
        now, clients = self._now(), self._presence.get(channel)
        while clients:
            client, (until, _) = next(iter(clients.items()))
            if until > now:
                return
            self._forget(channel, client)

    def _sweep(self) -> None:
        """Let go of what has run out, and come back later."""
        now = self._now()
        for channel, stream in tuple(self._streams.items()):
            if stream.known_until <= now:
                del self._streams[channel]
            elif stream.kept and stream.kept_until <= now:
                stream.kept.clear()
                stream.last = None
        while self._seen and next(iter(self._seen.values()))[0] <= now:
            self._seen.popitem(last=False)
        for channel, clients in tuple(self._presence.items()):
            for client in [client for client, (until, _) in clients.items() if until <= now]:
                self._forget(channel, client)
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)
