"""Who takes part in meetings.

::

    participant {_id: "<meeting>:<person>", m, p, capacity: member|attend|observe|staff, source,
                 since, grant_id?}
        Whoever waits on a line, or has left, is not here: everybody in ``participant`` takes part.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pymongo import UpdateOne

from domain.meetings.meeting import Capacity
from domain.meetings.participants import Body, Participant, Source
from domain.people import Flag
from storage.client import Database, Duplicate

_BATCH = 1000
_MOST_OF_ONE = 500


class ParticipantStore:
    """Implements ``domain.meetings.participants.ParticipantStore``."""

    def __init__(self, db: Database) -> None:
        self._participants = db["participant"]
        self._people = db["person"]

    async def resolve(self, body: Body) -> frozenset[str]:
        """Answer the person ids of those on the roster who belong to a body."""
        wanted: list[dict[str, Any]] = []
        if body.npcsc:
            wanted.append({"flags": Flag.NPCSC_MEMBER.value})
        if body.deputies:
            wanted.append({"kind": "deputy"})
        if body.scopes:
            # Staff carry the committee they work for as well; they are no members of it.
            wanted.append({"kind": "deputy", "audience": {"$in": sorted(body.scopes)}})
        if body.people:
            wanted.append({"_id": {"$in": sorted(body.people)}})
        if not wanted:
            return frozenset()
        rows = self._people.stream(
            {"state": "active", "$or": wanted}, projection={"_id": 1}, batch=_BATCH
        )
        return frozenset([row["_id"] async for row in rows])

    async def admit(self, participants: Sequence[Participant]) -> None:
        """Keep entries; of somebody who is there already only the capacity changes."""
        writes = [_admission(participant) for participant in participants]
        for start in range(0, len(writes), _BATCH):
            await self._participants.bulk(writes[start : start + _BATCH])

    async def admit_from_line(self, it: Participant) -> None:
        """Keep the entry of somebody who signed up; whoever is there otherwise stays as they are.

        A member who also waited in a line does not become a guest.
        """
        own = {"_id": f"{it.meeting_id}:{it.person_id}", "source": it.source.value}
        kept = {"capacity": it.capacity.value, "grant_id": it.grant_id}
        first = {"m": it.meeting_id, "p": it.person_id, "since": it.since}
        with suppress(Duplicate):
            await self._participants.update_one(
                own, {"$set": kept, "$setOnInsert": first}, upsert=True
            )

    async def withdraw(self, meeting_id: str, person_id: str) -> Participant | None:
        """Remove an entry and answer it, or ``None`` if there was none."""
        row = await self._participants.find_one_and_delete({"_id": f"{meeting_id}:{person_id}"})
        return read_participant(row) if row else None

    async def one(self, meeting_id: str, person_id: str) -> Participant | None:
        """Answer one entry, or ``None``."""
        row = await self._participants.find_one({"_id": f"{meeting_id}:{person_id}"})
        return read_participant(row) if row else None

    async def of(self, meeting_id: str) -> frozenset[str]:
        """Answer the ids of everybody who takes part in a meeting."""
        rows = self._participants.stream({"m": meeting_id}, projection={"p": 1}, batch=_BATCH)
        return frozenset([row["p"] async for row in rows])

    async def by_source(self, meeting_id: str, source: Source) -> Sequence[Participant]:
        """Answer those who came to a meeting in one way."""
        rows = await self._participants.find({"m": meeting_id, "source": source.value})
        return [read_participant(row) for row in rows]

    async def list(
        self, meeting_id: str, *, capacity: Capacity | None, after: str, limit: int
    ) -> Sequence[Participant]:
        """Answer those of a meeting by person id, those above ``after`` if it is not empty."""
        query: dict[str, Any] = {"m": meeting_id, "p": {"$gt": after}}
        if capacity is not None:
            query["capacity"] = capacity.value
        rows = await self._participants.find(query, sort=[("p", 1)], limit=limit)
        return [read_participant(row) for row in rows]

    async def counts(self, meeting_id: str) -> Mapping[Capacity, int]:
        """Answer how many take part in each capacity."""
        rows = await self._participants.aggregate(
            [{"$match": {"m": meeting_id}}, {"$group": {"_id": "$capacity", "n": {"$sum": 1}}}]
        )
        return {Capacity(row["_id"]): row["n"] for row in rows}

    async def meetings_of(self, person_id: str) -> Mapping[str, Capacity]:
        """Answer the meetings somebody takes part in, the latest 500, with the capacity."""
        rows = await self._participants.find(
            {"p": person_id}, projection={"m": 1, "capacity": 1}, sort=[("_id", -1)],
            limit=_MOST_OF_ONE,
        )  # fmt: skip
        return {row["m"]: Capacity(row["capacity"]) for row in rows}

    async def names(self, person_ids: Collection[str]) -> Mapping[str, str]:
        """Answer the names of people, of those who are on the roster."""
        rows = await self._people.find(
            {"_id": {"$in": sorted(person_ids)}},
            projection={"name": 1},
            limit=max(1, len(person_ids)),
        )
        return {row["_id"]: row["name"] for row in rows}


def _admission(it: Participant) -> UpdateOne:
    key = f"{it.meeting_id}:{it.person_id}"
    first = {
        "m": it.meeting_id, "p": it.person_id, "source": it.source.value, "since": it.since,
    }  # fmt: skip
    changed: dict[str, Any] = {"capacity": it.capacity.value}
    if it.grant_id is not None:
        changed["grant_id"] = it.grant_id
    return UpdateOne({"_id": key}, {"$set": changed, "$setOnInsert": first}, upsert=True)


def read_participant(row: Mapping[str, Any]) -> Participant:
    """Answer an entry as it is kept."""
    return Participant(
        meeting_id=row["m"],
        person_id=row["p"],
        capacity=row["capacity"],
        source=row.get("source", Source.STAFF.value),
        since=row.get("since"),
        grant_id=row.get("grant_id"),
    )
