r"""Fossil deltas: what changed between two payloads, for clients that asked for it.

A delta is ``<target length>\\n``, then ``<n>@<offset>,`` (copy from the source) and ``<n>:<bytes>``
(literal), then ``<checksum>;``; numbers are base 64 with the digits ``0-9A-Z_a-z~``. Over JSON a
patch travels as text, so no copy may begin or end inside a UTF-8 character.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from sys import byteorder
from typing import Final

BLOCK: Final = 16
MAX_SIZE: Final = 16_384
"""Bytes of a payload above which comparing would hold the event loop up for too long."""

_DIGITS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}


class BadDelta(ValueError):
    """The delta is broken, or belongs to another source."""


@lru_cache(maxsize=512)
def diff(source: bytes, target: bytes, *, text: bool) -> bytes | None:
    """Answer a delta that makes ``target`` of ``source``, or ``None`` if sending all is shorter.

    Args:
        source: What the client has.
        target: What it shall have.
        text: Cut at UTF-8 characters, because the delta will travel as text.

    Answers are remembered: after a short loss of network, all clients ask for the same ones.
    """
    if len(target) > MAX_SIZE:
        return None
    out = bytearray(_number(len(target)) + b"\n")
    limit = len(target)
    blocks = _index(source)
    at = literal = 0
    while at + BLOCK <= len(target):
        found = blocks.get(target[at : at + BLOCK])
        if found is None:
            at += 1
            continue
        start, origin, size = _grow(source, target, found, at, literal)
        if text:
            start, origin, size = _snap(target, start, origin, size)
        if size < BLOCK // 2:
            at += 1
            continue
        _literal(out, target[literal:start])
        out += _number(size) + b"@" + _number(origin) + b","
        at = literal = start + size
        if len(out) >= limit:
            return None
    _literal(out, target[literal:])
    out += _number(_checksum(target)) + b";"
    return bytes(out) if len(out) < limit else None


def patch(source: bytes, delta: bytes) -> bytes:
    """Apply a delta.

    Raises:
        BadDelta: It is broken, or the result is not what it promises.
    """
    size, at = _parse(delta, 0)
    at = _expect(delta, at, b"\n")
    out = bytearray()
    while at < len(delta):
        count, at = _parse(delta, at)
        match delta[at : at + 1]:
            case b"@":
                origin, at = _parse(delta, at + 1)
                at = _expect(delta, at, b",")
                if origin + count > len(source):
                    raise BadDelta("copy beyond the source")
                out += source[origin : origin + count]
            case b":":
                if at + 1 + count > len(delta):
                    raise BadDelta("literal is cut off")
                out += delta[at + 1 : at + 1 + count]
                at += 1 + count
            case b";":
                if len(out) != size or _checksum(out) != count:
                    raise BadDelta("wrong source")
                return bytes(out)
            case _:
                raise BadDelta("unknown instruction")
    raise BadDelta("delta is cut off")


def _index(source: bytes) -> dict[bytes, int]:
    """Answer where each aligned block of the source is; the first of equal ones wins."""
    blocks: dict[bytes, int] = {}
    for offset in range(0, len(source) - BLOCK + 1, BLOCK):
        blocks.setdefault(source[offset : offset + BLOCK], offset)
    return blocks


def _grow(source: bytes, target: bytes, found: int, at: int, low: int) -> tuple[int, int, int]:
    """Extend a match of one block in both directions: (start in target, in source, size)."""
    start, origin = at, found
    while start > low and origin > 0 and source[origin - 1] == target[start - 1]:
        start -= 1
        origin -= 1
    end, stop = at + BLOCK, found + BLOCK
    while end < len(target) and stop < len(source) and source[stop] == target[end]:
        end += 1
        stop += 1
    return start, origin, end - start


def _snap(target: bytes, start: int, origin: int, size: int) -> tuple[int, int, int]:
    """Shrink a match to whole characters of the target."""
    end = start + size
    while start < end and _inside(target, start):
        start += 1
        origin += 1
    while end > start and _inside(target, end):
        end -= 1
    return start, origin, end - start


def _inside(text: bytes, at: int) -> bool:
    return at < len(text) and text[at] & 0xC0 == 0x80


def _literal(out: bytearray, text: bytes) -> None:
    if text:
        out += _number(len(text)) + b":" + text


def _number(value: int) -> bytes:
    digits = bytearray()
    while True:
        digits.append(_DIGITS[value & 0x3F])
        value >>= 6
        if not value:
            return bytes(reversed(digits))


def _parse(delta: bytes, at: int) -> tuple[int, int]:
    value, start = 0, at
    while at < len(delta) and (digit := _VALUES.get(delta[at])) is not None:
        value = value << 6 | digit
        at += 1
    if at == start or at - start > 6:
        raise BadDelta("number expected")
    return value, at


def _expect(delta: bytes, at: int, mark: bytes) -> int:
    if delta[at : at + 1] != mark:
        raise BadDelta("unknown instruction")
    return at + 1


def _checksum(text: bytes | bytearray) -> int:
    """Sum big-endian 32-bit words, the last one filled up with zeros."""
    words = array("I", bytes(text) + bytes(-len(text) % 4))
    if byteorder == "little":
        words.byteswap()
    return sum(words) & 0xFFFFFFFF
