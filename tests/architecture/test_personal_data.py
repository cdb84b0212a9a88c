"""Nothing personal is forgotten: every collection has a keeper, or a reason why it needs none.

A new collection stops this test until somebody has decided. If its documents say anything about a
person (an id is enough), write a keeper (``domain.privacy.PersonalData``) beside
``storage/personal*.py``, with ``collections``, and construct it in ``server/``. Otherwise give the
reason below.
"""

from __future__ import annotations

import ast
from pathlib import Path

from storage.indexes import INDEXES

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for package in ("storage", "server", "demo")
    for path in (ROOT / package).rglob("*.py")
    if "embedded" not in path.parts
]

OF_NOBODY = {
    "agenda_item": "acts of office",
    "audit": "append-only by law and chained; ids only, never C3 (PersonalData.erase says so)",
    "blob.chunks": "content of files, found only through ``file``",
    "blob.files": "content of files, found only through ``file``",
    "bulk_order": "acts of office on ids, gone after ninety days by an expiring index",
    "committee": "a part of the house",
    "congress": "a part of the house",
    "counter": "numbers",
    "delegation": "a part of the house",
    "demo": "invented people only, and never in production",
    "door_plan": "gates of a meeting; who set them up is an act of office",
    "device_token": "screens and scanners; ``created_by`` is an act of office",
    "dictionary": "words",
    "digest": "whose turn it is for a minute, gone after a day by an expiring index",
    "face_assessment": "records of the office; who made or approved one is an act of office",
    "face_mark": "one number",
    "face_print": "hashes that lead nowhere, gone after a day by an expiring index",
    "flag": "switches; ``changed_by`` is an act of office",
    "group": "a part of the house",
    "hall": "what a meeting shows at the moment; who spoke is in ``speech``",
    "idempotency": "answers to one's own requests, gone after a day by an expiring index",
    "installation": "the hub itself",
    "integration_key": "sealed keys of neighbours; who handed one in is an act of office",
    "lease": "processes",
    "limit": "counts of the last minutes, gone by an expiring index",
    "login_try": "counts under a hash, gone when their minutes are over",
    "migration": "the hub itself",
    "notice": "acts of office of those who write and approve; readers are in ``receipt``",
    "notice_batch": "ids on their way into ``receipt``, gone after a month by an expiring index",
    "notice_chain": "one instant",
    "notice_template": "texts; ``created_by`` is an act of office",
    "opinion": "acts of office of a meeting and a unit",
    "org": "a part of the house",
    "outbox": "on its way to the person's own channel, and gone when it arrived",
    "roster_import": "counts of an import; ``by`` is an act of office",
    "pass_key": "sealed keys; who made or revoked one is an act of office",
    "rule_change": "acts of office about rules",
    "rule_param": "rules",
    "session": "a part of the house",
    "workday": "days",
}
"""Collections that need no keeper, and why."""


def collections() -> dict[str, str]:
    """Every collection that the source names, with a place where it does."""
    found = {index.collection: "storage/indexes.py" for index in INDEXES}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant):
                continue
            owner = getattr(node.value, "attr", None) or getattr(node.value, "id", "")
            if owner in {"db", "_db"} and isinstance(node.slice.value, str):
                found[node.slice.value] = f"{path.relative_to(ROOT)}:{node.lineno}"
    return found


def keepers() -> dict[str, set[str]]:
    """Every class that keeps personal data, with the collections it answers for."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "storage").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            does = {item.name for item in node.body if isinstance(item, ast.AsyncFunctionDef)}
            if {"export", "erase"} <= does:
                found[node.name] = {
                    name
                    for item in node.body
                    if isinstance(item, ast.Assign)
                    and getattr(item.targets[0], "id", "") == "collections"
                    for name in ast.literal_eval(item.value)
                }
    return found


def test_every_collection_has_a_keeper_or_a_reason() -> None:
    kept = set().union(*keepers().values())
    forgotten = {
        name: place
        for name, place in collections().items()
        if name not in kept and name not in OF_NOBODY
    }
    assert forgotten == {}


def test_nothing_is_both_kept_and_of_nobody_and_every_reason_is_about_something() -> None:
    kept = set().union(*keepers().values())
    assert kept & set(OF_NOBODY) == set()
    assert set(OF_NOBODY) - set(collections()) == set()
    assert kept - set(collections()) == set()


def test_every_keeper_says_for_what_and_is_put_to_work() -> None:
    assembled = "".join(path.read_text("utf-8") for path in (ROOT / "server").glob("*.py"))
    assert {name for name, answers in keepers().items() if not answers} == set()
    assert {name for name in keepers() if f"{name}(" not in assembled} == set()
