"""Speaking: who waits, who has the floor, for how long, and how long everybody has spoken.

=========  ==========================================================================
meeting    limits (``rule_param`` rows with their editions)
=========  ==========================================================================
npc        ``speech.npc.first`` 10 min, ``.second`` 5 min, ``.turns`` 2 on one subject
presidium  ``speech.presidium.first`` 15 min, ``.second`` 10 min
others     ``speech.npcsc.first`` 10 min, ``.second`` 5 min, once ``.extra`` 5 min more
=========  ==========================================================================

Members and those who attend (列席) may speak; observers (旁听) may not. A speech is written down
under the id of its turn before the floor is free again, so that it counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound, RuleViolation
from domain.hall.board import Board
from domain.hall.meeting import Meeting, Meetings, driven, find, runs
from domain.hall.state import Speakers, Speaking, Turn
from domain.people import AccountState, Person
from domain.ports import AuditLog

_SPEAK = frozenset({"member", "attend"})
_OVER = frozenset({"closed", "archived", "cancelled"})
_OWN_RULES = frozenset({"npc", "presidium"})
_MOST_WAITING = 100


class Speech(BaseModel):
    """A speech that was given; ``over_s`` is how much longer it took than it was to."""

    model_config = ConfigDict(frozen=True)

    id: str
    meeting_id: str
    item_id: str | None
    person_id: str
    name: str
    turn: int
    started_at: datetime
    ended_at: datetime
    seconds: int
    over_s: int
    extended: bool


class Total(NamedTuple):
    """How often and how long somebody has spoken at a meeting."""

    person_id: str
    name: str
    turns: int
    seconds: int


class SpeechStore(Protocol):
    """Keeps speeches."""

    async def add(self, speech: Speech) -> None:
        """Keep a speech; one that is there already stays as it is."""

    async def of(self, meeting_id: str) -> Sequence[Speech]:
        """Answer the speeches of a meeting, in their order."""

    async def turns(self, meeting_id: str, item_id: str | None, person_id: str) -> int:
        """Count how often somebody has spoken on an item."""


class Limits(Protocol):
    """Knows the limits."""

    async def duration(self, key: str) -> timedelta:
        """Answer a duration in force now."""

    async def count(self, key: str) -> int:
        """Answer a number in force now."""

    async def violated(self, key: str, msg: str) -> RuleViolation:
        """Build the refusal that names a rule."""


class SpeechService:
    """Keeps the queue and the floor."""

    def __init__(
        self,
        store: SpeechStore,
        board: Board,
        meetings: Meetings,
        rules: Limits,
        *,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._board = board
        self._meetings = meetings
        self._rules = rules
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def ask(self, meeting_id: str, item_id: str | None, *, by: Person) -> Turn:
        """Join those who wait to speak.

        Raises:
            NotFound: There is no such meeting, or the person does not take part.
            Forbidden: Observers do not speak.
            Invalid: The item is not on the agenda.
            BadState: The meeting is over.
            Conflict: They wait already, or too many do.
            RuleViolation: They have spoken on the subject as often as the rule allows.
        """
        meeting = await find(self._meetings, meeting_id)
        capacity = (await self._meetings.capacities(meeting_id, [by.id])).get(by.id)
        if capacity is None or by.state is not AccountState.ACTIVE:
            raise NotFound
        if capacity not in _SPEAK:
            raise Forbidden("旁听人员不发言")
        if meeting.state in _OVER:
            raise BadState("会议已结束", allowed=())
        if item_id is not None and not await self._meetings.has_item(meeting_id, item_id):
            raise Invalid("议程中没有这一项", field="item_id")
        turn = Turn(
            id=self._new_id(),
            person_id=by.id,
            name=by.name,
            item_id=item_id,
            turn=await self._next_turn(meeting, item_id, by.id),
            limit_s=0,
            asked_at=self._clock(),
        )
        key = f"{_rules_of(meeting)}.{'first' if turn.turn == 1 else 'second'}"
        limit = await self._rules.duration(key)
        turn = turn.model_copy(update={"limit_s": round(limit.total_seconds())})
        await self._board.edit(meeting_id, Speakers, lambda now: _joined(now, turn))
        return turn

    async def leave(self, meeting_id: str, turn_id: str, *, by: Person) -> None:
        """Leave the queue, or take somebody out of it as the staff.

        Raises:
            NotFound: Nobody waits under that id, or it is somebody else.
        """
        meeting = await find(self._meetings, meeting_id)
        staff = runs(by, meeting)

        def left(now: Speakers) -> dict[str, Any]:
            found = next((it for it in now.waiting if it.id == turn_id), None)
            if found is None or not (staff or found.person_id == by.id):
                raise NotFound
            return {"waiting": _without(now, turn_id)}

        await self._board.edit(meeting_id, Speakers, left)

    async def arrange(
        self, meeting_id: str, turn_ids: Sequence[str], *, v: int, by: Person
    ) -> Speakers:
        """Put those who wait into another order.

        Raises:
            Forbidden: The person does not drive this meeting.
            Conflict: The queue is not as it was in version ``v``.
            Invalid: These are not the ones who wait.
        """
        await driven(self._meetings, meeting_id, by=by)

        def arranged(now: Speakers) -> dict[str, Any]:
            known = {turn.id: turn for turn in now.waiting}
            if sorted(known) != sorted(turn_ids):
                raise Invalid("须列出全部等候发言的人", field="turns")
            return {"waiting": tuple(known[turn_id] for turn_id in turn_ids)}

        return await self._board.change(meeting_id, Speakers, arranged, v=v)

    async def give(self, meeting_id: str, turn_id: str | None, *, v: int, by: Person) -> Speaking:
        """Give the floor to somebody who waits, by default to the first.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: Nobody waits, or not that one.
            BadState: Somebody has the floor.
            Conflict: The floor is not as it was in version ``v``.
        """
        await driven(self._meetings, meeting_id, by=by)
        waiting = (await self._board.read(meeting_id)).speakers.waiting
        turn = next((it for it in waiting if turn_id in {None, it.id}), None)
        if turn is None:
            raise NotFound
        at = self._clock()

        def begun(now: Speaking) -> dict[str, Any]:
            if now.turn is not None:
                raise BadState("请先结束当前发言", allowed=("extend", "finish"))
            ends_at = at + timedelta(seconds=turn.limit_s)
            return {"turn": turn, "started_at": at, "ends_at": ends_at, "extended": False}

        speaking = await self._board.change(meeting_id, Speaking, begun, v=v)
        await self._drop(meeting_id, turn.id)
        await self._note("speech.give", meeting_id, by, person=turn.person_id, turn=turn.id)
        return speaking

    async def extend(self, meeting_id: str, *, v: int, by: Person) -> Speaking:
        """Give the speaker more time, once, where the rules of the meeting allow it.

        Raises:
            Forbidden: The person does not drive this meeting.
            BadState: Nobody speaks, or they have been given more time.
            RuleViolation: The rules of this kind of meeting know no more time.
            Conflict: The floor is not as it was in version ``v``.
        """
        meeting = await driven(self._meetings, meeting_id, by=by)
        if meeting.kind in _OWN_RULES:
            key = f"{_rules_of(meeting)}.second"
            raise await self._rules.violated(key, "本类会议的发言时间不能延长")
        more = await self._rules.duration("speech.npcsc.extra")
        at = self._clock()

        def extended(now: Speaking) -> dict[str, Any]:
            if now.turn is None or now.ends_at is None:
                raise BadState("当前无人发言", allowed=("give",))
            if now.extended:
                raise BadState("发言时间只能延长一次", allowed=("finish",))
            return {"ends_at": max(now.ends_at, at) + more, "extended": True}

        speaking = await self._board.change(meeting_id, Speaking, extended, v=v)
        await self._note("speech.extend", meeting_id, by, v=speaking.v)
        return speaking

    async def finish(self, meeting_id: str, *, v: int, by: Person) -> Speaking:
        """End the speech; it is written down with its time.

        Raises:
            Forbidden: The person does not drive this meeting.
            BadState: Nobody speaks.
            Conflict: The floor is not as it was in version ``v``.
        """
        await driven(self._meetings, meeting_id, by=by)
        now = (await self._board.read(meeting_id)).speaking
        if now.v != v:
            raise Conflict("已被他人更改，请以最新状态为准", detail={"v": now.v})
        if now.turn is None or now.started_at is None or now.ends_at is None:
            raise BadState("当前无人发言", allowed=("give",))
        speech = _given(meeting_id, now.turn, now, self._clock())
        await self._store.add(speech)
        empty = {"turn": None, "started_at": None, "ends_at": None, "extended": False}
        speaking = await self._board.change(meeting_id, Speaking, lambda _: empty, v=v)
        await self._drop(meeting_id, now.turn.id)
        await self._note(
            "speech.finish", meeting_id, by, person=speech.person_id, seconds=speech.seconds
        )
        return speaking

    async def record(
        self, meeting_id: str, *, by: Person
    ) -> tuple[Sequence[Speech], Sequence[Total]]:
        """Answer every speech in order, and how long each person has spoken, longest first.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        await driven(self._meetings, meeting_id, by=by)
        speeches = await self._store.of(meeting_id)
        totals: dict[str, Total] = {}
        for speech in speeches:
            was = totals.get(speech.person_id, Total(speech.person_id, speech.name, 0, 0))
            totals[speech.person_id] = was._replace(
                turns=was.turns + 1, seconds=was.seconds + speech.seconds
            )
        return speeches, sorted(totals.values(), key=lambda it: (-it.seconds, it.person_id))

    async def _next_turn(self, meeting: Meeting, item_id: str | None, person_id: str) -> int:
        turn = 1 + await self._store.turns(meeting.id, item_id, person_id)
        speaking = (await self._board.read(meeting.id)).speaking.turn
        if speaking and (speaking.person_id, speaking.item_id) == (person_id, item_id):
            turn += 1
        key = f"{_rules_of(meeting)}.turns"
        if turn > await self._rules.count(key):
            raise await self._rules.violated(key, "就同一议题的发言次数已达上限")
        return turn

    async def _drop(self, meeting_id: str, turn_id: str) -> None:
        """Take whoever has, or had, the floor out of the queue; harmless if they are not in it."""

        def dropped(now: Speakers) -> dict[str, Any] | None:
            left = _without(now, turn_id)
            return None if len(left) == len(now.waiting) else {"waiting": left}

        await self._board.edit(meeting_id, Speakers, dropped)

    async def _note(self, action: str, meeting_id: str, by: Person, **detail: str | int) -> None:
        await self._audit.record(action, by=by.id, obj=f"meeting:{meeting_id}", detail=detail)


def _rules_of(meeting: Meeting) -> str:
    """Answer the family of rules; what has none of its own follows the standing committee's."""
    return f"speech.{meeting.kind if meeting.kind in _OWN_RULES else 'npcsc'}"


def _joined(now: Speakers, turn: Turn) -> dict[str, Any]:
    if any((it.person_id, it.item_id) == (turn.person_id, turn.item_id) for it in now.waiting):
        raise Conflict("已在等候发言")
    if len(now.waiting) >= _MOST_WAITING:
        raise Conflict("等候发言的人数已满")
    return {"waiting": (*now.waiting, turn)}


def _without(now: Speakers, turn_id: str) -> tuple[Turn, ...]:
    return tuple(it for it in now.waiting if it.id != turn_id)


def _given(meeting_id: str, turn: Turn, now: Speaking, at: datetime) -> Speech:
    started, ends = now.started_at or at, now.ends_at or at
    return Speech(
        id=turn.id,
        meeting_id=meeting_id,
        item_id=turn.item_id,
        person_id=turn.person_id,
        name=turn.name,
        turn=turn.turn,
        started_at=started,
        ended_at=at,
        seconds=max(0, round((at - started).total_seconds())),
        over_s=max(0, round((at - ends).total_seconds())),
        extended=now.extended,
    )
