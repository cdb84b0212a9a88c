"""Who is in the hall: one document for each participant of a meeting, and the count of them.

::

    attendance {_id: "<meeting>:<person>", m, p, capacity, state, at, how, by, gate, ref, v,
                untold, unbooked, hist: [{state, at, how, by, reason, gate, ref}]}
        ``untold`` is there until the change has been announced, ``unbooked`` until the duty record
        has followed it: a process that dies in between leaves the mark for the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection as Some
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from domain.attendance import IN_THE_HALL, Attendance
from domain.hall.state import Figures, Quorum
from domain.meetings.meeting import Capacity
from storage.client import Database
from storage.hall import begin_hall, plain_part

_SOME = 500
_NO_MEMBERS = sorted(it.value for it in Capacity if it is not Capacity.MEMBER)


class AttendanceStore:
    """Implements ``domain.attendance.AttendanceStore``."""

    def __init__(self, db: Database) -> None:
        self._records = db["attendance"]

    async def get(self, meeting_id: str, person_id: str) -> Attendance | None:
        """Answer a record, or ``None``."""
        row = await self._records.find_one({"_id": f"{meeting_id}:{person_id}"})
        return _record(row) if row else None

    async def many(self, meeting_id: str, person_ids: Some[str]) -> dict[str, Attendance]:
        """Answer the records of people, of those who have one."""
        keys = [f"{meeting_id}:{it}" for it in sorted(person_ids)]
        rows = await self._records.find({"_id": {"$in": keys}})
        return {row["p"]: _record(row) for row in rows}

    async def of_person(self, person_id: str, meeting_ids: Some[str]) -> dict[str, Attendance]:
        """Answer what is on record of somebody at some meetings, by meeting."""
        keys = [f"{it}:{person_id}" for it in sorted(meeting_ids)]
        rows = await self._records.find({"_id": {"$in": keys}}, limit=max(1, len(keys)))
        return {row["m"]: _record(row) for row in rows}

    async def of(self, meeting_id: str) -> Sequence[Attendance]:
        """Answer every record of a meeting, by person id."""
        rows = await self._records.find({"m": meeting_id}, sort=[("p", 1)])
        return [_record(row) for row in rows]

    async def keep(self, records: Sequence[tuple[Attendance, int]]) -> set[str]:
        """Keep records as not told, each if the one before still has the version beside it.

        0 is for none before. Answers the people whose record was kept.
        """
        kept: set[str] = set()
        for keys in await asyncio.gather(
            self._records.insert_new([_row(record) for record, was in records if was == 0]),
            *(self._replace(record, was) for record, was in records if was),
        ):
            kept |= keys
        return {record.person_id for record, _ in records if _key(record) in kept}

    async def _replace(self, record: Attendance, was: int) -> set[str]:
        key = _key(record)
        done = await self._records.replace_one({"_id": key, "v": was}, _row(record))
        return {key} if done.matched else set()

    async def add_many(self, records: Sequence[Attendance]) -> None:
        """Keep new records in one call, announced and booked already, for invented data."""
        rows = [_row(record) for record in records]
        for row in rows:
            del row["untold"], row["unbooked"]
        await self._records.insert_many(rows)

    async def told(self, records: Iterable[Attendance]) -> None:
        """Take the mark from records that have not changed since."""
        await self._records.bulk(
            [
                UpdateOne({"_id": _key(record), "v": record.v}, {"$unset": {"untold": ""}})
                for record in records
            ]
        )

    async def untold(self, before: datetime) -> Sequence[Attendance]:
        """Answer some of those that changed before an instant and are still marked."""
        rows = await self._records.find({"untold": True, "at": {"$lt": before}}, limit=_SOME)
        return [_record(row) for row in rows]

    async def unbooked(self) -> Sequence[Attendance]:
        """Answer some of those that duty records have not followed yet."""
        rows = await self._records.find({"unbooked": True}, limit=_SOME)
        return [_record(row) for row in rows]

    async def booked(self, records: Iterable[Attendance]) -> None:
        """Take that mark from records that have not changed since."""
        await self._records.bulk(
            [
                UpdateOne({"_id": _key(record), "v": record.v}, {"$unset": {"unbooked": ""}})
                for record in records
            ]
        )


class QuorumStore:
    """Implements ``domain.hall.quorum.QuorumStore``."""

    def __init__(self, db: Database) -> None:
        self._halls = db["hall"]
        self._records = db["attendance"]
        self._participants = db["participant"]

    async def open(self, meeting_id: str) -> None:
        """Note that something is about to change."""
        opened = {"$set": {"quorum.open": True}}
        done = await self._halls.update_one({"_id": meeting_id}, opened)
        if done.matched == 0:
            await begin_hall(self._halls, meeting_id)
            await self._halls.update_one({"_id": meeting_id}, opened)

    async def ticket(self, meeting_id: str) -> Quorum:
        """Take the next ticket, and answer the quorum as it was last kept."""
        await begin_hall(self._halls, meeting_id)
        row = await self._halls.find_one_and_update(
            {"_id": meeting_id},
            {"$inc": {"quorum.seq": 1}, "$set": {"quorum.open": True}},
            projection={"quorum": 1},
        )
        return Quorum(**row["quorum"]) if row else Quorum()

    async def is_present(self, meeting_id: str, person_id: str) -> bool:
        """Tell whether somebody is in the hall by the record."""
        states = sorted(state.value for state in IN_THE_HALL)
        row = await self._records.find_one(
            {"_id": f"{meeting_id}:{person_id}", "state": {"$in": states}}, projection={"_id": 1}
        )
        return row is not None

    async def present(self, meeting_id: str) -> int:
        """Count the members who are in the hall.

        By the list as it is now: the capacity in the record is the one they were marked in.
        """
        states = sorted(state.value for state in IN_THE_HALL)
        there = {
            row["_id"]
            async for row in self._records.stream(
                {"m": meeting_id, "state": {"$in": states}}, projection={"_id": 1}
            )
        }
        others = self._participants.stream(
            {"m": meeting_id, "capacity": {"$in": _NO_MEMBERS}}, projection={"_id": 1}
        )
        there -= {row["_id"] async for row in others}
        listed = sorted(there)
        # By keys alone, and few at a time: a count of documents would hold up everybody else.
        return sum(
            [
                await self._participants.count({"_id": {"$in": listed[start : start + _SOME]}})
                for start in range(0, len(listed), _SOME)
            ]
        )

    async def settle(self, meeting_id: str, quorum: Quorum, flip: Figures | None) -> bool:
        """Keep a count, and the flip if it is one, if its ticket is still the last one."""
        kept = plain_part(quorum)
        # What somebody else still has to announce is not to be overwritten by what was read before.
        del kept["flip"]
        if flip is not None:
            kept["flip"] = flip.model_dump()
        done = await self._halls.update_one(
            {"_id": meeting_id, "quorum.seq": quorum.seq},
            {"$set": {f"quorum.{name}": value for name, value in kept.items()}},
        )
        return done.matched == 1

    async def told(self, meeting_id: str, flip: Figures) -> None:
        """Note that a flip has been announced."""
        await self._halls.update_one(
            {"_id": meeting_id, "quorum.flip.eid": flip.eid}, {"$set": {"quorum.flip": None}}
        )

    async def untold(self, before: datetime) -> Sequence[tuple[str, Figures]]:
        """Answer the flips of before an instant that have not been announced."""
        rows = await self._halls.find(
            {"quorum.flip.at": {"$lt": before}}, projection={"quorum": 1}, limit=_SOME
        )
        return [(row["_id"], Figures(**row["quorum"]["flip"])) for row in rows]

    async def opened(self) -> Sequence[str]:
        """Answer the meetings where a count is due."""
        rows = await self._halls.find({"quorum.open": True}, projection={"_id": 1}, limit=_SOME)
        return [row["_id"] for row in rows]


def _key(record: Attendance) -> str:
    return f"{record.meeting_id}:{record.person_id}"


def _row(record: Attendance) -> dict[str, Any]:
    return {
        "_id": _key(record),
        "m": record.meeting_id,
        "p": record.person_id,
        "capacity": record.capacity,
        "state": record.state.value,
        "at": record.at,
        "how": record.how,
        "by": record.by,
        "gate": record.gate,
        "ref": record.ref,
        "v": record.v,
        "untold": True,
        "unbooked": True,
        "hist": [turn.model_dump() | {"state": turn.state.value} for turn in record.history],
    }


def _record(row: dict[str, Any]) -> Attendance:
    same = {name: row[name] for name in ("capacity", "state", "at", "how", "by", "v")}
    same |= {name: row.get(name, "") for name in ("gate", "ref")}
    return Attendance(meeting_id=row["m"], person_id=row["p"], history=row["hist"], **same)
