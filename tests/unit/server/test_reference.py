"""What the generator writes is what lies in ``docs/reference``."""

from __future__ import annotations

import pytest

from server import asyncapi, reference
from server.event_types import event_types


def test_the_generated_pages_are_in_step():
    assert reference.stale() == [], "run scripts/generate"


def test_every_event_appears_on_a_channel_that_exists():
    document = asyncapi.document()
    heard = {name for channel in document["channels"].values() for name in channel["messages"]}
    silent = set(document["components"]["messages"]) - heard
    assert not silent, f"declared, but on no channel: {sorted(silent)}"


def test_every_reference_in_the_catalogue_leads_somewhere():
    document = asyncapi.document()

    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                target = document
                for step in node["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(document)


def test_secrets_are_named_but_never_shown():
    page = reference.configuration()
    assert "| `HUB_WECHAT__APP_SECRET` | secret |  |" in page


def test_the_front_end_is_told_the_shape_of_every_event_channel_and_method():
    schema = {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "string"},
            "n": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
            "of-many": {"type": "array", "items": {"$ref": "#/components/schemas/Other"}},
            "kind": {"enum": ["a", "it's"]},
            "by": {"type": "object", "additionalProperties": {"type": "boolean"}},
        },
    }
    document = {
        "channels": {
            "rpc": {"messages": {"a.do": {}, "a.do.result": {}}},
            "mtg": {"address": "mtg:{key}", "parameters": {"key": {}}, "messages": {"x": {}}},
            "sys": {"address": "sys", "description": "For ``all``.", "messages": {}},
        },
        "components": {
            "schemas": {"One": schema, "Other": {"const": 3}},
            "messages": {
                "x": {"payload": {"$ref": "#/components/schemas/One"}},
                "a.do": {"payload": {"type": "object"}},
                "a.do.result": {"payload": {"type": "array"}},
            },
        },
    }
    text = event_types(document)
    assert (
        "export interface One {\n"
        "  readonly id: string;\n"
        "  readonly n: number | null;\n"
        "  readonly 'of-many'?: readonly (Other)[];\n"
        "  readonly kind?: 'a' | 'it\\'s';\n"
        "  readonly by?: Readonly<Record<string, boolean>>;\n"
        "}\n"
    ) in text
    assert "export type Other = 3;\n" in text
    assert "  mtg: One;" in text
    assert "/** For `all`. */\n  sys: never;" in text
    assert "export type ChannelName =\n  | `mtg:${string}`\n  | 'sys';\n" in text
    result = "{ params: Readonly<Record<string, never>>; result: readonly (unknown)[] };"
    assert f"'a.do': {result}" in text
    with pytest.raises(ValueError, match="no TypeScript"):
        event_types(
            {
                "channels": {"rpc": {"messages": {}}},
                "components": {"schemas": {"x": {"type": "file"}}},
            }
        )
