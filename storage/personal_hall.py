"""Keepers of personal data of the hall: who was there, on leave, sat where, spoke.

Each implements ``domain.privacy.PersonalData``. That somebody attended is on record by law and
stays; a copy shows it to the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.leave.request import reason_context
from domain.ports import Vault
from domain.privacy import Erased
from storage.client import Database

_ON_RECORD = "出席、请假和发言情况：常委会应当记录代表履职情况（代表法第五十八条）"


class AttendanceData:
    """Attendance at meetings, and what staff were told of absences."""

    name = "会议出席"
    collections = ("attendance", "absence_alert")

    def __init__(self, db: Database) -> None:
        self._records = db["attendance"]
        self._alerts = db["absence_alert"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every record with its history, without who marked it, and the alerts."""
        rows = await self._records.find({"p": person_id}, sort=[("at", 1)])
        records = [
            {
                "meeting": row["m"],
                **{name: row[name] for name in ("capacity", "state", "at", "how")},
                "history": [{"state": it["state"], "at": it["at"]} for it in row["hist"]],
            }
            for row in rows
        ]
        alerts = await self._alerts.find({"p": person_id}, sort=[("_id", 1)])
        return [*records, *({"alert": row["sessions"], "at": row["at"]} for row in alerts)]

    async def erase(self, person_id: str) -> Erased:
        """Keep what the law wants on record."""
        there = await self._records.count({"p": person_id}, limit=1)
        return Erased(kept=(_ON_RECORD,) if there else ())


class LeaveData:
    """Requests for leave, with their reasons."""

    name = "请假"
    collections = ("leave", "leave_delegate")

    def __init__(self, db: Database, vault: Vault) -> None:
        self._leaves = db["leave"]
        self._vault = vault

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every request with its reason; who decided is left out."""
        rows = await self._leaves.find({"p": person_id}, sort=[("_id", 1)])
        return [
            {
                "meeting": row["m"],
                **{name: row[name] for name in _OF_A_LEAVE},
                "reason": self._vault.open(
                    bytes(row["reason_enc"]), context=reason_context(row["_id"])
                ),
            }
            for row in rows
        ]

    async def erase(self, person_id: str) -> Erased:
        """Forget the reasons; that leave was given stays, as it excuses the absence."""
        rows = await self._leaves.find({"p": person_id}, projection={"_id": 1})
        for row in rows:
            sealed = self._vault.seal(_FORGOTTEN, context=reason_context(row["_id"]))
            await self._leaves.update_one(
                {"_id": row["_id"]}, {"$set": {"reason_enc": sealed, "note": ""}}
            )
        return Erased(removed=len(rows), kept=(_ON_RECORD,) if rows else ())


_FORGOTTEN = "（已删除）"
_OF_A_LEAVE = ("kind", "state", "since", "until", "asked_at", "decided_at", "note")


class SeatData:
    """Seats that somebody was given."""

    name = "座位"
    collections = ("seat",)

    def __init__(self, db: Database) -> None:
        self._seats = db["seat"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every seat."""
        rows = await self._seats.find({"p": person_id}, sort=[("_id", 1)])
        return [{"meeting": row["m"], "no": row["no"], "state": row["state"]} for row in rows]

    async def erase(self, person_id: str) -> Erased:
        """Forget who sat where."""
        freed = await self._seats.update_many(
            {"p": person_id}, {"$set": {"p": None, "state": "free"}, "$unset": {"held": ""}}
        )
        return Erased(removed=freed.modified)


class SpeechData:
    """Speeches that somebody gave: when and for how long, not what was said."""

    name = "会议发言"
    collections = ("speech",)

    def __init__(self, db: Database) -> None:
        self._speeches = db["speech"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every speech."""
        rows = await self._speeches.find({"p": person_id}, sort=[("started_at", 1)])
        return [{"meeting": row["m"], **{name: row[name] for name in _OF_A_SPEECH}} for row in rows]

    async def erase(self, person_id: str) -> Erased:
        """Keep what the law wants on record."""
        there = await self._speeches.count({"p": person_id}, limit=1)
        return Erased(kept=(_ON_RECORD,) if there else ())


_OF_A_SPEECH = ("item_id", "turn", "started_at", "ended_at", "seconds")
