"""What the hub counts; the server turns it into its metrics page."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


class Spread:
    """How values are spread over buckets. A value costs one search in a short list.

    Attributes:
        edges: Upper bounds of the buckets; above the last there is one more.
        counts: Values in each bucket, not added up.
        sum: All values added up.
    """

    __slots__ = ("counts", "edges", "sum")

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = tuple(edges)
        self.counts = [0] * (len(self.edges) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.sum += value


@dataclass(slots=True)
class Metrics:
    """Counters since the start of the process."""

    connects: int = 0
    commands: int = 0
    published: Counter[str] = field(default_factory=Counter)
    recovered: int = 0
    unrecovered: int = 0
    gaps: int = 0
    slow_channels: int = 0
    closes: Counter[int] = field(default_factory=Counter)
