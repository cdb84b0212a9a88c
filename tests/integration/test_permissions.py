"""The permission matrix over HTTP: every endpoint that names a permission, called by every role.

Who may not is turned away with 403 before anything is read; who may gets past the door, whatever
then becomes of the empty request.
"""

from __future__ import annotations

from collections import defaultdict

import pytest

from domain.people import Grant, Person
from domain.permissions import Permission, Role
from handlers.operation import operation_of
from server.application import ROUTES, VERBS
from tests.integration.addresses import address
from tests.integration.people import person, ulid
from tests.unit.domain.test_permissions import ACTIONS, LINES, MINE

MAY = {(ACTIONS[line["action"]], Role(line["role"])): line["may"] == "200" for line in LINES}


def endpoints() -> list[tuple[str, str, Permission]]:
    """Every method of every address that names a permission, its groups filled."""
    found = []
    for route in ROUTES:
        for verb in VERBS:
            promise = operation_of(getattr(route.handler, verb, None))
            if promise is None or not isinstance(promise.access, Permission):
                continue
            found.append((verb.upper(), address(route), promise.access))
    return found


def holder(role: Role) -> Person:
    made = person(ulid(50 + list(Role).index(role)), "某人", role, MINE)
    assert made.grants == (Grant(role=role, scopes=frozenset({MINE})),)
    return made


def refused_at_the_door(reply, permission: Permission) -> bool:
    if reply.status != 403:
        return False
    detail = reply.json.get("detail") or {}
    return detail.get("permission") == permission.value


async def test_every_endpoint_turns_away_whoever_may_not_and_nobody_else(hub):
    callers = {role: await hub.sign_in(holder(role)) for role in Role}
    wrong = defaultdict(list)
    tried = set()
    for verb, path, permission in endpoints():
        body = None if verb in {"GET", "DELETE"} else {}
        for role, caller in callers.items():
            reply = await caller.call(verb, path, body)
            tried.add((permission, role))
            away = refused_at_the_door(reply, permission)
            if not MAY[permission, role] and not away:
                wrong[f"{verb} {path}"].append(f"{role} may not, and got {reply.status}")
            if MAY[permission, role] and (away and _passes_empty(permission, role)):
                wrong[f"{verb} {path}"].append(f"{role} may, and was turned away")
            assert reply.status < 500, (verb, path, role, reply.body)
    assert not wrong
    assert {permission for permission, _ in tried} >= {
        Permission.CONTROL_CHANGE, Permission.AUDIT_READ, Permission.BREAK_GLASS,
        Permission.ROSTER_MANAGE, Permission.ACCOUNT_MANAGE, Permission.DIRECTORY_READ,
    }  # fmt: skip


def _passes_empty(permission: Permission, role: Role) -> bool:
    """Whether a caller with this right is never refused for lack of it further in.

    Those who only look or propose are, where an endpoint decides; and so are those whose scope the
    invented object is not in.
    """
    decides = {
        (ACTIONS[line["action"]], Role(line["role"])): (line["decides"], line["elsewhere"])
        for line in LINES
    }
    return decides[permission, role] == ("200", "200")


@pytest.mark.parametrize(
    ("role", "verb", "path", "body", "status"),
    [
        ("motion_clerk", "POST", "/api/v1/admin/grants", "grant", 403),
        ("auditor", "POST", "/api/v1/admin/grants", "grant", 403),
        ("admin", "POST", "/api/v1/admin/grants", "grant", 201),
        ("motion_clerk", "POST", "/api/v1/admin/rule-changes", "rule", 201),
        ("auditor", "POST", "/api/v1/admin/rule-changes", "rule", 403),
        ("auditor", "GET", "/api/v1/admin/rule-changes", None, 200),
        ("deputy", "GET", "/api/v1/admin/rule-changes", None, 403),
        ("auditor", "GET", "/api/v1/admin/audit", None, 200),
        ("admin", "GET", "/api/v1/admin/audit", None, 200),
        ("ops", "GET", "/api/v1/admin/audit", None, 403),
        ("auditor", "POST", "/api/v1/admin/break-glass", "glass", 403),
        ("admin", "POST", "/api/v1/admin/break-glass", "glass", 201),
        ("screen", "GET", "/api/v1/people", None, 403),
        ("deputy", "GET", "/api/v1/people", None, 200),
    ],
)
async def test_looking_proposing_and_deciding_are_three_things(hub, role, verb, path, body, status):
    bodies = {
        "grant": {"person_id": ulid(99), "role": "editor", "reason": "任命"},
        "rule": {
            "key": "sugg.reject", "value": 9, "valid_from": "2026-03-01", "source": "新文本",
            "reason": "修改",
        },
        "glass": {"obj": "room:r1", "reason": "核查"},
    }  # fmt: skip
    caller = await hub.sign_in(holder(Role(role)))
    assert (await caller.call(verb, path, bodies.get(body))).status == status
