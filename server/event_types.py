"""The front end's types of events, channels and methods, as they follow from the AsyncAPI document.

``scripts/generate`` writes them to ``static/shared/src/events.ts``; nothing but Python is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_SIMPLE = {
    "string": "string", "integer": "number", "number": "number", "boolean": "boolean",
    "null": "null", None: "unknown",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def event_types(document: Schema) -> str:
    """Answer the TypeScript of a document.

    Raises:
        ValueError: A schema has no TypeScript that says the same; nothing is guessed.
    """
    channels = dict(document["channels"])
    rpc = channels.pop("rpc")
    schemas = document["components"]["schemas"]
    addresses = "\n  | ".join(_address(channel) for channel in channels.values())
    heard = "\n".join(_heard(document, name, channel) for name, channel in channels.items())
    methods = "\n".join(_methods(document, rpc))
    parts = [
        "// Written by scripts/generate from docs/reference/asyncapi.json. Do not edit.\n",
        *(_declaration(name, schema) for name, schema in schemas.items()),
        "/** What may be heard, by namespace. */",
        f"export interface ChannelEvents {{\n{heard}\n}}\n",
        "/** Names of channels. */",
        f"export type ChannelName =\n  | {addresses};\n",
        "/** What may be asked over the connection. */",
        f"export interface Methods {{\n{methods}\n}}\n",
    ]
    return "\n".join(parts)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "const" in schema:
        return _literal(schema["const"])
    for choice, write in (("enum", _literal), ("anyOf", _type)):
        if choice in schema:
            return " | ".join(write(each) for each in schema[choice])
    kind = schema.get("type")
    if kind == "array":
        return f"readonly ({_type(schema.get('items', {}))})[]"
    if kind == "object":
        return _object(schema)
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    raise ValueError(f"no TypeScript for {json.dumps(schema)}")


def _object(schema: Schema) -> str:
    more = schema.get("additionalProperties")
    if more and not schema.get("properties"):
        return f"Readonly<Record<string, {'unknown' if more is True else _type(more)}>>"
    required = set(schema.get("required", ()))
    lines = []
    for name, field in schema.get("properties", {}).items():
        # The hub always sends a field that has a default; only what has neither may be missing.
        missing = "" if name in required or "default" in field else "?"
        lines.append(f"  readonly {_key(name)}{missing}: {_type(field)};")
    return "{\n" + "\n".join(lines) + "\n}" if lines else "Readonly<Record<string, never>>"


def _literal(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("'", "\\'")
        return f"'{escaped}'"
    return json.dumps(value)


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else _literal(name)


def _comment(text: str | None) -> str:
    said = " ".join((text or "").replace("``", "`").split())
    return f"/** {said} */\n" if said else ""


def _declaration(name: str, schema: Schema) -> str:
    body = _type(schema)
    if body.startswith("{"):
        return f"{_comment(schema.get('description'))}export interface {name} {body}\n"
    return f"{_comment(schema.get('description'))}export type {name} = {body};\n"


def _payload(document: Schema, message: str) -> str:
    return _type(document["components"]["messages"][message]["payload"])


def _heard(document: Schema, name: str, channel: Schema) -> str:
    events = " | ".join(_payload(document, message) for message in channel["messages"])
    return f"  {_comment(channel.get('description'))}  {_key(name)}: {events or 'never'};"


def _address(channel: Schema) -> str:
    address = str(channel["address"])
    if not channel.get("parameters"):
        return _literal(address)
    return "`" + re.sub(r"\{\w+\}", "${string}", address) + "`"


def _methods(document: Schema, rpc: Schema) -> Iterator[str]:
    for name in rpc["messages"]:
        if name.endswith(".result"):
            continue
        summary = _comment(document["components"]["messages"][name].get("summary"))
        params, result = _payload(document, name), _payload(document, f"{name}.result")
        yield f"  {summary}  {_literal(name)}: {{ params: {params}; result: {result} }};"
