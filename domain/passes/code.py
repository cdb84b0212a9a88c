"""Signed codes: ``RD1.<kind>.<payload>.<signature>``, both parts base64url without padding.

The payload is a fixed layout of bytes, so that the picture stays coarse enough for a phone across a
table: the number of the key (two bytes), then the fields of the kind, in order. An id takes sixteen
bytes, an instant four (whole seconds), a text one for its length and then UTF-8. The signature is
Ed25519 over everything before its dot.

==== ============ =========================================================================
kind claims       what it is
==== ============ =========================================================================
H    ``Hall``     the code on the screen in the hall, for a few seconds
P    ``Personal`` somebody's code: in the app for a few seconds, or printed on a badge
D    ``Document`` a paper on the table
S    ``SeatCode`` a seat
L    ``Login``    a PC that wants to be let in
B    ``Bind``     an account that wants to be bound
C    ``Contact``  a deputy's or a contact station's page
T    ``Ticket``   not drawn: a scan of H, kept while its owner logs in
==== ============ =========================================================================
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from ulid import ULID

PREFIX = "RD1"
MOST = 512
"""Characters a code may have; ours have less than half of that."""

_KEY = struct.Struct(">H")
_SECONDS = struct.Struct(">I")


class Flaw(StrEnum):
    """Why a text is no code that may be believed."""

    UNKNOWN = "unknown"
    """Not one of our codes at all."""
    BAD_SIGNATURE = "bad_signature"
    """It looks like one, and we did not make it, or the key is not believed any more."""


class Form(StrEnum):
    """How somebody carries their code."""

    PHONE = "phone"
    """``subject`` is the person."""
    BADGE = "badge"
    """``subject`` is the badge."""


@dataclass(frozen=True, slots=True)
class Hall:
    """The code on the screen: one meeting, one gate (or empty), made at ``at``."""

    kind: ClassVar[str] = "H"
    layout: ClassVar[str] = "ita"
    meeting_id: str
    at: datetime
    gate: str = ""


@dataclass(frozen=True, slots=True)
class Personal:
    """Somebody's code for one meeting, from ``since`` until before ``until``."""

    kind: ClassVar[str] = "P"
    layout: ClassVar[str] = "iitta"
    subject: str
    meeting_id: str
    since: datetime
    until: datetime
    form: str


@dataclass(frozen=True, slots=True)
class Document:
    """A paper that lies on the table, in whichever version is the current one."""

    kind: ClassVar[str] = "D"
    layout: ClassVar[str] = "i"
    paper_id: str


@dataclass(frozen=True, slots=True)
class SeatCode:
    """A seat of a meeting."""

    kind: ClassVar[str] = "S"
    layout: ClassVar[str] = "ia"
    meeting_id: str
    no: str


@dataclass(frozen=True, slots=True)
class Login:
    """A PC that waits to be vouched for."""

    kind: ClassVar[str] = "L"
    layout: ClassVar[str] = "it"
    attempt_id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Bind:
    """An invitation to bind an account."""

    kind: ClassVar[str] = "B"
    layout: ClassVar[str] = "it"
    person_id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """The page of a deputy (``person``) or of a contact station (``station``)."""

    kind: ClassVar[str] = "C"
    layout: ClassVar[str] = "ai"
    what: str
    id: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """A hall code that was scanned at ``at``, good once until ``until``."""

    kind: ClassVar[str] = "T"
    layout: ClassVar[str] = "iitta"
    id: str
    meeting_id: str
    at: datetime
    until: datetime
    gate: str = ""


Claims: TypeAlias = Hall | Personal | Document | SeatCode | Login | Bind | Contact | Ticket

_KINDS: Mapping[str, type[Claims]] = {
    it.kind: it for it in (Hall, Personal, Document, SeatCode, Login, Bind, Contact, Ticket)
}


def sign(claims: Claims, *, key_no: int, key: Ed25519PrivateKey) -> str:
    """Answer the code that carries claims. Parts of a second are cut off.

    Raises:
        ValueError: An id is none, or a text is too long.
    """
    values = [getattr(claims, it.name) for it in fields(claims)]
    packed = [_pack(how, value) for how, value in zip(claims.layout, values, strict=True)]
    said = f"{PREFIX}.{claims.kind}.{_armour(_KEY.pack(key_no) + b''.join(packed))}"
    code = f"{said}.{_armour(key.sign(said.encode()))}"
    if len(code) > MOST:
        raise ValueError("the code is too long")
    return code


def verify(text: str, keys: Mapping[int, Ed25519PublicKey]) -> Claims | Flaw:
    """Answer what a code claims, or why it is not to be believed. Nothing is judged but this."""
    parts = text.split(".")
    if len(text) > MOST or not text.isascii() or parts[0] != PREFIX:
        return Flaw.UNKNOWN
    if len(parts) != 4:
        return Flaw.BAD_SIGNATURE
    payload, signature = _bare(parts[2]), _bare(parts[3])
    if payload is None or signature is None or len(payload) < _KEY.size:
        return Flaw.BAD_SIGNATURE
    key = keys.get(_KEY.unpack_from(payload)[0])
    if key is None:
        return Flaw.BAD_SIGNATURE
    try:
        key.verify(signature, text.rpartition(".")[0].encode())
    except InvalidSignature:
        return Flaw.BAD_SIGNATURE
    kind = _KINDS.get(parts[1])
    # A kind that a later version has made.
    return Flaw.UNKNOWN if kind is None else _read(kind, payload[_KEY.size :])


def _read(kind: type[Claims], packed: bytes) -> Claims | Flaw:
    values, rest = [], packed
    try:
        for how in kind.layout:
            value, rest = _unpack(how, rest)
            values.append(value)
    except (struct.error, UnicodeDecodeError, ValueError, IndexError):
        return Flaw.UNKNOWN
    return Flaw.UNKNOWN if rest else kind(*values)


def _pack(how: str, value: Any) -> bytes:
    match how:
        case "i":
            return bytes(ULID.from_str(value).bytes)
        case "t":
            return _SECONDS.pack(int(value.timestamp()))
        case _:
            text = str(value).encode()
            return bytes([len(text)]) + text


def _unpack(how: str, packed: bytes) -> tuple[Any, bytes]:
    match how:
        case "i":
            return str(ULID.from_bytes(packed[:16])), packed[16:]
        case "t":
            seconds = _SECONDS.unpack_from(packed)[0]
            return datetime.fromtimestamp(seconds, UTC), packed[4:]
        case _:
            end = 1 + packed[0]
            if len(packed) < end:
                raise ValueError("cut off")
            return packed[1:end].decode(), packed[end:]


def _armour(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bare(text: str) -> bytes | None:
    """Answer the bytes behind base64url, or ``None`` if it is not spelt as we spell it."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    # Spare bits and strange characters decode to the same bytes: one code has one spelling.
    return raw if _armour(raw) == text else None
