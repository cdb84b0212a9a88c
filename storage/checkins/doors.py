"""What is known of people at the doors of a meeting, and the doors.

::

    door_note {_id: "<meeting>:<person>", m, p, blocked, attention, reason, at, by}
    door_plan {_id: meeting, gates: [{id, name, capacities, devices, opens_at, closes_at}],
               opens_at, late_at, closes_at, v, at, by}
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.checkins.judging import DoorPlan, Standing
from domain.checkins.plans import DoorNote
from storage.client import Database, Duplicate

_OUT = ("approved", "effective")


class DoorStore:
    """Implements ``domain.checkins.doors.Facts`` and ``domain.checkins.plans.PlanStore``."""

    def __init__(self, db: Database) -> None:
        self._participants = db["participant"]
        self._leaves = db["leave"]
        self._accounts = db["account"]
        self._people = db["person"]
        self._notes = db["door_note"]
        self._plans = db["door_plan"]

    async def standings(
        self, meeting_id: str, person_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """Answer what is known of people, of each of them."""
        people = sorted(person_ids)
        if not people:
            return {}
        keys = {"$in": [f"{meeting_id}:{person_id}" for person_id in people]}
        invited, leaves, accounts, notes = await asyncio.gather(
            self._participants.find({"_id": keys}, projection={"p": 1, "capacity": 1}),
            self._leaves.find(
                {"open": keys, "state": {"$in": list(_OUT)}},
                projection={"p": 1, "since": 1, "until": 1},
            ),
            self._accounts.find(
                {"_id": {"$in": people}, "state": "suspended"}, projection={"_id": 1}
            ),
            self._notes.find({"_id": keys}),
        )
        capacity = {row["p"]: row["capacity"] for row in invited}
        away = {row["p"] for row in leaves if _away(row, at)}
        suspended = {row["_id"] for row in accounts}
        said = {row["p"]: row for row in notes}
        return {
            it: Standing(
                capacity.get(it),
                on_leave=it in away,
                suspended=it in suspended,
                blocked=bool(said.get(it, {}).get("blocked")),
                attention=said.get(it, {}).get("attention", ""),
            )
            for it in people
        }

    async def names(self, person_ids: Collection[str]) -> Mapping[str, str]:
        """Answer the names of people, of those who are on the roster."""
        rows = await self._people.find({"_id": {"$in": sorted(person_ids)}}, projection={"name": 1})
        return {row["_id"]: row["name"] for row in rows}

    async def invited(self, meeting_id: str) -> Sequence[str]:
        """Answer the ids of everybody who takes part."""
        rows = await self._participants.find({"m": meeting_id}, projection={"p": 1}, limit=10_000)
        return [row["p"] for row in rows]

    async def plan(self, meeting_id: str) -> DoorPlan:
        """Answer the doors of a meeting; the empty plan if nobody has made one."""
        row = await self._plans.find_one({"_id": meeting_id})
        kept = {name: value for name, value in row.items() if name != "_id"} if row else {}
        return DoorPlan(meeting_id=meeting_id, **kept)

    async def put_plan(self, plan: DoorPlan, *, was: int) -> bool:
        """Keep a plan if its version still is ``was``; tell whether."""
        row: dict[str, Any] = plan.model_dump(exclude={"meeting_id"})
        for gate in row["gates"]:
            gate |= {name: sorted(gate[name]) for name in ("capacities", "devices")}
        row |= {"_id": plan.meeting_id, "gates": list(row["gates"])}
        if was == 0:
            try:
                await self._plans.insert_one(row)
            except Duplicate:
                return False
            return True
        done = await self._plans.replace_one({"_id": plan.meeting_id, "v": was}, row)
        return done.matched == 1

    async def put_note(self, note: DoorNote) -> None:
        """Keep what the doors are to know of somebody, in place of what was said before."""
        row = note.model_dump(exclude={"meeting_id", "person_id"})
        await self._notes.update_one(
            {"_id": f"{note.meeting_id}:{note.person_id}"},
            {"$set": {"m": note.meeting_id, "p": note.person_id, **row}},
            upsert=True,
        )

    async def notes(self, meeting_id: str) -> Sequence[DoorNote]:
        """Answer what the doors of a meeting know of people."""
        rows = await self._notes.find({"m": meeting_id}, sort=[("p", 1)])
        same = ("blocked", "attention", "reason", "at", "by")
        return [
            DoorNote(meeting_id=row["m"], person_id=row["p"], **{name: row[name] for name in same})
            for row in rows
        ]


def _away(row: Mapping[str, Any], at: datetime) -> bool:
    since, until = row.get("since"), row.get("until")
    return (since is None or since <= at) and (until is None or at < until)
