"""Absences from the congress without leave: counted, and told to the staff once.

Deputies who twice stay away from a session of the congress without leave lose their seat by law.
That is for people to establish: the hub counts sessions (rule ``absence.unapproved``), raises one
alert for the staff, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from domain.clock import Clock, NewId
from domain.events import Event
from domain.hall.meeting import Meeting
from domain.ports import AuditLog, Bus

RULE = "absence.unapproved"


class AbsenceAlert(Event):
    """A deputy has missed as many sessions without leave as the law allows none to."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}",)

    type: Literal["absence.alert"] = "absence.alert"
    person_id: str
    sessions: int


class AbsenceStore(Protocol):
    """Knows who stayed away."""

    async def unexcused(self, person_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Answer the sessions each person missed: marked absent from the congress, no leave.

        A meeting of the congress that belongs to no session counts by itself.
        """

    async def alert(self, person_id: str, sessions: frozenset[str], at: datetime) -> bool:
        """Keep an alert about somebody; ``False`` if there was one about as many sessions."""


class Counts(Protocol):
    """Knows the numbers that rules name."""

    async def count(self, key: str) -> int:
        """Answer the number in force now."""


class AbsenceWatch:
    """Counts absences."""

    def __init__(
        self,
        store: AbsenceStore,
        rules: Counts,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._rules = rules
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def absent(self, meeting: Meeting, person_ids: Sequence[str]) -> None:
        """Look at people who were marked absent from a meeting."""
        if meeting.kind != "npc" or not person_ids:
            return
        most = await self._rules.count(RULE)
        for person_id, sessions in (await self._store.unexcused(person_ids)).items():
            if len(sessions) < most:
                continue
            at = self._clock()
            if not await self._store.alert(person_id, sessions, at):
                continue
            event = AbsenceAlert(
                id=self._new_id(), at=at, person_id=person_id, sessions=len(sessions)
            )
            await self._bus.publish(f"mtgstaff:{meeting.id}", event)
            await self._audit.record(
                "absence.alert",
                by="system",
                obj=f"person:{person_id}",
                detail={"meeting": meeting.id, "sessions": len(sessions)},
            )
