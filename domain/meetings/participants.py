"""Who takes part in a meeting, and in which capacity.

Members come from the roster: by flag, committee, delegation or all deputies; others are invited by
name or have signed up (``domain.meetings.sign_ups``). Whoever is taken from the list loses the
meeting's channels and papers at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock
from domain.errors import BadState, Invalid, NotFound
from domain.meetings.meeting import (
    NEXT,
    OVER,
    Capacity,
    Meeting,
    MeetingStore,
    require_seen,
    require_served,
    scopes_of,
)
from domain.people import Person
from domain.ports import AuditLog, Bus


class Source(StrEnum):
    """How somebody came to take part."""

    ROSTER = "roster"
    STAFF = "staff"
    SIGN_UP = "sign_up"


class Participant(BaseModel):
    """One person at one meeting; ``grant_id`` is their pass, where they have one."""

    model_config = ConfigDict(frozen=True)

    meeting_id: str
    person_id: str
    capacity: Capacity
    source: Source = Source.STAFF
    since: datetime | None = None
    grant_id: str | None = None


class Body(BaseModel):
    """People named by what they belong to.

    Attributes:
        npcsc: Everybody on the standing committee.
        deputies: Every deputy in office.
        scopes: ``cmte:…``, ``deleg:…``, ``group:…``.
        people: Person ids.
    """

    model_config = ConfigDict(frozen=True)

    npcsc: bool = False
    deputies: bool = False
    scopes: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()


class ParticipantStore(Protocol):
    """Keeps who takes part; at most one entry for each person and meeting."""

    async def resolve(self, body: Body) -> frozenset[str]:
        """Answer the person ids of those on the roster who belong to a body."""

    async def admit(self, participants: Sequence[Participant]) -> None:
        """Keep entries; of somebody who is there already only the capacity changes."""

    async def admit_from_line(self, it: Participant) -> None:
        """Keep the entry of somebody who signed up; who is there otherwise stays as they are."""

    async def withdraw(self, meeting_id: str, person_id: str) -> Participant | None:
        """Remove an entry and answer it, or ``None`` if there was none."""

    async def one(self, meeting_id: str, person_id: str) -> Participant | None:
        """Answer one entry, or ``None``."""

    async def of(self, meeting_id: str) -> frozenset[str]:
        """Answer the ids of everybody who takes part in a meeting."""

    async def by_source(self, meeting_id: str, source: Source) -> Sequence[Participant]:
        """Answer those who came to a meeting in one way."""

    async def list(
        self, meeting_id: str, *, capacity: Capacity | None, after: str, limit: int
    ) -> Sequence[Participant]:
        """Answer those of a meeting by person id, those above ``after`` if it is not empty."""

    async def counts(self, meeting_id: str) -> Mapping[Capacity, int]:
        """Answer how many take part in each capacity."""

    async def meetings_of(self, person_id: str) -> Mapping[str, Capacity]:
        """Answer the meetings somebody takes part in, the latest 500, with the capacity."""

    async def names(self, person_ids: Collection[str]) -> Mapping[str, str]:
        """Answer the names of people, of those who are on the roster."""


class Hall(Protocol):
    """Knows who is in the hall, and counts whether they are enough."""

    async def present(self, meeting_id: str, person_id: str) -> bool:
        """Tell whether somebody was recorded as being there."""

    async def open(self, meeting_id: str) -> None:
        """Hear that what is counted is about to change."""

    async def touch(self, meeting_id: str) -> None:
        """Count anew."""


class ParticipantService:
    """Keeps the list of a meeting, and tells what taking part opens.

    Members are the base of the quorum, so it is counted anew whenever the list changes.
    """

    def __init__(
        self,
        store: ParticipantStore,
        meetings: MeetingStore,
        hall: Hall,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._store = store
        self._meetings = meetings
        self._hall = hall
        self._bus = bus
        self._audit = audit
        self._clock = clock

    async def of(self, meeting_id: str) -> frozenset[str]:
        """Answer everybody who takes part in a meeting; for services, not for people."""
        return await self._store.of(meeting_id)

    async def scopes(self, person: Person, meeting_id: str) -> frozenset[str]:
        """Answer the scopes that a person's part in a meeting brings."""
        found = await self._store.one(meeting_id, person.id)
        return scopes_of(meeting_id, found.capacity if found else None)

    async def list(
        self,
        meeting_id: str,
        *,
        by: Person,
        capacity: Capacity | None = None,
        after: str = "",
        limit: int = 50,
    ) -> tuple[Sequence[Participant], Mapping[str, str]]:
        """Answer who takes part, with their names; the staff and those who take part may ask.

        Raises:
            NotFound: There is no such meeting, or they may not know of it.
        """
        meeting = await self._find(meeting_id)
        also = await self.scopes(by, meeting_id)
        require_seen(by, meeting, also=also)
        if not also:
            require_served(by, meeting)
        found = await self._store.list(meeting_id, capacity=capacity, after=after, limit=limit)
        return found, await self._store.names([it.person_id for it in found])

    async def add(self, meeting_id: str, body: Body, capacity: Capacity, *, by: Person) -> int:
        """Put people on the list, or give those who are on it this capacity; answer how many.

        Raises:
            Forbidden: They are not of the meeting's staff.
            Invalid: Nobody is meant, or somebody who is not on the roster.
            BadState: The meeting is over.
        """
        meeting = await self._open(meeting_id, by)
        people = await self._store.resolve(body)
        if not people:
            raise Invalid("没有符合条件的人员", field="people")
        if strangers := sorted(body.people - people):
            raise Invalid("名册中没有此人", field="people", detail={"people": strangers})
        await self._hall.open(meeting.id)
        by_name = bool(body.people)
        source, at = (Source.STAFF if by_name else Source.ROSTER), self._clock()
        await self._store.admit(
            [
                Participant(
                    meeting_id=meeting.id, person_id=it, capacity=capacity, source=source, since=at
                )
                for it in sorted(people)
            ]
        )
        await self._note(
            "participant.add", meeting, by, capacity=capacity.value, count=len(people),
            **({"people": sorted(people)} if by_name and len(people) <= 50 else {}),
        )  # fmt: skip
        await self._hall.touch(meeting.id)
        # A lesser capacity may close what the greater one opened.
        for person_id in sorted(body.people):
            await self._bus.recheck(person_id)
        return len(people)

    async def remove(self, meeting_id: str, person_id: str, *, by: Person) -> None:
        """Take somebody from the list; open subscriptions to the meeting end at once.

        Raises:
            NotFound: They are not on it.
            BadState: They signed up themselves and must cancel, are in the hall by the record, or
                the meeting is over.
        """
        meeting = await self._open(meeting_id, by)
        found = await self._store.one(meeting_id, person_id)
        if found is None:
            raise NotFound
        if found.source is Source.SIGN_UP:
            raise BadState("该人员为自行报名，请在报名名单中取消", allowed=("cancel",))
        if await self._hall.present(meeting_id, person_id):
            raise BadState("该人员已签到，请先更正到会记录", allowed=("attendance.reverse",))
        await self._hall.open(meeting_id)
        await self._store.withdraw(meeting_id, person_id)
        await self._note("participant.remove", meeting, by, person=person_id)
        await self._hall.touch(meeting_id)
        await self._bus.recheck(person_id)

    async def _open(self, meeting_id: str, by: Person) -> Meeting:
        meeting = await self._find(meeting_id)
        require_served(by, meeting)
        if meeting.state in OVER:
            raise BadState("会议已结束，不能调整参会人员", allowed=NEXT[meeting.state])
        return meeting

    async def _find(self, meeting_id: str) -> Meeting:
        meeting = await self._meetings.get(meeting_id)
        if meeting is None:
            raise NotFound
        return meeting

    async def _note(self, action: str, meeting: Meeting, by: Person, **detail: Any) -> None:
        await self._audit.record(action, by=by.id, obj=f"meeting:{meeting.id}", detail=detail)
