"""Streams, presence and control messages in Redis, for many processes and many machines.

Keys (the braces would keep one channel's keys in one slot; a cluster is refused all the same)::

    hub:{<channel>}:m       hash    offset, epoch, version, version epoch
    hub:{<channel>}:s       stream  entry id <offset>-0, field d
    hub:{<channel>}:i:<k>   hash    answer to an idempotent publication
    hub:{<channel>}:p|x|u   presence: clients, expiries, users
    hub:{!nodes}:p|x|u      the living processes, kept as presence is
    hub:{@<user>}:c|e       connections of an account: since when, until when without a word
    pub/sub  hub:<channel>  publications, joins, leaves
             hub!*  hub!<node>   control

Needs Redis 6.2 or newer. The position of a stream outlives its entries by thirty days, so that a
client that was away longer is told that it cannot be recovered.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from realtime.broker import (
    BrokerDown,
    ClientInfo,
    Listener,
    Position,
    Publication,
    Published,
    Retention,
)
from realtime.metrics import Spread
from storage.streams.commands import Commands, Script
from storage.streams.payload import (
    pack_control,
    pack_entry,
    pack_info,
    read_control,
    read_entry,
    read_info,
    read_told,
)
from storage.streams.subscriber import Subscriber

_log = logging.getLogger(__name__)

_META_LIFE_MS = 30 * 24 * 3600 * 1000
_IDEMPOTENCY_MS = 5 * 60 * 1000
_PROBE_EVERY = 5.0
_PROBES_MISSED = 3
_PROBE = b"\x00probe"
_NODES = "hub:{!nodes}"


class RedisBroker:
    """Port ``realtime.broker.Broker`` over Redis."""

    def __init__(
        self,
        redis: aioredis.Redis,
        *,
        node_id: str = "",
        timeout: float = 3.0,
        probe_every: float = _PROBE_EVERY,
    ) -> None:
        self.node_id = node_id or secrets.token_hex(8)
        self._publish = Script("publish")
        self._history = Script("history")
        self._presence = Script("presence")
        self._seats = Script("seats")
        self._commands = Commands(
            redis,
            (self._publish, self._history, self._presence, self._seats),
            timeout=timeout,
        )
        self._subscriber = Subscriber(
            redis.connection_pool,
            on_message=self._on_message,
            on_interrupted=self._on_interrupted,
            timeout=timeout,
        )
        self._redis = redis
        self._probe_every = probe_every
        self._probed_at = self._probe_sent_at = -float("inf")
        self.round_trip = 0.0
        """Seconds the last probe took through Redis and back."""
        self._listener: Listener | None = None

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        node_id: str = "",
        timeout: float = 3.0,
        probe_every: float = _PROBE_EVERY,
    ) -> Self:
        """Make a broker for an address.

        ``redis://`` and ``rediss://`` and ``unix://`` name one server,
        ``redis+sentinel://[:password@]host:port[,host:port…]/<service>[/<db>]`` a watched group.
        """
        client = _client(url, timeout)
        return cls(client, node_id=node_id, timeout=timeout, probe_every=probe_every)

    async def start(self, listener: Listener) -> None:
        """Teach Redis the scripts and listen to other processes; the loops must be started next.

        Raises:
            BrokerDown: Redis cannot be reached, or runs in cluster mode.
        """
        self._listener = listener
        self._subscriber.want(f"hub!{self.node_id}", "hub!*")
        await self._commands.load()

    def loops(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Answer the three loops: commands, listening, probe."""
        return {
            "broker.commands": self._commands.flush_loop,
            "broker.listen": self._subscriber.listen_loop,
            "broker.probe": self._probe_loop,
        }

    async def close(self) -> None:
        """Let go of every connection; the loops are cancelled by whoever runs them."""
        await self._commands.close()
        await self._subscriber.reconnect()
        pool = self._redis.connection_pool
        await pool.disconnect()
        if isinstance(pool, SentinelConnectionPool):
            for watcher in pool.sentinel_manager.sentinels:
                await watcher.aclose()

    async def healthy(self) -> bool:
        """Tell whether we are listening and one of the last three probes came back.

        A lost connection shows at once, a silent one after three probes (fifteen seconds).
        """
        recent = time.monotonic() - self._probed_at < _PROBES_MISSED * self._probe_every
        return recent and self._subscriber.listening

    @property
    def round_trips(self) -> Spread:
        """Answer how long Redis takes for what is asked in one turn of the loop, in seconds."""
        return self._commands.round_trips

    @property
    def waiting(self) -> int:
        """Answer how many commands have not been sent yet."""
        return self._commands.waiting

    @property
    def probe_age(self) -> float:
        """Answer for how many seconds no probe has come back; infinite before the first."""
        return time.monotonic() - self._probed_at

    async def subscribe(self, channel: str) -> None:
        """See ``Broker.subscribe``."""
        await self._subscriber.subscribe(f"hub:{channel}")

    async def unsubscribe(self, channel: str) -> None:
        """See ``Broker.unsubscribe``."""
        await self._subscriber.unsubscribe(f"hub:{channel}")

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
        """See ``Broker.publish``."""
        key = _keys(channel)
        offset, epoch, skipped = await self._commands.call(
            self._publish,
            (f"{key}:m", f"{key}:s", f"{key}:i:{idempotency_key}"),
            f"hub:{channel}",
            pack_entry(publication),
            retention.size if retention.keeps else 0,
            int(retention.ttl * 1000),
            max(_META_LIFE_MS, int(retention.ttl * 1000)),
            _new_epoch(),
            _IDEMPOTENCY_MS if idempotency_key else 0,
            version,
            version_epoch,
            int(delta),
        )
        return Published(Position(offset, epoch.decode()), skipped=bool(skipped))

    async def join(self, channel: str, info: ClientInfo) -> None:
        """See ``Broker.join``."""
        await self._commands.run("PUBLISH", f"hub:{channel}", b"j" + pack_info(info))

    async def leave(self, channel: str, info: ClientInfo) -> None:
        """See ``Broker.leave``."""
        await self._commands.run("PUBLISH", f"hub:{channel}", b"l" + pack_info(info))

    async def history(
        self,
        channel: str,
        retention: Retention,
        *,
        since: Position | None = None,
        limit: int = -1,
        reverse: bool = False,
    ) -> tuple[Sequence[Publication], Position]:
        """See ``Broker.history``."""
        key = _keys(channel)
        offset, epoch, entries = await self._commands.call(
            self._history,
            (f"{key}:m", f"{key}:s"),
            _new_epoch(),
            max(_META_LIFE_MS, int(retention.ttl * 1000)),
            -1 if since is None else since.offset,
            limit,
            int(reverse),
        )
        publications = [
            read_entry(entries[at], entries[at + 1]) for at in range(0, len(entries), 2)
        ]
        return publications, Position(offset, epoch.decode())

    async def remove_history(self, channel: str) -> None:
        """See ``Broker.remove_history``."""
        await self._commands.run("DEL", f"{_keys(channel)}:s")

    async def add_presence(self, channel: str, info: ClientInfo, *, ttl: float) -> None:
        """See ``Broker.add_presence``."""
        value = info.user.encode() + b"\x00" + pack_info(info)
        await self._roll(_keys(channel), "add", info.client, value, int(ttl * 1000))

    async def remove_presence(self, channel: str, info: ClientInfo) -> None:
        """See ``Broker.remove_presence``."""
        await self._roll(_keys(channel), "remove", info.client)

    async def presence(self, channel: str) -> Mapping[str, ClientInfo]:
        """See ``Broker.presence``."""
        flat = await self._roll(_keys(channel), "all")
        return {
            flat[at].decode(): read_info(flat[at + 1].partition(b"\x00")[2])
            for at in range(0, len(flat), 2)
        }

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """See ``Broker.presence_stats``."""
        clients, users = await self._roll(_keys(channel), "count")
        return clients, users

    async def seat(
        self, user: str, client: str, *, since: float, limit: int, ttl: float
    ) -> Sequence[tuple[str, str]]:
        """See ``Broker.seat``."""
        gone = await self._sit(user, "take", client, int(since * 1000), int(ttl * 1000), limit)
        return [_place(each) for each in gone]

    async def unseat(self, user: str, client: str) -> None:
        """See ``Broker.unseat``."""
        await self._sit(user, "leave", client, 0, 0, 0)

    async def _sit(self, user: str, what: str, client: str, *numbers: int) -> list[bytes]:
        key, now = f"hub:{{@{user}}}", int(time.time() * 1000)
        answer: list[bytes] = await self._commands.call(
            self._seats, (f"{key}:c", f"{key}:e"), what, now, f"{self.node_id} {client}", *numbers
        )
        return answer

    async def control(self, message: bytes, *, node: str = "") -> None:
        """See ``Broker.control``."""
        packed = b"c" + pack_control(self.node_id, message)
        await self._commands.run("PUBLISH", f"hub!{node or '*'}", packed)

    async def nodes(self) -> Mapping[str, bytes]:
        """See ``Broker.nodes``."""
        flat = await self._roll(_NODES, "all")
        return {
            flat[at].decode(): flat[at + 1].partition(b"\x00")[2] for at in range(0, len(flat), 2)
        }

    async def announce(self, status: bytes, *, ttl: float) -> None:
        """See ``Broker.announce``."""
        value = self.node_id.encode() + b"\x00" + status
        await self._roll(_NODES, "add", self.node_id, value, int(ttl * 1000))

    async def _roll(
        self, key: str, what: str, member: str = "", value: bytes = b"", life_ms: int = 0
    ) -> list[Any]:
        """Run the presence script on the roll of a channel, or on that of the processes."""
        now = int(time.time() * 1000)
        keys = (f"{key}:p", f"{key}:x", f"{key}:u")
        answer: list[Any] = await self._commands.call(
            self._presence, keys, what, now, member, value, life_ms
        )
        return answer

    async def _probe_loop(self) -> None:
        """Send ourselves a word now and then: an open connection may deliver nothing."""
        started = time.monotonic()
        while True:
            try:
                # Confirmed already, except after a loss: then the probe waits for the connection.
                await self._subscriber.subscribe(f"hub!{self.node_id}")
                self._probe_sent_at = time.monotonic()
                await self.control(_PROBE, node=self.node_id)
            except BrokerDown as error:
                _log.warning("redis_probe_not_sent", extra={"error": str(error)})
            await asyncio.sleep(self._probe_every)
            silent = time.monotonic() - max(started, self._probed_at)
            if silent >= _PROBES_MISSED * self._probe_every:
                _log.error("redis_subscription_silent")
                started = time.monotonic()
                await self._subscriber.reconnect()

    def _on_message(self, channel: bytes, payload: bytes) -> None:
        listener = self._listener
        if listener is None:
            return
        mark, body = payload[:1], payload[1:]
        if mark == b"c":
            sender, message = read_control(body)
            if message == _PROBE:
                self._probed_at = time.monotonic()
                self.round_trip = self._probed_at - self._probe_sent_at
            else:
                listener.on_control(sender, message)
            return
        name = channel.decode().removeprefix("hub:")
        if mark == b"p":
            told = read_told(body)
            listener.on_publication(name, told.publication, told.epoch, told.previous)
        elif mark == b"j":
            listener.on_join(name, read_info(body))
        elif mark == b"l":
            listener.on_leave(name, read_info(body))

    def _on_interrupted(self) -> None:
        if self._listener is not None:
            self._listener.on_interrupted()


def _keys(channel: str) -> str:
    """Answer what the keys of a channel begin with; the braces choose the slot."""
    return f"hub:{{{channel}}}"


def _place(member: bytes) -> tuple[str, str]:
    node, _, client = member.decode().partition(" ")
    return node, client


def _new_epoch() -> str:
    return secrets.token_urlsafe(4)


def _client(url: str, timeout: float) -> aioredis.Redis:
    never = Retry(NoBackoff(), 0)
    if not url.startswith("redis+sentinel://"):
        return aioredis.Redis.from_url(
            url, protocol=2, socket_connect_timeout=timeout, retry=never, health_check_interval=0
        )
    authority, _, path = url.removeprefix("redis+sentinel://").partition("/")
    credentials, _, hosts = authority.rpartition("@")
    service, _, db = path.partition("/")
    watchers = [
        (host, int(port or 26379)) for host, _, port in (h.partition(":") for h in hosts.split(","))
    ]
    sentinel = Sentinel(watchers, socket_connect_timeout=timeout)  # type: ignore[no-untyped-call]
    client: aioredis.Redis = sentinel.master_for(
        service,
        protocol=2,
        db=int(db or 0),
        password=credentials.removeprefix(":") or None,
        socket_connect_timeout=timeout,
        retry=never,
    )
    return client
