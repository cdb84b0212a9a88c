"""Keepers of personal data among the acts of office: roles, broken glass, uploaded files.

Each implements ``domain.privacy.PersonalData``. What a person was and did in office stays on
record, with its legal ground; a file that was never used for anything is theirs and goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from domain.privacy import Erased
from storage.client import Database
from storage.grants import GrantStore


class Grants(Protocol):
    """Ends what somebody holds; ``domain.grants.GrantService`` does."""

    async def end_all(self, person_id: str, *, reason: str, by: str) -> None:
        """End every role of a person."""


class GrantData:
    """Roles: what somebody may do here, and since when."""

    name = "角色授予"
    collections = ("role_grant", "role_guard")

    def __init__(self, db: Database, grants: Grants) -> None:
        self._rows = GrantStore(db)
        self._grants = grants

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every role the person ever had or was asked for; who decided is left out."""
        return [
            {**grant.model_dump(mode="json", include=_OF_A_GRANT), "scopes": sorted(grant.scopes)}
            for grant in await self._rows.of(person_id)
        ]

    async def erase(self, person_id: str) -> Erased:
        """End what is in force; that it once was stays, as the proof of who acted by what right."""
        had = await self._rows.of(person_id)
        await self._grants.end_all(person_id, reason="已删除个人信息", by="system")
        kept = "角色授予记录：证明当时依职权办理（网络安全法第二十一条、职责分离要求）"
        return Erased(kept=(kept,) if had else ())


class GlassData:
    """Break-glass windows that somebody asked for."""

    name = "应急查看"
    collections = ("break_glass",)

    def __init__(self, db: Database) -> None:
        self._glasses = db["break_glass"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every window; what was looked at belongs to somebody else and is left out."""
        found = await self._glasses.find({"person_id": person_id}, sort=[("_id", 1)])
        return [
            {"id": doc["_id"], **{name: doc.get(name) for name in _OF_A_GLASS}} for doc in found
        ]

    async def erase(self, person_id: str) -> Erased:
        """Keep them: they are the proof of who looked at other people's data."""
        there = await self._glasses.count({"person_id": person_id})
        kept = "应急查看记录：证明何人何时查看过他人信息（个人信息保护法第五十一条、第五十四条）"
        return Erased(kept=(kept,) if there else ())


class FileData:
    """Files that somebody has uploaded."""

    name = "上传文件"
    collections = ("file",)

    def __init__(self, db: Database) -> None:
        self._files = db["file"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every file by name and hash, and the address at which its content is had."""
        found = await self._files.find({"owner": person_id}, sort=[("_id", 1)])
        return [
            {
                "id": doc["_id"],
                **{name: doc[name] for name in _OF_A_FILE},
                "address": f"/api/v1/files/{doc['_id']}/content",
            }
            for doc in found
        ]

    async def erase(self, person_id: str) -> Erased:
        """Delete what belongs to nothing else; its content goes with the next sweep."""
        removed = await self._files.delete_many({"owner": person_id, "ref": ""})
        used = await self._files.count({"owner": person_id})
        kept = f"已用于公文、会议或办件的文件 {used} 个：随所属档案依法保存（档案法）"
        return Erased(removed=removed, kept=(kept,) if used else ())


_OF_A_GRANT = {
    "id", "role", "since", "until", "state", "reason", "asked_at", "approved_at", "ended_at",
    "end_reason",
}  # fmt: skip
_OF_A_GLASS = ("reason", "state", "asked_at", "opened_at", "open_until", "closed_at", "uses")
_OF_A_FILE = ("name", "mime", "size", "sha256", "ref", "created_at")
