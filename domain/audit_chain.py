"""The chain of the audit: how an entry is hashed, and what a reader of the whole chain may find.

An entry's hash covers the hash before it and every field of its own in canonical JSON (sorted keys,
no white space, no floats, instants as UTC milliseconds), so that changing, removing or adding an
entry shows at that place. Cutting off the tail shows only against a head that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

GENESIS = "0" * 64
"""What stands before the first entry."""

_INT64 = 2**63


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the audit as a reader sees it."""

    seq: int
    at: datetime
    by: str
    action: str
    obj: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    hash: str


@dataclass(frozen=True)
class Page:
    """Some entries, newest first; ``next`` continues the search, ``None`` at its end."""

    entries: tuple[Entry, ...]
    next: str | None


@dataclass(frozen=True)
class Head:
    """The end of the chain at one moment."""

    seq: int
    hash: str


@dataclass(frozen=True)
class Verdict:
    """What a reading of the whole chain found.

    Attributes:
        checked: Entries that are sound, counted from the first.
        bad_seq: The first entry that is altered or missing, or ``None`` if all is sound.
        reason: ``altered``, ``missing``, ``truncated``, or empty.
        head: The end of the sound part.
    """

    checked: int
    bad_seq: int | None
    reason: str
    head: Head

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return self.bad_seq is None


def storable(value: Any) -> Any:
    """Answer a value as it will be read back: plain types, instants in UTC milliseconds.

    Raises:
        ValueError: It holds a float, or something else that does not survive.
    """
    kept: Any
    match value:
        case None | bool():
            kept = value
        case Enum():
            kept = storable(value.value)
        case int() if -_INT64 <= value < _INT64:
            kept = int(value)
        case str():
            value.encode()  # refuses lone surrogates
            kept = str(value)
        case datetime() if value.tzinfo is not None:
            utc = value.astimezone(UTC)
            kept = utc.replace(microsecond=utc.microsecond // 1000 * 1000)
        case date() if not isinstance(value, datetime):
            kept = value.isoformat()
        case Mapping():
            kept = {_key(key): storable(part) for key, part in value.items()}
        case list() | tuple():
            kept = [storable(part) for part in value]
        case _:
            raise ValueError(f"the audit keeps no {type(value).__name__}: {value!r:.100}")
    return kept


def chain_hash(previous: str, document: Mapping[str, Any]) -> str:
    """Answer the hash of an entry: sha256 of the hash before it and its canonical JSON.

    Args:
        previous: Hash of the entry before, or ``GENESIS``.
        document: Every field of the entry except its own hash, in storable types.

    Raises:
        ValueError: A field has a type that is never stored, so it was altered.
    """
    return hashlib.sha256(previous.encode() + canonical(document)).hexdigest()


def canonical(document: Mapping[str, Any]) -> bytes:
    """Answer the one JSON form of a document.

    Raises:
        ValueError: It holds a float, or a type that is never stored.
    """
    return json.dumps(
        _plain(document), sort_keys=True, ensure_ascii=False, separators=(",", ":")
    ).encode()


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case datetime():
            # Nothing stored has a key that begins with a dollar sign, so this is never mistaken.
            return {"$ms": round(value.timestamp() * 1000)}
        case Mapping():
            return {key: _plain(part) for key, part in value.items()}
        case list():
            return [_plain(part) for part in value]
    raise ValueError(f"the audit keeps no {type(value).__name__}")


def _key(key: Any) -> str:
    if not isinstance(key, str) or key.startswith("$") or "." in key or "\0" in key:
        raise ValueError(f"not a key for the audit: {key!r:.100}")
    key.encode()
    return str(key)
