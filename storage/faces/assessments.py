"""Impact assessments.

::

    face_assessment {_id, said: {title, purpose, impact, measures, conclusion, until}, made_at,
                     made_by, approved_at, approved_by}      never changed, never removed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.faces.assessments import Assessment, Said
from storage.client import Database


class AssessmentStore:
    """Implements ``domain.faces.assessments.AssessmentStore``."""

    def __init__(self, db: Database) -> None:
        self._rows = db["face_assessment"]

    async def all(self) -> Sequence[Assessment]:
        """Answer every assessment, the newest first."""
        return [_read(row) for row in await self._rows.find({}, sort=[("_id", -1)])]

    async def get(self, assessment_id: str) -> Assessment | None:
        """Answer one, or ``None``."""
        row = await self._rows.find_one({"_id": assessment_id})
        return _read(row) if row else None

    async def add(self, assessment: Assessment) -> None:
        """Keep a new one."""
        row = assessment.model_dump(exclude={"id"})
        await self._rows.insert_one({**row, "_id": assessment.id})

    async def approve(self, assessment_id: str, *, at: datetime, by: str) -> Assessment | None:
        """Note the approval of one that was not approved yet; answer it, or ``None``."""
        row = await self._rows.find_one_and_update(
            {"_id": assessment_id, "approved_at": None},
            {"$set": {"approved_at": at, "approved_by": by}},
        )
        return _read(row) if row else None


def _read(row: Mapping[str, Any]) -> Assessment:
    fields = {name: value for name, value in row.items() if name not in {"_id", "said"}}
    return Assessment(id=row["_id"], said=Said(**row["said"]), **fields)
