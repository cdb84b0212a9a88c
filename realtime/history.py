"""Reading what was said in a channel, for clients and for the server API alike."""

from __future__ import annotations

from realtime import codes, render
from realtime.broker import Broker, Position
from realtime.codec import messages
from realtime.policy import Policy
from realtime.recovery import MAX_RECOVERED


async def read(
    broker: Broker, request: messages.HistoryRequest, policy: Policy
) -> messages.HistoryResult:
    """Answer at most ``MAX_RECOVERED`` publications, and where the stream stands.

    Raises:
        Refused: The position is of another epoch (112), or cannot be one (107).
    """
    since = request.since
    if since is not None and request.reverse and not since.offset:
        raise codes.Refused(codes.BAD_REQUEST)
    limit = request.limit
    if not 0 <= limit <= MAX_RECOVERED:
        limit = MAX_RECOVERED
    found, top = await broker.history(
        request.channel,
        policy.retention,
        since=None if since is None else Position(since.offset, since.epoch),
        limit=limit,
        reverse=request.reverse,
    )
    if since is not None and since.epoch not in {"", top.epoch}:
        raise codes.Refused(codes.UNRECOVERABLE)
    return messages.HistoryResult([render.publication(one) for one in found], top.epoch, top.offset)
