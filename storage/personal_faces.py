"""Keeper of personal data of faces.

Implements ``domain.privacy.PersonalData``. Templates are C4: nobody gets them, not even their
owner; a copy says that there is one, and what was done with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.clock import Clock
from domain.faces.templates import End, Template, Tombstone
from domain.privacy import Erased
from storage.client import Database
from storage.faces.templates import FaceStore


class FaceData:
    """Templates of faces, tries to be recognised, and tombstones."""

    name = "人脸"
    collections = ("face", "face_attempt", "face_tombstone")

    def __init__(self, db: Database, store: FaceStore, *, clock: Clock) -> None:
        self._attempts = db["face_attempt"]
        self._stones = db["face_tombstone"]
        self._store = store
        self._clock = clock

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer that there is a template, every try, and every deletion; never a vector."""
        template = await self._store.get(person_id)
        tries = await self._attempts.find({"p": person_id}, sort=[("_id", 1)], limit=10_000)
        stones = await self._stones.find({"p": person_id}, sort=[("_id", 1)])
        return [
            *([_shown(template)] if template else []),
            *({"id": it["_id"], **{name: it[name] for name in _OF_A_TRY}} for it in tries),
            *({"id": it["_id"], "deleted_at": it["at"], "reason": it["reason"]} for it in stones),
        ]

    async def erase(self, person_id: str) -> Erased:
        """Delete template and tries; that something was deleted stays, so that it stays so."""
        stone = Tombstone(person_id, self._clock(), End.DELETED)
        removed = int(await self._store.delete(stone))
        removed += await self._attempts.delete_many({"p": person_id})
        there = await self._stones.count({"p": person_id})
        kept = (
            "人脸模板已删除的记录（不含生物特征）：防止恢复备份时复原（个人信息保护法第四十七条）"
        )
        return Erased(removed=removed, kept=(kept,) if there else ())


def _shown(template: Template) -> Mapping[str, Any]:
    facts = template.model_dump(mode="json", include=_OF_A_TEMPLATE)
    return {"id": "template", "samples": len(template.samples), **facts}


_OF_A_TEMPLATE = {"state", "model", "consent", "made_at", "until"}
_OF_A_TRY = ("purpose", "passed", "reason", "band", "device", "at")
