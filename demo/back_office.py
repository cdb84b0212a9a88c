"""A little of what administrators leave behind: words, tags, saved views, a role that waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from domain.clock import NewId, local_day
from domain.dictionaries import Entry, shipped_entries
from domain.permissions import Role
from domain.role_grants import GrantState, RoleGrant
from domain.saved_views import SavedView
from storage.client import Database
from storage.dictionaries import DictionaryStore
from storage.grants import GrantStore
from storage.saved_views import SavedViewStore

TAGS = tuple(entry.code for entry in shipped_entries() if entry.dictionary == "profession")

_VIEWS = (
    ("accounts", "暂停职务的代表", {"state": "suspended", "sort": "-last_login"}),
    ("accounts", "尚未开通的账号", {"state": "imported"}),
    ("grants", "等待我审批的角色", {"state": "asked", "sort": "asked"}),
)


def professions(place: int) -> tuple[str, ...]:
    """Answer the tags of the deputy at a place of the roster: one, and every third has two."""
    first, second = TAGS[place % len(TAGS)], TAGS[(place * 5 + 3) % len(TAGS)]
    return (first, second) if place % 3 == 0 and first != second else (first,)


async def furnish(
    db: Database, new_id: NewId, *, base: datetime, people: Mapping[str, str]
) -> None:
    """Put the back office in use; ``people`` are ids by user name."""
    asked = base - timedelta(days=2)
    word = Entry(
        dictionary="profession",
        code="航运",
        label="航运",
        note="代表建议增设",
        sort=135,
        valid_from=local_day(asked),
        updated_at=asked,
        updated_by=people["yinchuanci"],
    )
    await DictionaryStore(db).seed([*shipped_entries(), word])
    views = SavedViewStore(db)
    for name in ("yinchuanci", "wenjingcheng"):
        for of_list, title, query in _VIEWS:
            view = SavedView(
                id=new_id(),
                person_id=people[name],
                list=of_list,
                name=title,
                query=query,
                created_at=asked,
                updated_at=asked,
            )
            await views.put(view)
    await GrantStore(db).add(
        RoleGrant(
            id=new_id(),
            person_id=people["guanxingye"],
            role=Role.EDITOR,
            since=asked,
            state=GrantState.ASKED,
            reason="负责代表风采栏目",
            asked_by=people["yinchuanci"],
            asked_at=asked,
        )
    )
