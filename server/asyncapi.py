"""AsyncAPI 3.0 from what channels, events and RPC methods declare of themselves.

Channels come from ``handlers.channels``, events from every subclass of ``domain.events.Event``
(which names the channel patterns it appears on), methods from the ``@rpc`` table. A copy is kept
in ``docs/reference/asyncapi.json`` and compared in a test.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

import domain
from domain.events import Event
from domain.permissions import Permission
from handlers.channel import Channel
from handlers.channels import CHANNELS
from handlers.rpc import Method
from realtime.policy import Policy
from server.application import METHODS
from server.health import product_version

Json = dict[str, Any]

_REF = "#/components/schemas/{model}"
_ABOUT = """The wire is the Centrifugo client protocol v2 (JSON or Protobuf): use an official SDK.

Connect with a token from `POST /api/v1/realtime/token`. Channels are default-deny; the right to one
is judged when subscribing and whenever rights change. An event is delivered at least once and in
order; drop an `id` that was seen. Methods are RPCs of the connection and answer `{"result": …}` or
`{"error": …}` with the envelope of the REST interface."""


def document() -> Json:
    """Answer the AsyncAPI document of this hub."""
    events = sorted(_events(), key=_type)
    models = [*events, *_models(METHODS)]
    _, schema = models_json_schema(
        [(model, "serialization") for model in dict.fromkeys(models)], ref_template=_REF
    )
    channels = {kind.name: _channel(kind, events) for kind in CHANNELS}
    channels["rpc"] = {
        "address": None,
        "title": "RPC",
        "description": "Asked over the connection itself, answered to the one who asked.",
        "messages": {
            f"{method.name}{suffix}": {"$ref": f"#/components/messages/{method.name}{suffix}"}
            for method in METHODS
            for suffix in ("", ".result")
        },
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "代表服务实时互动平台：实时通道",
            "version": product_version(),
            "description": _ABOUT,
        },
        "servers": {
            "hub": {
                "host": "{host}",
                "protocol": "wss",
                "pathname": "/connection/websocket",
                "description": "Fallbacks: `/connection/http_stream`, `/connection/sse`, with "
                "`/emulation`.",
                "variables": {"host": {"default": "127.0.0.1:8000"}},
            }
        },
        "channels": channels,
        "operations": {method.name: _operation(method) for method in METHODS},
        "components": {
            "messages": dict(_messages(events)),
            "schemas": schema.get("$defs", {}),
        },
    }


def _events() -> Iterator[type[Event]]:
    """Yield every event class of the domain."""
    for module in pkgutil.walk_packages(domain.__path__, "domain."):
        importlib.import_module(module.name)
    yield from _declared(Event)


def _declared(base: type[Event]) -> Iterator[type[Event]]:
    """Yield the events below a class; one without a ``type`` of its own only serves others."""
    for event in base.__subclasses__():
        if event.__module__.startswith("domain."):
            if not event.model_fields["type"].is_required():
                yield event
            yield from _declared(event)


def _type(event: type[Event]) -> str:
    return str(event.model_fields["type"].default)


def _models(methods: Iterable[Method]) -> list[type[Any]]:
    return [model for method in methods for model in (method.params, method.result)]


def _channel(kind: type[Channel], events: Iterable[type[Event]]) -> Json:
    address = kind.name if kind.single else f"{kind.name}:{{key}}"
    heard = [event for event in events if any(_on(kind, name) for name in event.channels)]
    description = f"{kind.summary}。{_promises(kind.policy)}"
    answer: Json = {"address": address, "title": kind.name, "description": description}
    if not kind.single:
        what = "`#` and the person id" if kind.name == "user" else "id of the thing"
        answer["parameters"] = {"key": {"description": what}}
    answer["messages"] = {
        _type(event): {"$ref": f"#/components/messages/{_type(event)}"} for event in heard
    }
    return answer


def _on(kind: type[Channel], pattern: str) -> bool:
    return pattern.partition(":")[0] == kind.name and (":" in pattern) is not kind.single


def _promises(policy: Policy) -> str:
    said = []
    if policy.force_recovery:
        hours = int(policy.history_ttl // 3600)
        said.append(f"断线可补齐（保留 {policy.history_size} 条 / {hours} 小时）")
    if policy.presence:
        said.append("可查看在线人员")
    said.append({"resume": "跟不上时退订后续传", "latest": "只保留最新", "skip": "跟不上时跳过"}[
        policy.overflow.value
    ])  # fmt: skip
    return "；".join(said) + "。"


def _messages(events: Iterable[type[Event]]) -> Iterator[tuple[str, Json]]:
    for event in events:
        summary = (event.__doc__ or "").partition("\n")[0]
        yield (
            _type(event),
            {
                "summary": summary,
                "payload": {"$ref": _REF.format(model=event.__name__)},
            },
        )
    for method in METHODS:
        for suffix, model in (("", method.params), (".result", method.result)):
            yield (
                f"{method.name}{suffix}",
                {
                    "summary": method.summary,
                    "payload": {"$ref": _REF.format(model=model.__name__)},
                },
            )


def _operation(method: Method) -> Json:
    access = method.access
    who = f"permission `{access.value}`" if isinstance(access, Permission) else access.value
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/rpc"},
        "summary": method.summary,
        "description": f"Access: {who}.",
        "messages": [{"$ref": f"#/channels/rpc/messages/{method.name}"}],
        "reply": {
            "channel": {"$ref": "#/channels/rpc"},
            "messages": [{"$ref": f"#/channels/rpc/messages/{method.name}.result"}],
        },
    }
