"""Presence: who is on a channel, as the broker keeps it for every process.

A client that says nothing for ``Timing.presence_ttl`` is forgotten, so a process that dies leaves
nobody behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from realtime.broker import Broker
from realtime.subscription import Subscription

if TYPE_CHECKING:
    from realtime.connection import Connection


def confirm(connection: Connection) -> None:
    """Tell the broker, beside everything else, that a client is still on its channels."""
    present = [one for one in connection.subscriptions.values() if one.policy.presence]
    if present:
        hub = connection.hub
        hub.tasks.start(_confirm(hub.broker, present, ttl=hub.timing.presence_ttl))


async def _confirm(broker: Broker, present: Sequence[Subscription], *, ttl: float) -> None:
    for one in present:
        # It may have left while the ones before it were being confirmed.
        if one.connection.subscriptions.get(one.channel) is one:
            await broker.add_presence(one.channel, one.info, ttl=ttl)


async def leave(broker: Broker, subscription: Subscription, *, was_live: bool) -> None:
    """Tell the broker that a client is gone; to be run as a task of the connection's ``leaving``.

    Whoever comes back to the channel waits for it, or else the end of the last stay would take
    away the presence of the new one.
    """
    channel, policy = subscription.channel, subscription.policy
    try:
        if policy.presence:
            await broker.remove_presence(channel, subscription.info)
        if was_live and policy.tells_joins:
            await broker.leave(channel, subscription.info)
    finally:
        leaving = subscription.connection.leaving
        if leaving.get(channel) is asyncio.current_task():
            del leaving[channel]
