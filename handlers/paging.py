"""Lists in pages, with a cursor that nobody can forge or carry to another list.

A page is ``{"items": [...], "next": cursor | null}``. The cursor is opaque to clients: a JSON list
(the sort key of the last item) signed with HMAC-SHA256 together with the address of the list.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, Field

from domain.errors import Invalid

T = TypeVar("T")

MAX_LIMIT = 50

_TAG = 12  # bytes of the signature kept: 96 bits


class Page(BaseModel, Generic[T]):
    """One page of a list; ``next`` is ``None`` on the last one."""

    items: list[T]
    next: str | None = None


class PageQuery(BaseModel):
    """Query string of a list: ``?limit=20&cursor=…``. Lists with filters inherit from it."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20
    cursor: Annotated[str, Field(max_length=1024)] | None = None


class Cursors:
    """Seals and opens cursors with one key, which all processes of a hub share."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"daibiao.cursor:" + key).digest()

    def seal(self, after: Sequence[Any] | None, *, where: str) -> str | None:
        """Answer the cursor that continues the list ``where`` after a sort key, or ``None``."""
        if after is None:
            return None
        payload = orjson.dumps(list(after))
        return base64.urlsafe_b64encode(self._tag(payload, where) + payload).rstrip(b"=").decode()

    def open(self, cursor: str | None, *, where: str) -> list[Any] | None:
        """Answer the sort key sealed in a cursor, or ``None`` for the first page.

        Raises:
            Invalid: The cursor was not made by us, or for another list.
        """
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise Invalid("翻页标记无效", field="cursor") from None
        tag, payload = raw[:_TAG], raw[_TAG:]
        if not hmac.compare_digest(tag, self._tag(payload, where)):
            raise Invalid("翻页标记无效", field="cursor")
        after: list[Any] = orjson.loads(payload)
        return after

    def _tag(self, payload: bytes, where: str) -> bytes:
        return hmac.digest(self._key, where.encode() + b"\0" + payload, "sha256")[:_TAG]
