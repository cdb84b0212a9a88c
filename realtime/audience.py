"""One message to many: who listens to a channel, and when and in what portions they are told.

An ``Audience`` that is idle sends at once. While it is busy, what is sent meanwhile waits and
leaves joined in one send per listener: after a fan-out that took *t* the next one starts
``pace * t`` later, so a lively room never takes more than ``1 / (1 + pace)`` of a core and needs
no tuned window. All audiences share the event loop through ``Turns``: a few hundred sends in one
turn of the loop, urgent channels first.

Two promises: what is sent to an audience arrives in that order at each listener; and a listener
gets exactly what was sent between its ``join`` and its ``leave``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from realtime.metrics import Spread
from realtime.wire import WireSocket, send_to_all

logger = logging.getLogger(__name__)

PORTION: Final = 128
"""Sends in one turn of the loop: about a millisecond, so that requests hardly notice.

Twice as many save three per cent of the work and double what a request waits at worst.
"""

_LONGEST_WAIT: Final = 1.0
_HURRY_BYTES: Final = 65_536

Member = TypeVar("Member")


class Outlet(Protocol):
    """Where frames go: the part of a transport that is needed here."""

    @property
    def pending(self) -> int:
        """Bytes that wait because the peer does not read fast enough."""

    def write(self, frame: bytes) -> None:
        """Send, without waiting and without raising."""


class Loop(Protocol):
    """The part of an event loop that is needed here; tests turn theirs by hand."""

    def time(self) -> float:
        """Seconds on a clock that never goes back."""

    def call_soon(self, callback: Callable[[], None], /) -> object:
        """Run in the next turn."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object:
        """Run after ``delay`` seconds."""


class Item(NamedTuple):
    """A frame on its way; ``kind`` is what a newer one of the same kind makes worthless."""

    frame: bytes
    kind: str = ""


_SECONDS: Final = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_MESSAGES: Final = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(slots=True)
class Tally:
    """What one process has sent since it started; a delivery may carry several messages.

    Attributes:
        seconds: From a fan-out's first send to its last, in between the loop's other work.
        batch: Messages that one fan-out joins in one send.
    """

    fanouts: int = 0
    deliveries: int = 0
    seconds: Spread = field(default_factory=lambda: Spread(_SECONDS))
    batch: Spread = field(default_factory=lambda: Spread(_MESSAGES))


class Turns:
    """Shares the event loop among the audiences that have something to send."""

    def __init__(self, loop: Loop | None = None, *, portion: int = PORTION) -> None:
        self._loop = loop
        self._portion = portion
        self._urgent: deque[Audience[Any]] = deque()
        self._patient: deque[Audience[Any]] = deque()
        self._turning = False
        self.tally = Tally()

    @property
    def loop(self) -> Loop:
        """The loop of whoever sends first, unless another was given."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def line_up(self, audience: Audience[Any], *, urgent: bool) -> None:
        """Let an audience have its turns, from the next turn of the loop on."""
        (self._urgent if urgent else self._patient).append(audience)
        if not self._turning:
            self._turning = True
            self.loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Send one portion: to a part of one large audience, or to many small ones."""
        left = self._portion
        while left > 0 and (line := self._urgent or self._patient):
            audience = line.popleft()
            try:
                sent = audience.send_portion(left)
            except Exception:
                # One channel's fault must not end the fan-out of the others.
                logger.exception("fan-out failed")
                sent = audience.give_up()
            self.tally.deliveries += sent
            if audience.under_way:
                line.append(audience)  # large audiences take turns
            # Sending nothing costs something too, and a turn must end some time.
            left -= sent or 1
        self._turning = bool(self._urgent or self._patient)
        if self._turning:
            self.loop.call_soon(self._turn)


class Audience(Generic[Member]):
    """Who listens to one channel, in groups that get the same bytes.

    A *variant* names such a group: codec, framing, delta, filter, whatever makes bytes differ.
    ``pace`` is how long the next fan-out waits, in units of the last one: 0 for notices and
    control, which go before everything else, 1 for rooms, more for live chat. A listener that
    still has something unread is not written to: ``on_behind`` is told what it should have got.
    """

    __slots__ = (
        "_began",
        "_due_at",
        "_groups",
        "_left",
        "_on_behind",
        "_pace",
        "_runs",
        "_stage",
        "_turns",
        "_waiting",
    )

    def __init__(
        self, turns: Turns, *, pace: float, on_behind: Callable[[Member, Sequence[Item]], None]
    ) -> None:
        self._turns = turns
        self._pace = pace
        self._on_behind = on_behind
        self._groups: dict[Hashable, _Group[Member]] = {}
        self._stage = _Stage.IDLE
        self._waiting = 0
        self._due_at = 0.0
        self._began = 0.0
        # Everybody has a channel of his own, so an idle audience has to be small.
        self._runs: list[_Run] = []
        self._left: set[Outlet] | None = None

    def __len__(self) -> int:
        return sum(len(group.members) for group in self._groups.values())

    def __iter__(self) -> Iterator[Member]:
        """The listeners, as they are now."""
        return iter([each for group in self._groups.values() for each in group.members.values()])

    @property
    def variants(self) -> Sequence[Any]:
        """The groups there are, as they are now."""
        return tuple(self._groups)

    @property
    def under_way(self) -> bool:
        """Whether a fan-out has begun and is not over."""
        return bool(self._runs)

    def join(self, outlet: Outlet, member: Member, variant: Hashable) -> None:
        """Tell this listener of everything that is sent from now on, and of nothing before."""
        group = self._groups.get(variant)
        if group is None:
            group = self._groups[variant] = _Group(wired=isinstance(outlet, WireSocket))
        group.members[outlet] = member
        if group.items:
            group.late[outlet] = (len(group.items), ())

    def leave(self, outlet: Outlet, variant: Hashable) -> None:
        """Tell this listener nothing more, not even what is on its way."""
        self._remove(outlet, variant)
        if self._runs:
            self._left = self._left or set()
            self._left.add(outlet)

    def owed(self, outlet: Outlet, variant: Hashable) -> Sequence[Item]:
        """Answer what was sent to this listener and is still on its way, in order."""
        items: list[Item] = []
        if self._left is None or outlet not in self._left:
            for run in self._runs:
                if run.has_yet_to_reach(outlet):
                    items += run.items
        group = self._groups.get(variant)
        if group is not None and outlet in group.members:
            since, before = group.late.get(outlet, (0, ()))
            items += [*before, *group.items[since:]]
        return items

    def merge(self, old: Hashable, new: Hashable) -> Sequence[Member]:
        """Let a whole group change its variant between two messages; answer its members."""
        group = self._groups.get(old)
        if group is None:
            return ()
        members = tuple(group.members.values())
        if new not in self._groups:
            self._groups[new] = self._groups.pop(old)
            return members
        for outlet, member in tuple(group.members.items()):
            since, owed = group.late.get(outlet, (0, ()))
            owed = (*owed, *group.items[since:])
            self._remove(outlet, old)
            self.join(outlet, member, new)
            if owed:
                other = self._groups[new]
                other.late[outlet] = (len(other.items), owed)
                self._waiting += sum(len(item.frame) for item in owed)
        return members

    def send(self, variant: Hashable, item: Item) -> int:
        """Send a frame to everybody who is in a group now; answer how many they are."""
        group = self._groups[variant]
        group.items.append(item)
        self._waiting += len(item.frame)
        if self._stage is _Stage.IDLE:
            self._schedule()
        elif self._waiting > _HURRY_BYTES:
            self.hurry()
        return len(group.members)

    def hurry(self) -> None:
        """Begin with what waits in the next turn, whatever the pace."""
        if self._stage is _Stage.WAITING:
            self._line_up()

    def _schedule(self) -> None:
        wait = self._due_at - self._turns.loop.time()
        if wait <= 0:
            self._line_up()
        else:
            self._stage = _Stage.WAITING
            self._turns.loop.call_later(wait, self._on_due)

    def _on_due(self) -> None:
        # A timer that was overtaken by ``hurry`` must not shorten the next wait.
        if self._turns.loop.time() >= self._due_at - 0.001:
            self.hurry()

    def _line_up(self) -> None:
        self._stage = _Stage.SENDING
        self._turns.line_up(self, urgent=self._pace == 0)

    def send_portion(self, most: int) -> int:
        """Send to at most so many listeners; answer to how many."""
        if not self._runs:
            self._began = self._turns.loop.time()
            self._turns.tally.fanouts += 1
            self._waiting = 0
            for group in self._groups.values():
                self._runs.extend(group.take())
            if self._runs:
                self._turns.tally.batch.add(max(len(run.items) for run in self._runs))
        sent = 0
        while self._runs and sent < most:
            run = self._runs[0]
            batch = run.outlets[run.at : run.at + most - sent]
            run.at += len(batch)
            sent += len(batch)
            if run.at >= len(run.outlets):
                self._runs.pop(0)
            self._send_to(batch, run)
        if not self._runs:
            self._finish()
        return sent

    def _send_to(self, batch: Sequence[Outlet], run: _Run) -> None:
        if self._left:
            left = self._left
            batch = [each for each in batch if each not in left]
        ready = [each for each in batch if not each.pending]
        behind = () if len(ready) == len(batch) else [each for each in batch if each.pending]
        run.send_to(ready)
        for each in behind:
            for group in tuple(self._groups.values()):
                if each in group.members:
                    self._on_behind(group.members[each], run.items)
                    break

    def give_up(self) -> int:
        """Forget the fan-out that was begun; answer that nothing was sent."""
        self._runs.clear()
        self._finish()
        return 0

    def _finish(self) -> None:
        now = self._turns.loop.time()
        self._turns.tally.seconds.add(now - self._began)
        self._due_at = now + min(self._pace * (now - self._began), _LONGEST_WAIT)
        self._left = None
        self._stage = _Stage.IDLE
        if self._waiting:
            self._schedule()

    def _remove(self, outlet: Outlet, variant: Hashable) -> None:
        group = self._groups.get(variant)
        if group is not None:
            group.members.pop(outlet, None)
            group.late.pop(outlet, None)
            if not group.members:
                self._waiting -= sum(len(item.frame) for item in group.items)
                del self._groups[variant]


class _Stage(Enum):
    IDLE = auto()
    WAITING = auto()
    """Until the last fan-out is long enough ago."""
    SENDING = auto()


class _Group(Generic[Member]):
    """Listeners that get the same bytes, and the frames that wait for them."""

    __slots__ = ("items", "late", "members", "wired")

    def __init__(self, *, wired: bool) -> None:
        self.members: dict[Outlet, Member] = {}
        self.items: list[Item] = []
        # Who joined while frames waited: how many of them are not meant for him, and which
        # frames of his former variant he still has to get before the others.
        self.late: dict[Outlet, tuple[int, tuple[Item, ...]]] = {}
        # A variant says the framing, so the transports of a group are all of one kind.
        self.wired = wired

    def take(self) -> Iterator[_Run]:
        """Make sends of what waits."""
        items, self.items = self.items, []
        late, self.late = self.late, {}
        if items:
            on_time = [each for each in self.members if each not in late] if late else self.members
            yield _Run(self, list(on_time), items)
        shares: dict[tuple[int, tuple[Item, ...]], list[Outlet]] = {}
        for outlet, share in late.items():
            shares.setdefault(share, []).append(outlet)
        for (since, owed), outlets in shares.items():
            if share_of := [*owed, *items[since:]]:
                yield _Run(self, outlets, share_of)


class _Run:
    """The same bytes for a list of listeners, and how far down the list we are."""

    __slots__ = ("_places", "at", "data", "items", "outlets")

    def __init__(self, group: _Group[Any], outlets: list[Any], items: Sequence[Item]) -> None:
        self.outlets = outlets
        self.items = items
        self.at = 0
        self._places: dict[Any, int] | None = None
        # Frames of a wire stay apart when they are joined; what others make of them is not known.
        self.data = b"".join([item.frame for item in items]) if group.wired else b""

    def has_yet_to_reach(self, outlet: Any) -> bool:
        """Tell whether a listener is still to come; asked of each when everybody is sent away."""
        if self._places is None:
            self._places = {each: place for place, each in enumerate(self.outlets)}
        return self._places.get(outlet, -1) >= self.at

    def send_to(self, outlets: Iterable[Any]) -> None:
        if self.data:
            send_to_all(outlets, self.data)
            return
        for each in outlets:
            for item in self.items:
                each.write(item.frame)
