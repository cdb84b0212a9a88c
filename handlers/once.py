"""``Idempotency-Key``: a creating request that is repeated does its work once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from domain.errors import Invalid
from domain.idempotency import Answer

if TYPE_CHECKING:
    from handlers.base import ApiHandler
    from handlers.operation import Operation

_KEY = re.compile(r"[\x21-\x7e]{1,128}")


async def once(
    handler: ApiHandler, promise: Operation, key: str, act: Callable[[], Awaitable[Any]]
) -> None:
    """Act and reply, or repeat the reply that was given to the same key before.

    Raises:
        Invalid: The key is not printable ASCII of 1–128 characters, or was used differently.
        Conflict: The first request is still running.
    """
    if not _KEY.fullmatch(key):
        raise Invalid("Idempotency-Key 应为 1–128 个可见 ASCII 字符", field="Idempotency-Key")
    store = handler.web.idempotency
    person = handler.user.id
    known = await store.begin(person, key, _fingerprint(handler))
    if known is not None:
        handler.set_header("Idempotent-Replayed", "true")
        handler.reply(known.status, known.body)
        return
    try:
        body = promise.render(await act())
    except BaseException:
        # Refused or failed: nothing was promised, so the client may try again with the same key.
        await store.forget(person, key)
        raise
    await store.finish(person, key, Answer(promise.status, body))
    handler.reply(promise.status, body)


def _fingerprint(handler: ApiHandler) -> str:
    request = handler.request
    digest = hashlib.sha256(f"{request.method} {request.uri}\n".encode(errors="replace"))
    digest.update(request.body)
    return digest.hexdigest()
