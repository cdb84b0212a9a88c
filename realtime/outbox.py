"""The queue towards a client that does not keep up: bounded by bytes, with a named policy each.

A healthy client never has one: its frames go straight to the transport.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from realtime.policy import Overflow


@dataclass(slots=True, eq=False)
class Entry:
    """A frame that waits, and what may become of it."""

    frame: bytes
    channel: str = ""
    overflow: Overflow = Overflow.RESUME
    kind: str = ""


class Outbox:
    """Frames in order; those nobody needs any more are gone at once."""

    __slots__ = ("_entries", "_latest", "size")

    def __init__(self) -> None:
        self.size = 0
        self._entries: OrderedDict[Entry, None] = OrderedDict()
        self._latest: dict[tuple[str, str], Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        """Add a frame; of a ``LATEST`` channel only the newest of its kind stays."""
        if entry.overflow is Overflow.LATEST and entry.channel:
            key = (entry.channel, entry.kind)
            if older := self._latest.get(key):
                self._drop(older)
            self._latest[key] = entry
        self._entries[entry] = None
        self.size += len(entry.frame)

    def pop(self) -> bytes:
        """Take the oldest frame, or nothing."""
        entry = next(iter(self._entries), None)
        if entry is None:
            return b""
        self._drop(entry)
        return entry.frame

    def relieve(self, target: int) -> str | None:
        """Make room down to ``target`` bytes.

        Oldest ``SKIP`` frames go first; if that is enough, the answer is empty. If not, answer the
        channel with the most bytes, which were dropped: its subscription must end. ``None`` means
        that there is nothing that could be dropped.
        """
        for entry in tuple(self._entries):
            if self.size <= target:
                return ""
            if entry.channel and entry.overflow is Overflow.SKIP:
                self._drop(entry)
        if self.size <= target:
            return ""
        weights: Counter[str] = Counter()
        for entry in self._entries:
            if entry.channel:
                weights[entry.channel] += len(entry.frame)
        if not weights:
            return None
        heaviest = max(weights, key=weights.__getitem__)
        self.forget(heaviest)
        return heaviest

    def forget(self, channel: str) -> None:
        """Drop what waits for a channel."""
        for entry in tuple(self._entries):
            if entry.channel == channel:
                self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        del self._entries[entry]
        self.size -= len(entry.frame)
        key = (entry.channel, entry.kind)
        if self._latest.get(key) is entry:
            del self._latest[key]
