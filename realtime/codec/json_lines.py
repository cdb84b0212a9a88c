"""JSON: messages are lines; payloads are embedded as they are and never parsed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import orjson

from realtime.codec.messages import Command, Reply
from realtime.codec.spelling import BadMessage, Codec

_decoder = msgspec.json.Decoder(Command)
_encoder = msgspec.json.Encoder()


class _Json:
    """See ``Codec``. A message has no line end; joining puts one between messages."""

    name = "json"
    binary = False
    ping = b"{}"

    def decode(self, payload: bytes) -> Sequence[Command]:
        """Read one command a line; a line end after the last one is tolerated."""
        try:
            if not payload.isascii():
                payload.decode()
            lines = payload.removesuffix(b"\n").split(b"\n")
            return [_decoder.decode(line) for line in lines]
        except (ValueError, msgspec.MsgspecError, RecursionError) as error:
            raise BadMessage(str(error)) from error

    def encode(self, reply: Reply) -> bytes:
        """Spell one message. Payloads must hold no raw line ends: see ``one_line``."""
        return _encoder.encode(reply)

    def join(self, messages: Iterable[bytes]) -> bytes:
        """Put messages on lines of their own."""
        return b"\n".join(messages)

    def quote(self, data: bytes) -> bytes:
        """Spell data as a JSON string: that is how patches and their bases travel.

        Raises:
            BadMessage: The data is not UTF-8.
        """
        try:
            return orjson.dumps(data.decode())
        except UnicodeDecodeError as error:
            raise BadMessage("data is not utf-8") from error


def one_line(data: bytes) -> bytes:
    """Take raw line ends out of JSON text; inside strings there can be none.

    They would cut a line in two, and a carriage return does the same on server-sent events.
    """
    if b"\n" in data or b"\r" in data:
        return data.replace(b"\r", b" ").replace(b"\n", b" ")
    return data


def is_json(data: bytes) -> bool:
    """Tell whether data is one JSON value in UTF-8."""
    try:
        orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError):
        return False
    return True


JSON: Final[Codec] = _Json()
