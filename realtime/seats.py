"""Seats: an account has so many connections over all processes, and the newest is let in.

The hub of a process lets its own oldest connection go (``Hub.welcome``); the broker knows those of
the others. It is asked beside the connect reply, which waits for nothing. A process that dies
leaves nobody locked out: its seats are the first to be given away. While the broker is away the
bound holds for each process, and the next confirmation sets it right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime import codes, control
from realtime.broker import BrokerDown

if TYPE_CHECKING:
    from realtime.connection import Connection


def take(connection: Connection) -> None:
    """Take a seat, or confirm it; whoever is over the limit for it is sent away."""
    if connection.identity.user and connection.hub.limits.connections:
        connection.hub.tasks.start(_take(connection))


def leave(connection: Connection) -> None:
    """Give the seat back."""
    if connection.identity.user and connection.hub.limits.connections:
        connection.hub.tasks.start(_leave(connection))


async def _take(connection: Connection) -> None:
    if connection.closed:
        return
    hub = connection.hub
    try:
        over = await hub.broker.seat(
            connection.identity.user,
            connection.client,
            since=connection.opened_at,
            limit=hub.limits.connections,
            ttl=hub.timing.seat_ttl,
        )
        for node, client in over:
            end = control.Disconnect(control.Target(client=client), *codes.CONNECTION_LIMIT)
            await control.tell(hub, end, node=node)
    except BrokerDown:
        # The broker's own tasks have said so; a confirmation comes by and by.
        return


async def _leave(connection: Connection) -> None:
    try:
        await connection.hub.broker.unseat(connection.identity.user, connection.client)
    except BrokerDown:
        return  # it runs out
