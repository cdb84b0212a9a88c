"""The console: the staff of a meeting move its pointer, its countdown and its screens."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.clock import Clock
from domain.errors import BadState, Invalid, NotFound
from domain.hall.board import Board
from domain.hall.meeting import Meeting, Meetings, attends, driven, driven_still, find, runs
from domain.hall.state import Countdown, Hall, Pointer, Scene, SceneName, Ticking
from domain.people import Person
from domain.ports import AuditLog

_ALLOWED = {
    Ticking.IDLE: ("start",),
    Ticking.RUNNING: ("start", "pause", "extend", "stop"),
    Ticking.PAUSED: ("start", "resume", "extend", "stop"),
}


class Tick(StrEnum):
    """What can be done to a countdown."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    EXTEND = "extend"
    STOP = "stop"


class Console:
    """What the staff of a meeting do, and what everybody there sees."""

    def __init__(self, board: Board, meetings: Meetings, *, audit: AuditLog, clock: Clock) -> None:
        self._board = board
        self._meetings = meetings
        self._audit = audit
        self._clock = clock

    async def follows(self, person: Person, meeting_id: str) -> bool:
        """Tell whether a person may follow a meeting."""
        meeting = await self._meetings.get(meeting_id)
        return meeting is not None and await attends(self._meetings, meeting, person)

    async def drives(self, person: Person, meeting_id: str) -> bool:
        """Tell whether a person is of the staff that drives a meeting."""
        meeting = await self._meetings.get(meeting_id)
        return meeting is not None and runs(person, meeting)

    async def state(self, meeting_id: str, *, staff: bool, by: Person) -> tuple[Meeting, Hall]:
        """Answer the live state of a meeting, to its ``staff`` or to whoever may follow it.

        Raises:
            NotFound: There is no such meeting, or it is none of theirs.
            Forbidden: They are not its staff.
        """
        if staff:
            meeting = await driven(self._meetings, meeting_id, by=by)
        else:
            meeting = await find(self._meetings, meeting_id)
            if not await attends(self._meetings, meeting, by):
                raise NotFound
        return meeting, await self._board.read(meeting_id)

    async def shown(self, meeting_id: str) -> tuple[Meeting, Hall]:
        """Answer the live state of a meeting to a screen that has been let in.

        Raises:
            NotFound: There is no such meeting any more.
        """
        return await find(self._meetings, meeting_id), await self._board.read(meeting_id)

    async def point(self, meeting_id: str, item_id: str | None, *, v: int, by: Person) -> Pointer:
        """Move the pointer to an item of the agenda, or to none.

        Raises:
            Forbidden: The person does not drive this meeting.
            Invalid: The item is not on its agenda.
            Conflict: The pointer is not where it was in version ``v`` any more.
        """
        await driven_still(self._meetings, meeting_id, by=by)
        title = await self._meetings.item_title(meeting_id, item_id) if item_id else ""
        if title is None:
            raise Invalid("议程中没有这一项", field="item_id")
        now = {"item_id": item_id, "title": title}
        moved = await self._board.change(meeting_id, Pointer, lambda _: now, v=v)
        await self._note("hall.pointer", meeting_id, by, item=item_id, v=moved.v)
        return moved

    async def tick(
        self,
        meeting_id: str,
        what: Tick,
        *,
        v: int,
        by: Person,
        seconds: int | None = None,
        label: str = "",
    ) -> Countdown:
        """Start, pause, resume, prolong or stop the countdown.

        Raises:
            Forbidden: The person does not drive this meeting.
            Invalid: Starting and prolonging need ``seconds``.
            BadState: It is not running, or not paused.
            Conflict: It is not as it was in version ``v`` any more.
        """
        await driven_still(self._meetings, meeting_id, by=by)
        if what in {Tick.START, Tick.EXTEND} and seconds is None:
            raise Invalid("请填写秒数", field="seconds")
        at = self._clock()
        changed = await self._board.change(
            meeting_id, Countdown, lambda now: _ticked(now, what, seconds or 0, label, at), v=v
        )
        await self._note(f"hall.countdown_{what.value}", meeting_id, by, v=changed.v)
        return changed

    async def show(
        self, meeting_id: str, scene: SceneName, *, ref: str | None, v: int, by: Person
    ) -> Scene:
        """Choose what the screens in the hall show.

        Raises:
            Forbidden: The person does not drive this meeting.
            Invalid: A poll's result needs ``ref``.
            Conflict: The scene is not as it was in version ``v`` any more.
        """
        await driven_still(self._meetings, meeting_id, by=by)
        if scene is SceneName.POLL and not ref:
            raise Invalid("请指明显示哪一项结果", field="ref")
        changed = await self._board.change(
            meeting_id, Scene, lambda _: {"scene": scene, "ref": ref}, v=v
        )
        await self._note("hall.scene", meeting_id, by, scene=scene.value, v=changed.v)
        return changed

    async def _note(self, action: str, meeting_id: str, by: Person, **detail: Any) -> None:
        await self._audit.record(action, by=by.id, obj=f"meeting:{meeting_id}", detail=detail)


def _ticked(now: Countdown, what: Tick, seconds: int, label: str, at: datetime) -> dict[str, Any]:
    """Answer what becomes of a countdown."""
    if what.value not in _ALLOWED[now.status]:
        raise BadState("倒计时当前状态不能执行此操作", allowed=_ALLOWED[now.status])
    more = timedelta(seconds=seconds)
    running = {"status": Ticking.RUNNING, "left_ms": None}
    match what:
        case Tick.START:
            return running | {"label": label, "total_s": seconds, "ends_at": at + more}
        case Tick.STOP:
            return {"status": Ticking.IDLE, "ends_at": None, "left_ms": None}
        case Tick.PAUSE:
            left = _left_ms(now, at)
            return {"status": Ticking.PAUSED, "ends_at": None, "left_ms": left}
        case Tick.RESUME:
            return running | {"ends_at": at + timedelta(milliseconds=now.left_ms or 0)}
        case Tick.EXTEND:
            total = {"total_s": now.total_s + seconds}
            if now.ends_at is None:
                return total | {"left_ms": (now.left_ms or 0) + seconds * 1000}
            return total | {"ends_at": max(now.ends_at, at) + more}


def _left_ms(now: Countdown, at: datetime) -> int:
    if now.ends_at is None:
        return 0
    return max(0, round((now.ends_at - at) / timedelta(milliseconds=1)))
