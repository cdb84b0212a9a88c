"""Tries to be recognised, and what was shown in them.

::

    face_attempt {_id, purpose, p, passed, reason, band, distance, norm, vendor_score,
                  limits: {name: value}, model, steps, device, at}      gone after six months
    face_print   {_id: hash of a vector, at}                            gone after a day
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.faces.recogniser import FaceAttempt
from storage.client import Database, Duplicate


class FaceAttemptLog:
    """Implements ``domain.faces.recogniser.AttemptLog``."""

    def __init__(self, db: Database) -> None:
        self._attempts = db["face_attempt"]
        self._prints = db["face_print"]

    async def add(self, attempt: FaceAttempt) -> None:
        """Keep one."""
        row = attempt.model_dump(exclude={"id", "person_id"})
        row |= {
            "_id": attempt.id,
            "p": attempt.person_id,
            "band": attempt.band.value,
            "steps": [step.value for step in attempt.steps],
        }
        await self._attempts.insert_one(row)

    async def unseen(self, prints: Iterable[str], *, at: datetime) -> bool:
        """Note what was shown; ``False`` if any of it was shown before."""
        new = True
        for one in prints:
            try:
                await self._prints.insert_one({"_id": one, "at": at})
            except Duplicate:
                new = False
        return new
