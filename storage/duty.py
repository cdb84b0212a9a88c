"""Duty records, and the meetings they come from.

::

    duty_record {_id: "<meeting>-<person>", p, deleg, m, origin, kind, level, title, place,
                 organiser, start, end, minutes, evidence, state, public, by, at, created_at, eid,
                 follows, v, open, untold, hist: [{state, at, by, reason, facts}]}
        The key makes a second record of a person at a meeting impossible. ``open`` is there until
        the meeting is over, ``untold`` until the person has been told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.duty.following import Occasion
from domain.duty.record import OPEN, DutyState, Facts, Place, Record, Tally, Wanted
from storage.client import Database, Duplicate

_SOME = 500
_SAME = (
    "origin", "evidence", "state", "public", "by", "at", "created_at", "eid", "follows", "v",
)  # fmt: skip
_FACTS = tuple(Facts.model_fields)
_VOID = DutyState.VOID.value


class DutyStore:
    """Implements ``domain.duty.record.DutyStore``."""

    def __init__(self, db: Database) -> None:
        self._records = db["duty_record"]

    async def get(self, record_id: str) -> Record | None:
        """Answer a record, or ``None``."""
        row = await self._records.find_one({"_id": record_id})
        return _record(row) if row else None

    async def many(self, record_ids: Iterable[str]) -> dict[str, Record]:
        """Answer those that are kept, by id."""
        rows = await self._records.find({"_id": {"$in": sorted(record_ids)}})
        return {row["_id"]: _record(row) for row in rows}

    async def put(self, record: Record, *, was: int) -> bool:
        """Keep a record if its version still is ``was``; tell whether."""
        row = _row(record)
        if was == 0:
            try:
                await self._records.insert_one({"_id": record.id, **row, "untold": True})
            except Duplicate:
                return False
            return True
        # A mark that somebody has still to tell the person stays.
        gone = {} if "open" in row else {"$unset": {"open": ""}}
        done = await self._records.update_one({"_id": record.id, "v": was}, {"$set": row} | gone)
        return done.matched == 1

    async def add_many(self, records: Sequence[Record]) -> None:
        """Keep new records in one call, announced already, for invented data."""
        await self._records.insert_many([{"_id": it.id, **_row(it)} for it in records])

    async def told(self, records: Iterable[Record]) -> None:
        """Take the mark away."""
        ids = [record.id for record in records]
        if ids:
            await self._records.update_many({"_id": {"$in": ids}}, {"$unset": {"untold": ""}})

    async def untold(self, before: datetime) -> Sequence[Record]:
        """Answer some that were written before an instant and are still marked."""
        rows = await self._records.find(
            {"untold": True, "created_at": {"$lt": before}}, limit=_SOME
        )
        return [_record(row) for row in rows]

    async def open_meetings(self) -> Sequence[str]:
        """Answer the ids of the meetings that have records which wait for their end."""
        return sorted(await self._records.distinct("m", {"open": True}))

    async def open_at(self, meeting_id: str) -> Sequence[Record]:
        """Answer those records of a meeting."""
        rows = await self._records.find({"open": True, "m": meeting_id})
        return [_record(row) for row in rows]

    async def of_person(
        self, person_id: str, wanted: Wanted, *, after: Place | None, limit: int
    ) -> Sequence[Record]:
        """Answer a person's records, those that began last first, from ``after`` on."""
        every: list[dict[str, Any]] = [{"p": person_id, **_query(wanted)}]
        if after is not None:
            at, key = after
            every.append({"$or": [{"start": {"$lt": at}}, {"start": at, "_id": {"$lt": key}}]})
        rows = await self._records.find(
            {"$and": every}, sort=[("start", -1), ("_id", -1)], limit=limit
        )
        return [_record(row) for row in rows]

    async def of_meeting(
        self, meeting_id: str, wanted: Wanted, *, after: str, limit: int
    ) -> Sequence[Record]:
        """Answer a meeting's records by id, those above ``after``."""
        query = {"m": meeting_id, **_query(wanted), "_id": {"$gt": after}}
        rows = await self._records.find(query, sort=[("_id", 1)], limit=limit)
        return [_record(row) for row in rows]

    async def sums(self, scope: Mapping[str, str], wanted: Wanted) -> Sequence[Tally]:
        """Count by kind and state what a ``person_id`` or ``meeting_id`` has, void ones too."""
        short = {"person_id": "p", "meeting_id": "m"}
        match = {short[name]: value for name, value in scope.items()} | _query(wanted)
        rows = await self._records.aggregate(
            [
                {"$match": match},
                {
                    "$group": {
                        "_id": {"kind": "$kind", "state": "$state"},
                        "n": {"$sum": 1},
                        "minutes": {"$sum": "$minutes"},
                    }
                },
                {"$sort": {"_id": 1}},
            ]
        )
        return [
            Tally(row["_id"]["kind"], DutyState(row["_id"]["state"]), row["n"], row["minutes"])
            for row in rows
        ]

    async def between(
        self, person_ids: Iterable[str], since: datetime, until: datetime
    ) -> Sequence[Record]:
        """Answer people's records, not void, that overlap a span of time."""
        rows = await self._records.find(
            {
                "p": {"$in": sorted(person_ids)},
                "state": {"$ne": _VOID},
                "start": {"$lt": until},
                "end": {"$gt": since},
            }
        )
        return [_record(row) for row in rows]


_OF_A_MEETING = (
    "kind", "state", "title", "place", "starts_at", "ends_at", "closed_at", "session_id",
)  # fmt: skip
_HOSTS = (("committee_id", "committee"), ("delegation_id", "delegation"), ("session_id", "session"))


class OccasionStore:
    """Implements ``domain.duty.book.Occasions`` over the collections of the meetings."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._meetings = db["meeting"]

    async def get(self, meeting_id: str) -> Occasion | None:
        """Answer a meeting, or ``None``."""
        names = (*_OF_A_MEETING, *(field for field, _ in _HOSTS))
        row = await self._meetings.find_one({"_id": meeting_id}, projection=names)
        if row is None:
            return None
        facts = {name: row[name] for name in _OF_A_MEETING if row.get(name) is not None}
        short = {"committee_id": "cmte", "delegation_id": "deleg", "session_id": "session"}
        hosts = {f"{short[field]}:{row[field]}" for field, _ in _HOSTS if row.get(field)}
        return Occasion(
            id=meeting_id,
            organiser=await self._organiser(row),
            scopes=frozenset(hosts | {f"mtg:{meeting_id}"}),
            **facts,
        )

    async def _organiser(self, row: Mapping[str, Any]) -> str:
        for field, collection in _HOSTS:
            if row.get(field):
                host = await self._db[collection].find_one(
                    {"_id": row[field]}, projection={"name": 1}
                )
                return host["name"] if host else ""
        return ""


def _query(wanted: Wanted) -> dict[str, Any]:
    query: dict[str, Any] = {}
    if wanted.since or wanted.until:
        span = {"$gte": wanted.since, "$lt": wanted.until}
        query["start"] = {name: value for name, value in span.items() if value}
    if wanted.kind is not None:
        query["kind"] = wanted.kind
    if wanted.state is not None:
        query["state"] = wanted.state.value
    if wanted.delegations is not None:
        query["deleg"] = {"$in": sorted(wanted.delegations)}
    return query


def _row(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(record, name) for name in _SAME}
    row |= {"origin": record.origin.value, "state": record.state.value, **_plain(record.facts)}
    row |= {
        "p": record.person_id,
        "deleg": record.delegation_id,
        "m": record.meeting_id,
        "hist": [
            step.model_dump()
            | {"state": step.state.value, "facts": _plain(step.facts) if step.facts else None}
            for step in record.history
        ],
    }
    if record.state in OPEN:
        row["open"] = True
    return row


def _plain(facts: Facts) -> dict[str, Any]:
    return facts.model_dump() | {"level": facts.level.value}


def _record(row: Mapping[str, Any]) -> Record:
    return Record(
        id=row["_id"],
        person_id=row["p"],
        delegation_id=row["deleg"],
        meeting_id=row["m"],
        facts=Facts(**{name: row[name] for name in _FACTS}),
        history=row["hist"],
        **{name: row[name] for name in _SAME},
    )
