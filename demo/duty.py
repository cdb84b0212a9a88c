"""The duty records of the demo: what follows from who came to the meetings that were.

Attendance first, and the records from it by the same rule that the hub uses. Older ones are mostly
confirmed, those of yesterday wait; a few deputies object, one objection is being looked at, and one
was right: the inspection is on record as one now, with what it was called before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from demo.house import Ids
from demo.people import Resident
from domain.attendance import Attendance, Presence
from domain.duty.following import Occasion, follow
from domain.duty.record import DutyState, Record
from domain.roster import Card, Kind
from storage.attendance import AttendanceStore
from storage.client import Database
from storage.duty import DutyStore, OccasionStore

_SEED = 58
_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
_OLD = timedelta(days=5)
_OBJECTIONS = ("实际参会至会议结束，时长有误", "会议名称与通知不符", "当天参加的是执法检查")


class Registrar:
    """Writes who came, and what follows from it."""

    def __init__(self, db: Database, residents: Sequence[Resident], base: datetime) -> None:
        self._db = db
        self._base = base
        self._random = Random(_SEED)
        self._new_id = Ids(self._random, base - timedelta(days=80))
        self._cards = {one.card.id: one.card for one in residents if one.card.kind is Kind.DEPUTY}
        self._staff = next(one.card.id for one in residents if one.username == "zhuomuqing")
        # The main demo user finds something to confirm.
        self._waits = next(one.card.id for one in residents if one.username == "wenyucheng")

    async def keep(self) -> None:
        """Keep everything, through the same stores that the hub uses."""
        roll, occasions, records = (
            AttendanceStore(self._db),
            OccasionStore(self._db),
            DutyStore(self._db),
        )
        held = {"state": {"$in": ["in_session", "closed", "archived"]}}
        rows = await self._db["meeting"].find(held, projection={"_id": 1}, sort=[("_id", 1)])
        for row in rows:
            meeting = await occasions.get(row["_id"])
            if meeting is None:
                continue
            if meeting.over:
                await roll.add_many(await self._came(meeting))
            made = [self._record(it, meeting) for it in await roll.of(meeting.id)]
            await records.add_many(self._afterwards([it for it in made if it], meeting))

    async def _came(self, meeting: Occasion) -> list[Attendance]:
        """Nineteen in twenty came, by badge or by hand; one in thirty of them late."""
        begins = meeting.starts_at or self._base
        people = await self._db["participant"].find({"m": meeting.id}, sort=[("p", 1)])
        came = []
        for row in people:
            if row["p"] != self._waits and self._random.random() > 0.95:
                continue
            late = self._random.random() < 1 / 30
            minutes = self._random.randint(2, 20) if late else -self._random.randint(0, 45)
            came.append(
                Attendance(
                    meeting_id=meeting.id,
                    person_id=row["p"],
                    capacity=row["capacity"],
                    state=Presence.LATE if late else Presence.PRESENT,
                    at=begins + minutes * _MINUTE,
                    how=self._random.choice(("badge", "badge", "hall", "roll_call")),
                    by=self._staff,
                )
            )
        return came

    def _record(self, roll: Attendance, meeting: Occasion) -> Record | None:
        card: Card | None = self._cards.get(roll.person_id)
        if card is None:
            return None
        return follow(
            None,
            roll,
            meeting,
            delegation_id=card.delegation_id,
            at=(meeting.end or roll.at) + _MINUTE,
            eid=self._new_id(),
        )

    def _afterwards(self, made: Sequence[Record], meeting: Occasion) -> list[Record]:
        """Answer the records as people have dealt with them since."""
        if not meeting.over:
            return list(made)
        old = self._base - (meeting.end or self._base) > _OLD
        records = [self._confirmed(it, 0.93 if old else 0.7) for it in made]
        waiting = [
            place
            for place, it in enumerate(records)
            if it.state is DutyState.PENDING and it.person_id != self._waits
        ]
        for number, place in enumerate(waiting[: 2 if old else 1]):
            records[place] = self._objected(records[place], number)
        if "执法检查" in meeting.title and made:
            records[0] = self._objected(made[0], 2)
        return records

    def _confirmed(self, record: Record, share: float) -> Record:
        if record.person_id == self._waits or self._random.random() > share:
            return record
        at = record.at + self._random.randint(20, 1_000) * _MINUTE
        return record.moved(DutyState.CONFIRMED, at=min(at, self._base), by=record.person_id)

    def _objected(self, record: Record, number: int) -> Record:
        """Answer an objection that waits (0), is being looked at (1), or was right (2)."""
        at = min(record.at + 8 * _HOUR, self._base)
        objected = record.moved(
            DutyState.OBJECTED, at=at, by=record.person_id, reason=_OBJECTIONS[number]
        )
        if number == 0:
            return objected
        taken = objected.moved(DutyState.VERIFYING, at=at + _DAY, by=self._staff)
        if number == 1:
            return taken
        return taken.moved(
            DutyState.CORRECTED,
            at=at + 2 * _DAY,
            by=self._staff,
            reason="经核对活动方案，更正履职类型",
            facts=record.facts.model_copy(update={"kind": "执法检查"}),
        )
