"""What the hub counts; the server turns it into its metrics page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


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
