"""OpenAPI 3.1 from what the endpoints themselves declare.

The document is made from the ``Operation`` on each method, so it cannot drift. It is served at
``/openapi.json``, shown at ``/docs``, and a copy is kept in ``docs/reference`` for readers and for
the front end's types; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from domain.permissions import Permission
from handlers.operation import PUBLIC, Operation, operation_of
from handlers.routing import Route
from server.application import VERBS
from server.health import product_version

Json = dict[str, Any]

_REF = "#/components/schemas/{model}"

_REFUSALS: Mapping[int, str] = {
    400: "The request cannot be read: `bad_json`, `bad_type`.",
    401: "Nobody knows who is asking: `unauthenticated`.",
    403: "Known, and may not, or only after a fresh proof: `forbidden`, `csrf`, "
    "`step_up_required`.",
    404: "Is not there, or may not be known: `not_found`.",
    405: "The address knows other methods: `method_not_allowed`.",
    409: "Somebody was faster, or the state does not allow it: `conflict`, `bad_state`.",
    413: "The body is too large: `too_large`.",
    415: "The type is not accepted: `type_refused`.",
    416: "The range lies outside the file: `range_not_satisfiable`.",
    422: "A field is not acceptable, or a rule says no: `invalid`, `rule_violation`, "
    "`secret_marked`.",
    429: "Too fast: `rate_limited`; see `Retry-After`.",
    503: "A neighbour does not answer: `upstream_down`, `not_configured`; see `Retry-After`.",
    507: "No room to keep what was said: `storage_full`.",
}


class Refusal(BaseModel):
    """Every refusal, on every path."""

    code: str
    msg: str
    field: str | None = None
    detail: dict[str, Any] | None = None
    request_id: str


def document(routes: Iterable[Route], *, url: str = "") -> Json:
    """Answer the OpenAPI document of some routes."""
    rows = [
        (route, verb, promise)
        for route in routes
        for verb in VERBS
        if (promise := operation_of(getattr(route.handler, verb, None))) is not None
    ]
    schemas, named = _schemas(rows)
    paths: Json = {}
    for route, verb, promise in rows:
        paths.setdefault(route.template, {})[verb] = _endpoint(route, verb, promise, named)
    answer: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "代表服务实时互动平台",
            "version": product_version(),
            "description": "Every refusal on every path is the envelope `Refusal`.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas,
            "responses": _refusals(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "daibiao_session"},
            },
        },
    }
    return answer | ({"servers": [{"url": url}]} if url else {})


Row = tuple[Route, str, Operation]
Named = Mapping[tuple[str, str, str], Json]


def _schemas(rows: Iterable[Row]) -> tuple[Json, Named]:
    """Answer the shared schemas, and the schema of each body and result by (path, verb, side)."""
    inputs = [("body", "validation"), ("result", "serialization")]
    adapters = [
        ((route.template, verb, side), mode, _adapter(getattr(promise, side)))
        for route, verb, promise in rows
        for side, mode in inputs
        if getattr(promise, side) is not None
    ]
    keyed, definitions = TypeAdapter.json_schemas(
        [(key, mode, adapter) for key, mode, adapter in adapters],  # type: ignore[misc]
        ref_template=_REF,
    )
    _, refusal = models_json_schema([(Refusal, "serialization")], ref_template=_REF)
    schemas = {**definitions.get("$defs", {}), **refusal["$defs"]}
    named = {key: schema for (key, _), schema in keyed.items()}
    return dict(sorted(schemas.items())), named


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)


def _endpoint(route: Route, verb: str, promise: Operation, named: Named) -> Json:
    where = (route.template, verb)
    answer: Json = {
        "operationId": _name(verb, route.template),
        "summary": promise.summary,
        "tags": [_tag(route.template)],
        "parameters": [*_path_parameters(route, promise), *_query_parameters(promise)],
        "responses": _responses(promise, named.get((*where, "result"))),
        "security": [] if promise.access is PUBLIC else [{"bearer": []}, {"cookie": []}],
    }
    if promise.description:
        answer["description"] = promise.description
    if isinstance(promise.access, Permission):
        answer["x-permission"] = promise.access.value
    elif promise.access is not PUBLIC:
        answer["x-access"] = promise.access.value
    if promise.flag:
        answer["x-flag"] = promise.flag
    if promise.step_up:
        answer["x-step-up"] = True
    if promise.idempotent:
        answer["parameters"].append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Repeat the request with the same key within 24 hours and hear "
                "the first answer again.",
                "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,128}$"},
            }
        )
    if promise.body is not None:
        answer["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": named[(*where, "body")]}},
        }
    return answer


def _name(verb: str, template: str) -> str:
    path = template.removeprefix("/api/v1").strip("/")
    return "_".join([verb, *re.findall(r"\w+", path)]) if path else verb


def _tag(template: str) -> str:
    parts = [part for part in template.split("/") if part and "{" not in part]
    if parts[:2] == ["api", "v1"]:
        return parts[2] if len(parts) > 2 else "api"
    return "operations"


def _path_parameters(route: Route, promise: Operation) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _group(route, name, adapter)}
        for name, adapter in promise.groups.items()
    ]


def _group(route: Route, name: str, adapter: TypeAdapter[Any] | None) -> Json:
    if adapter is not None:
        return adapter.json_schema()
    found = re.search(rf"\(\?P<{name}>((?:[^()\\]|\\.|\([^()]*\))*)\)", route.pattern)
    return {"type": "string", "pattern": f"^{found[1]}$"} if found else {"type": "string"}


def _query_parameters(promise: Operation) -> list[Json]:
    if promise.query is None:
        return []
    schema = promise.query.model_json_schema(ref_template=_REF)
    defined = schema.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _inlined(shape, defined),
        }
        for name, shape in schema.get("properties", {}).items()
    ]


def _inlined(shape: Any, defined: Mapping[str, Any]) -> Any:
    """Answer a schema with its references replaced: query models are not shared components."""
    if isinstance(shape, list):
        return [_inlined(it, defined) for it in shape]
    if not isinstance(shape, dict):
        return shape
    if "$ref" in shape:
        return _inlined(defined[shape["$ref"].rsplit("/", 1)[1]], defined)
    return {name: _inlined(inner, defined) for name, inner in shape.items()}


_BODILESS = {204: "Done.", 302: "To be asked for elsewhere, see the header Location."}


def _responses(promise: Operation, result: Json | None) -> Json:
    good: Json = {"description": _BODILESS.get(promise.status, "The answer.")}
    if promise.written and promise.status not in _BODILESS:
        good["content"] = {promise.produces: {}}
    elif result is not None:
        good["content"] = {"application/json": {"schema": result}}
    return {str(promise.status): good} | {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in _REFUSALS
        if status != promise.status
    }


def _refusals() -> Json:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    return {
        str(status): {"description": text, "content": content} for status, text in _REFUSALS.items()
    }
