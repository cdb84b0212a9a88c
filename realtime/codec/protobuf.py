"""Protobuf: every message is preceded by its length as an unsigned varint.

The structs of ``messages`` and the generated classes have the same field names, so one walk in each
direction, planned once per type, serves every message.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from msgspec import Raw, Struct

from realtime.codec import messages
from realtime.codec.client_pb2 import Command as PbCommand
from realtime.codec.client_pb2 import EmulationRequest as PbEmulation
from realtime.codec.client_pb2 import Reply as PbReply
from realtime.codec.messages import Command, Reply
from realtime.codec.spelling import BadMessage, Codec

Reader = Callable[[Any], Any]
Writer = Callable[[Any, Any], None]


class _Protobuf:
    """See ``Codec``. A message includes its length, so joining is concatenation."""

    name = "protobuf"
    binary = True
    ping = b"\x00"

    def decode(self, payload: bytes) -> Sequence[Command]:
        """Read length-prefixed commands until the payload ends."""
        commands = []
        at = 0
        while at < len(payload):
            size, at = _varint(payload, at)
            if at + size > len(payload):
                raise BadMessage("message is cut off")
            try:
                parsed = PbCommand.FromString(payload[at : at + size])
            except (DecodeError, RecursionError) as error:
                raise BadMessage(str(error)) from error
            commands.append(_read(Command, parsed))
            at += size
        if not commands:
            raise BadMessage("empty payload")
        return commands

    def encode(self, reply: Reply) -> bytes:
        """Spell one message, its length first."""
        target = PbReply()
        _write(reply, target)
        return _prefixed(target.SerializeToString())

    def join(self, messages: Iterable[bytes]) -> bytes:
        """Put messages one after the other."""
        return b"".join(messages)

    def quote(self, data: bytes) -> bytes:
        """Answer the data itself: bytes need no quoting here."""
        return data


def read_emulation(body: bytes) -> tuple[str, str, bytes]:
    """Read the body of an emulation request: (node, session, payload).

    Raises:
        BadMessage: It cannot be read.
    """
    try:
        parsed = PbEmulation.FromString(body)
    except DecodeError as error:
        raise BadMessage(str(error)) from error
    return parsed.node, parsed.session, parsed.data


def _prefixed(message: bytes) -> bytes:
    size = len(message)
    head = bytearray()
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + message


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    # Five bytes are enough for any length that fits into a frame.
    for index in range(at, min(at + 5, len(payload))):
        byte = payload[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, index + 1
        shift += 7
    raise BadMessage("bad length")


def _read(kind: type[Struct], source: Message) -> Any:
    return kind(**{name: reader(source) for name, reader in _readers(kind)})


def _write(struct: Struct, target: Message) -> None:
    for name, writer in _writers(type(struct)):
        value = getattr(struct, name)
        if value is not None:
            writer(value, target)


@cache
def _hints(kind: type[Struct]) -> tuple[tuple[str, Any], ...]:
    """Answer the fields of a struct with their types, ``X | None`` reduced to ``X``."""
    hints = typing.get_type_hints(kind, vars(messages))
    return tuple((name, _strip(hints[name])) for name in kind.__struct_fields__)


def _strip(hint: Any) -> Any:
    if typing.get_origin(hint) is types.UnionType:
        return next(part for part in typing.get_args(hint) if part is not types.NoneType)
    return hint


@cache
def _readers(kind: type[Struct]) -> tuple[tuple[str, Reader], ...]:
    return tuple((name, _reader(name, hint)) for name, hint in _hints(kind))


def _reader(name: str, hint: Any) -> Reader:
    if hint is Raw:
        return lambda source: Raw(getattr(source, name))
    if _is_struct(hint):
        return lambda source: _read(hint, getattr(source, name)) if source.HasField(name) else None
    match typing.get_origin(hint), typing.get_args(hint):
        case container, (*_, inner) if _is_struct(inner):
            return lambda source: _read_many(inner, container, getattr(source, name))
        case container, (_, *_):
            return lambda source: container(getattr(source, name))
    return lambda source: getattr(source, name)


def _read_many(kind: type[Struct], container: type, source: Any) -> Any:
    if container is dict:
        return {key: _read(kind, value) for key, value in source.items()}
    return [_read(kind, value) for value in source]


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Struct)


@cache
def _writers(kind: type[Struct]) -> tuple[tuple[str, Writer], ...]:
    return tuple((name, _writer(name, hint)) for name, hint in _hints(kind))


def _writer(name: str, hint: Any) -> Writer:
    if hint is Raw:
        return lambda value, target: setattr(target, name, bytes(value))
    if _is_struct(hint):
        return lambda value, target: _write_one(value, getattr(target, name))
    if typing.get_origin(hint) is dict:
        return lambda value, target: _write_map(value, getattr(target, name))
    if typing.get_origin(hint) is list:
        return lambda value, target: _write_list(value, getattr(target, name))
    return lambda value, target: setattr(target, name, value)


def _write_one(value: Struct, target: Message) -> None:
    # An empty result must still be there: its presence is the answer.
    target.SetInParent()
    _write(value, target)


def _write_map(value: dict[str, Any], target: Any) -> None:
    for key, item in value.items():
        if isinstance(item, Struct):
            _write_one(item, target[key])
        else:
            target[key] = item


def _write_list(value: list[Any], target: Any) -> None:
    for item in value:
        if isinstance(item, Struct):
            _write_one(item, target.add())
        else:
            target.append(item)


PROTOBUF: Final[Codec] = _Protobuf()
