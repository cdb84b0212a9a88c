"""Ten thousand random requests over every route, and not one answer that blames the server.

The requests are the same at every run. Callers hold every role there is, so that what is sent is
read and not only refused.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import random
from collections import Counter
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from domain.people import Grant, Person
from domain.permissions import Role
from handlers.operation import operation_of
from server.application import ROUTES, VERBS
from tests.integration.conftest import Caller, RunningHub

REQUESTS = 10_000
AT_ONCE = 40
SEED = 20260201

STRANGE = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 1.5, 1e308, "", " ", "0"),
    *("\u0000", "a\u0000b", "\u200b", "周\u202e明", "😀" * 50, "x" * 5000, "字" * 21_000),
    *("$where", "{$gt: 1}", "../../etc/passwd", "<script>alert(1)</script>", "' OR 1=1 --"),
    *("2026-02-30", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z"),
    *("01HV0000000000000000000000", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "deleg:pudong", "13800000000"),
    *([], {}, [[]], [None], {"$gt": ""}, {"a.b": 1}, {"": 1}, {"__proto__": {}}, ["x"] * 200),
]
RAW = [
    *(b"", b"{", b"null", b"[]", b"\x00", b"\xff\xfe", b'{"a":"\xff"}', b'"\\ud800"', b"[" * 5000),
    *(b'{"a":' * 3000, b"1e999", b"NaN", b'{"a":1,"a":2}', b'{"\\u0000":1}', b" " * 10_000),
]
SEGMENTS = [
    "%00",
    "%ff",
    "%2e%2e",
    "..",
    "%F0%9F%98%80",
    "x" * 300,
    "0",
    "null",
    "%0d%0aX:%20y",
    "*",
]


class Fuzz:
    """Makes requests out of what the endpoints declare, and spoils them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.targets = [
            (verb.upper(), route, promise)
            for route in ROUTES
            for verb in VERBS
            if (promise := operation_of(getattr(route.handler, verb, None))) is not None
        ]

    def request(self, turn: int) -> tuple[str, str, bytes | None]:
        method, route, promise = self.targets[turn % len(self.targets)]
        path = route.template
        for name in promise.groups:
            path = path.replace("{" + name + "}", self.segment())
        if promise.query is not None or self.chance.random() < 0.1:
            path += "?" + self.query(list(promise.query.model_fields) if promise.query else ["x"])
        body = None
        if method in {"POST", "PUT", "PATCH", "DELETE"}:
            body = self.body(schema_of(promise.body) if promise.body else {})
        return method, path, body

    def segment(self) -> str:
        good = "01HV" + "".join(self.chance.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=22))
        return good if self.chance.random() < 0.7 else self.chance.choice([*SEGMENTS, "pudong"])

    def query(self, names: list[str]) -> str:
        values = [
            "",
            "0",
            "-1",
            "50",
            "x",
            "%00",
            "%ff",
            "%E5%91%A8",
            "a" * 2000,
            "2026-01-01",
            "*",
        ]
        pairs = self.chance.choices(names, k=self.chance.randint(1, 4))
        return "&".join(f"{name}={self.chance.choice(values)}" for name in pairs)

    def body(self, schema: dict[str, Any]) -> bytes:
        if self.chance.random() < 0.15:
            return self.chance.choice(RAW)
        value = self.value(schema, schema.get("$defs", {}), 0)
        if isinstance(value, dict) and value and self.chance.random() < 0.6:
            value[self.chance.choice(list(value))] = self.strange()
        return orjson.dumps(value)

    def strange(self) -> Any:
        # A copy, because it may be spoilt further.
        value = copy.deepcopy(self.chance.choice(STRANGE))
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)

    def value(self, schema: dict[str, Any], defined: dict[str, Any], depth: int) -> Any:
        """Something that mostly fits a schema."""
        if "$ref" in schema:
            schema = defined[schema["$ref"].rsplit("/", 1)[1]]
        if self.chance.random() < 0.08 or depth > 4:
            return self.strange()
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            return self.value(self.chance.choice(choices), defined, depth + 1)
        if "enum" in schema:
            return self.chance.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        match schema.get("type"):
            case "object":
                return {
                    name: self.value(inner, defined, depth + 1)
                    for name, inner in schema.get("properties", {}).items()
                    if name in schema.get("required", ()) or self.chance.random() < 0.6
                }
            case "array":
                items = schema.get("items", {})
                count = self.chance.randint(0, 3)
                return [self.value(items, defined, depth + 1) for _ in range(count)]
            case "string":
                return self.text(schema)
            case "integer" | "number":
                return self.chance.choice([0, 1, 2, 10, 400])
            case "boolean":
                return self.chance.random() < 0.5
        return self.strange()

    def text(self, schema: dict[str, Any]) -> str:
        if schema.get("format") == "date-time":
            return self.chance.choice(["2026-02-01T09:00:00+08:00", "1900-01-01T00:00:00Z"])
        if schema.get("format") == "date":
            return self.chance.choice(["2026-02-01", "1900-01-01"])
        good = [
            "周明华",
            "关于养老服务的建议",
            "deleg:pudong",
            "01HV0000000000000000000000",
            "a@b.test",
        ]
        return self.chance.choice([*good, "13800000000", "123456", "pudong", "motion.deadline"])


@functools.cache
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def crowd() -> list[Person]:
    """Somebody for every role, and somebody with all that one person may hold."""
    scopes = frozenset({"deleg:pudong", "cmte:fazhi", "unit:jtw", "mtg:m1", "room:r1"})
    people = [
        Person(id=f"01HVROLE{index:018d}", name="周明华", grants=(Grant(role=role, scopes=scopes),))
        for index, role in enumerate(Role)
    ]
    everything = tuple(Grant(role=role, scopes=scopes) for role in Role if role is not Role.AUDITOR)
    return [*people, *[Person(id="01HVALL0000000000000000000", name="梁静", grants=everything)] * 8]


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.acceptance("REST-fuzz")
async def test_ten_thousand_random_requests_over_all_routes_never_give_a_5xx(
    hub: RunningHub,
) -> None:
    chance = random.Random(SEED)
    fuzz = Fuzz(chance)
    callers = [hub.anybody, *[await hub.sign_in(person) for person in crowd()]]
    requests = iter([(*fuzz.request(turn), chance.choice(callers)) for turn in range(REQUESTS)])
    statuses: Counter[int] = Counter()
    blamed: list[tuple[str, str, bytes | None, int, bytes]] = []

    async def send() -> None:
        caller: Caller
        for method, path, body, caller in requests:
            reply = await caller.call(method, path, body=body, headers={"X-File-Name": "a.txt"})
            statuses[reply.status] += 1
            if reply.status < 400 or (method == "HEAD" and reply.status < 500):
                continue
            said = orjson.loads(reply.body or b"{}")
            fair = reply.status < 500 or said.get("code") == "not_configured"
            if not fair or not {"code", "msg", "request_id"} <= set(said):
                blamed.append((method, path, body, reply.status, reply.body))

    await asyncio.gather(*(send() for _ in range(AT_ONCE)))
    assert blamed == []
    assert statuses.total() == REQUESTS
    # It would prove nothing if everything were turned away at the door.
    assert statuses[401] < REQUESTS / 5
    assert sum(count for status, count in statuses.items() if status < 300) > REQUESTS / 50
    assert statuses[400] + statuses[422] > REQUESTS / 10
