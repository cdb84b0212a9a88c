"""One client: what it may still say, what it has subscribed to, and how it ends.

A connection is *new* until its connect command, *open* once that was granted, and *closed* for
good. Commands are handled one after the other, in the order they came.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

from realtime import codes, commands, presence, render, seats
from realtime.authority import Identity
from realtime.broker import BrokerDown
from realtime.codec import BadMessage, Codec, messages
from realtime.codes import End
from realtime.limits import Window
from realtime.outbox import Entry, Outbox
from realtime.policy import Overflow
from realtime.subscription import Subscription
from realtime.transport import Transport

if TYPE_CHECKING:
    from realtime.hub import Hub

_log = logging.getLogger(__name__)


class State(Enum):
    """Where a connection is in its life."""

    NEW = "new"
    REFUSED = "refused"
    OPEN = "open"
    CLOSED = "closed"


class Connection:
    """One client on one transport."""

    __slots__ = (
        "__weakref__", "_heard_at", "_inbox", "_joins", "_outbox", "_ping_at", "_pinged_at",
        "_pings", "_presence_at", "_seat_at", "_stale_at", "_window", "_worker", "client", "codec",
        "headers", "hub", "identity", "leaving", "opened_at", "remote", "session", "state",
        "subscriptions", "transport",
    )  # fmt: skip

    def __init__(
        self,
        hub: Hub,
        transport: Transport,
        codec: Codec,
        *,
        headers: Mapping[str, str],
        remote: str,
    ) -> None:
        now = hub.now()
        self.hub = hub
        self.transport = transport
        self.codec = codec
        self.headers = headers
        self.remote = remote
        self.client = str(uuid.uuid4())
        # Whoever knows it may speak for this connection (emulation), so it must not be guessed.
        self.session = secrets.token_urlsafe(18)
        self.state = State.NEW
        self.identity = Identity()
        self.subscriptions: dict[str, Subscription] = {}
        self.leaving: dict[str, asyncio.Task[None]] = {}
        # A list, because an empty deque takes 600 bytes, and it holds a handful at most.
        self._inbox: list[messages.Command] = []
        self._outbox: Outbox | None = None
        self._worker: asyncio.Task[None] | None = None
        self._window = Window()
        self._joins = Window()
        self._stale_at = now + hub.timing.stale
        self._pings = 0
        self._ping_at = self._pinged_at = self._heard_at = self._presence_at = 0.0
        self.opened_at = self._seat_at = 0.0

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self.state is State.CLOSED

    @property
    def is_open(self) -> bool:
        """Whether it belongs to somebody and has not ended."""
        return self.state is State.OPEN

    @property
    def backlog(self) -> int:
        """Commands that wait for their turn; a transport stops reading while there are many."""
        return len(self._inbox)

    @property
    def queued(self) -> int:
        """Bytes that wait for this client: here, and in the transport."""
        return self.transport.pending + (self._outbox.size if self._outbox else 0)

    # ── What comes in ────────────────────────────────────────────────────────────────────────

    def receive(self, payload: bytes) -> None:
        """Take a payload from the transport; it is handled in the background, in order."""
        if self.closed:
            return
        self._heard_at = self.hub.now()
        try:
            for command in self.codec.decode(payload):
                self._take(command)
        except BadMessage:
            self.close(codes.BAD_PROTOCOL)
        except codes.HangUp as hang_up:
            self.close(hang_up.end)
        if self._inbox and self._worker is None and not self.closed:
            self._worker = self.hub.tasks.run(self._work())

    def _take(self, command: messages.Command) -> None:
        if command.request is None and command.send is None:
            # The empty command is a pong; nobody asked for it unless a ping is out.
            if command.id or not self._pings:
                raise codes.HangUp(codes.BAD_PROTOCOL)
            self._pings -= 1
            return
        if self.state is State.REFUSED:
            raise codes.HangUp(codes.BAD_PROTOCOL)
        if len(self._inbox) >= self.hub.limits.backlog:
            raise codes.HangUp(codes.FLOODING)
        self._inbox.append(command)

    async def _work(self) -> None:
        try:
            while self._inbox and not self.closed:
                await self._handle(self._inbox.pop(0))
        finally:
            self._worker = None

    async def _handle(self, command: messages.Command) -> None:
        try:
            await commands.handle(self, command)
        except codes.Refused as refused:
            if command.id:
                self.reply(messages.Reply(id=command.id, error=refused.error))
            if isinstance(command.request, messages.ConnectRequest):
                self.state = State.REFUSED
                self._inbox.clear()
        except codes.HangUp as hang_up:
            self.close(hang_up.end)
        except BrokerDown as down:
            _log.warning("command failed, broker is down: %s", down)
            self._fail(command)
        except Exception:  # noqa: BLE001 - logged with its stack
            # One command of one client: it is told, the log has the rest, the others go on.
            _log.exception("command failed", extra={"client": self.client})
            self._fail(command)

    def _fail(self, command: messages.Command) -> None:
        """Say that it was our fault; the client may try again."""
        if isinstance(command.request, messages.ConnectRequest):
            self.close(codes.SERVER_ERROR)
        elif command.id:
            self.reply(messages.Reply(id=command.id, error=codes.INTERNAL))

    def count(self) -> None:
        """Count a command against the rate limit.

        Raises:
            Refused: There were too many in this window (111).
            HangUp: There were far too many (3013).
        """
        self._count(self._window, self.hub.limits.commands)

    def count_join(self) -> None:
        """Count a subscribe or unsubscribe command against a limit of its own.

        Raises:
            Refused: There were too many in this window (111).
            HangUp: There were far too many (3013).
        """
        self._count(self._joins, self.hub.limits.joins)

    def _count(self, window: Window, limit: int) -> None:
        if not limit:
            return
        count = window.hit(self.hub.now(), self.hub.limits.window)
        if count > limit * self.hub.limits.flood:
            raise codes.HangUp(codes.FLOODING)
        if count > limit:
            raise codes.Refused(codes.TOO_MANY_REQUESTS)

    # ── What goes out ────────────────────────────────────────────────────────────────────────

    def reply(self, reply: messages.Reply) -> None:
        """Send one message to this client alone."""
        if not self.closed:
            self.push(self.dress(self.codec.encode(reply)))

    def dress(self, encoded: bytes) -> bytes:
        """Make a frame of one encoded message."""
        return render.dress((encoded,), self.codec, self.transport.framing)

    def push(
        self,
        frame: bytes,
        subscription: Subscription | None = None,
        kind: str = "",
        overflow: Overflow = Overflow.RESUME,
    ) -> None:
        """Send a finished frame, or let it wait; a client that has stopped reading is let go."""
        if self.closed:
            return
        if not self._outbox:
            if self.transport.pending < self.hub.limits.direct:
                self.transport.write(frame)
                return
            self._outbox = Outbox()
        channel = subscription.channel if subscription is not None else ""
        if subscription is not None and subscription.variant.delta:
            # The next patch builds on this frame: it cannot be left out alone.
            overflow = Overflow.RESUME
        self._outbox.put(Entry(frame, channel, overflow, kind))
        if self._outbox.size + self.transport.pending > self.hub.limits.queue:
            self._relieve(self._outbox)

    def drained(self) -> None:
        """The transport has sent what it had: give it more."""
        while self._outbox and self.transport.pending < self.hub.limits.direct:
            if frame := self._outbox.pop():
                self.transport.write(frame)
        if not self._outbox:
            self._outbox = None

    def _relieve(self, outbox: Outbox) -> None:
        """Make room for a client that does not keep up, or give up on it."""
        room = self.hub.limits.queue - self.transport.pending
        while outbox.size > room:
            channel = outbox.relieve(room)
            if channel == "":
                return
            subscription = self.subscriptions.get(channel) if channel else None
            if subscription is None or subscription.server_side:
                # The transport is stuck and looks at no flag, so it is hung up from here.
                self.close(codes.SLOW)
                return
            self.hub.metrics.slow_channels += 1
            self.hub.unsubscribe(subscription, codes.INSUFFICIENT)

    # ── How it ends ──────────────────────────────────────────────────────────────────────────

    def close(self, end: End) -> None:
        """Hang up for a reason; closing twice does nothing."""
        if self.closed:
            return
        opened = self.state is State.OPEN
        # What waits is flushed, unless the client is closed because it does not read.
        if end is not codes.SLOW:
            self._flush()
        self.state = State.CLOSED
        self.transport.hang_up(*end)
        self.hub.dismiss(self, end, worker=self._worker, opened=opened)
        self._inbox.clear()
        self._outbox = None

    def _flush(self) -> None:
        while self._outbox and (frame := self._outbox.pop()):
            self.transport.write(frame)
        for subscription in self.subscriptions.values():
            for frame in self.hub.fanout.owed(subscription):
                self.transport.write(frame)

    def lost(self) -> None:
        """The peer is gone."""
        if self.closed:
            return
        opened = self.state is State.OPEN
        self.state = State.CLOSED
        self.hub.dismiss(self, codes.CLOSED, worker=self._worker, opened=opened)
        self._inbox.clear()
        self._outbox = None

    # ── Deadlines ────────────────────────────────────────────────────────────────────────────

    def opened(self, identity: Identity, first_ping: float) -> None:
        """Begin the open life: pings, presence, expiry."""
        now = self.hub.now()
        self.identity = identity
        self.state = State.OPEN
        self._ping_at = now + first_ping
        self._presence_at = now + self.hub.timing.presence
        self.opened_at = self.hub.clock()
        self._seat_at = now + self.hub.timing.seat
        self.hub.wheel.at(self._due(now), self)

    def watch(self) -> None:
        """Look at the deadlines again: one of them was moved."""
        self.hub.wheel.at(self._due(self.hub.now()), self)

    def on_time(self, now: float) -> float | None:
        """Do what is due: end what is stale, silent or expired; ping; confirm presence."""
        if self.state is State.OPEN:
            end = self._overdue(now)
        else:
            end = codes.STALE if now >= self._stale_at else None
        if end is not None:
            self.close(end)
        if self.state is State.OPEN:
            self._expire_subscriptions(now)
        if self.closed:
            return None
        if self.state is not State.OPEN:
            return self._stale_at
        self._greet(now)
        return self._due(now)

    def _overdue(self, now: float) -> End | None:
        silent = self._pings and self._heard_at < self._pinged_at
        if silent and now >= self._pinged_at + self.hub.timing.pong:
            return codes.NO_PONG
        return codes.CONNECTION_EXPIRED if now >= self._expires_at(now) else None

    def _expire_subscriptions(self, now: float) -> None:
        for subscription in tuple(self.subscriptions.values()):
            if now >= self._ends_at(subscription, now):
                self.hub.expire(subscription)

    def _greet(self, now: float) -> None:
        timing = self.hub.timing
        if now >= self._ping_at:
            self._ping_at, self._pinged_at = now + timing.ping, now
            self._pings += 1
            self.push(self.dress(self.codec.ping))
        if now >= self._presence_at:
            self._presence_at = now + timing.presence
            presence.confirm(self)
            # Its own deadline would cost every connection a place on the wheel.
            if now >= self._seat_at:
                self._seat_at = now + timing.seat
                seats.take(self)

    def _due(self, now: float) -> float:
        due = min(self._ping_at, self._presence_at, self._expires_at(now))
        if self._pings and self._heard_at < self._pinged_at:
            due = min(due, self._pinged_at + self.hub.timing.pong)
        for subscription in self.subscriptions.values():
            due = min(due, self._ends_at(subscription, now))
        return due

    def _expires_at(self, now: float) -> float:
        return self._on_the_wheel(self.identity.expire_at, now)

    def _ends_at(self, subscription: Subscription, now: float) -> float:
        return self._on_the_wheel(subscription.expire_at, now)

    def _on_the_wheel(self, expire_at: float, now: float) -> float:
        """Turn an instant of the calendar, plus grace, into one of the wheel's clock."""
        if not expire_at:
            return float("inf")
        return now + expire_at - self.hub.clock() + self.hub.timing.grace
