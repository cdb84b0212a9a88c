"""Bounds on what one client, one account and everybody together may ask of a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Numbers of PRODUCT.md §2.5 and REALTIME.md §2.16; 0 lifts a bound where that makes sense.

    Attributes:
        frame: Bytes in one message from a client.
        queue: Bytes that may wait for one client.
        direct: Bytes a transport may hold before frames wait in the queue of the core.
        publication: Bytes in one publication.
        commands: Commands in ``window`` seconds, subscribing apart; more are answered with 111.
        joins: The same for subscribing and unsubscribing: a client that comes back asks for all
            of its channels at once.
        flood: So many times ``commands`` in one window ends the connection.
        subscriptions: Channels one connection may listen on.
        connections: Connections one account may have; over all processes where there is Redis.
        connects: New connections a second on one process; more are turned away before the upgrade.
        backlog: Commands of one connection that may wait for their turn.
    """

    frame: int = 65_536
    queue: int = 1 << 20
    direct: int = 65_536
    publication: int = 262_144
    commands: int = 20
    joins: int = 256
    window: float = 10
    flood: int = 10
    subscriptions: int = 64
    connections: int = 5
    connects: int = 500
    backlog: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When things happen, in seconds.

    Attributes:
        ping: Between pings; the first comes at a random point in the second half.
        pong: How long a client may take to answer.
        stale: How long a connection may go without connecting.
        grace: How long an expired token is overlooked.
        presence: Between two confirmations that a client is there.
        presence_ttl: How long a client that says nothing is believed to be there.
        seat: Between two confirmations that a connection counts for its account.
        seat_ttl: How long it counts without one.
        positions: Between two comparisons of a channel with its stream.
        linger: How long a channel nobody listens on stays subscribed at the broker.
        status: Between two announcements of this process.
    """

    ping: float = 25
    pong: float = 8
    stale: float = 10
    grace: float = 25
    presence: float = 27
    presence_ttl: float = 60
    seat: float = 120
    seat_ttl: float = 300
    positions: float = 40
    linger: float = 5
    status: float = 10


LIMITS: Final = Limits()
TIMING: Final = Timing()


class Window:
    """Counts in fixed windows: cheap, and good enough to stop a flood."""

    __slots__ = ("count", "until")

    def __init__(self) -> None:
        self.count = 0
        self.until = 0.0

    def hit(self, now: float, seconds: float) -> int:
        """Count one, and answer how many there have been in this window."""
        if now >= self.until:
            self.until = now + seconds
            self.count = 0
        self.count += 1
        return self.count
