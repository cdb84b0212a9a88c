"""The server API: what other systems and the back office may ask of the hub.

Each method takes a JSON document and answers one (REALTIME.md §3). ``handlers.api`` checks the key.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec
import orjson
from msgspec import Raw, Struct, field

from realtime import codes, control, history, render
from realtime.authority import Identity
from realtime.broker import BrokerDown
from realtime.codec import messages
from realtime.codec.json_lines import is_json
from realtime.hub import Hub
from realtime.policy import Policy, well_named

MAX_BATCH: Final = 1000


class _Data(Struct):
    data: Raw = messages.NOTHING
    b64data: str = ""
    skip_history: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    idempotency_key: str = ""
    delta: bool = False
    version: int = 0
    version_epoch: str = ""


class _Publish(_Data):
    channel: str = ""


class _Broadcast(_Data):
    channels: list[str] = field(default_factory=list)


class _Targeted(Struct):
    user: str = ""
    client: str = ""
    session: str = ""

    @property
    def target(self) -> control.Target:
        return control.Target(self.user, self.client, self.session)


class _Since(Struct):
    offset: int = 0
    epoch: str = ""


class _Subscribe(_Targeted):
    channel: str = ""
    info: Raw = messages.NOTHING
    data: Raw = messages.NOTHING
    recover_since: _Since | None = None
    expire_at: float = 0


class _Unsubscribe(_Targeted):
    channel: str = ""


class _Reason(Struct):
    code: int = codes.DISCONNECTED.code
    reason: str = codes.DISCONNECTED.reason


class _Disconnect(_Targeted):
    whitelist: list[str] = field(default_factory=list)
    disconnect: _Reason | None = None


class _Refresh(_Targeted):
    expired: bool = False
    expire_at: float = 0
    info: Raw = messages.NOTHING


class _Channel(Struct):
    channel: str = ""


class _History(_Channel):
    limit: int = 0
    since: messages.StreamPosition | None = None
    reverse: bool = False


class _Pattern(Struct):
    pattern: str = ""


class _Rpc(Struct):
    method: str = ""
    params: Raw = messages.NOTHING


class _Batch(Struct):
    commands: list[dict[str, Raw]] = field(default_factory=list)
    parallel: bool = False


class Position(Struct, omit_defaults=True):
    """Where a publication went; empty where it was skipped or the channel keeps nothing."""

    offset: int = 0
    epoch: str = ""


class Nothing(Struct):
    """Done."""


Method = Callable[[Any], Awaitable[Any]]


class Api:
    """The methods, by name."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._methods: dict[str, tuple[type[Struct], Method]] = {
            "publish": (_Publish, self._publish),
            "broadcast": (_Broadcast, self._broadcast),
            "subscribe": (_Subscribe, self._subscribe),
            "unsubscribe": (_Unsubscribe, self._unsubscribe),
            "disconnect": (_Disconnect, self._disconnect),
            "refresh": (_Refresh, self._refresh),
            "presence": (_Channel, self._presence),
            "presence_stats": (_Channel, self._presence_stats),
            "history": (_History, self._history),
            "history_remove": (_Channel, self._history_remove),
            "channels": (_Pattern, self._channels),
            "info": (Nothing, self._info),
            "rpc": (_Rpc, self._rpc),
            "batch": (_Batch, self._batch),
        }

    async def answer(self, method: str, body: bytes) -> bytes:
        """Do a method and answer the whole document: ``{"result": …}``, or a batch's replies.

        Raises:
            Refused: See ``call``.
        """
        result = await self.call(method, body)
        return result if method == "batch" else b'{"result":' + result + b"}"

    async def call(self, method: str, body: bytes) -> bytes:
        """Do a method and answer its result as JSON text.

        Raises:
            Refused: It is unknown (104), cannot be read (107), the broker is away (100, to be tried
                again), or refused for its own reasons.
        """
        if method not in self._methods:
            raise codes.Refused(codes.METHOD_NOT_FOUND)
        shape, run = self._methods[method]
        try:
            asked = msgspec.json.decode(body or b"{}", type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise codes.Refused(codes.BAD_REQUEST) from error
        try:
            return msgspec.json.encode(await run(asked))
        except BrokerDown as down:
            # Said once by the broker's own task; whoever asked may try again.
            raise codes.Refused(codes.INTERNAL) from down

    async def _publish(self, asked: _Publish) -> Position:
        policy = self._policy(asked.channel)
        data = self._data(asked, policy)
        if asked.skip_history:
            policy = replace(policy, history_size=0)
        if asked.delta:
            policy = replace(policy, delta_publish=True)
        published = await self._hub.publish(
            asked.channel,
            data,
            tags=asked.tags,
            idempotency_key=asked.idempotency_key,
            version=asked.version,
            version_epoch=asked.version_epoch,
            policy=policy,
        )
        return Position(*published.position)

    async def _broadcast(self, asked: _Broadcast) -> dict[str, Any]:
        if not asked.channels or len(asked.channels) > MAX_BATCH:
            raise codes.Refused(codes.BAD_REQUEST)
        given = {name: getattr(asked, name) for name in _Data.__struct_fields__}

        async def one(channel: str) -> dict[str, Any]:
            try:
                return {"result": await self._publish(_Publish(channel=channel, **given))}
            except codes.Refused as refused:
                return {"error": refused.error}
            except BrokerDown:
                return {"error": codes.INTERNAL}

        return {"responses": [await one(channel) for channel in asked.channels]}

    async def _subscribe(self, asked: _Subscribe) -> Nothing:
        self._policy(asked.channel)
        since = asked.recover_since
        word = control.Subscribe(
            self._target(asked),
            asked.channel,
            info=bytes(asked.info),
            data=bytes(asked.data),
            expire_at=asked.expire_at,
            offset=since.offset if since else 0,
            epoch=since.epoch if since else "",
            recover=since is not None,
        )
        await control.tell(self._hub, word)
        return Nothing()

    async def _unsubscribe(self, asked: _Unsubscribe) -> Nothing:
        word = control.Unsubscribe(self._target(asked), asked.channel, *codes.UNSUBSCRIBED)
        await control.tell(self._hub, word)
        return Nothing()

    async def _disconnect(self, asked: _Disconnect) -> Nothing:
        reason = asked.disconnect or _Reason()
        if not 3000 <= reason.code < 5000 or not codes.presentable(reason.reason):
            raise codes.Refused(codes.BAD_REQUEST)
        word = control.Disconnect(
            self._target(asked), reason.code, reason.reason, tuple(asked.whitelist)
        )
        await control.tell(self._hub, word)
        return Nothing()

    async def _refresh(self, asked: _Refresh) -> Nothing:
        word = control.Refresh(
            self._target(asked), asked.expire_at, asked.expired, bytes(asked.info)
        )
        await control.tell(self._hub, word)
        return Nothing()

    async def _presence(self, asked: _Channel) -> messages.PresenceResult:
        self._with_presence(asked.channel)
        there = await self._hub.broker.presence(asked.channel)
        return messages.PresenceResult(
            {client: render.client_info(info) for client, info in there.items()}
        )

    async def _presence_stats(self, asked: _Channel) -> messages.PresenceStatsResult:
        self._with_presence(asked.channel)
        stats = await self._hub.broker.presence_stats(asked.channel)
        return messages.PresenceStatsResult(*stats)

    async def _history(self, asked: _History) -> messages.HistoryResult:
        policy = self._with_history(asked.channel)
        question = messages.HistoryRequest(asked.channel, asked.limit, asked.since, asked.reverse)
        return await history.read(self._hub.broker, question, policy)

    async def _history_remove(self, asked: _Channel) -> Nothing:
        self._with_history(asked.channel)
        await self._hub.broker.remove_history(asked.channel)
        return Nothing()

    async def _channels(self, asked: _Pattern) -> dict[str, Any]:
        counts = await self._hub.survey.channels()
        pattern = asked.pattern or "*"
        return {
            "channels": {
                channel: {"num_clients": count}
                for channel, count in counts.items()
                if fnmatchcase(channel, pattern)
            }
        }

    async def _info(self, _: Nothing) -> dict[str, Any]:
        nodes = await self._hub.broker.nodes()
        own = self._hub.status()
        others = [
            orjson.loads(status)
            for node, status in nodes.items()
            if status and node != self._hub.broker.node_id
        ]
        return {"nodes": [own, *others]}

    async def _rpc(self, asked: _Rpc) -> messages.RPCResult:
        answer = await self._hub.authority.rpc(Identity(), asked.method, bytes(asked.params))
        return messages.RPCResult(messages.raw(answer))

    async def _batch(self, asked: _Batch) -> dict[str, Any]:
        if len(asked.commands) > MAX_BATCH:
            raise codes.Refused(codes.BAD_REQUEST)

        async def one(command: dict[str, Raw]) -> dict[str, Any]:
            method, params = next(iter(command.items()), ("batch", messages.NOTHING))
            if method == "batch":
                return {"error": codes.BAD_REQUEST}
            try:
                return {method: Raw(await self.call(method, bytes(params)))}
            except codes.Refused as refused:
                return {"error": refused.error}

        if asked.parallel:
            return {"replies": await asyncio.gather(*map(one, asked.commands))}
        return {"replies": [await one(command) for command in asked.commands]}

    def _target(self, asked: _Targeted) -> control.Target:
        if not (asked.user or asked.client or asked.session):
            raise codes.Refused(codes.BAD_REQUEST)
        return asked.target

    def _policy(self, channel: str) -> Policy:
        if not well_named(channel):
            raise codes.Refused(codes.BAD_REQUEST)
        policy = self._hub.authority.policy(channel)
        if policy is None:
            raise codes.Refused(codes.UNKNOWN_CHANNEL)
        return policy

    def _with_presence(self, channel: str) -> None:
        if not self._policy(channel).presence:
            raise codes.Refused(codes.NOT_AVAILABLE)

    def _with_history(self, channel: str) -> Policy:
        policy = self._policy(channel)
        if not policy.retention.keeps:
            raise codes.Refused(codes.NOT_AVAILABLE)
        return policy

    def _data(self, asked: _Data, policy: Policy) -> bytes:
        data = bytes(asked.data)
        if asked.b64data:
            try:
                data = base64.b64decode(asked.b64data, validate=True)
            except (binascii.Error, ValueError) as error:
                raise codes.Refused(codes.BAD_REQUEST) from error
            if not policy.binary and not is_json(data):
                raise codes.Refused(codes.BAD_REQUEST)
        if not data:
            raise codes.Refused(codes.BAD_REQUEST)
        return data
