"""MongoDB's wire protocol: OP_MSG, and OP_QUERY for a driver's very first question.

::

    int32 length, int32 id, int32 answered id, int32 opcode
    OP_MSG   uint32 flags, sections (00 document | 01 length, name, documents)*, uint32 crc?
    OP_QUERY int32 flags, cstring namespace, int32 skip, int32 count, document
"""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import Any

import bson
from bson.errors import BSONError

from storage.embedded.commands import Request
from storage.embedded.errors import Refused
from storage.embedded.server import Server
from storage.embedded.values import OPTIONS, Doc, check_depth

log = logging.getLogger("storage.embedded")

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
CHECKSUM, MORE_TO_COME, EXHAUST_ALLOWED = 1, 2, 1 << 16
MAX_MESSAGE = 48_000_000
MAX_CONNECTIONS = 1_000

_HEADER = struct.Struct("<iiii")
_INT = struct.Struct("<i")
_REPLY = struct.Struct("<iiiiIB")
_OLD_REPLY = struct.Struct("<iiiiiqii")
_GREETINGS = ("hello", "isMaster", "ismaster")


class Malformed(Exception):
    """Bytes that are not the wire protocol; the connection ends."""


class Connection(asyncio.Protocol):
    """One client. It answers requests in the order in which they are done."""

    count = 0

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        """Take the client in, unless there are too many."""
        Connection.count += 1
        self._transport = transport
        if Connection.count > MAX_CONNECTIONS:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        Connection.count -= 1
        self._transport = None

    def pause_writing(self) -> None:
        """Hear nothing from a client that does not read its answers."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Listen again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Cut the stream into messages."""
        self._buffer += data
        try:
            while len(self._buffer) >= _HEADER.size:
                length, number, _, opcode = _HEADER.unpack_from(self._buffer)
                if not _HEADER.size < length <= MAX_MESSAGE:
                    raise Malformed(f"a message of {length} bytes")
                if len(self._buffer) < length:
                    return
                message = bytes(self._buffer[:length])
                del self._buffer[:length]
                self._receive(message, number, opcode)
        except (Malformed, struct.error, ValueError, IndexError) as error:
            log.warning("a client was disconnected: %s", error)
            if self._transport is not None:
                self._transport.close()

    def _receive(self, message: bytes, number: int, opcode: int) -> None:
        if opcode == OP_QUERY:
            self._greet(message, number)
            return
        if opcode != OP_MSG:
            raise Malformed(f"opcode {opcode}")
        (flags,) = struct.unpack_from("<I", message, _HEADER.size)
        if flags & 0xFFFF & ~(CHECKSUM | MORE_TO_COME):
            raise Malformed(f"flags {flags:#x}")
        silent = bool(flags & MORE_TO_COME)
        try:
            request = parse_message(message, checksum=bool(flags & CHECKSUM))
        except Refused as refusal:
            if not silent:
                self._reply(number, bson.encode(refusal.reply()))
            return
        reply = None if silent else lambda answer: self._reply(number, answer)
        self._server.submit(request, reply)

    def _reply(self, number: int, answer: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        length = _REPLY.size + len(answer)
        self._transport.write(_REPLY.pack(length, 0, number, OP_MSG, 0, 0) + answer)

    def _greet(self, message: bytes, number: int) -> None:
        """Answer ``hello`` in the old form; nothing else may be asked in it."""
        start = message.index(0, _HEADER.size + 4) + 1 + 8
        body = bson.decode(message[start:], OPTIONS)
        if next(iter(body), "") not in _GREETINGS:
            raise Malformed("OP_QUERY is for hello only")

        def reply(answer: bytes) -> None:
            if self._transport is not None:
                length = _OLD_REPLY.size + len(answer)
                head = _OLD_REPLY.pack(length, 0, number, OP_REPLY, 8, 0, 0, 1)
                self._transport.write(head + answer)

        self._server.submit(Request(body), reply)


def parse_message(message: bytes, *, checksum: bool) -> Request:
    """The command in an OP_MSG.

    Raises:
        Malformed: The sections do not fit together.
        Refused: A document in it is not BSON or is nested too deeply.
    """
    end = len(message) - (4 if checksum else 0)
    at = _HEADER.size + 4
    body: Doc | None = None
    sequences: dict[str, list[bytes]] = {}
    while at < end:
        kind, (size,) = message[at], _INT.unpack_from(message, at + 1)
        at += 1
        if size < 5 or at + size > end or kind > 1:
            raise Malformed("a section that does not fit")
        section = message[at : at + size]
        if kind == 0:
            body = _decode(section)
        else:
            name, documents = _sequence(section)
            sequences[name] = documents
        at += size
    if not body:
        raise Malformed("a message without a command")
    return Request(body, sequences)


def _decode(raw: bytes) -> Doc:
    try:
        body = bson.decode(raw, OPTIONS)
    except RecursionError:
        raise Refused(15, "BSONObj exceeds maximum nested object depth") from None
    except (BSONError, ValueError) as error:
        raise Refused(22, f"invalid BSON: {error}") from None
    # A filter, an update or a pipeline may add a few levels around a document of full depth.
    check_depth(body, 120)
    return body


def _sequence(section: bytes) -> tuple[str, list[bytes]]:
    stop = section.index(0, 4)
    documents, at = [], stop + 1
    while at < len(section):
        (size,) = _INT.unpack_from(section, at)
        if size < 5 or at + size > len(section):
            raise Malformed("a document that does not fit")
        documents.append(section[at : at + size])
        at += size
    return section[4:stop].decode(), documents
