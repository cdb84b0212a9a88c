"""Joining a channel: leave to listen, buffering, history, and the switch to live without a gap.

From ``enter`` on, what arrives is kept. After history was read, both are merged in one go, the
reply is queued, and only then is the subscription live; nothing waits in between, so nothing can
be lost or doubled.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from realtime import codes, commands, recovery, render
from realtime.authority import Grant
from realtime.broker import Position
from realtime.codec import messages
from realtime.codec.json_lines import one_line
from realtime.filters import read_filter
from realtime.policy import Policy, Recovery, well_named
from realtime.recovery import MAX_RECOVERED, Verdict
from realtime.render import Variant
from realtime.subscription import Subscription

if TYPE_CHECKING:
    from realtime.connection import Connection
    from realtime.hub import Hub


async def subscribe(
    connection: Connection, command_id: int, request: messages.SubscribeRequest
) -> None:
    """Let a client listen, and answer it.

    Raises:
        Refused: It may not, or has too many subscriptions already.
    """
    hub, channel = connection.hub, request.channel
    if channel in connection.subscriptions:
        raise codes.Refused(codes.ALREADY_SUBSCRIBED)
    limit = hub.limits.subscriptions
    if limit and len(connection.subscriptions) >= limit:
        raise codes.Refused(codes.LIMIT_EXCEEDED)
    if not well_named(channel):
        raise codes.Refused(codes.BAD_REQUEST)
    if request.type:
        raise codes.Refused(codes.NOT_AVAILABLE)
    grant = await hub.authority.subscribe(
        connection.identity, channel, request.token, bytes(request.data)
    )
    joined = await join(connection, request, grant, server_side=False)
    result = joined.settle()
    connection.reply(messages.answer(command_id, result))
    joined.go_live()


async def join(
    connection: Connection, request: messages.SubscribeRequest, grant: Grant, *, server_side: bool
) -> Joined:
    """Enter a channel and read what is needed for the reply.

    Raises:
        Refused: There is no such namespace, or what is asked for is not available.
    """
    hub, channel = connection.hub, request.channel
    policy = grant.policy or hub.authority.policy(channel)
    if policy is None:
        raise codes.Refused(codes.UNKNOWN_CHANNEL)
    if policy.binary and not connection.codec.binary:
        raise codes.HangUp(codes.WRONG_PROTOCOL)
    subscription = _subscription(connection, request, grant, policy, server_side=server_side)
    recoverable = await _recoverable(connection, request, policy)
    subscription.positioned = recoverable or policy.force_positioning
    if not subscription.positioned and subscription.variant.delta:
        # A patch needs an unbroken stream.
        subscription.variant = Variant(
            connection.codec, connection.transport.framing, joins=subscription.variant.joins
        )
    if goodbye := connection.leaving.get(channel):
        await asyncio.wait((goodbye,))
    if channel in connection.subscriptions:
        # The server has attached it while the authority was being asked.
        raise codes.Refused(codes.ALREADY_SUBSCRIBED)
    connection.subscriptions[channel] = subscription
    try:
        await hub.enter(subscription)
        if policy.presence:
            await hub.broker.add_presence(channel, subscription.info, ttl=hub.timing.presence_ttl)
        verdict = None
        if subscription.positioned:
            verdict = await _read(connection, request, policy, grant.since)
    except BaseException:
        hub.leave(subscription)
        raise
    return Joined(connection, request, grant, subscription, recoverable, verdict)


def _subscription(
    connection: Connection,
    request: messages.SubscribeRequest,
    grant: Grant,
    policy: Policy,
    *,
    server_side: bool,
) -> Subscription:
    wanted = None if request.tf is None else read_filter(request.tf)
    delta = request.delta == "fossil" and policy.delta
    if delta and wanted is not None:
        raise codes.Refused(codes.BAD_REQUEST)
    joins = policy.force_join_leave or (policy.join_leave and request.join_leave)
    return Subscription(
        connection=connection,
        channel=request.channel,
        policy=policy,
        info=commands.client_info(connection.identity, connection.client, grant.chan_info),
        variant=Variant(
            connection.codec, connection.transport.framing, delta=delta, wanted=wanted, joins=joins
        ),
        server_side=server_side,
        expire_at=grant.expire_at,
    )


async def _recoverable(
    connection: Connection, request: messages.SubscribeRequest, policy: Policy
) -> bool:
    """Tell whether the subscription may be resumed: forced, or asked for and allowed."""
    if not policy.retention.keeps:
        return False
    if policy.force_recovery:
        return True
    if not (request.recoverable or request.positioned or request.recover):
        return False
    try:
        await connection.hub.authority.history(
            connection.identity, request.channel, subscribed=True
        )
    except codes.Refused:
        return False
    return True


async def _read(
    connection: Connection,
    request: messages.SubscribeRequest,
    policy: Policy,
    since: Position | None,
) -> Verdict:
    """Read what the client missed, or only where the stream stands."""
    hub, asked = connection.hub, Position(request.offset, request.epoch)
    if since is not None and not request.recover:
        return await _read_since(hub, request.channel, policy, since)
    if policy.recovery is Recovery.CACHE and (request.recover or policy.auto_recover):
        latest, top = await hub.broker.history(
            request.channel, policy.retention, limit=1, reverse=True
        )
        return recovery.judge_cache(asked if request.recover else None, latest, top)
    if not request.recover:
        _, top = await hub.broker.history(request.channel, policy.retention, limit=0)
        return Verdict(False, (), top, top)
    missed, top = await hub.broker.history(
        request.channel, policy.retention, since=asked, limit=MAX_RECOVERED
    )
    return recovery.judge_stream(asked, missed, top, budget=hub.limits.queue // 2)


async def _read_since(hub: Hub, channel: str, policy: Policy, since: Position) -> Verdict:
    """Read what came after the state that goes with the reply.

    Raises:
        Refused: There was more than one reply can hold: ask again (100).
    """
    came, top = await hub.broker.history(
        channel, policy.retention, since=since, limit=MAX_RECOVERED
    )
    verdict = recovery.judge_stream(since, came, top, budget=hub.limits.queue // 2)
    if not verdict.recovered:
        raise codes.Refused(codes.INTERNAL)
    return verdict


@dataclass(slots=True)
class Joined:
    """A subscription that has entered its channel and is not live yet."""

    connection: Connection
    request: messages.SubscribeRequest
    grant: Grant
    subscription: Subscription
    recoverable: bool
    verdict: Verdict | None

    def settle(self) -> messages.SubscribeResult:
        """Merge what arrived meanwhile and answer the result. To be followed by ``go_live``.

        Raises:
            Refused: The client wants to know by an error that it cannot be recovered (112).
            HangUp: There is a hole in what arrived (3010).
        """
        result = messages.SubscribeResult(
            data=messages.raw(one_line(self.grant.data)), was_recovering=self.request.recover
        )
        result.expires, result.ttl = commands.lifetime(self.connection, self.grant.expire_at)
        if self.verdict is None:
            return result
        try:
            verdict = self._merged(self.verdict)
        except (codes.Refused, codes.HangUp):
            self.connection.hub.leave(self.subscription)
            raise
        self.verdict = verdict
        result.positioned = True
        result.recoverable = self.recoverable
        result.epoch = verdict.told.epoch
        result.offset = verdict.told.offset
        result.recovered = verdict.recovered
        result.delta = self.subscription.variant.delta
        result.publications = render.recovered(verdict.publications, self.subscription.variant)
        if result.publications:
            self.subscription.variant = self.subscription.variant.with_base()
        return result

    def _merged(self, verdict: Verdict) -> Verdict:
        if self.subscription.overrun:
            raise codes.HangUp(codes.INSUFFICIENT_STATE)
        verdict = recovery.merge(verdict, self.subscription.joining or ())
        asked = self.request.recover
        metrics = self.connection.hub.metrics
        if asked and verdict.recovered:
            metrics.recovered += 1
        elif asked:
            metrics.unrecovered += 1
            if self.request.flag & messages.ASK_UNRECOVERABLE:
                raise codes.Refused(codes.UNRECOVERABLE)
        return verdict

    def go_live(self) -> None:
        """From now on what arrives is sent. To be called right after the reply was queued."""
        position = None if self.verdict is None else self.verdict.position
        self.connection.hub.go_live(self.subscription, position)
