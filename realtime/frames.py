"""WebSocket frames (RFC 6455): bytes in, messages out, and the other way round; no sockets here.

A server frame is not masked, so the same bytes go to every subscriber. What a peer sends is cut
out of the byte stream by a ``FrameReader``, which keeps only what is still incomplete.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_CODE: Final = 1005
ABNORMAL: Final = 1006
BAD_PAYLOAD: Final = 1007
TOO_BIG: Final = 1009

_FIN: Final = 0x80
_MASKED: Final = 0x80
_CONTROL: Final = 0x08
_OPCODES: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_CONTROL_LIMIT: Final = 125
# RFC 6455 §7.4: the codes that may travel; 1004, 1005, 1006 and 1015 are reserved for local use.
_CODES_ON_THE_WIRE: Final = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})


class BadFrame(Exception):
    """The peer broke RFC 6455; ``code`` and ``reason`` belong into the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Build one unfragmented, unmasked frame, as a server sends it."""
    return _header(len(payload), opcode, 0) + payload


def masked_frame(payload: bytes, opcode: int, mask: bytes, *, final: bool = True) -> bytes:
    """Build one frame as a client sends it; ``mask`` is four random bytes."""
    head = bytearray(_header(len(payload), opcode, _MASKED))
    if not final:
        head[0] &= ~_FIN
    return bytes(head) + mask + apply_mask(payload, mask)


def close_frame(code: int, reason: str) -> bytes:
    """Build a close frame; a reason of more than 123 bytes is cut at a character."""
    return frame(close_payload(code, reason), CLOSE)


def close_payload(code: int, reason: str) -> bytes:
    """Answer the body of a close frame; code 1005 (none given) is an empty body."""
    if code == NO_CODE:
        return b""
    short = reason.encode()[: _CONTROL_LIMIT - 2].decode(errors="ignore")
    return code.to_bytes(2) + short.encode()


def parse_close(payload: bytes) -> tuple[int, str]:
    """Read the body of a close frame.

    Raises:
        BadFrame: One byte, a code that must not travel, or a reason that is not UTF-8.
    """
    if not payload:
        return NO_CODE, ""
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or code not in _CODES_ON_THE_WIRE:
        raise BadFrame(PROTOCOL_ERROR, "bad close code")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError as error:
        raise BadFrame(BAD_PAYLOAD, "close reason is not utf-8") from error


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """XOR a payload with the four-byte mask; twice gives the payload back."""
    size = len(payload)
    # One long integer XOR runs at memory speed; a loop over bytes is fifty times slower.
    key = mask * (size // 4) + mask[: size % 4]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def _header(size: int, opcode: int, masked: int) -> bytes:
    if size < 126:
        return bytes((_FIN | opcode, masked | size))
    if size < 1 << 16:
        return bytes((_FIN | opcode, masked | 126)) + size.to_bytes(2)
    return bytes((_FIN | opcode, masked | 127)) + size.to_bytes(8)


class FrameReader:
    """Cuts the byte stream of one peer into messages.

    A message longer than ``limit`` bytes, fragments together, is refused as soon as a header
    announces it. ``masked`` is what RFC 6455 demands of the peer: true for a client's frames.
    """

    __slots__ = ("_kind", "_limit", "_masked", "_need", "_parts", "_tail")

    def __init__(self, *, limit: int, masked: bool = True) -> None:
        self._limit = limit
        self._masked = _MASKED if masked else 0
        self._tail: bytearray | None = None
        self._need = 0
        self._parts: bytearray | None = None
        self._kind = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (opcode, payload) of every message and control frame that is now complete.

        Fragments are put together; text is proved to be UTF-8. What came before a broken frame
        is yielded before the refusal.

        Raises:
            BadFrame: The stream cannot be read any further.
        """
        if self._tail is not None:
            self._tail += data
            if len(self._tail) < self._need:
                return
            data = bytes(self._tail)
            self._tail = None
        at, end = 0, len(data)
        while end - at >= 2:
            first, second = data[at], data[at + 1]
            size = second & 0x7F
            body = at + 2
            if size >= 126:
                body += 2 if size == 126 else 8
                if end < body:
                    self._need = body - at
                    break
                size = int.from_bytes(data[at + 2 : body])
            self._judge(first, second, size)
            start = body + 4 if self._masked else body
            if end - start < size:
                self._need = start + size - at
                break
            payload = data[start : start + size]
            if self._masked and size:
                payload = apply_mask(payload, data[body:start])
            at = start + size
            if first & _CONTROL:
                yield first & 0x0F, payload
            elif (message := self._assemble(first, payload)) is not None:
                yield message
        else:
            self._need = 2
        if at < end:
            self._tail = bytearray(data[at:])

    def _judge(self, first: int, second: int, size: int) -> None:
        """Refuse a header that RFC 6455 §5 forbids, before its body has arrived."""
        opcode = first & 0x0F
        if first & 0x70 or opcode not in _OPCODES:
            raise BadFrame(PROTOCOL_ERROR, "unknown frame type")
        if second & 0x80 != self._masked:
            raise BadFrame(PROTOCOL_ERROR, "wrong masking")
        if opcode & _CONTROL:
            if not first & _FIN or size > _CONTROL_LIMIT:
                raise BadFrame(PROTOCOL_ERROR, "bad control frame")
            return
        if (opcode == CONTINUATION) != (self._parts is not None):
            raise BadFrame(PROTOCOL_ERROR, "fragments out of order")
        if size + len(self._parts or b"") > self._limit:
            raise BadFrame(TOO_BIG, "message too big")

    def _assemble(self, first: int, payload: bytes) -> tuple[int, bytes] | None:
        """Add a data frame to its message; answer the message when this was its last frame."""
        kind = first & 0x0F
        if not first & _FIN:
            if self._parts is None:
                self._parts, self._kind = bytearray(payload), kind
            else:
                self._parts += payload
            return None
        if self._parts is not None:
            payload, kind = bytes(self._parts + payload), self._kind
            self._parts = None
        if kind == TEXT and not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError as error:
                raise BadFrame(BAD_PAYLOAD, "text is not utf-8") from error
        return kind, payload
