"""The clock of an opinion: its deadline, the reminders before it, and the word once it is over."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from domain.clock import Clock, NewId
from domain.deadlines import Deadlines
from domain.events import Event
from domain.meetings.opinions import (
    Opinion,
    OpinionDue,
    OpinionOverdue,
    OpinionStore,
    Reminder,
)
from domain.ports import AuditLog, Bus
from domain.rules import RuleBook, begin_of

RULE, REMIND = "npcsc.opinion", "npcsc.opinion.remind"

_HOUR_OF_REMINDERS = timedelta(hours=9)
_AT_ONCE = 200


class OpinionClock:
    """Starts clocks, and tells what they say."""

    def __init__(
        self,
        store: OpinionStore,
        rules: RuleBook,
        deadlines: Deadlines,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._rules = rules
        self._deadlines = deadlines
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def start(self, at: datetime) -> dict[str, Any]:
        """Answer deadline and reminders of what is sent at an instant."""
        due = await self._deadlines.due(RULE, at)
        days = [int(it) for it in await self._rules.choices(REMIND, at) if it.isdecimal()]
        reminders = [
            Reminder(id=self._new_id(), at=when, days=n)
            for n in sorted(set(days), reverse=True)
            if (when := _morning(due.day - timedelta(days=n))) > at
        ]
        return {
            "due": due,
            "reminders": tuple(reminders),
            "overdue_eid": self._new_id(),
            "next_at": min([due.at, *(it.at for it in reminders)]),
        }

    async def remind(self) -> int:
        """Tell what is due to be told; answer about how many. Run every minute.

        Told first and noted afterwards, under an id that was fixed when the opinion was sent: a
        crash in between tells it again under the same id, which nobody hears twice.
        """
        now = self._clock()
        found = await self._store.ringing(now, limit=_AT_ONCE)
        for opinion in found:
            await self._ring(opinion, now)
        return len(found)

    async def _ring(self, opinion: Opinion, now: datetime) -> None:
        due = opinion.due
        if due is None:
            return
        said: dict[str, Any] = {"meeting_id": opinion.meeting_id, "opinion_id": opinion.id}
        if now >= due.at:
            late = OpinionOverdue(
                id=opinion.overdue_eid, v=opinion.v, at=due.at, org_id=opinion.org_id,
                due=due.day, **said,
            )  # fmt: skip
            await self._bus.publish("dash", late)
            await self.say(opinion, late)
            changed = {"next_at": None, "overdue_at": now}
        else:
            # After a long stop only the last one is told: the others say less.
            past = [it for it in opinion.reminders if it.at <= now]
            for it in past[-1:]:
                soon = OpinionDue(
                    id=it.id, v=opinion.v, at=it.at, due=due.day, days_left=it.days, **said
                )
                await self.say(opinion, soon)
            to_come = [it.at for it in opinion.reminders if it.at > now]
            changed = {"next_at": min([*to_come, due.at])}
        kept = await self._store.told(opinion.model_copy(update=changed), was=opinion)
        if kept and changed["next_at"] is None:
            await self._audit.record(
                "opinion.overdue",
                by="system",
                obj=f"opinion:{opinion.id}",
                detail={"meeting": opinion.meeting_id, "due": due.day.isoformat()},
            )

    async def say(self, opinion: Opinion, event: Event) -> None:
        """Tell the staff of the meeting and the unit."""
        await self._bus.publish(f"mtgstaff:{opinion.meeting_id}", event)
        await self._bus.publish(f"queue:{opinion.org_id}", event)


def _morning(day: date) -> datetime:
    return (begin_of(day) + _HOUR_OF_REMINDERS).astimezone(UTC)
