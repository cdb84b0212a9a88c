"""Rights that change while somebody is connected: attached, prolonged, or taken away."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from realtime import codes, joining
from realtime.authority import Grant
from realtime.codec import messages

if TYPE_CHECKING:
    from realtime.connection import Connection
    from realtime.control import Subscribe

_log = logging.getLogger(__name__)


async def attach(connection: Connection, word: Subscribe) -> None:
    """Add a server-side subscription to a connection that is open, and say so."""
    if word.channel in connection.subscriptions or not connection.is_open:
        return
    request = messages.SubscribeRequest(
        channel=word.channel, recover=word.recover, epoch=word.epoch, offset=word.offset
    )
    grant = Grant(chan_info=word.info, data=word.data, expire_at=word.expire_at)
    try:
        joined = await joining.join(connection, request, grant, server_side=True)
        result = joined.settle()
    except codes.Refused as refused:
        _log.warning("cannot attach %s: %s", word.channel, refused)
        return
    except codes.HangUp as hang_up:
        connection.close(hang_up.end)
        return
    push = messages.Subscribe(
        result.recoverable, result.epoch, result.offset, result.positioned, messages.raw(word.data)
    )
    connection.reply(messages.Reply(push=messages.Push(channel=word.channel, subscribe=push)))
    for publication in result.publications:
        again = messages.Push(channel=word.channel, pub=publication)
        connection.reply(messages.Reply(push=again))
    joined.go_live()


async def recheck(connection: Connection) -> None:
    """Ask again about every subscription; those no longer allowed end with 2000.

    Where the authority cannot say, the subscription ends with 2500: the client comes back for it
    and is judged then. A right that has ended must not outlive a database that is away.
    """
    hub = connection.hub
    for subscription in tuple(connection.subscriptions.values()):
        try:
            allowed = await hub.authority.recheck(connection.identity, subscription.channel)
            end = None if allowed else codes.UNSUBSCRIBED
        except codes.Refused:
            end = codes.INSUFFICIENT
        if end is None or connection.subscriptions.get(subscription.channel) is not subscription:
            continue
        if subscription.server_side and end is codes.INSUFFICIENT:
            connection.close(codes.INSUFFICIENT_STATE)
            return
        hub.unsubscribe(subscription, end)


def prolong(connection: Connection, expire_at: float, info: bytes) -> None:
    """Let a connection live until another time; 0 for ever. Empty ``info`` stays as it was."""
    identity = connection.identity
    connection.hub.renew(
        connection, replace(identity, expire_at=expire_at, info=info or identity.info)
    )
