"""A channel is declared once, as an endpoint is: what it can do, and who may listen.

A channel that says nothing admits nobody and takes nothing. Everything a client has to say is an
RPC (``handlers.rpc``) that a service judges; ``say`` is for harmless kinds such as typing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from domain.errors import Forbidden
from domain.people import Person
from domain.realtime import StreamPosition
from domain.services import Services
from realtime.policy import Policy


class First(NamedTuple):
    """What a subscriber is shown first: JSON text, and where the stream stood before."""

    data: bytes
    position: StreamPosition | None


class Channel:
    """One namespace of channels, ``<name>:{key}``, or the single channel ``<name>``.

    Attributes:
        name: The namespace.
        single: There is one channel, and it has no key.
        summary: One line for the catalogue.
        policy: What the channel can do (``realtime.policy.Policy``).
        for_devices: Screens and scanners may ask to listen; elsewhere they are turned away before
            the channel is asked.
    """

    name: ClassVar[str]
    single: ClassVar[bool] = False
    summary: ClassVar[str] = ""
    policy: ClassVar[Policy] = Policy()
    for_devices: ClassVar[bool] = False

    def __init__(self, services: Services) -> None:
        self.services = services

    async def may_listen(self, person: Person, key: str) -> bool:
        """Tell whether a person may listen; asked at subscribing, and when rights change."""
        return False

    async def first(self, person: Person, key: str) -> First | None:
        """Answer what comes with the reply to whoever begins to listen; by default nothing.

        What was published after the position is sent with the reply too.
        """
        return None

    async def say(self, person: Person, key: str, data: bytes) -> bytes:
        """Let a person publish, and answer the JSON text that is passed on.

        Raises:
            Forbidden: Nobody may, unless a channel says otherwise.
        """
        raise Forbidden("此频道不接受直接发布")


class Directory:
    """Finds the channel class of a channel's name."""

    def __init__(self, channels: Iterable[Channel]) -> None:
        by_name: dict[str, Channel] = {}
        for channel in channels:
            if channel.name in by_name:
                raise ValueError(f"two channels are called {channel.name}")
            by_name[channel.name] = channel
        self._by_name: Mapping[str, Channel] = MappingProxyType(by_name)

    def __iter__(self) -> Iterator[Channel]:
        """Yield every channel class, in the order given."""
        return iter(self._by_name.values())

    def find(self, name: str) -> tuple[Channel, str] | None:
        """Answer the channel class and the key, or ``None`` where there is no such namespace."""
        space, colon, key = name.partition(":")
        channel = self._by_name.get(space)
        if channel is None or channel.single == bool(colon) or (colon and not key):
            return None
        return channel, key
