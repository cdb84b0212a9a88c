"""The hub: every connection and every channel of this process, between transports and broker.

Methods that change who listens never wait, so that nothing can come in between; what must wait
(broker, presence) runs beside them in ``Tasks``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from realtime import codes, control, positions, presence, seats
from realtime.authority import Authority, Identity
from realtime.broker import Broker, ClientInfo, Position, Publication, Published
from realtime.codec import Codec, messages
from realtime.codec.json_lines import one_line
from realtime.codes import End
from realtime.connection import Connection
from realtime.fanout import Fanout
from realtime.limits import LIMITS, TIMING, Limits, Timing, Window
from realtime.metrics import Metrics
from realtime.policy import Policy, namespace_of
from realtime.render import Event
from realtime.room import Room
from realtime.subscription import Subscription
from realtime.survey import Survey
from realtime.tasks import Tasks
from realtime.transport import Transport
from realtime.wheel import TICK, Wheel

_log = logging.getLogger(__name__)

Address = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where the hub reads time: seconds of a steady clock, and seconds since 1970."""

    steady: Callable[[], float] = time.monotonic
    calendar: Callable[[], float] = time.time


CLOCKS = Clocks()


class Hub:
    """See the module."""

    def __init__(
        self,
        broker: Broker,
        authority: Authority,
        *,
        limits: Limits = LIMITS,
        timing: Timing = TIMING,
        clocks: Clocks = CLOCKS,
        version: str = "daibiao",
    ) -> None:
        self.broker = broker
        self.authority = authority
        self.limits = limits
        self.timing = timing
        self.now = clocks.steady
        self.clock = clocks.calendar
        self.version = version
        self.chance = random.uniform
        self.metrics = Metrics()
        self.tasks = Tasks()
        self.survey = Survey(self)
        self.wheel = Wheel(self.now)
        self.fanout = Fanout()
        self.connections: dict[str, Connection] = {}
        self.sessions: dict[str, Connection] = {}
        self.users: dict[str, dict[Connection, None]] = {}
        self.rooms: dict[str, Room] = {}
        self.draining = False
        self._started_at = self.now()
        self._arrivals = Window()
        self._ticker: asyncio.TimerHandle | None = None
        self._next_check = self._next_status = 0.0

    async def start(self) -> None:
        """Begin to listen to the broker and to turn the wheel."""
        await self.broker.start(self)
        self._next_check = self.now() + self.timing.positions
        self._tick()

    async def close(self) -> None:
        """End every connection that is left (3001), and let go of the broker."""
        self.draining = True
        for connection in tuple(self.connections.values()):
            connection.close(codes.SHUTDOWN)
        if self._ticker is not None:
            self._ticker.cancel()
        await self.tasks.finish(within=5)
        await self.broker.close()

    async def drain(self, *, seconds: float) -> None:
        """Close every connection (3001) in random order, spread over some time.

        What waits for a client is flushed first. New ones are turned away from now on, so clients
        find another process.
        """
        self.draining = True
        left = list(self.connections.values())
        random.shuffle(left)
        waves = max(1, min(len(left), int(seconds / TICK)))
        for wave in range(waves):
            for connection in left[wave::waves]:
                connection.close(codes.SHUTDOWN)
            if wave + 1 < waves:
                await asyncio.sleep(seconds / waves)

    # ── Connections ──────────────────────────────────────────────────────────────────────────

    def admits(self) -> bool:
        """Tell whether one more connection may be opened now; ask once for each, before upgrade."""
        if self.draining:
            return False
        limit = self.limits.connects
        return not limit or self._arrivals.hit(self.now(), 1) <= limit

    def connect(
        self,
        transport: Transport,
        codec: Codec,
        *,
        headers: Mapping[str, str],
        remote: str = "",
    ) -> Connection:
        """Take a transport on. Give what arrives to the answer's ``receive``."""
        connection = Connection(self, transport, codec, headers=headers, remote=remote)
        self.connections[connection.client] = connection
        self.sessions[connection.session] = connection
        self.metrics.connects += 1
        self.wheel.at(self.now() + self.timing.stale, connection)
        return connection

    def welcome(self, connection: Connection, identity: Identity, *, first_ping: float) -> None:
        """A connection now belongs to somebody; above the limit, the oldest one makes room.

        Those of this process at once, those of others when the broker has named them.
        """
        connection.opened(identity, first_ping)
        if not identity.user:
            return
        mine = self.users.setdefault(identity.user, {})
        mine[connection] = None
        while self.limits.connections and len(mine) > self.limits.connections:
            next(iter(mine)).close(codes.CONNECTION_LIMIT)
        seats.take(connection)

    def renew(self, connection: Connection, identity: Identity) -> None:
        """A connection of the same user lives on with fresh rights."""
        connection.identity = identity
        connection.watch()

    def dismiss(
        self,
        connection: Connection,
        end: End,
        *,
        worker: asyncio.Task[None] | None,
        opened: bool,
    ) -> None:
        """Forget a connection that has ended; the broker is told afterwards."""
        self.metrics.closes[end.code] += 1
        self.connections.pop(connection.client, None)
        self.sessions.pop(connection.session, None)
        mine = self.users.get(connection.identity.user)
        if mine is not None:
            mine.pop(connection, None)
            if not mine:
                del self.users[connection.identity.user]
        for subscription in connection.subscriptions.values():
            if room := self.rooms.get(subscription.channel):
                room.leave(subscription)
        if opened:
            seats.leave(connection)
            self.tasks.start(self._after(connection, worker))

    async def _after(self, connection: Connection, worker: asyncio.Task[None] | None) -> None:
        """Tidy up once the last command has run out: it may still have entered a channel."""
        if worker is not None and worker is not asyncio.current_task():
            await asyncio.wait((worker,))
        for subscription in tuple(connection.subscriptions.values()):
            self.leave(subscription)

    # ── Channels ─────────────────────────────────────────────────────────────────────────────

    async def enter(self, subscription: Subscription) -> None:
        """Answer once everything published from now on is kept for the subscription."""
        channel = subscription.channel
        room = self.rooms.get(channel)
        if room is None:
            room = self.rooms[channel] = Room(channel, subscription.policy, self.fanout)
        room.enter(subscription)
        if not room.attached:
            async with room.lock:
                if not room.attached:
                    await self.broker.subscribe(channel)
                    room.attached = True

    def go_live(self, subscription: Subscription, position: Position | None) -> None:
        """From now on the subscription is sent what arrives."""
        connection, channel = subscription.connection, subscription.channel
        room = self.rooms.get(channel)
        if connection.closed or room is None or subscription not in room.joining:
            self.leave(subscription)
            return
        if not room.go_live(subscription, position) and position is not None:
            # Somebody here still follows a stream that is no more.
            room.leave(subscription)
            self.lost_thread(room, position)
            room.enter(subscription)
            room.go_live(subscription, position)
        if subscription.expire_at:
            connection.watch()
        if subscription.policy.tells_joins:
            self.tasks.start(self.broker.join(channel, subscription.info))
        if subscription.revoked is not None:
            self.unsubscribe(subscription, subscription.revoked)

    def leave(self, subscription: Subscription) -> None:
        """End a subscription without a word to the client."""
        connection, channel = subscription.connection, subscription.channel
        if connection.subscriptions.get(channel) is subscription:
            del connection.subscriptions[channel]
        else:
            return
        was_live = subscription.joining is None
        room = self.rooms.get(channel)
        if room is not None:
            room.leave(subscription)
        goodbye = self.tasks.run(presence.leave(self.broker, subscription, was_live=was_live))
        connection.leaving[channel] = goodbye
        if room is not None and not room:
            asyncio.get_running_loop().call_later(self.timing.linger, self._let_go, room)

    def _let_go(self, room: Room) -> None:
        if not room and self.rooms.get(room.channel) is room:
            self.tasks.start(self._detach(room))

    async def _detach(self, room: Room) -> None:
        async with room.lock:
            if room or self.rooms.get(room.channel) is not room:
                return
            # Somebody may come while the broker is being told; they wait for the lock.
            attached, room.attached, room.position = room.attached, False, None
            try:
                if attached:
                    await self.broker.unsubscribe(room.channel)
            finally:
                if not room and self.rooms.get(room.channel) is room:
                    del self.rooms[room.channel]

    def unsubscribe(self, subscription: Subscription, end: End) -> None:
        """Take a subscription away and say so."""
        if subscription.joining is not None:
            subscription.revoked = end
            return
        self.leave(subscription)
        push = messages.Push(channel=subscription.channel, unsubscribe=messages.Unsubscribe(*end))
        subscription.connection.reply(messages.Reply(push=push))

    def expire(self, subscription: Subscription) -> None:
        """A subscription has run out; a client cannot renew what the server attached."""
        if subscription.server_side:
            subscription.connection.close(codes.SUBSCRIPTION_ENDED)
        else:
            self.unsubscribe(subscription, codes.SUBSCRIPTION_EXPIRED)

    async def publish(
        self,
        channel: str,
        data: bytes,
        *,
        info: ClientInfo | None = None,
        tags: Mapping[str, str] | None = None,
        idempotency_key: str = "",
        version: int = 0,
        version_epoch: str = "",
        policy: Policy | None = None,
    ) -> Published:
        """Publish JSON text on a channel.

        Raises:
            Refused: There is no such namespace (102), or it is more than a client can take (107).
        """
        policy = policy or self.authority.policy(channel)
        if policy is None:
            raise codes.Refused(codes.UNKNOWN_CHANNEL)
        if len(data) > self.limits.publication:
            raise codes.Refused(codes.BAD_REQUEST)
        self.metrics.published[namespace_of(channel) or channel] += 1
        return await self.broker.publish(
            channel,
            Publication(
                data if policy.binary else one_line(data),
                info=info,
                tags=dict(tags or {}),
                time=int(self.clock() * 1000),
            ),
            policy.retention,
            idempotency_key=idempotency_key,
            version=version,
            version_epoch=version_epoch,
            delta=policy.delta_publish,
        )

    # ── What the broker says ─────────────────────────────────────────────────────────────────

    def on_publication(
        self, channel: str, publication: Publication, epoch: str, previous: bytes | None
    ) -> None:
        """A publication arrived."""
        room = self.rooms.get(channel)
        if room is not None and not room.accept(publication, epoch, previous):
            self.lost_thread(room, Position(publication.offset, epoch))
            room.offer(publication, None)

    def on_join(self, channel: str, info: ClientInfo) -> None:
        """A client joined, on some process."""
        if room := self.rooms.get(channel):
            self.fanout.offer(Event(channel, came=info), room.policy)

    def on_leave(self, channel: str, info: ClientInfo) -> None:
        """A client left, on some process."""
        if room := self.rooms.get(channel):
            self.fanout.offer(Event(channel, left=info), room.policy)

    def on_control(self, sender: str, message: bytes) -> None:
        """A process has a word for this one."""
        control.obey(self, message)

    def on_interrupted(self) -> None:
        """Messages may have been missed: look at every channel with the next tick."""
        self.check_soon(0)

    def check_soon(self, seconds: float) -> None:
        """Compare positions after ``seconds`` at the latest."""
        self._next_check = min(self._next_check, self.now() + seconds)

    def lost_thread(self, room: Room, position: Position) -> None:
        """Something is missing for good: those who watch are told, and come back for it."""
        self.metrics.gaps += 1
        # Offsets of two epochs cannot be compared: in a new stream everybody has lost something.
        same = room.position is not None and room.position.epoch == position.epoch
        for subscription in tuple(room.live):
            if not subscription.positioned or (same and subscription.offset > position.offset):
                continue
            if subscription.server_side:
                subscription.connection.close(codes.INSUFFICIENT_STATE)
            else:
                self.unsubscribe(subscription, codes.INSUFFICIENT)
        room.restart(position)

    # ── Time ─────────────────────────────────────────────────────────────────────────────────

    def _tick(self) -> None:
        try:
            self.tick()
        finally:
            self._ticker = asyncio.get_running_loop().call_later(TICK, self._tick)

    def tick(self) -> None:
        """Do what is due by now."""
        now = self.now()
        self.wheel.turn()
        if now >= self._next_check:
            self._next_check = now + self.timing.positions
            self.tasks.start(positions.check(self))
        if now >= self._next_status:
            self._next_status = now + self.timing.status
            self.tasks.start(self._announce())

    def status(self) -> dict[str, str | int]:
        """Answer what this process has to say of itself."""
        return {
            "uid": self.broker.node_id,
            "name": self.broker.node_id,
            "version": self.version,
            "num_clients": len(self.connections),
            "num_users": len(self.users),
            "num_subs": sum(len(room.live) for room in self.rooms.values()),
            "num_channels": len(self.rooms),
            "uptime": int(self.now() - self._started_at),
        }

    async def _announce(self) -> None:
        await self.broker.announce(orjson.dumps(self.status()), ttl=self.timing.status * 3)
