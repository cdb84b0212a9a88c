"""The API's description comes from the endpoints, and its copy in ``docs`` is up to date."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from server import commands
from server.openapi import document
from tests.unit.handlers.test_operation import ROUTES as TOYS

COPY = Path(__file__).parents[3] / "docs/reference/openapi.json"


@pytest.fixture(scope="module")
def api() -> dict:
    return orjson.loads(commands.openapi())


def test_the_copy_is_what_the_endpoints_say(api: dict) -> None:
    assert orjson.loads(COPY.read_bytes()) == api, "run: python main.py openapi --out " + str(COPY)


def test_every_reference_leads_somewhere_and_every_operation_has_its_own_name(api: dict) -> None:
    seen: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                seen.append(node["$ref"])
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(api)
    for reference in set(seen):
        where = api
        for step in reference.removeprefix("#/").split("/"):
            where = where[step]
    names = [op["operationId"] for path in api["paths"].values() for op in path.values()]
    assert len(names) == len(set(names))


def test_an_endpoint_is_described_as_it_was_declared() -> None:
    api = document(TOYS)
    post = api["paths"]["/things"]["post"]
    assert post["summary"] == "Make a thing."
    assert post["x-permission"] == "directory.read"
    assert post["security"] == [{"bearer": []}, {"cookie": []}]
    assert set(post["responses"]) >= {"201", "400", "401", "403", "422", "429", "503"}
    assert [it["name"] for it in post["parameters"]] == ["Idempotency-Key"]
    name = api["components"]["schemas"]["ThingDraft"]["properties"]["name"]
    assert (name["minLength"], name["maxLength"]) == (1, 40)
    listing = api["paths"]["/things"]["get"]
    assert {it["name"] for it in listing["parameters"]} == {"limit", "cursor", "sort", "tag"}
    assert listing["x-access"] == "signed_in"
    thing = api["paths"]["/things/{thing_id}/{number}"]["get"]
    assert [(it["name"], it["schema"]["type"]) for it in thing["parameters"]] == [
        ("thing_id", "string"),
        ("number", "integer"),
    ]
    assert api["paths"]["/things"]["delete"]["responses"]["204"] == {"description": "Done."}
    assert api["paths"]["/fail/{how}"]["get"]["security"] == []
