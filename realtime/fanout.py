"""From one event to every receiver on this process.

Recipients are grouped by ``Variant``; an event is encoded and framed once for each group that
wants it. When and in what portions it leaves is the matter of ``realtime.audience``; order per
channel is the order of ``offer``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from realtime import render
from realtime.audience import Audience, Item, Tally, Turns
from realtime.policy import Policy, namespace_of
from realtime.render import Event
from realtime.subscription import Subscription


class Fanout:
    """Who listens on this process, by channel."""

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns or Turns()
        self._audiences: dict[str, Audience[Subscription]] = {}
        self.delivered: Counter[str] = Counter()
        """Messages, once for each listener, by namespace."""
        self.bytes: Counter[str] = Counter()
        """The same in bytes of frames."""

    @property
    def tally(self) -> Tally:
        """What has been sent so far."""
        return self._turns.tally

    def add(self, subscription: Subscription) -> None:
        """From now on it gets everything that is offered, and nothing that was offered before."""
        audience = self._audiences.get(subscription.channel)
        if audience is None:
            pace = subscription.policy.urgency
            audience = Audience(self._turns, pace=pace, on_behind=_queue)
            self._audiences[subscription.channel] = audience
        transport = subscription.connection.transport
        audience.join(transport, subscription, subscription.variant)

    def remove(self, subscription: Subscription) -> None:
        """It gets nothing any more; unknown ones are ignored."""
        audience = self._audiences.get(subscription.channel)
        if audience is not None:
            audience.leave(subscription.connection.transport, subscription.variant)
            if not audience:
                del self._audiences[subscription.channel]

    def owed(self, subscription: Subscription) -> Sequence[bytes]:
        """Answer the frames that were offered to it and have not been sent yet, in order."""
        audience = self._audiences.get(subscription.channel)
        if audience is None:
            return ()
        transport = subscription.connection.transport
        return [item.frame for item in audience.owed(transport, subscription.variant)]

    def offer(self, event: Event, policy: Policy) -> None:
        """Send an event to everybody it concerns. Never waits, never raises for a receiver."""
        audience = self._audiences.get(event.channel)
        if audience is None:
            return
        publication = event.publication
        kind = publication.tags.get("kind", "") if publication is not None else ""
        delivered = size = 0
        concerned = [each for each in audience.variants if event.concerns(each)]
        for variant in concerned:
            encoded = (render.encode(event, variant),)
            frame = render.dress(encoded, variant.codec, variant.framing)
            listeners = audience.send(variant, Item(frame, kind))
            delivered += listeners
            size += listeners * len(frame)
        namespace = namespace_of(event.channel) or event.channel
        self.delivered[namespace] += delivered
        self.bytes[namespace] += size
        if publication is not None:
            for variant in concerned:
                self._give_base(audience, variant)

    def _give_base(self, audience: Audience[Subscription], variant: render.Variant) -> None:
        """Move a group on: it now has something that patches can build on."""
        later = variant.with_base()
        if later is not variant:
            for subscription in audience.merge(variant, later):
                subscription.variant = later


def _queue(subscription: Subscription, items: Sequence[Item]) -> None:
    """Put what a slow client should have got into its own queue, under its channel's policy."""
    for item in items:
        subscription.connection.push(
            item.frame, subscription, item.kind, subscription.policy.overflow
        )
