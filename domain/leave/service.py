"""Asking for leave, deciding about it, taking it and coming back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from domain.attendance import IN_THE_HALL, Attendance
from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.hall.meeting import Meeting, Meetings, driven, find
from domain.leave.request import (
    DECIDED,
    NEXT,
    Leave,
    LeaveDecided,
    LeaveKind,
    LeaveRequest,
    LeaveState,
    LeaveStore,
    reason_context,
)
from domain.leave.routing import Route, liaises, may_decide, route, watches
from domain.people import SYSTEM, AccountState, Flag, Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus, Vault
from domain.roster import Card
from domain.todo import TodoItem

_PATIENCE = timedelta(seconds=3)
_DECIDERS = frozenset({Flag.DELEGATION_HEAD, Flag.NPCSC_MEMBER})


class Wish(NamedTuple):
    """What somebody asks for; without ``since`` from the beginning of the meeting."""

    kind: LeaveKind
    reason: str
    since: datetime | None = None
    until: datetime | None = None


class Seen(NamedTuple):
    """A request as somebody sees it; ``reason`` is ``None`` where it is none of theirs."""

    leave: Leave
    route: Route
    reason: str | None
    decides: bool


class Cards(Protocol):
    """Knows the roster."""

    async def get(self, person_id: str) -> Card | None:
        """Answer a card, whatever its state, or ``None``."""

    async def many(self, person_ids: frozenset[str]) -> dict[str, Card]:
        """Answer the cards that exist, by person id."""


class Roll(Protocol):
    """Knows who is in the hall."""

    async def get(self, meeting_id: str, person_id: str) -> Attendance | None:
        """Answer a record, or ``None``."""


class LeavePorts(NamedTuple):
    """Where requests are kept, and what must be known about people and meetings."""

    store: LeaveStore
    meetings: Meetings
    cards: Cards
    roll: Roll
    vault: Vault


class LeaveService:
    """Takes requests for leave to whoever decides. A ``TodoSource`` for them."""

    def __init__(
        self, ports: LeavePorts, *, bus: Bus, audit: AuditLog, clock: Clock, new_id: NewId
    ) -> None:
        self._store, self._meetings, self._cards, self._roll, self._vault = ports
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    # -- asking ----------------------------------------------------------------------------------

    async def ask(
        self,
        meeting_id: str,
        wish: Wish,
        *,
        person_id: str | None = None,
        draft: bool = False,
        by: Person,
    ) -> Seen:
        """Ask for leave, for oneself or as a liaison on somebody's behalf.

        Raises:
            Forbidden: It is for somebody of another delegation.
            NotFound: There is no such meeting, or the person does not take part in it.
            BadState: They are in the hall already, or the meeting is over.
            Conflict: They have asked for this meeting.
            Invalid: The span is empty.
        """
        by.require(Permission.LEAVE_ASK)
        meeting = await find(self._meetings, meeting_id)
        card = await self._cards.get(person_id or by.id)
        own = person_id in {None, by.id}
        if not own and (card is None or not liaises(by, card.delegation_id)):
            raise Forbidden("只能为本人或本代表团代表请假")
        if card is None or not await self._meetings.capacities(meeting_id, [card.id]):
            raise NotFound
        since = wish.since or meeting.starts_at
        if since and wish.until and wish.until <= since:
            raise Invalid("结束时间须晚于开始时间", field="until")
        await self._require_outside(meeting, card.id)
        leave_id, at = self._new_id(), self._clock()
        key = f"session:{meeting.session_id}" if meeting.session_id else f"mtg:{meeting.id}"
        leave = Leave(
            id=leave_id,
            meeting_id=meeting_id,
            key=key,
            person_id=card.id,
            delegation_id=card.delegation_id,
            kind=wish.kind,
            reason_enc=self._vault.seal(wish.reason, context=reason_context(leave_id)),
            since=since,
            until=wish.until,
            state=LeaveState.DRAFT if draft else LeaveState.SUBMITTED,
            asked_by=by.id,
            asked_at=at,
            eid=self._new_id(),
            at=at,
        )
        await self._store.add(leave)
        await self._announce(leave)
        await self._note("leave.ask", leave, by, kind=leave.kind.value, own=own)
        return await self._see(leave, meeting, by)

    async def submit(self, leave_id: str, *, by: Person) -> Seen:
        """Hand a draft in.

        Raises:
            NotFound: It is not theirs.
            BadState: It was handed in before, or the person is in the hall.
        """
        leave, meeting = await self._theirs(leave_id, by)
        await self._require_outside(meeting, leave.person_id)
        return await self._move(leave, meeting, LeaveState.SUBMITTED, by)

    async def withdraw(self, leave_id: str, *, by: Person) -> Seen:
        """Take back what has not been decided.

        Raises:
            NotFound: It is not theirs.
            BadState: It was decided.
        """
        leave, meeting = await self._theirs(leave_id, by)
        return await self._move(leave, meeting, LeaveState.WITHDRAWN, by)

    async def come_back(self, leave_id: str, *, by: Person) -> Seen:
        """Say that the person is back (销假).

        Raises:
            NotFound: It is not theirs.
            BadState: The leave has not begun.
        """
        leave, meeting = await self._theirs(leave_id, by)
        return await self._move(leave, meeting, LeaveState.RETURNED, by)

    # -- deciding --------------------------------------------------------------------------------

    async def decide(self, leave_id: str, *, approve: bool, note: str, by: Person) -> Seen:
        """Approve or refuse.

        Raises:
            NotFound: There is no such request, or they may not know of it.
            Forbidden: It is for somebody else to decide; ``detail.route`` says for whom.
            BadState: It was decided or taken back, or the person is in the hall.
        """
        leave = await self._get(leave_id)
        meeting = await find(self._meetings, leave.meeting_id)
        seen = await self._see(leave, meeting, by)
        if not seen.decides:
            if seen.reason is None and not watches(by, meeting) and not by.flags & _DECIDERS:
                raise NotFound
            raise Forbidden("该请假不由您审批", detail={"route": seen.route.value})
        if approve:
            await self._require_outside(meeting, leave.person_id)
        to = LeaveState.APPROVED if approve else LeaveState.REFUSED
        return await self._move(leave, meeting, to, by, note=note, route=seen.route)

    async def delegate(
        self, meeting_id: str, people: frozenset[str], *, document: str, by: Person
    ) -> frozenset[str]:
        """Record whom the 主任会议 delegated to decide, for the meeting's whole session.

        Raises:
            Forbidden: The person does not drive this meeting.
            Invalid: Somebody is not on the standing committee.
        """
        meeting = await driven(self._meetings, meeting_id, by=by)
        cards = await self._cards.many(people)
        strangers = sorted(
            it for it in people if it not in cards or Flag.NPCSC_MEMBER not in cards[it].flags
        )
        if strangers:
            raise Invalid(
                "受委托人须为常委会组成人员", field="people", detail={"people": strangers}
            )
        key = f"session:{meeting.session_id}" if meeting.session_id else f"mtg:{meeting.id}"
        await self._store.delegate(key, people, document=document, by=by.id, at=self._clock())
        await self._audit.record(
            "leave.delegate",
            by=by.id,
            obj=f"meeting:{meeting_id}",
            detail={"people": sorted(people), "document": document, "key": key},
        )
        return people

    # -- looking ---------------------------------------------------------------------------------

    async def show(self, leave_id: str, *, by: Person) -> Seen:
        """Answer a request to whoever may know of it.

        Raises:
            NotFound: There is none, or they may not know.
        """
        leave = await self._get(leave_id)
        meeting = await find(self._meetings, leave.meeting_id)
        seen = await self._see(leave, meeting, by)
        if seen.reason is None and not watches(by, meeting):
            raise NotFound
        return seen

    async def of_meeting(self, meeting_id: str, *, by: Person) -> Sequence[Seen]:
        """Answer the requests for a meeting that a person may know of, oldest first.

        Raises:
            NotFound: There is no such meeting.
        """
        meeting = await find(self._meetings, meeting_id)
        found = [
            await self._see(leave, meeting, by)
            for leave in await self._store.of_meeting(meeting_id)
        ]
        all_ = watches(by, meeting)
        return [seen for seen in found if all_ or seen.reason is not None]

    async def mine(self, *, by: Person) -> Sequence[Seen]:
        """Answer one's own requests, newest first."""
        return [
            await self._see(leave, await find(self._meetings, leave.meeting_id), by)
            for leave in await self._store.of_person(by.id)
        ]

    async def todo(self, person: Person) -> Sequence[TodoItem]:
        """Answer the requests that wait for a person's decision, oldest first."""
        head = person.delegation_id if Flag.DELEGATION_HEAD in person.flags else None
        keys = (
            await self._store.delegated_to(person.id)
            if Flag.NPCSC_MEMBER in person.flags
            else frozenset()
        )
        if head is None and not keys:
            return []
        items = []
        for leave in await self._store.waiting(delegation_id=head, keys=keys):
            meeting = await self._meetings.get(leave.meeting_id)
            if meeting is not None and (await self._see(leave, meeting, person)).decides:
                items.append(
                    TodoItem(
                        kind="leave.decide",
                        obj=f"leave:{leave.id}",
                        title=f"请假待审批：{meeting.title}",
                        since=leave.asked_at,
                        due=meeting.starts_at,
                    )
                )
        return items

    # -- by itself -------------------------------------------------------------------------------

    async def turn(self) -> int:
        """Begin and end leaves whose time has come; answer how many. A job."""
        due = await self._store.due(self._clock())
        for leave in due:
            approved = leave.state is LeaveState.APPROVED
            to = LeaveState.EFFECTIVE if approved else LeaveState.RETURNED
            changed = self._next(leave, to, SYSTEM)
            if await self._store.put(changed, was=leave.v):
                await self._announce(changed)
        return len(due)

    async def catch_up(self) -> int:
        """Announce what a process that died has kept and not told. A job."""
        left = await self._store.untold(self._clock() - _PATIENCE)
        for leave in left:
            await self._announce(leave)
        return len(left)

    # -- inside ----------------------------------------------------------------------------------

    async def _see(self, leave: Leave, meeting: Meeting, by: Person) -> Seen:
        card = await self._cards.get(leave.person_id)
        head = card is not None and Flag.DELEGATION_HEAD in card.flags
        way = route(meeting, head=head, at=self._clock())
        delegates = await self._store.delegates(leave.key)
        acts = by.state is AccountState.ACTIVE
        decider = acts and may_decide(by, leave, meeting, way, delegates)
        knows = by.id in {leave.person_id, leave.asked_by, leave.decided_by} or decider
        reason = None
        if knows or (acts and liaises(by, leave.delegation_id)):
            reason = self._vault.open(leave.reason_enc, context=reason_context(leave.id))
        return Seen(leave, way, reason, decider)

    async def _theirs(self, leave_id: str, by: Person) -> tuple[Leave, Meeting]:
        leave = await self._get(leave_id)
        if by.id != leave.person_id and not liaises(by, leave.delegation_id):
            raise NotFound
        return leave, await find(self._meetings, leave.meeting_id)

    async def _move(
        self,
        leave: Leave,
        meeting: Meeting,
        to: LeaveState,
        by: Person,
        *,
        note: str = "",
        route: Route | None = None,
    ) -> Seen:
        if to not in NEXT[leave.state]:
            raise BadState("请假当前状态不能执行此操作", allowed=NEXT[leave.state])
        changed = self._next(leave, to, by, note=note)
        if not await self._store.put(changed, was=leave.v):
            raise Conflict("请假已被他人处理，请刷新后重试")
        await self._announce(changed)
        more = {"route": route.value} if route else {}
        await self._note(f"leave.{to.value}", changed, by, **more)
        return await self._see(changed, meeting, by)

    def _next(self, leave: Leave, to: LeaveState, by: Person, *, note: str = "") -> Leave:
        at = self._clock()
        changes = {"state": to, "at": at, "eid": self._new_id(), "v": leave.v + 1}
        if to in DECIDED:
            changes |= {"decided_by": by.id, "decided_at": at, "note": note}
        return leave.model_copy(update=changes)

    async def _require_outside(self, meeting: Meeting, person_id: str) -> None:
        if meeting.state in {"closed", "archived", "cancelled"}:
            raise BadState("会议已结束，不能请假", allowed=())
        record = await self._roll.get(meeting.id, person_id)
        if record is not None and record.state in IN_THE_HALL:
            raise BadState("已签到，不能请假", allowed=())

    async def _announce(self, leave: Leave) -> None:
        kind: Callable[..., LeaveRequest | LeaveDecided] = LeaveRequest
        channels = [] if leave.state is LeaveState.DRAFT else [f"mtgstaff:{leave.meeting_id}"]
        if leave.state in DECIDED:
            kind = LeaveDecided
            channels.append(f"user:#{leave.person_id}")
        event = kind(
            id=leave.eid,
            v=leave.v,
            at=leave.at,
            leave_id=leave.id,
            meeting_id=leave.meeting_id,
            person_id=leave.person_id,
            kind=leave.kind,
            state=leave.state,
        )
        for channel in channels:
            await self._bus.publish(channel, event)
        await self._store.told(leave)

    async def _get(self, leave_id: str) -> Leave:
        leave = await self._store.get(leave_id)
        if leave is None:
            raise NotFound
        return leave

    async def _note(self, action: str, leave: Leave, by: Person, **detail: str | bool) -> None:
        whole = {"meeting": leave.meeting_id, "person": leave.person_id, **detail}
        await self._audit.record(action, by=by.id, obj=f"leave:{leave.id}", detail=whole)
