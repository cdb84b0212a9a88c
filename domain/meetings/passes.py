"""Passes: the role ``guest`` over one meeting, for those who signed up, and no longer than that.

A pass is dated to the end of the day on which the meeting is to end, and is taken back as soon as
the meeting is over or the place is given up.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.clock import Clock, NewId, local_day
from domain.errors import Conflict
from domain.meetings.meeting import Meeting
from domain.meetings.participants import ParticipantStore, Source
from domain.permissions import Role
from domain.ports import AuditLog, Bus
from domain.role_grants import GrantState, GrantStore, RoleChanged, RoleGrant
from domain.rules import begin_of

_DAY = timedelta(days=1)


class PassService:
    """Gives passes and takes them back; implements ``domain.meetings.desk.AtTheEnd``."""

    def __init__(
        self,
        grants: GrantStore,
        participants: ParticipantStore,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._grants = grants
        self._participants = participants
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def give(self, person_id: str, meeting: Meeting) -> str:
        """Give somebody the pass of a meeting, once, and answer the id of the grant."""
        if (there := await self._held(person_id, meeting)) is not None:
            return there.id
        at = self._clock()
        grant = RoleGrant(
            id=self._new_id(),
            person_id=person_id,
            role=Role.GUEST,
            scopes=frozenset({f"mtg:{meeting.id}"}),
            since=at,
            until=_until(meeting, at),
            state=GrantState.GRANTED,
            reason="报名获准",
            asked_by=person_id,
            asked_at=at,
            approved_by="system",
            approved_at=at,
        )
        try:
            await self._grants.add(grant)
        except Conflict:
            # Somebody else gave the same pass at the same moment.
            there = await self._held(person_id, meeting)
            if there is None:
                raise
            return there.id
        await self._note("pass.give", grant, meeting)
        return grant.id

    async def take(self, person_id: str, meeting: Meeting, *, reason: str) -> None:
        """Take the pass back; harmless where there is none."""
        grant = await self._held(person_id, meeting)
        if grant is None:
            return
        ended = grant.model_copy(
            update={
                "state": GrantState.ENDED,
                "ended_by": "system",
                "ended_at": self._clock(),
                "end_reason": reason,
                "v": grant.v + 1,
            }
        )
        if await self._grants.settle(ended, was=grant):
            await self._note("pass.end", ended, meeting)

    async def ended(self, meeting: Meeting) -> None:
        """Take back every pass of a meeting that is over."""
        for it in await self._participants.by_source(meeting.id, Source.SIGN_UP):
            await self.take(it.person_id, meeting, reason="会议结束")

    async def moved(self, meeting: Meeting) -> None:
        """Let passes last until the new end of a meeting."""
        until = _until(meeting, self._clock())
        for it in await self._participants.by_source(meeting.id, Source.SIGN_UP):
            grant = await self._held(it.person_id, meeting)
            if grant is not None and grant.until != until:
                longer = grant.model_copy(update={"until": until, "v": grant.v + 1})
                await self._grants.settle(longer, was=grant)

    async def _held(self, person_id: str, meeting: Meeting) -> RoleGrant | None:
        scopes = frozenset({f"mtg:{meeting.id}"})
        for grant in await self._grants.of(person_id):
            granted = grant.state is GrantState.GRANTED
            if granted and grant.role is Role.GUEST and grant.scopes == scopes:
                return grant
        return None

    async def _note(self, action: str, grant: RoleGrant, meeting: Meeting) -> None:
        await self._audit.record(
            action,
            by="system",
            obj=f"person:{grant.person_id}",
            detail={"meeting": meeting.id, "grant": grant.id, "reason": grant.end_reason},
        )
        event = RoleChanged(
            id=self._new_id(), v=grant.v, at=self._clock(), role=grant.role, state=grant.state
        )
        await self._bus.publish(f"user:#{grant.person_id}", event)
        await self._bus.recheck(grant.person_id)


def _until(meeting: Meeting, now: datetime) -> datetime:
    end = meeting.ends_at or meeting.starts_at or now
    return begin_of(local_day(max(end, now)) + _DAY)
