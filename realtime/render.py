"""From broker values to protocol messages: encode once per variant, for every receiver alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from realtime import broker, delta
from realtime.codec import Codec, messages
from realtime.filters import Filter
from realtime.transport import ENFRAME, Framing


@dataclass(frozen=True, slots=True)
class Variant:
    """What receivers must have in common to be sent the same bytes.

    Attributes:
        codec: The spelling.
        framing: How the transport wants it dressed.
        delta: Whether the subscription speaks in deltas.
        based: It has had a publication that the next patch can build on.
        wanted: Tag filter, or ``None`` for everything.
        joins: Whether coming and going is told.
    """

    codec: Codec
    framing: Framing
    delta: bool = False
    based: bool = False
    wanted: Filter | None = None
    joins: bool = False

    def with_base(self) -> Variant:
        """Answer the variant after its first publication."""
        return replace(self, based=True) if self.delta and not self.based else self


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be told on a channel: a publication, or that somebody came or left.

    Exactly one of the three is set. ``previous`` is the data before the publication, where patches
    may be made of it.
    """

    channel: str
    publication: broker.Publication | None = None
    previous: bytes | None = None
    came: broker.ClientInfo | None = None
    left: broker.ClientInfo | None = None

    def concerns(self, variant: Variant) -> bool:
        """Tell whether receivers of this variant want it."""
        if self.publication is None:
            return variant.joins
        return variant.wanted is None or variant.wanted.matches(self.publication.tags)


def encode(event: Event, variant: Variant) -> bytes:
    """Spell an event for a variant; the answer can be joined with others."""
    push = messages.Push(channel=event.channel)
    if event.publication is not None:
        push.pub = publication(
            event.publication, variant, event.previous if variant.based else None
        )
    elif event.came is not None:
        push.join = messages.Join(client_info(event.came))
    elif event.left is not None:
        push.leave = messages.Leave(client_info(event.left))
    return variant.codec.encode(messages.Reply(push=push))


def dress(encoded: Iterable[bytes], codec: Codec, framing: Framing) -> bytes:
    """Make one frame of encoded messages."""
    return ENFRAME[framing](codec.join(encoded))


def publication(
    value: broker.Publication, variant: Variant | None = None, previous: bytes | None = None
) -> messages.Publication:
    """Build a publication for a subscription; deltas and their bases are quoted."""
    data, patched = value.data, False
    if variant is not None and variant.delta:
        if previous is not None:
            short = delta.diff(previous, data, text=not variant.codec.binary)
            data, patched = (data, False) if short is None else (short, True)
        data = variant.codec.quote(data)
    return messages.Publication(
        data=messages.raw(data),
        info=None if value.info is None else client_info(value.info),
        offset=value.offset,
        tags=dict(value.tags),
        delta=patched,
        time=value.time,
    )


def recovered(values: Sequence[broker.Publication], variant: Variant) -> list[messages.Publication]:
    """Build the publications of a subscribe reply: each delta builds on the one before it."""
    found = []
    previous = None
    for value in values:
        if variant.wanted is None or variant.wanted.matches(value.tags):
            found.append(publication(value, variant, previous))
            previous = value.data if variant.delta else None
    return found


def client_info(value: broker.ClientInfo) -> messages.ClientInfo:
    """Build what others see of a client."""
    return messages.ClientInfo(
        value.user, value.client, messages.raw(value.conn_info), messages.raw(value.chan_info)
    )
