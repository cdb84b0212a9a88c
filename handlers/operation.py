"""``@operation``: an endpoint is declared once, by the annotations of its method.

Parameter ``body`` is the JSON body, ``query`` the query string, every other parameter a group of
the path; the return annotation is what is answered. ``None`` answers 204, ``Written`` means the
method has written the answer itself. Everything is read off at decoration, and calls go
authorise → parse → call → reply. OpenAPI and the permission matrix come from the ``Operation``
left on the method.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from pydantic import BaseModel, TypeAdapter

from domain.flags import FLAGS
from domain.permissions import Permission
from handlers.once import once
from handlers.parsing import read_group, read_json, read_query

if TYPE_CHECKING:
    from handlers.base import ApiHandler

H = TypeVar("H", bound="ApiHandler")


class Access(Enum):
    """Who may call, where it is not a matter of a permission."""

    PUBLIC = "public"
    """Everybody; nobody is asked who they are."""
    SIGNED_IN = "signed_in"
    """Active accounts; suspended ones may look, and change nothing."""
    SELF_SERVICE_WHEN_SUSPENDED = "self_service"
    """Every account that can log in at all, whatever its state: one's own affairs."""


PUBLIC = Access.PUBLIC
SIGNED_IN = Access.SIGNED_IN
SELF_SERVICE_WHEN_SUSPENDED = Access.SELF_SERVICE_WHEN_SUSPENDED


class Written:
    """Return annotation of a method that writes its answer itself: a file, a page, a stream."""


@dataclass(frozen=True)
class Operation:
    """What one HTTP method of one handler promises.

    Attributes:
        access: The permission, or which kind of account may call.
        rate: Endpoint class whose rate limit applies: ``public``, ``read``, ``write``, ….
        flag: The feature flag that must be on, or empty.
        groups: Path groups in the order of the signature; the adapter is ``None`` for text.
        result: Serialises the answer; ``None`` for 204 and for ``Written``.
        produces: Content type of the answer.
    """

    access: Permission | Access
    status: int
    summary: str
    description: str
    step_up: bool
    idempotent: bool
    rate: str
    flag: str
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    groups: Mapping[str, TypeAdapter[Any] | None]
    result: TypeAdapter[Any] | None
    written: bool
    produces: str

    def arguments(self, handler: ApiHandler, groups: Mapping[str, str]) -> dict[str, Any]:
        """Answer the arguments of the method, read from the request."""
        read = {name: read_group(self.groups[name], groups[name]) for name in self.groups}
        if self.body is not None:
            read["body"] = read_json(self.body, handler.request.body)
        if self.query is not None:
            read["query"] = read_query(self.query, handler.request.query_arguments)
        return read

    def render(self, value: Any) -> bytes:
        """Answer the JSON text of what the method returned."""
        return b"" if self.result is None else self.result.serializer.to_json(value)


def operation(
    access: Permission | Access,
    status: int = 200,
    *,
    step_up: bool = False,
    idempotent: bool | None = None,
    rate: str | None = None,
    flag: str = "",
    produces: str = "application/json",
) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[None]]]:
    """Declare an endpoint.

    Args:
        access: A permission, or one of ``PUBLIC``, ``SIGNED_IN``, ``SELF_SERVICE_WHEN_SUSPENDED``.
        status: Status of the answer when all goes well; 204 follows from a ``None`` return.
        step_up: Demand a fresh proof of identity.
        idempotent: Honour ``Idempotency-Key``. By default where the status is 201; say ``False``
            where the answer holds a secret, because answers are kept for a day.
        rate: Endpoint class for rate limits; by default ``public``, ``read`` or ``write``.
        flag: A flag of ``domain.flags``; while it is off the answer is 403 ``feature_off``.
        produces: Content type, where the method returns ``Written``.
    """
    if flag and flag not in FLAGS:
        raise LookupError(f"no feature flag {flag!r} is declared")

    def declare(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
        promise = _read(
            method,
            access=access,
            status=status,
            step_up=step_up,
            idempotent=access is not PUBLIC
            and (status == 201 if idempotent is None else idempotent),
            rate=rate or _rate(access, method.__name__),
            flag=flag,
            produces=produces,
        )

        @functools.wraps(method)
        async def call(self: ApiHandler, **groups: str) -> None:
            await self.admit(promise)
            arguments = promise.arguments(self, groups)
            key = self.request.headers.get("Idempotency-Key") if promise.idempotent else None
            if key is not None:
                await once(self, promise, key, lambda: method(self, **arguments))
                return
            result = await method(self, **arguments)
            if not promise.written:
                self.reply(promise.status, promise.render(result))

        call.operation = promise  # type: ignore[attr-defined]
        return call

    return declare


def operation_of(method: object) -> Operation | None:
    """Answer what a method promises, or ``None`` if it was never declared."""
    found = getattr(method, "operation", None)
    return found if isinstance(found, Operation) else None


def _read(method: Callable[..., Awaitable[Any]], *, status: int, **said: Any) -> Operation:
    hints = get_type_hints(method, include_extras=True)
    if "return" not in hints:
        raise TypeError(f"{method.__qualname__} does not say what it answers")
    result = hints.pop("return")
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    summary, _, description = (inspect.getdoc(method) or "").partition("\n")
    return Operation(
        status=204 if result is type(None) else status,
        summary=summary,
        description=description.strip(),
        body=hints.get("body"),
        query=hints.get("query"),
        groups={
            name: None if hints[name] is str else TypeAdapter(hints[name])
            for name in names
            if name not in {"body", "query"}
        },
        result=None if result in (type(None), Written) else TypeAdapter(result),
        written=result is Written,
        **said,
    )


def _rate(access: Permission | Access, verb: str) -> str:
    if access is PUBLIC:
        return "public"
    return "read" if verb == "get" else "write"
