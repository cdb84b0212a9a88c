"""The commands of a client, one function each: ask the authority, do it, answer.

Who refuses raises ``Refused`` (the client is told) or ``HangUp`` (the connection ends).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from realtime import codes, history, joining, render
from realtime.authority import Ask, Identity
from realtime.broker import ClientInfo
from realtime.codec import messages
from realtime.codec.json_lines import is_json, one_line
from realtime.policy import Policy, well_named

if TYPE_CHECKING:
    from realtime.connection import Connection

MAX_TTL = 365 * 86400
_MAX_NAME, _MAX_VERSION = 16, 64


async def handle(connection: Connection, command: messages.Command) -> None:
    """Do one command and send its answer.

    Raises:
        Refused: It is answered with an error.
        HangUp: The connection ends.
    """
    request = command.request
    # Connect comes first, and only once.
    if connection.is_open == isinstance(request, messages.ConnectRequest):
        raise codes.HangUp(codes.BAD_PROTOCOL)
    if request is None:
        await _send(connection, command)
        return
    if not command.id:
        raise codes.HangUp(codes.BAD_PROTOCOL)
    connection.hub.metrics.commands += 1
    match request:
        case messages.ConnectRequest():
            await _connect(connection, command.id, request)
        case messages.SubscribeRequest():
            connection.count_join()
            await joining.subscribe(connection, command.id, request)
        case _:
            result = await _ask(connection, request)
            connection.reply(messages.answer(command.id, result))


async def _ask(connection: Connection, request: messages.Request) -> messages.Result:
    if isinstance(request, messages.UnsubscribeRequest):
        connection.count_join()
        return _unsubscribe(connection, request)
    connection.count()
    method = _METHODS.get(type(request))
    if method is None:
        raise codes.Refused(codes.NOT_AVAILABLE)
    result: messages.Result = await method(connection, request)
    return result


async def _connect(
    connection: Connection, command_id: int, request: messages.ConnectRequest
) -> None:
    hub = connection.hub
    identity = await hub.authority.connect(
        Ask(
            token=request.token,
            data=bytes(request.data),
            headers=connection.headers,
            emulated=request.headers,
            remote=connection.remote,
            name=request.name[:_MAX_NAME],
            version=request.version[:_MAX_VERSION],
            client=connection.client,
        )
    )
    # Nobody asks for them again, and a browser's are two kilobytes for as long as it stays.
    connection.headers = {}
    if connection.closed:
        return
    if hub.limits.subscriptions and len(identity.channels) > hub.limits.subscriptions:
        raise codes.HangUp(codes.CHANNEL_LIMIT)
    hub.welcome(connection, identity, first_ping=hub.timing.ping * hub.chance(0.5, 1))
    joined = []
    for channel, grant in identity.channels.items():
        wish = request.subs.get(channel) or messages.Recover()
        joined.append(
            await joining.join(
                connection,
                messages.SubscribeRequest(
                    channel=channel,
                    recover=wish.recover,
                    epoch=wish.epoch,
                    offset=wish.offset,
                    delta=wish.delta,
                ),
                grant,
                server_side=True,
            )
        )
    # No waiting from here on: what arrives now belongs behind the reply.
    subs = {one.subscription.channel: one.settle() for one in joined}
    result = messages.ConnectResult(
        client=connection.client,
        version=hub.version,
        data=messages.raw(one_line(identity.data)),
        subs=subs,
        ping=round(hub.timing.ping),
        pong=True,
        node=hub.broker.node_id,
        time=int(hub.clock() * 1000),
    )
    if connection.transport.name != "websocket":
        result.session = connection.session
    result.expires, result.ttl = lifetime(connection, identity.expire_at)
    connection.reply(messages.answer(command_id, result))
    for one in joined:
        one.go_live()


def lifetime(connection: Connection, expire_at: float) -> tuple[bool, int]:
    """Answer (expires, seconds to live) for a reply; at least one second, at most a year."""
    if not expire_at:
        return False, 0
    return True, max(1, min(MAX_TTL, int(expire_at - connection.hub.clock())))


def _unsubscribe(
    connection: Connection, request: messages.UnsubscribeRequest
) -> messages.UnsubscribeResult:
    subscription = connection.subscriptions.get(request.channel)
    if subscription is not None and not subscription.server_side:
        connection.hub.leave(subscription)
    return messages.UnsubscribeResult()


async def _publish(
    connection: Connection, request: messages.PublishRequest
) -> messages.PublishResult:
    hub, channel, data = connection.hub, request.channel, bytes(request.data)
    policy = _policy(connection, channel)
    if not data:
        raise codes.Refused(codes.BAD_REQUEST)
    if connection.codec.binary and not policy.binary and not is_json(data):
        # It would break the frame of every JSON client that listens.
        raise codes.Refused(codes.BAD_REQUEST)
    subscribed = channel in connection.subscriptions
    allowed = await hub.authority.publish(connection.identity, channel, data, subscribed=subscribed)
    if allowed is not None:
        info = _info(connection, channel)
        await hub.publish(channel, allowed, info=info)
    return messages.PublishResult()


async def _presence(
    connection: Connection, request: messages.PresenceRequest
) -> messages.PresenceResult:
    await _may_see(connection, request.channel)
    there = await connection.hub.broker.presence(request.channel)
    return messages.PresenceResult(
        {client: render.client_info(info) for client, info in there.items()}
    )


async def _presence_stats(
    connection: Connection, request: messages.PresenceStatsRequest
) -> messages.PresenceStatsResult:
    await _may_see(connection, request.channel)
    return messages.PresenceStatsResult(
        *await connection.hub.broker.presence_stats(request.channel)
    )


async def _may_see(connection: Connection, channel: str) -> None:
    if not _policy(connection, channel).presence:
        raise codes.Refused(codes.NOT_AVAILABLE)
    await connection.hub.authority.presence(
        connection.identity, channel, subscribed=channel in connection.subscriptions
    )


async def _history(
    connection: Connection, request: messages.HistoryRequest
) -> messages.HistoryResult:
    hub, channel = connection.hub, request.channel
    policy = _policy(connection, channel)
    if not policy.retention.keeps:
        raise codes.Refused(codes.NOT_AVAILABLE)
    await hub.authority.history(
        connection.identity, channel, subscribed=channel in connection.subscriptions
    )
    return await history.read(hub.broker, request, policy)


async def _refresh(
    connection: Connection, request: messages.RefreshRequest
) -> messages.RefreshResult:
    if not request.token:
        raise codes.HangUp(codes.BAD_PROTOCOL)
    hub = connection.hub
    identity = await hub.authority.refresh(connection.identity, request.token)
    if identity.user != connection.identity.user:
        raise codes.HangUp(codes.INVALID_TOKEN)
    hub.renew(connection, identity)
    result = messages.RefreshResult(client=connection.client, version=hub.version)
    result.expires, result.ttl = lifetime(connection, identity.expire_at)
    return result


async def _sub_refresh(
    connection: Connection, request: messages.SubRefreshRequest
) -> messages.SubRefreshResult:
    subscription = connection.subscriptions.get(request.channel)
    if subscription is None:
        raise codes.Refused(codes.PERMISSION_DENIED)
    if not request.token:
        raise codes.HangUp(codes.BAD_PROTOCOL)
    grant = await connection.hub.authority.sub_refresh(
        connection.identity, request.channel, request.token
    )
    subscription.expire_at = grant.expire_at
    connection.watch()
    return messages.SubRefreshResult(*lifetime(connection, grant.expire_at))


async def _rpc(connection: Connection, request: messages.RPCRequest) -> messages.RPCResult:
    answer = await connection.hub.authority.rpc(
        connection.identity, request.method, bytes(request.data)
    )
    return messages.RPCResult(messages.raw(one_line(answer)))


async def _send(connection: Connection, command: messages.Command) -> None:
    connection.count()
    if command.send is not None:
        await connection.hub.authority.send(connection.identity, bytes(command.send.data))


def _policy(connection: Connection, channel: str) -> Policy:
    """Answer the options of a channel.

    Raises:
        Refused: The name is bad (107), or there is no such namespace (102).
    """
    if not well_named(channel):
        raise codes.Refused(codes.BAD_REQUEST)
    policy = connection.hub.authority.policy(channel)
    if policy is None:
        raise codes.Refused(codes.UNKNOWN_CHANNEL)
    return policy


def _info(connection: Connection, channel: str) -> ClientInfo:
    subscription = connection.subscriptions.get(channel)
    if subscription is not None:
        return subscription.info
    return client_info(connection.identity, connection.client)


def client_info(identity: Identity, client: str, chan_info: bytes = b"") -> ClientInfo:
    """Answer what others on a channel see of a connection."""
    return ClientInfo(identity.user, client, one_line(identity.info), one_line(chan_info))


_METHODS: Mapping[type[messages.Request], Callable[[Connection, Any], Awaitable[Any]]] = {
    messages.PublishRequest: _publish,
    messages.PresenceRequest: _presence,
    messages.PresenceStatsRequest: _presence_stats,
    messages.HistoryRequest: _history,
    messages.RPCRequest: _rpc,
    messages.RefreshRequest: _refresh,
    messages.SubRefreshRequest: _sub_refresh,
}
