"""Speeches that were given.

::

    speech {_id: turn, m, item_id, p, name, turn, started_at, ended_at, seconds, over_s, extended}
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from domain.speech import Speech
from storage.client import Database, Duplicate

_SAME = ("item_id", "name", "turn", "started_at", "ended_at", "seconds", "over_s", "extended")


class SpeechStore:
    """Implements ``domain.speech.SpeechStore``."""

    def __init__(self, db: Database) -> None:
        self._speeches = db["speech"]

    async def add(self, speech: Speech) -> None:
        """Keep a speech; one that is there already stays as it is."""
        row = {name: getattr(speech, name) for name in _SAME}
        row |= {"_id": speech.id, "m": speech.meeting_id, "p": speech.person_id}
        with suppress(Duplicate):
            await self._speeches.insert_one(row)

    async def of(self, meeting_id: str) -> Sequence[Speech]:
        """Answer the speeches of a meeting, in their order."""
        rows = await self._speeches.find({"m": meeting_id}, sort=[("started_at", 1)])
        return [
            Speech(
                id=row["_id"],
                meeting_id=row["m"],
                person_id=row["p"],
                **{name: row[name] for name in _SAME},
            )
            for row in rows
        ]

    async def turns(self, meeting_id: str, item_id: str | None, person_id: str) -> int:
        """Count how often somebody has spoken on an item."""
        return await self._speeches.count({"m": meeting_id, "item_id": item_id, "p": person_id})
