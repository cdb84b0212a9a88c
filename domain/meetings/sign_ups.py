"""Signing up to attend (列席) or observe (旁听): a quota, and a line for those who come after.

The line is one list inside the meeting. Whoever signs up is put at its end, and the first ``quota``
of it are accepted: one write decides, however many come at once, and there is nothing that could
disagree. Who leaves makes room, so the first of those who wait is accepted by the same write. What
follows from it (the entry among the participants, the pass, the word to the person) is done at
once, and is done again by a job where the process died: it can always be read off the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.events import Event
from domain.meetings.meeting import (
    NEXT,
    OVER,
    Capacity,
    Meeting,
    MeetingState,
    MeetingStore,
    require_seen,
    require_served,
    scopes_of,
)
from domain.meetings.participants import Participant, ParticipantStore, Source
from domain.meetings.passes import PassService
from domain.people import Person
from domain.permissions import Role
from domain.ports import AuditLog, Bus

OPEN_TO = (Capacity.ATTEND, Capacity.OBSERVE)
"""The capacities in which people sign up themselves."""

MOST_IN_LINE = 2_000

_TRIES = 20

LEAVING = frozenset({MeetingState.ANNOUNCED, MeetingState.REGISTRATION, MeetingState.READY})
"""States in which one may still leave a line."""


class SignUpState(StrEnum):
    """What became of a sign-up."""

    ACCEPTED = "accepted"
    WAITING = "waiting"
    CANCELLED = "cancelled"


class Entry(BaseModel):
    """One person in a line.

    Attributes:
        id: Also the id of the event that tells the person of being accepted.
        no: Number in the order of arrival, never given twice.
        at: When they came; never before anybody in front of them.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    no: int
    at: datetime


class Line(BaseModel):
    """Everybody who signed up for a meeting in one capacity, in the order of arrival.

    Attributes:
        seq: Grows with every change of a line of the meeting.
    """

    model_config = ConfigDict(frozen=True)

    capacity: Capacity
    quota: int
    entries: tuple[Entry, ...] = ()
    seq: int = 0

    @property
    def accepted(self) -> tuple[Entry, ...]:
        """Those within the quota."""
        return self.entries[: self.quota]

    @property
    def waiting(self) -> tuple[Entry, ...]:
        """Those who wait, the next one first."""
        return self.entries[self.quota :]

    def place(self, person_id: str) -> int | None:
        """Answer somebody's place from 0, or ``None``."""
        return next((n for n, it in enumerate(self.entries) if it.person_id == person_id), None)


class SignUp(NamedTuple):
    """Somebody's sign-up: ``place`` is the one on the waiting list, from 1; 0 once accepted."""

    capacity: Capacity
    state: SignUpState
    entry: Entry
    place: int


class SignUpChanged(Event):
    """One's sign-up was accepted: at once, or because somebody made room."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["signup.state"] = "signup.state"
    meeting_id: str
    capacity: Capacity
    state: SignUpState


class SignUpStore(Protocol):
    """Keeps the lines. Each change is one atomic write, marked as not followed up yet."""

    async def lines(self, meeting_id: str) -> Sequence[Line]:
        """Answer the lines of a meeting: of each capacity that has a quota."""

    async def open(self, meeting_id: str, capacity: Capacity, quota: int, *, v: int) -> bool:
        """Set a quota if the meeting is at version ``v``, which grows; tell whether.

        Not if somebody who is accepted would not be any more.
        """

    async def join(
        self, meeting_id: str, capacity: Capacity, person_id: str, *, entry_id: str, at: datetime
    ) -> Line | None:
        """Put somebody at the end of a line and answer it as it is then.

        ``None`` if registration is not open, the line is full, or they are in one already.
        """

    async def leave(self, meeting_id: str, capacity: Capacity, person_id: str) -> Line | None:
        """Take somebody out and answer the line as it was before.

        ``None`` if they are not in it, or the meeting has begun.
        """

    async def settled(self, meeting_id: str, seq: int) -> None:
        """Note that everything up to ``seq`` was followed up; if there is more, the mark stays."""

    async def unsettled(self) -> Sequence[str]:
        """Answer the meetings with lines that were not followed up to the end."""


class SignUpService:
    """Lets people sign up and leave, and follows up."""

    def __init__(
        self,
        store: SignUpStore,
        meetings: MeetingStore,
        participants: ParticipantStore,
        passes: PassService,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._store = store
        self._meetings = meetings
        self._participants = participants
        self._passes = passes
        self._bus = bus
        self._audit = audit
        self._clock = clock

    # -- people ----------------------------------------------------------------------------------

    async def sign_up(
        self, meeting_id: str, capacity: Capacity, *, entry_id: str, by: Person
    ) -> SignUp:
        """Sign up; who is in the line already stays where they are.

        Raises:
            NotFound: There is no such meeting, or nobody can sign up for it in this capacity.
            Forbidden: Only deputies sign up to attend.
            Conflict: They take part already, or the line is full.
            BadState: Registration is not open.
        """
        meeting = await self._seen(meeting_id, by)
        if capacity is Capacity.ATTEND and Role.DEPUTY not in by.roles:
            raise Forbidden("只有代表可以报名列席")
        there = await self._participants.one(meeting_id, by.id)
        if there is not None and there.source is not Source.SIGN_UP:
            raise Conflict("您已是本次会议的参会人员", detail={"capacity": there.capacity.value})
        at = self._clock()
        line = await self._store.join(meeting_id, capacity, by.id, entry_id=entry_id, at=at)
        if line is None:
            return await self._why_not(meeting, capacity, by)
        mine = _find(line, by.id)
        if mine is None:
            raise Conflict("报名刚被取消，请重试")
        if mine.state is SignUpState.ACCEPTED:
            await self._follow(meeting, by.id)
        await self._store.settled(meeting_id, line.seq)
        return mine

    async def cancel(
        self, meeting_id: str, capacity: Capacity, *, person_id: str = "", by: Person
    ) -> None:
        """Leave a line, or as staff take somebody out; the first who waits takes the place.

        Raises:
            NotFound: They are not in it.
            BadState: The meeting has begun.
        """
        meeting = await self._seen(meeting_id, by)
        who = person_id or by.id
        if who != by.id:
            require_served(by, meeting)
        before = await self._store.leave(meeting_id, capacity, who)
        if before is None:
            if meeting.state not in LEAVING:
                raise BadState("会议已开始，不能取消报名", allowed=NEXT[meeting.state])
            raise NotFound
        detail = {"person": who, "capacity": capacity.value}
        obj = f"meeting:{meeting_id}"
        await self._audit.record("signup.cancel", by=by.id, obj=obj, detail=detail)
        if (before.place(who) or 0) < before.quota:
            await self._follow(meeting, who)
            for entry in before.waiting[:1]:
                await self._follow(meeting, entry.person_id)
        await self._store.settled(meeting_id, before.seq + 1)

    async def mine(self, meeting_id: str, *, by: Person) -> tuple[Sequence[Line], Sequence[SignUp]]:
        """Answer the lines of a meeting and one's own places in them.

        Raises:
            NotFound: There is no such meeting, or they may not know of it.
        """
        await self._seen(meeting_id, by)
        lines = await self._store.lines(meeting_id)
        return lines, [it for line in lines if (it := _find(line, by.id)) is not None]

    # -- staff -----------------------------------------------------------------------------------

    async def open(
        self, meeting_id: str, capacity: Capacity, quota: int, *, v: int, by: Person
    ) -> Meeting:
        """Set how many may sign up; more than before lets in the first of those who wait.

        Raises:
            Invalid: People do not sign up in this capacity, or some would lose their place.
            BadState: The meeting is over.
            Conflict: Somebody else changed the meeting since version ``v``.
        """
        meeting = await self._find(meeting_id)
        require_served(by, meeting)
        if capacity not in OPEN_TO:
            raise Invalid("该身份不接受报名", field="capacity")
        if meeting.state in OVER:
            raise BadState("会议已结束，不能修改", allowed=NEXT[meeting.state])
        if not await self._store.open(meeting_id, capacity, quota, v=v):
            now = await self._find(meeting_id)
            if now.v != v:
                raise Conflict("会议已被他人修改，请刷新后重试", detail={"v": now.v})
            raise Invalid("名额不能少于已报名人数", field="quota")
        detail = {"capacity": capacity.value, "quota": quota}
        obj = f"meeting:{meeting_id}"
        await self._audit.record("signup.quota", by=by.id, obj=obj, detail=detail)
        await self.settle(meeting_id)
        return await self._find(meeting_id)

    async def line(self, meeting_id: str, capacity: Capacity, *, by: Person) -> Line:
        """Answer a whole line, to the staff.

        Raises:
            NotFound: There is none.
        """
        meeting = await self._find(meeting_id)
        require_served(by, meeting)
        for line in await self._store.lines(meeting_id):
            if line.capacity is capacity:
                return line
        raise NotFound

    # -- following up ----------------------------------------------------------------------------

    async def catch_up(self) -> int:
        """Follow up what was left; answer for how many meetings. Run every second."""
        left = await self._store.unsettled()
        for meeting_id in left:
            await self.settle(meeting_id)
        return len(left)

    async def settle(self, meeting_id: str) -> None:
        """Make participants and passes agree with the lines; doing it twice changes nothing."""
        meeting = await self._find(meeting_id)
        lines = await self._store.lines(meeting_id)
        if meeting.state in OVER:
            await self._settled(meeting_id, lines)
            return
        there = {
            it.person_id: it
            for it in await self._participants.by_source(meeting_id, Source.SIGN_UP)
        }
        accepted = {entry.person_id for line in lines for entry in line.accepted}
        for person_id in sorted(there.keys() ^ accepted):
            await self._follow(meeting, person_id)
        await self._settled(meeting_id, lines)

    async def _settled(self, meeting_id: str, lines: Sequence[Line]) -> None:
        await self._store.settled(meeting_id, max((line.seq for line in lines), default=0))

    async def _follow(self, meeting: Meeting, person_id: str) -> None:
        """Admit or dismiss somebody as the line says, and look again whether it still says so.

        Whoever changes the line in between does the same after us, so the last word is right.
        """
        accepted = await self._accepted(meeting.id, person_id)
        for _ in range(_TRIES):
            if accepted is None:
                await self._dismiss(meeting, person_id)
            else:
                await self._admit(meeting, *accepted)
            now = await self._accepted(meeting.id, person_id)
            if now == accepted:
                return
            accepted = now

    async def _accepted(self, meeting_id: str, person_id: str) -> tuple[Capacity, Entry] | None:
        for line in await self._store.lines(meeting_id):
            for entry in line.accepted:
                if entry.person_id == person_id:
                    return line.capacity, entry
        return None

    async def _admit(self, meeting: Meeting, capacity: Capacity, entry: Entry) -> None:
        grant_id = await self._passes.give(entry.person_id, meeting)
        participant = Participant(
            meeting_id=meeting.id, person_id=entry.person_id, capacity=capacity,
            source=Source.SIGN_UP, since=entry.at, grant_id=grant_id,
        )  # fmt: skip
        await self._participants.admit_from_line(participant)
        event = SignUpChanged(
            id=entry.id, at=entry.at, meeting_id=meeting.id, capacity=capacity,
            state=SignUpState.ACCEPTED,
        )  # fmt: skip
        await self._bus.publish(f"user:#{entry.person_id}", event)

    async def _dismiss(self, meeting: Meeting, person_id: str) -> None:
        # The pass first: while the entry is there, it is known that something is left to be done.
        await self._passes.take(person_id, meeting, reason="取消报名")
        found = await self._participants.one(meeting.id, person_id)
        if found is not None and found.source is Source.SIGN_UP:
            await self._participants.withdraw(meeting.id, person_id)
        await self._bus.recheck(person_id)

    async def _why_not(self, meeting: Meeting, capacity: Capacity, by: Person) -> SignUp:
        """Answer the place somebody has already, or refuse with the reason."""
        lines = {line.capacity: line for line in await self._store.lines(meeting.id)}
        if capacity not in lines or not lines[capacity].quota:
            raise NotFound
        mine = _find(lines[capacity], by.id)
        if mine is not None:
            return mine
        if any(line.place(by.id) is not None for line in lines.values()):
            raise Conflict("您已以其他身份报名，请先取消")
        now = await self._find(meeting.id)
        if now.state is not MeetingState.REGISTRATION:
            raise BadState("当前不接受报名", allowed=NEXT[now.state])
        raise Conflict("候补名单已满")

    async def _seen(self, meeting_id: str, by: Person) -> Meeting:
        meeting = await self._find(meeting_id)
        there = await self._participants.one(meeting_id, by.id)
        require_seen(by, meeting, also=scopes_of(meeting_id, there.capacity if there else None))
        return meeting

    async def _find(self, meeting_id: str) -> Meeting:
        meeting = await self._meetings.get(meeting_id)
        if meeting is None:
            raise NotFound
        return meeting


def _find(line: Line, person_id: str) -> SignUp | None:
    place = line.place(person_id)
    if place is None:
        return None
    waits = place >= line.quota
    state = SignUpState.WAITING if waits else SignUpState.ACCEPTED
    return SignUp(line.capacity, state, line.entries[place], place - line.quota + 1 if waits else 0)
