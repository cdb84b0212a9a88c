"""``@rpc``: what a client may ask for over its connection, declared as an endpoint is.

The answer is ``{"result": …}``, or ``{"error": {code, msg, …}}`` with the envelope of the REST
interface: a reply's own error object has no room for a field or a waiting time. A method that does
not exist is answered by the protocol itself (104).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, get_type_hints

import orjson
from pydantic import BaseModel

from domain.clock import NewId
from domain.errors import DomainError
from domain.people import Person
from domain.permissions import Permission
from domain.services import Services
from handlers.base import require
from handlers.errors import envelope
from handlers.operation import Access
from handlers.parsing import read_json

_log = logging.getLogger(__name__)

Ask = TypeVar("Ask", bound=BaseModel)
Answer = TypeVar("Answer", bound=BaseModel)
Call = Callable[[Services, Person, Any], Awaitable[BaseModel]]


class Nothing(BaseModel):
    """Parameters of a method that takes none."""


@dataclass(frozen=True)
class Method:
    """What one RPC method promises.

    Attributes:
        name: ``<noun>.<verb>``.
        access: The permission, or which kind of account may call.
        params: Model of the data.
        result: Model of the answer.
    """

    name: str
    access: Permission | Access
    summary: str
    params: type[BaseModel]
    result: type[BaseModel]
    call: Call


def rpc(
    name: str, access: Permission | Access
) -> Callable[[Callable[[Services, Person, Ask], Awaitable[Answer]]], Method]:
    """Declare an RPC method: ``async def f(services, by, params) -> result``."""

    def declare(function: Callable[[Services, Person, Ask], Awaitable[Answer]]) -> Method:
        hints = get_type_hints(function)
        summary = (function.__doc__ or "").partition("\n")[0]
        if not summary:
            raise TypeError(f"{name} has no docstring")
        return Method(name, access, summary, hints["params"], hints["return"], function)

    return declare


class Dispatcher:
    """Finds the method, judges the caller, parses, calls, and answers in JSON."""

    def __init__(self, services: Services, methods: Iterable[Method], *, new_id: NewId) -> None:
        self._services = services
        self._new_id = new_id
        by_name: dict[str, Method] = {}
        for method in methods:
            if method.name in by_name:
                raise ValueError(f"two methods are called {method.name}")
            by_name[method.name] = method
        self._by_name: Mapping[str, Method] = MappingProxyType(by_name)

    def knows(self, name: str) -> bool:
        """Tell whether there is such a method."""
        return name in self._by_name

    async def call(self, name: str, data: bytes, *, by: Person) -> bytes:
        """Answer ``{"result": …}`` or ``{"error": …}`` as JSON text.

        Raises:
            KeyError: There is no such method.
        """
        method = self._by_name[name]
        try:
            require(by, method.access, safe=False)
            params = read_json(method.params, data or b"{}")
            result = await method.call(self._services, by, params)
        except DomainError as refusal:
            request_id = self._new_id()
            _log.info("rpc refused", extra={"method": name, "code": refusal.code, "id": request_id})
            return b'{"error":' + envelope(refusal, request_id) + b"}"
        text = method.result.__pydantic_serializer__.to_json(result)
        return orjson.dumps({"result": orjson.Fragment(text)})
