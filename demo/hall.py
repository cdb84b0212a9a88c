"""What happens in the hall of the demo while it is looked at: the opening, half an hour in.

Everybody has a seat, most are there, a few are on leave, the quorum is reached, the screen shows
the agenda, three wait to speak, and the doors take the badges that were printed. Two deputies have
missed two sessions without leave, which the staff see as an alert.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from random import Random
from typing import Any

from demo.house import Ids
from demo.people import Resident
from domain.attendance import Attendance, Presence
from domain.hall.state import Countdown, Part, Quorum, Scene, SceneName, Speakers, Turn
from domain.leave.request import Leave, LeaveKind, LeaveState, reason_context
from domain.passes.badges import Badge
from domain.people import Flag
from domain.ports import Vault
from domain.roster import Card, Kind
from domain.seats import Seat, SeatState
from storage.absences import AbsenceStore
from storage.attendance import AttendanceStore
from storage.client import Database
from storage.hall import HallStore
from storage.leave import LeaveStore
from storage.passes.badges import BadgeStore
from storage.seats import SeatStore

_SEED = 30
_ROWS, _COLS = 30, 40
_BLOCKS = ("A", "B", "C", "D", "E", "F")
_MINUTE = timedelta(minutes=1)
_BADGES = 9


class Usher:
    """Fills the hall of the meeting that is sitting."""

    def __init__(
        self, db: Database, vault: Vault, residents: Sequence[Resident], base: datetime
    ) -> None:
        self._db = db
        self._vault = vault
        self._base = base
        self._random = Random(_SEED)
        self._new_id = Ids(self._random, base - timedelta(days=90))
        self._staff = next(one.card.id for one in residents if one.username == "zhuomuqing")
        self._deputies = sorted(
            [one.card for one in residents if one.account and one.card.kind is Kind.DEPUTY],
            key=lambda card: card.id,
        )

    async def fill(self) -> None:
        """Keep everything, through the same stores that the hub uses."""
        meeting = await self._db["meeting"].find_one({"kind": "npc", "state": "in_session"})
        if meeting is None:
            return
        away = await self._leaves(meeting["_id"], meeting.get("session_id"))
        there = await self._roll(meeting["_id"], away)
        await self._seats(meeting["_id"], there)
        await self._badges(meeting)
        await self._board(meeting["_id"], there)
        await self._missing()

    async def _leaves(self, meeting_id: str, session_id: str | None) -> set[str]:
        """Eleven in the full house are on leave, and one has asked on the morning itself."""
        store, away = LeaveStore(self._db), set()
        key = f"session:{session_id}" if session_id else f"mtg:{meeting_id}"
        leader = next(it for it in self._deputies if Flag.NPCSC_MEMBER in it.flags)
        await store.delegate(
            key, frozenset({leader.id}), document="主任会议（演示）", by=self._staff, at=self._base
        )
        many = max(2, len(self._deputies) // 78)
        others = [card for card in self._deputies if card is not leader]
        for number, card in enumerate(self._random.sample(others, many + 1)):
            leave_id, asked = self._new_id(), self._base - timedelta(days=3)
            waits = number == many
            leave = Leave(
                id=leave_id,
                meeting_id=meeting_id,
                key=key,
                person_id=card.id,
                delegation_id=card.delegation_id,
                kind=self._random.choice(list(LeaveKind)),
                reason_enc=self._vault.seal("因病住院治疗", context=reason_context(leave_id)),
                since=self._base,
                until=None,
                state=LeaveState.SUBMITTED if waits else LeaveState.EFFECTIVE,
                asked_by=card.id,
                asked_at=self._base - 20 * _MINUTE if waits else asked,
                decided_by=None if waits else leader.id,
                decided_at=None if waits else asked + timedelta(hours=4),
                eid=self._new_id(),
                at=asked,
                v=1 if waits else 3,
            )
            await store.add(leave)
            await store.told(leave)
            away.add(card.id)
        return away

    async def _roll(self, meeting_id: str, away: set[str]) -> list[Card]:
        """Ninety-three in a hundred are there, of whom a few came late."""
        records = []
        for card in self._deputies:
            if card.id in away or self._random.random() > 0.93:
                continue
            late = self._random.random() < 0.02
            minutes = self._random.randint(31, 40) if late else self._random.randint(0, 29)
            records.append(
                Attendance(
                    meeting_id=meeting_id,
                    person_id=card.id,
                    capacity="member",
                    state=Presence.LATE if late else Presence.PRESENT,
                    at=self._base + minutes * _MINUTE,
                    how="roll_call",
                    by=self._staff,
                )
            )
        await AttendanceStore(self._db).add_many(records)
        there = {record.person_id for record in records}
        return [card for card in self._deputies if card.id in there]

    async def _badges(self, meeting: Mapping[str, Any]) -> None:
        """A page of badges, ready to be printed and scanned; one of them was lost and is void."""
        store = BadgeStore(self._db)
        some = self._deputies[:_BADGES]
        first = await store.serials(meeting["_id"], len(some))
        for serial, card in enumerate(some, first):
            badge = Badge(
                id=self._new_id(),
                meeting_id=meeting["_id"],
                person_id=card.id,
                serial=serial,
                issued_at=self._base - timedelta(days=1),
                issued_by=self._staff,
                until=self._base + timedelta(days=14),
            )
            await store.add(badge)
        await store.revoke(
            badge.id, meeting["_id"], at=self._base, by=self._staff, reason="遗失补办"
        )

    async def _seats(self, meeting_id: str, there: list[Card]) -> None:
        """Seats by delegation from the front; those who are there sit."""
        present = {card.id for card in there}
        sitting = sorted(self._deputies, key=lambda card: (card.delegation_id or "", card.id))
        seats = []
        for place in range(_ROWS * _COLS):
            row, col = divmod(place, _COLS)
            card = sitting[place] if place < len(sitting) else None
            state = SeatState.FREE
            if card is not None:
                state = SeatState.TAKEN if card.id in present else SeatState.ASSIGNED
            seats.append(
                Seat(
                    no=f"{row + 1}-{col + 1}",
                    row=row + 1,
                    col=col + 1,
                    block=_BLOCKS[row // 15 * 3 + col * 3 // _COLS],
                    state=state,
                    person_id=card.id if card else None,
                    at=self._base - timedelta(days=1),
                )
            )
        store = SeatStore(self._db)
        await store.add(meeting_id, seats)
        await store.told(meeting_id, seats)

    async def _board(self, meeting_id: str, there: list[Card]) -> None:
        total, needed = len(self._deputies), ceil(len(self._deputies) * 2 / 3)
        figures: dict[str, Any] = {"present": len(there), "total": total, "needed": needed}
        waiting = tuple(
            Turn(
                id=self._new_id(),
                person_id=card.id,
                name=card.name,
                item_id=None,
                turn=1,
                limit_s=600,
                asked_at=self._base + (35 + number) * _MINUTE,
            )
            for number, card in enumerate(self._random.sample(there, 3))
        )
        reached = len(there) >= needed
        parts: dict[str, Part] = {
            "quorum": Quorum(**self._stamp(), **figures, reached=reached),
            "scene": Scene(**self._stamp(), scene=SceneName.AGENDA),
            "speakers": Speakers(**self._stamp(), waiting=waiting),
            "countdown": Countdown(**self._stamp(), label="开幕", total_s=1800),
        }
        store = HallStore(self._db)
        for name, part in parts.items():
            await store.put(meeting_id, name, part, was=0)
            await store.told(meeting_id, name, part.v)

    async def _missing(self) -> None:
        sessions = frozenset({"demo-1", "demo-2"})
        for card in self._random.sample(self._deputies, 2):
            await AbsenceStore(self._db).alert(card.id, sessions, self._base)

    def _stamp(self) -> dict[str, Any]:
        return {"v": 1, "at": self._base + 30 * _MINUTE, "eid": self._new_id()}
