"""The messages of the client protocol, as both codecs read and build them.

A *command* carries one request, a *reply* one result, an error or a push. Defaults are the zero
values that do not travel; a field without a default always does. Payloads (``data``, ``conn_info``,
``chan_info``) are ``Raw``: JSON text that is passed through unread, or bytes for Protobuf clients.
Field names are those of the wire (REALTIME.md §2.3, §2.4).
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct, field

NOTHING: Final = Raw(b"")
"""No payload."""


def raw(data: bytes) -> Raw:
    """Wrap a payload; only ``NOTHING`` itself is left out, an equal value would not be."""
    return Raw(data) if data else NOTHING


ASK_UNRECOVERABLE: Final = 2
"""Flag bit of a subscribe request: answer error 112 instead of an unrecovered success."""


class Error(Struct, omit_defaults=True, frozen=True):
    """Why a command was refused."""

    code: int
    message: str
    temporary: bool = False


class Recover(Struct, omit_defaults=True):
    """Where a server-side subscription wants to go on."""

    recover: bool = False
    epoch: str = ""
    offset: int = 0
    delta: str = ""


class ConnectRequest(Struct, omit_defaults=True):
    """Who is there, and which server-side subscriptions are to be resumed."""

    token: str = ""
    data: Raw = NOTHING
    subs: dict[str, Recover] = field(default_factory=dict)
    name: str = ""
    version: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    flag: int = 0


class FilterNode(Struct, omit_defaults=True):
    """One node of a tag filter."""

    op: str = ""
    key: str = ""
    cmp: str = ""
    val: str = ""
    vals: list[str] = field(default_factory=list)
    nodes: list[FilterNode] = field(default_factory=list)


class SubscribeRequest(Struct, omit_defaults=True):
    """A channel that is asked for, perhaps from a known position on."""

    channel: str = ""
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: int = 0
    data: Raw = NOTHING
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: str = ""
    tf: FilterNode | None = None
    flag: int = 0
    type: int = 0


class UnsubscribeRequest(Struct, omit_defaults=True):
    """A channel that is no longer wanted."""

    channel: str = ""


class PublishRequest(Struct, omit_defaults=True):
    """Something a client says in a channel."""

    channel: str = ""
    data: Raw = NOTHING


class PresenceRequest(Struct, omit_defaults=True):
    """Who is in a channel?"""

    channel: str = ""


class PresenceStatsRequest(Struct, omit_defaults=True):
    """How many are in a channel?"""

    channel: str = ""


class StreamPosition(Struct, omit_defaults=True):
    """A place in a stream."""

    offset: int = 0
    epoch: str = ""


class HistoryRequest(Struct, omit_defaults=True):
    """What was said in a channel?"""

    channel: str = ""
    limit: int = 0
    since: StreamPosition | None = None
    reverse: bool = False


class PingRequest(Struct, omit_defaults=True):
    """Reserved by the protocol."""


class SendRequest(Struct, omit_defaults=True):
    """A message that wants no answer."""

    data: Raw = NOTHING


class RPCRequest(Struct, omit_defaults=True):
    """A call of a method of the application."""

    data: Raw = NOTHING
    method: str = ""


class RefreshRequest(Struct, omit_defaults=True):
    """A fresh connection token."""

    token: str = ""


class SubRefreshRequest(Struct, omit_defaults=True):
    """A fresh subscription token."""

    channel: str = ""
    token: str = ""


Request = (
    ConnectRequest
    | SubscribeRequest
    | UnsubscribeRequest
    | PublishRequest
    | PresenceRequest
    | PresenceStatsRequest
    | HistoryRequest
    | PingRequest
    | RPCRequest
    | RefreshRequest
    | SubRefreshRequest
)


class Command(Struct, omit_defaults=True):
    """What a client sends: an id and one request; empty is a pong."""

    id: int = 0
    connect: ConnectRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: UnsubscribeRequest | None = None
    publish: PublishRequest | None = None
    presence: PresenceRequest | None = None
    presence_stats: PresenceStatsRequest | None = None
    history: HistoryRequest | None = None
    ping: PingRequest | None = None
    send: SendRequest | None = None
    rpc: RPCRequest | None = None
    refresh: RefreshRequest | None = None
    sub_refresh: SubRefreshRequest | None = None

    @property
    def request(self) -> Request | None:
        """The first request that is set, in the order of the field numbers."""
        for name in _REQUESTS:
            value: Request | None = getattr(self, name)
            if value is not None:
                return value
        return None


_REQUESTS: Final = tuple(name for name in Command.__struct_fields__ if name not in {"id", "send"})


class ClientInfo(Struct, omit_defaults=True):
    """Who somebody on a channel is."""

    user: str
    client: str
    conn_info: Raw = NOTHING
    chan_info: Raw = NOTHING


class Publication(Struct, omit_defaults=True):
    """One message in a channel."""

    data: Raw
    info: ClientInfo | None = None
    offset: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    delta: bool = False
    time: int = 0


class Join(Struct, omit_defaults=True):
    """Somebody came."""

    info: ClientInfo


class Leave(Struct, omit_defaults=True):
    """Somebody left."""

    info: ClientInfo


class Unsubscribe(Struct, omit_defaults=True):
    """The server took a subscription away."""

    code: int
    reason: str


class Subscribe(Struct, omit_defaults=True):
    """The server added a subscription."""

    recoverable: bool = False
    epoch: str = ""
    offset: int = 0
    positioned: bool = False
    data: Raw = NOTHING


class Message(Struct, omit_defaults=True):
    """Something for this connection alone."""

    data: Raw = NOTHING


class Disconnect(Struct, omit_defaults=True):
    """The last word on a transport that has no close frame."""

    code: int
    reason: str


class Push(Struct, omit_defaults=True):
    """Something the client did not ask for just now."""

    channel: str = ""
    pub: Publication | None = None
    join: Join | None = None
    leave: Leave | None = None
    unsubscribe: Unsubscribe | None = None
    message: Message | None = None
    subscribe: Subscribe | None = None
    disconnect: Disconnect | None = None


class SubscribeResult(Struct, omit_defaults=True):
    """How a subscription stands."""

    expires: bool = False
    ttl: int = 0
    recoverable: bool = False
    epoch: str = ""
    publications: list[Publication] = field(default_factory=list)
    recovered: bool = False
    offset: int = 0
    positioned: bool = False
    data: Raw = NOTHING
    was_recovering: bool = False
    delta: bool = False


class ConnectResult(Struct, omit_defaults=True):
    """Welcome."""

    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0
    data: Raw = NOTHING
    subs: dict[str, SubscribeResult] = field(default_factory=dict)
    ping: int = 0
    pong: bool = False
    session: str = ""
    node: str = ""
    time: int = 0


class UnsubscribeResult(Struct, omit_defaults=True):
    """Done."""


class PublishResult(Struct, omit_defaults=True):
    """Done."""


class PresenceResult(Struct, omit_defaults=True):
    """Who is there, by client id."""

    presence: dict[str, ClientInfo]


class PresenceStatsResult(Struct, omit_defaults=True):
    """How many are there."""

    num_clients: int
    num_users: int


class HistoryResult(Struct, omit_defaults=True):
    """What was said, and where the stream stands."""

    publications: list[Publication]
    epoch: str
    offset: int


class RPCResult(Struct, omit_defaults=True):
    """What the method answered."""

    data: Raw = NOTHING


class RefreshResult(Struct, omit_defaults=True):
    """The connection may live on."""

    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0


class SubRefreshResult(Struct, omit_defaults=True):
    """The subscription may live on."""

    expires: bool = False
    ttl: int = 0


Result = (
    ConnectResult
    | SubscribeResult
    | UnsubscribeResult
    | PublishResult
    | PresenceResult
    | PresenceStatsResult
    | HistoryResult
    | RPCResult
    | RefreshResult
    | SubRefreshResult
)


class Reply(Struct, omit_defaults=True):
    """What the server sends: an answer under the id of its command, or, without id, a push."""

    id: int = 0
    error: Error | None = None
    push: Push | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    unsubscribe: UnsubscribeResult | None = None
    publish: PublishResult | None = None
    presence: PresenceResult | None = None
    presence_stats: PresenceStatsResult | None = None
    history: HistoryResult | None = None
    rpc: RPCResult | None = None
    refresh: RefreshResult | None = None
    sub_refresh: SubRefreshResult | None = None


_RESULT_NAMES: Final[dict[type[Struct], str]] = {
    ConnectResult: "connect",
    SubscribeResult: "subscribe",
    UnsubscribeResult: "unsubscribe",
    PublishResult: "publish",
    PresenceResult: "presence",
    PresenceStatsResult: "presence_stats",
    HistoryResult: "history",
    RPCResult: "rpc",
    RefreshResult: "refresh",
    SubRefreshResult: "sub_refresh",
}


def answer(command_id: int, result: Result) -> Reply:
    """Build the reply that carries a result under its own name."""
    reply = Reply(id=command_id)
    setattr(reply, _RESULT_NAMES[type(result)], result)
    return reply
