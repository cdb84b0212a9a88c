"""What the generator writes is what lies in ``docs/reference``."""

from __future__ import annotations

from server import asyncapi, reference


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
