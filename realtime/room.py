"""What this process knows of one channel: who is joining, who is live, and where the stream stands.

Live subscribers all stand at the same place, because each publication goes to all of them in one
go; so a gap is found once per channel and not once per subscriber.
"""

from __future__ import annotations

import asyncio

from realtime.broker import Position, Publication
from realtime.fanout import Fanout
from realtime.policy import Policy
from realtime.render import Event
from realtime.subscription import Subscription


class Room:
    """One channel on this process."""

    __slots__ = (
        "_fanout", "ahead", "attached", "channel", "joining", "live", "lock", "policy",
        "position", "suspect",
    )  # fmt: skip

    def __init__(self, channel: str, policy: Policy, fanout: Fanout) -> None:
        self.channel = channel
        self.policy = policy
        self.position: Position | None = None
        self.joining: set[Subscription] = set()
        self.live: set[Subscription] = set()
        self.ahead: set[Subscription] = set()
        self.attached = False
        self.lock = asyncio.Lock()
        self.suspect: int | None = None
        self._fanout = fanout

    def __len__(self) -> int:
        return len(self.joining) + len(self.live)

    def enter(self, subscription: Subscription) -> None:
        """From now on, what arrives is kept for the subscription."""
        self.joining.add(subscription)

    def go_live(self, subscription: Subscription, position: Position | None) -> bool:
        """From now on, what arrives is sent to the subscription.

        Answers:
            False if those already live stand in another epoch: they have lost the thread.
        """
        alone, followed = not self.live, self.followed
        self.joining.discard(subscription)
        subscription.joining = None
        self.live.add(subscription)
        if position is None:
            self._fanout.add(subscription)
            return True
        subscription.offset = position.offset
        known = self.position
        if known is None or alone or (known.epoch != position.epoch and not followed):
            known = self.position = position
        agreed = known.epoch == position.epoch
        if agreed and position.offset > known.offset:
            # It has read history that this process has yet to hear of: wait for the others.
            self.ahead.add(subscription)
        else:
            self._fanout.add(subscription)
        return agreed

    @property
    def followed(self) -> bool:
        """Whether any live subscription watches the position."""
        return any(subscription.positioned for subscription in self.live)

    def leave(self, subscription: Subscription) -> None:
        """Nothing more is sent or kept."""
        self.joining.discard(subscription)
        self.live.discard(subscription)
        self.ahead.discard(subscription)
        self._fanout.remove(subscription)

    def accept(self, publication: Publication, epoch: str, previous: bytes | None) -> bool:
        """Take a publication from the broker and send it on.

        Answers:
            False if something is missing before it; those who watch must be let go, and then
            ``offer`` sends it to the others.
        """
        for subscription in self.joining:
            subscription.keep(publication, epoch)
        if publication.offset:
            known = self.position
            if known is not None and known.epoch == epoch:
                if publication.offset <= known.offset:
                    return True
                if publication.offset != known.offset + 1 and self.followed:
                    return False
            elif known is not None and self.followed:
                return False
            self.position = Position(publication.offset, epoch)
            self._catch_up(publication.offset)
        self.offer(publication, previous)
        return True

    def offer(self, publication: Publication, previous: bytes | None) -> None:
        """Send a publication to everybody who is live."""
        self._fanout.offer(Event(self.channel, publication, previous), self.policy)

    def restart(self, position: Position) -> None:
        """Take the stream up at another place, after those who watched were let go."""
        self.position = position

    def _catch_up(self, offset: int) -> None:
        for subscription in tuple(self.ahead):
            if subscription.offset < offset:
                self.ahead.discard(subscription)
                self._fanout.add(subscription)
