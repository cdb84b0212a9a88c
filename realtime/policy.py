"""Channel options: what a channel can do, by its namespace. Who may do it is the authority's word.

The namespace of a channel is the text before the first ``:``; a channel without one has the empty
namespace. A namespace that is not configured does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from realtime.broker import Retention

MAX_CHANNEL = 255
_NAMESPACE = re.compile(r"[-a-zA-Z0-9_]{2,}")
_RESERVED = frozenset("*&/")


class Recovery(StrEnum):
    """What a returning client is owed."""

    STREAM = "stream"
    """Every publication it missed."""
    CACHE = "cache"
    """The latest publication."""


class Overflow(StrEnum):
    """What happens to the messages of a channel when a client does not keep up."""

    RESUME = "resume"
    """They are dropped together with the subscription (2500); the client comes back for them."""
    LATEST = "latest"
    """Only the newest of a kind is kept (the publication's tag ``kind``)."""
    SKIP = "skip"
    """The oldest are dropped and nobody is told: livestream chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a channel can do. The default can do nothing but pass messages on.

    Attributes:
        history_size: Publications kept, 0 for none.
        history_ttl: Seconds they are kept.
        recovery: What a returning client is owed.
        force_recovery: Subscriptions are recoverable without being asked.
        force_positioning: The server watches every subscription for gaps.
        auto_recover: In cache mode, a first subscription gets the latest publication too.
        presence: Whether it is known who is there.
        join_leave: Whether coming and going is announced to those who ask for it.
        force_join_leave: It is announced to everybody on the channel.
        delta: Whether fossil deltas may be asked for.
        delta_publish: Whether publications carry what a delta needs.
        overflow: What happens when a client does not keep up.
        urgency: 0 for what is sent at once, larger for what may wait for the last fan-out
            times this factor (see ``realtime.fanout``).
        binary: Payloads need not be JSON; JSON clients are then refused.
    """

    history_size: int = 0
    history_ttl: float = 0
    recovery: Recovery = Recovery.STREAM
    force_recovery: bool = False
    force_positioning: bool = False
    auto_recover: bool = False
    presence: bool = False
    join_leave: bool = False
    force_join_leave: bool = False
    delta: bool = False
    delta_publish: bool = False
    overflow: Overflow = Overflow.RESUME
    urgency: float = 0
    binary: bool = False

    @property
    def tells_joins(self) -> bool:
        """Whether coming and going is announced at all."""
        return self.join_leave or self.force_join_leave

    @property
    def retention(self) -> Retention:
        """How publications are kept, in the broker's terms."""
        return Retention(self.history_size, self.history_ttl)


class Policies:
    """The namespaces that exist, each with its options."""

    def __init__(self, by_namespace: Mapping[str, Policy]) -> None:
        for name in by_namespace:
            if name and not _NAMESPACE.fullmatch(name):
                raise ValueError(f"bad namespace: {name!r}")
        self._by_namespace = MappingProxyType(dict(by_namespace))

    def find(self, channel: str) -> Policy | None:
        """Answer the options of a channel, or ``None`` where there is no such namespace."""
        return self._by_namespace.get(namespace_of(channel))


def namespace_of(channel: str) -> str:
    """Answer the text before the first ``:``, without a leading ``$``, or the empty string."""
    head, colon, _ = channel.partition(":")
    return head.removeprefix("$") if colon else ""


def well_named(channel: str) -> bool:
    """Tell whether the text may be the name of a channel."""
    return (
        0 < len(channel) <= MAX_CHANNEL
        and channel.isascii()
        and channel.isprintable()
        and not _RESERVED.intersection(channel)
    )


def user_list(channel: str) -> frozenset[str] | None:
    """Answer the users named after ``#``, or ``None`` where everybody may be meant."""
    _, mark, users = channel.partition("#")
    return frozenset(users.split(",")) if mark else None
