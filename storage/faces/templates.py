"""Templates of faces, and the tombstones that outlive them.

::

    face           {_id: person, state, model, samples: [sealed], reference: sealed, consent,
                    twins: [person], made_at, until, v}
    face_mark      {_id: "gallery", n}             grows with every change, so that processes notice
    face_tombstone {_id: ULID, p, at, reason}      that something was deleted, kept for ever

A tombstone is also a line in ``tombstones.jsonl`` below the data directory, so that it survives a
database that is lost; ``restore`` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.clock import NewId
from domain.faces.templates import End, Template, TemplateState, Tombstone
from storage.client import Database, Duplicate
from storage.tombstones import Ledger

_OVER = ("ended", "erased")
_ROLLING = timedelta(days=1)
_SOME = 200
_MOST = 100_000


class FaceStore:
    """Implements ``domain.faces.templates.FaceStore``."""

    def __init__(self, db: Database, ledger: Ledger, *, new_id: NewId) -> None:
        self._faces = db["face"]
        self._mark = db["face_mark"]
        self._stones = db["face_tombstone"]
        self._accounts = db["account"]
        self._ledger = ledger
        self._new_id = new_id

    async def get(self, person_id: str) -> Template | None:
        """Answer somebody's template, or ``None``."""
        row = await self._faces.find_one({"_id": person_id})
        return _template(row) if row else None

    async def many(self, person_ids: Sequence[str]) -> Sequence[Template]:
        """Answer the templates of people, of those who have one."""
        rows = await self._faces.find({"_id": {"$in": list(person_ids)}})
        return [_template(row) for row in rows]

    async def versions(self) -> Mapping[str, int]:
        """Answer who has a template that is active, with its version."""
        rows = await self._faces.find(
            {"state": TemplateState.ACTIVE.value}, projection={"v": 1}, limit=_MOST
        )
        return {row["_id"]: row["v"] for row in rows}

    async def put(self, template: Template) -> bool:
        """Keep a template if ``template.v`` is the version that is kept; tell whether it was."""
        row = template.model_dump(exclude={"person_id"})
        row |= {
            "_id": template.person_id,
            "state": template.state.value,
            "samples": list(template.samples),
            "twins": list(template.twins),
            "v": template.v + 1,
        }
        if template.v == 0:
            try:
                await self._faces.insert_one(row)
            except Duplicate:
                return False
        else:
            was = {"_id": template.person_id, "v": template.v}
            done = await self._faces.replace_one(was, row)
            if done.matched == 0:
                return False
        await self._touch()
        return True

    async def delete(self, stone: Tombstone) -> bool:
        """Set a tombstone, then delete the template; tell whether there was one."""
        if await self._faces.find_one({"_id": stone.person_id}, projection={"v": 1}) is None:
            return False
        # First the stone: a template without one could come back with a backup.
        await self._ledger.add(
            {"kind": "face", "p": stone.person_id, "at": stone.at, "reason": stone.reason.value}
        )
        await self._stones.insert_one(
            {
                "_id": self._new_id(),
                "p": stone.person_id,
                "at": stone.at,
                "reason": stone.reason.value,
            }
        )
        gone = await self._faces.delete_one({"_id": stone.person_id})
        await self._touch()
        return bool(gone)

    async def mark(self) -> int:
        """Answer a number that grows with every change."""
        row = await self._mark.find_one({"_id": "gallery"})
        return int(row["n"]) if row else 0

    async def over(self, now: datetime, model: str) -> Sequence[tuple[str, End]]:
        """Answer whose template is to go: expired, or the account is over.

        One of another model goes once it is a day old: while hosts are brought to a new version one
        after the other, what the new ones make is not the old ones' to delete.
        """
        former = {"model": {"$ne": model}, "made_at": {"$lte": now - _ROLLING}}
        rows = await self._faces.find(
            {"$or": [{"until": {"$lte": now}}, former]},
            projection={"_id": 1},
            limit=_SOME,
        )
        expired = [row["_id"] for row in rows]
        everybody = [
            row["_id"] for row in await self._faces.find({}, projection={"_id": 1}, limit=_MOST)
        ]
        ended: set[str] = set()
        for start in range(0, len(everybody), _SOME):
            some = everybody[start : start + _SOME]
            found = await self._accounts.find(
                {"_id": {"$in": some}, "state": {"$in": list(_OVER)}}, projection={"_id": 1}
            )
            ended |= {row["_id"] for row in found}
        return [(it, End.ENDED) for it in sorted(ended)] + [
            (it, End.EXPIRED) for it in expired if it not in ended
        ]

    async def held(self) -> Sequence[Template]:
        """Answer those that wait for a person's decision, the oldest first."""
        rows = await self._faces.find(
            {"state": TemplateState.HELD.value}, sort=[("made_at", 1)], limit=_SOME
        )
        return [_template(row) for row in rows]

    async def _touch(self) -> None:
        await self._mark.update_one({"_id": "gallery"}, {"$inc": {"n": 1}}, upsert=True)


def _template(row: Mapping[str, Any]) -> Template:
    fields = {name: value for name, value in row.items() if name != "_id"}
    return Template(person_id=row["_id"], **fields)
