"""What the driver says, in the house's words: the one place where driver errors become refusals.

::

    11000 / 11001                  Duplicate      an ``_id`` or unique index already has the key
    14031                          StorageFull    the server has no room
    no answer in time, or no way   UpstreamDown   AutoReconnect, server selection, time-outs
    everything else                as it is       a mistake of ours, or damage: nobody may hide it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError

from domain.errors import Conflict, StorageFull, UpstreamDown

_DUPLICATE = frozenset({11000, 11001})
_NO_ROOM = 14031
# A write that could not be confirmed in time, or a server on its way down: the outcome is unknown.
_AWAY = frozenset({50, 91, 189, 262, 11600, 11602})


class Duplicate(Conflict):
    """An insert or upsert met an existing ``_id`` or unique index entry.

    Attributes:
        key: The offending index key and its value, for example ``{"no": 12}``; empty when an old
            server does not say.
    """

    def __init__(
        self, msg: str = "已存在相同的记录", *, key: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(msg)
        self.key = dict(key or {})


@contextmanager
def translated() -> Iterator[None]:
    """Run driver calls so that their errors leave as refusals.

    Raises:
        Duplicate: A unique key is already there.
        StorageFull: The server has no room.
        UpstreamDown: The server did not answer, or not in time; a write may or may not have
            happened, so whoever repeats it needs a natural ``_id``.
    """
    try:
        yield
    except PyMongoError as error:
        said = refusal(error)
        if said is None:
            raise
        raise said from error


def away(msg: str = "数据服务暂时不可用，请稍后再试", *, retry_after: float = 5.0) -> UpstreamDown:
    """Build the refusal for a database that does not answer."""
    return UpstreamDown(msg, upstream="mongodb", retry_after=retry_after)


def refusal(error: PyMongoError) -> Exception | None:
    """Answer the refusal that stands for a driver's error, or ``None`` if it is none."""
    match error:
        case BulkWriteError():
            return _bulk_refusal(error)
        case ConnectionFailure():
            return away()
        case _ if error.timeout:
            return away()
        case OperationFailure():
            return _coded_refusal(error.code or 0, error.details or {})
    return None


def duplicates(error: BulkWriteError) -> set[int]:
    """Answer the places of what was refused in a bulk because its key is there.

    Raises:
        BulkWriteError: The same one, if anything was refused for another reason.
    """
    details = error.details or {}
    refused = details.get("writeErrors", ())
    if details.get("writeConcernErrors") or any(it["code"] not in _DUPLICATE for it in refused):
        raise error
    return {it["index"] for it in refused}


def _coded_refusal(code: int, details: Mapping[str, Any]) -> Exception | None:
    if code in _DUPLICATE:
        return Duplicate(key=details.get("keyValue"))
    if code == _NO_ROOM:
        return StorageFull("存储空间不足，暂时无法保存")
    if code in _AWAY:
        return away()
    return None


def _bulk_refusal(error: BulkWriteError) -> Exception | None:
    """Judge a bulk by its gravest entry: damage first, then room, then duplicates."""
    details = error.details or {}
    entries = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
    refusals = [_coded_refusal(entry.get("code", 0), entry) for entry in entries]
    if not refusals or None in refusals:
        return None
    grave = [refusal for refusal in refusals if not isinstance(refusal, Duplicate)]
    return (grave or refusals)[0]
