"""Positions: whether this process has heard of everything that its channels' streams hold.

A broker may lose a message without a word. Every channel somebody watches is compared with its
stream from time to time, once for all its subscribers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime.broker import BrokerDown

if TYPE_CHECKING:
    from realtime.hub import Hub

SECOND_LOOK = 1.0
"""Seconds a message may take from the stream to this process before it counts as lost."""


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
