"""Upgraded sockets, read and written by the hub itself: one epoll, one small object a connection.

A ``Wire`` keeps every socket of the process in one epoll whose own descriptor sits in the asyncio
loop. A connection has no coroutine, no stream and no timer, and costs about a kilobyte instead of
fifteen. What a socket does not take at once waits in a queue bounded by bytes; the socket is
watched for writing only while something waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import select
import socket
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, TypeAlias

from realtime import frames
from realtime.frames import BadFrame, FrameReader
from realtime.transport import Framing

INTERNAL: Final = 3004
SLOW: Final = 3008

logger = logging.getLogger(__name__)

_READ_SIZE: Final = 65_536
# Events handled in one turn of the loop; the epoll is level-triggered, the rest comes next turn.
_EVENTS: Final = 128
_BUFFERS: Final = 64

Bytes: TypeAlias = bytes | memoryview


class Receiver(Protocol):
    """Who hears what a peer says: a connection of the hub."""

    def receive(self, payload: bytes) -> None:
        """A whole message arrived; text is proved to be UTF-8."""

    def drained(self) -> None:
        """What had to wait has left."""

    def lost(self) -> None:
        """No frame is taken any more; said once, ``WireSocket.ended`` has the reason."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a peer may send or leave unread, in bytes, and how long it may take, in seconds.

    ``queue`` bounds what waits for one peer, ``message`` what it may send in one message,
    ``goodbye`` how long it may take to answer a close frame, and ``stall`` how long the kernel
    may wait for an acknowledgement before the connection counts as half-open.
    """

    queue: int = 1 << 20
    message: int = 65_536
    goodbye: float = 5.0
    stall: float = 30.0


class Wire:
    """Every upgraded socket of this process; lives in the event loop that made it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._sockets: dict[int, WireSocket] = {}
        self._leaving: dict[WireSocket, float] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._deserted = asyncio.Event()
        self._loop.add_reader(self._epoll.fileno(), self._on_events)

    def __len__(self) -> int:
        """Count the open sockets, those that are saying good-bye included."""
        return len(self._sockets)

    def adopt(self, sock: socket.socket, framing: Framing) -> WireSocket:
        """Take over a connected TCP socket after its upgrade; nothing is read before ``listen``."""
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A half-open connection with something to send ends after this, not in 15 minutes.
            stall = int(self.limits.stall * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stall)
        return WireSocket(self, sock, framing)

    async def close(self) -> None:
        """Hang up on everybody, wait for their good-byes as long as ``Limits`` says, and end."""
        for each in tuple(self._sockets.values()):
            each.hang_up(frames.GOING_AWAY, "shutdown")
        if self._sockets:
            self._deserted.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._deserted.wait(), self.limits.goodbye)
        for each in tuple(self._sockets.values()):
            each.lost()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _on_events(self) -> None:
        for fd, events in self._epoll.poll(0, _EVENTS):
            # An earlier event of this batch may have closed it. If its number has already been
            # given to a new socket, reading that one finds nothing and does no harm.
            each = self._sockets.get(fd)
            if each is None:
                continue
            try:
                if events & select.EPOLLOUT:
                    each.on_writable()
                if events & ~select.EPOLLOUT:
                    each.on_readable()
            except Exception:
                # One receiver's fault must not silence ten thousand others.
                logger.exception("receiver failed")
                each.hang_up(INTERNAL, "internal server error")

    def register(self, each: WireSocket, sock: socket.socket) -> None:
        """Read this socket from now on."""
        self._sockets[sock.fileno()] = each
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def watch(self, sock: socket.socket, *, writing: bool) -> None:
        """Say whether the socket has something to write."""
        if sock.fileno() in self._sockets:
            mask = select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN
            self._epoll.modify(sock.fileno(), mask)

    def forget(self, each: WireSocket, sock: socket.socket) -> None:
        """Close the socket; its number may be given away from here on."""
        if self._sockets.pop(sock.fileno(), None) is not None:
            # Closing alone would not do if the descriptor was ever duplicated.
            self._epoll.unregister(sock.fileno())
        self._leaving.pop(each, None)
        sock.close()
        if not self._sockets:
            self._deserted.set()

    def expect_end(self, each: WireSocket) -> None:
        """Give the peer its time to answer; one timer serves all, since all get the same."""
        self._leaving[each] = self._loop.time() + self.limits.goodbye
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self.limits.goodbye, self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        late = list(itertools.takewhile(lambda each: self._leaving[each] <= now, self._leaving))
        for each in late:
            each.lost()
        self._sweeper = None
        if self._leaving:
            first = next(iter(self._leaving.values()))
            self._sweeper = self._loop.call_at(first, self._sweep)

    def soon(self, call: Callable[[], None]) -> None:
        """Run in the next turn of the loop."""
        self._loop.call_soon(call)


class WireSocket:
    """One upgraded connection: a transport of the hub.

    ``send`` changes with the state: the socket's own ``send`` while nothing waits, so that a
    fan-out calls the kernel directly; the queue's while something waits, so that no frame
    overtakes another; and a sink once the connection takes no more.
    """

    __slots__ = (
        "_reader",
        "_receiver",
        "_rest",
        "_sock",
        "_wire",
        "ended",
        "framing",
        "heard",
        "pending",
        "send",
    )

    name: ClassVar[str] = "websocket"

    def __init__(self, wire: Wire, sock: socket.socket, framing: Framing) -> None:
        self._wire = wire
        self._sock = sock
        self._receiver: Receiver | None = None
        self._reader: FrameReader | None = FrameReader(limit=wire.limits.message)
        self._rest: deque[Bytes] | None = None
        self.ended: tuple[int, str] | None = None
        """Why it is over, as far as known: 1006 if the peer went without a word."""
        self.framing = framing
        """Text or binary frames: how the hub dresses its messages for this peer."""
        self.send: Callable[[bytes], int] = sock.send
        self.pending = 0
        """Bytes that wait because the peer does not read fast enough."""
        self.heard = True
        """Set by any byte that arrives; whoever watches for silence clears it."""

    @property
    def open(self) -> bool:
        """Whether frames are still taken."""
        return self.ended is None

    def listen(self, receiver: Receiver, early: bytes = b"") -> None:
        """Begin to read; ``early`` is what already came along with the upgrade request."""
        if self.ended is not None:  # the peer was gone before it could be answered
            self._wire.soon(receiver.lost)
            return
        self._receiver = receiver
        self._wire.register(self, self._sock)
        if self._rest:
            self._wire.watch(self._sock, writing=True)
        if early:
            self.take(early)

    def write(self, frame: bytes) -> None:
        """Send a whole frame, or as much as fits, and queue the rest; never blocks or raises."""
        send_to_all((self,), frame)

    def hang_up(self, code: int, reason: str) -> None:
        """Say good-bye after what is queued; the peer has ``Limits.goodbye`` to answer.

        Whoever is hung up on for being slow gets only what it has half received before.
        """
        if self.ended is None:
            if code == SLOW:
                self._drop_whole_frames()
            self._end(code, reason)
            self._say_goodbye(frames.close_frame(code, reason))

    def lost(self) -> None:
        """Drop the connection at once, without a word."""
        if self._sock.fileno() >= 0:
            self._wire.forget(self, self._sock)
            self._rest = None
            self.pending = 0
            if self.ended is None:
                self._end(frames.ABNORMAL, "connection lost")

    def keep(self, frame: bytes, sent: int) -> None:
        """Queue what a direct send left over, and everything after it."""
        # A memoryview in the queue marks what the peer has half received.
        self._rest = rest = deque([memoryview(frame)[sent:] if sent else frame])
        self.pending = len(frame) - sent
        if self.ended is None:
            self.send = functools.partial(self._queue, rest)
        self._wire.watch(self._sock, writing=True)

    def _queue(self, rest: deque[Bytes], frame: bytes) -> int:
        rest.append(frame)
        self.pending += len(frame)
        if self.pending > self._wire.limits.queue:
            self.hang_up(SLOW, "slow")
        return len(frame)

    def _drop_whole_frames(self) -> None:
        """Forget what waits, except what the peer has half received."""
        if self._rest:
            first = self._rest[0]
            self._rest.clear()
            self.pending = 0
            if isinstance(first, memoryview):
                self._rest.append(first)
                self.pending = len(first)

    def _end(self, code: int, reason: str) -> None:
        """Take no more frames, and tell the receiver in the next turn of the loop.

        Not at once: a fan-out is in the middle of its loop when a send fails, and nobody may
        leave a channel there.
        """
        self.ended = (code, reason)
        self.send = len  # swallows a frame and claims it was sent
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            self._wire.soon(receiver.lost)

    def _say_goodbye(self, goodbye: bytes) -> None:
        self._wire.expect_end(self)
        if self._rest is not None:
            self._rest.append(goodbye)
            self.pending += len(goodbye)
            return
        try:
            sent = self._sock.send(goodbye)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.lost()
            return
        if sent < len(goodbye):
            self.keep(goodbye, sent)
        else:
            self._on_drained()

    def on_writable(self) -> None:
        """Send what waits, as far as the socket takes it."""
        rest = self._rest
        if rest is None:
            return
        try:
            sent = self._sock.sendmsg(itertools.islice(rest, _BUFFERS))
        except BlockingIOError:
            return
        except OSError:
            self.lost()
            return
        self.pending -= sent
        while rest and sent >= len(rest[0]):
            sent -= len(rest.popleft())
        if sent:
            rest[0] = memoryview(rest[0])[sent:]
        if not rest:
            self._rest = None
            self._wire.watch(self._sock, writing=False)
            self._on_drained()

    def _on_drained(self) -> None:
        if self.ended is None:
            self.send = self._sock.send
            if self._receiver is not None:
                self._receiver.drained()
        elif self._reader is None:
            # Nothing more is wanted from the peer. Closing now would turn bytes it is still
            # sending into a reset that can overtake the good-bye, so only our half is closed.
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def on_readable(self) -> None:
        """Read once and pass on every whole message."""
        try:
            data = self._sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.heard = True
            self.take(data)
        else:
            self.lost()

    def take(self, data: bytes) -> None:
        """Understand bytes that came from the peer."""
        if self._reader is None:
            return
        try:
            for opcode, payload in self._reader.feed(data):
                if opcode == frames.CLOSE:
                    self._on_goodbye(*frames.parse_close(payload))
                    return
                if self._receiver is None:
                    continue
                if opcode == frames.PING:
                    self.write(frames.frame(payload, frames.PONG))
                elif opcode != frames.PONG:
                    self._receiver.receive(payload)
        except BadFrame as refused:
            self._reader = None
            self.hang_up(refused.code, refused.reason)

    def _on_goodbye(self, code: int, reason: str) -> None:
        self._reader = None
        if self.ended is not None:  # the answer to ours
            if self._rest is None:
                self.lost()
            return
        # Who says good-bye does not read any more: what waits for him is of no use.
        self._drop_whole_frames()
        self._end(code, reason)
        self._say_goodbye(frames.frame(frames.close_payload(code, ""), frames.CLOSE))


def send_to_all(sockets: Iterable[WireSocket], frame: bytes) -> None:
    """Send the same bytes to many: the hot loop of the hub.

    ``frame`` is one frame or several joined. Whoever cannot take all of it keeps the rest in its
    own queue; whoever is gone is dropped. Receivers hear of it in the next turn of the loop.
    """
    size = len(frame)
    for each in sockets:
        try:
            sent = each.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            each.lost()
            continue
        if sent != size:
            each.keep(frame, sent)
