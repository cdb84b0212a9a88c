"""Words between processes: end or renew what belongs to a user, a client or a session.

A word goes to every process over ``Broker.control`` and each obeys for its own connections. All
of them are idempotent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from realtime import codes, rights
from realtime.codes import End

if TYPE_CHECKING:
    from realtime.connection import Connection
    from realtime.hub import Hub

_log = logging.getLogger(__name__)


class Target(Struct, omit_defaults=True, frozen=True):
    """Whose connections are meant; what is given must all agree.

    ``session`` is the emulation session of a connection or the login session of its identity.
    """

    user: str = ""
    client: str = ""
    session: str = ""


class Disconnect(Struct, tag="disconnect", frozen=True):
    """End connections, except those of the clients listed."""

    target: Target
    code: int
    reason: str
    spare: tuple[str, ...] = ()


class Unsubscribe(Struct, tag="unsubscribe", frozen=True):
    """End subscriptions to one channel, or to all of them."""

    target: Target
    channel: str
    code: int
    reason: str


class Subscribe(Struct, tag="subscribe", frozen=True):
    """Attach a channel to connections."""

    target: Target
    channel: str
    info: bytes = b""
    data: bytes = b""
    expire_at: float = 0
    offset: int = 0
    epoch: str = ""
    recover: bool = False


class Refresh(Struct, tag="refresh", frozen=True):
    """Let connections live until another time, or end them."""

    target: Target
    expire_at: float = 0
    expired: bool = False
    info: bytes = b""


class Recheck(Struct, tag="recheck", frozen=True):
    """Ask the authority again about every subscription."""

    target: Target


class Forward(Struct, tag="forward", frozen=True):
    """Commands that reached another process by emulation."""

    session: str
    payload: bytes


class Ask(Struct, tag="ask", frozen=True):
    """How many listen on each channel of your process?"""

    ask: str
    node: str


class Answer(Struct, tag="answer", frozen=True):
    """So many listen on each channel of mine."""

    ask: str
    node: str
    counts: dict[str, int]


Word = Ask | Answer | Disconnect | Unsubscribe | Subscribe | Refresh | Recheck | Forward

Targeted = Disconnect | Unsubscribe | Subscribe | Refresh | Recheck

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


async def tell(hub: Hub, word: Word, *, node: str = "") -> None:
    """Send a word to one process, or to all of them."""
    await hub.broker.control(_encode(word), node=node)


def obey(hub: Hub, message: bytes) -> None:
    """Do what another process says; what cannot be read is logged and left."""
    try:
        word = _decoder.decode(message)
    except msgspec.MsgspecError:
        _log.warning("unreadable control message of %d bytes", len(message))
        return
    apply(hub, word)


def apply(hub: Hub, word: Word) -> None:
    """Do a word to the connections of this process that are meant."""
    match word:
        case Forward():
            if connection := hub.sessions.get(word.session):
                connection.receive(word.payload)
        case Ask():
            hub.survey.answer(word)
        case Answer():
            hub.survey.take(word)
        case _:
            for connection in tuple(matching(hub, word.target)):
                _apply(hub, connection, word)


def matching(hub: Hub, target: Target) -> Iterator[Connection]:
    """Yield the connections that are meant; a target without anything means nobody."""
    if target.client:
        one = hub.connections.get(target.client)
        candidates = [] if one is None else [one]
    elif target.user:
        candidates = list(hub.users.get(target.user, ()))
    elif target.session:
        candidates = list(hub.connections.values())
    else:
        candidates = []
    for connection in candidates:
        if target.user and connection.identity.user != target.user:
            continue
        if target.session and target.session not in {
            connection.session,
            connection.identity.session,
        }:
            continue
        yield connection


def _apply(hub: Hub, connection: Connection, word: Targeted) -> None:
    match word:
        case Disconnect():
            if connection.client not in word.spare:
                connection.close(End(word.code, word.reason))
        case Unsubscribe():
            for subscription in tuple(connection.subscriptions.values()):
                if word.channel in {"", subscription.channel}:
                    hub.unsubscribe(subscription, End(word.code, word.reason))
        case Subscribe():
            hub.tasks.start(rights.attach(connection, word))
        case Refresh():
            if word.expired:
                connection.close(codes.CONNECTION_EXPIRED)
            else:
                rights.prolong(connection, word.expire_at, word.info)
        case Recheck():
            hub.tasks.start(rights.recheck(connection))
