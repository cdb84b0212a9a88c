"""Positions: whether this process has heard of everything that its channels' streams hold.

A broker may lose a message without a word. Every channel somebody watches is compared with its
stream from time to time, once for all its subscribers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime import codes
from realtime.broker import BrokerDown, Position

if TYPE_CHECKING:
    from realtime.hub import Hub

SECOND_LOOK = 1.0
"""Seconds a message may take from the stream to this process before it counts as lost."""


async def top(hub: Hub, channel: str) -> Position:
    """Answer where a channel's stream stands now, whether anybody listens on it or not.

    Raises:
        Refused: There is no such namespace (102), or it keeps nothing to stand in (108).
        BrokerDown: The broker does not answer.
    """
    policy = hub.authority.policy(channel)
    if policy is None:
        raise codes.Refused(codes.UNKNOWN_CHANNEL)
    if not policy.retention.keeps:
        raise codes.Refused(codes.NOT_AVAILABLE)
    _, position = await hub.broker.history(channel, policy.retention, limit=0)
    return position


async def check(hub: Hub) -> None:
    """Compare every watched channel; where something is missing twice, subscribers are told."""
    for room in tuple(hub.rooms.values()):
        if not room.followed or room.position is None:
            continue
        try:
            _, top = await hub.broker.history(room.channel, room.policy.retention, limit=0)
        except BrokerDown:
            # Right after an interruption the first question may still meet the old connection.
            # Nothing else would ask again before the next round.
            hub.check_soon(SECOND_LOOK)
            return
        known = room.position or top
        if top.epoch == known.epoch and top.offset <= known.offset:
            room.suspect = None
        elif room.suspect is not None and (top.epoch != known.epoch or known.offset < room.suspect):
            room.suspect = None
            hub.lost_thread(room, top)
        else:
            # It may still be on its way: look again before anybody is sent off.
            room.suspect = top.offset
            hub.check_soon(SECOND_LOOK)
