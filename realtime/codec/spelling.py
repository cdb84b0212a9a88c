"""What the two codecs have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from realtime.codec.messages import Command, Reply


class BadMessage(Exception):
    """What the client sent cannot be read."""


class Codec(Protocol):
    """One spelling of the protocol. Codecs are compared by identity."""

    name: str
    """``json`` or ``protobuf``."""

    binary: bool
    """Whether payloads are arbitrary bytes, or else UTF-8 text."""

    ping: bytes
    """The encoded empty reply."""

    def decode(self, payload: bytes) -> Sequence[Command]:
        """Read every command in a payload, in order.

        Raises:
            BadMessage: The payload is empty or cannot be read.
        """

    def encode(self, reply: Reply) -> bytes:
        """Spell one message, ready to be joined with others."""

    def join(self, messages: Iterable[bytes]) -> bytes:
        """Make one payload of encoded messages."""

    def quote(self, data: bytes) -> bytes:
        """Spell the data of a delta publication, be it a document or a patch."""
