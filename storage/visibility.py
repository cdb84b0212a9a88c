"""The windows of ``domain.visibility`` as a filter, so that pages come out of the database right.

Works on documents that carry ``cls``, ``owner_id`` and ``audience`` (a list of scopes).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.people import Person
from domain.visibility import Window, sight


def visible_query(
    person: Person, *, at: datetime | None = None, also: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Answer the filter that finds exactly what ``visible`` lets the person see."""
    return {"$or": [_clause(window) for window in sight(person, at=at, also=also)]}


def _clause(window: Window) -> dict[str, Any]:
    clause: dict[str, Any] = {"cls": {"$in": sorted(cls.value for cls in window.classes)}}
    if window.owner_id is not None:
        clause["owner_id"] = window.owner_id
    elif window.scopes is not None:
        clause["audience"] = {"$in": sorted(window.scopes)}
    return clause
