"""The desk at which opinions are taken down, sent, reported on and reviewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.meetings.agenda import AgendaStore
from domain.meetings.meeting import (
    Meeting,
    MeetingState,
    MeetingStore,
    duties,
    require_seen,
    require_served,
)
from domain.meetings.opinion_clock import OpinionClock
from domain.meetings.opinions import (
    BY_THE_UNIT,
    NEXT,
    OPEN,
    Opinion,
    OpinionMoved,
    OpinionState,
    OpinionStore,
    Step,
    Which,
)
from domain.meetings.participants import ParticipantService
from domain.organisation import Org, OrganisationStore
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog
from domain.todo import TodoItem
from domain.visibility import visible

_AT_ONCE = 200


class OpinionParts(NamedTuple):
    """The stores that opinions refer to."""

    meetings: MeetingStore
    agenda: AgendaStore
    house: OrganisationStore
    participants: ParticipantService


class OpinionService:
    """Takes opinions down, sends them, and watches the clock."""

    def __init__(
        self,
        store: OpinionStore,
        parts: OpinionParts,
        timer: OpinionClock,
        *,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._parts = parts
        self._timer = timer
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    def now(self) -> datetime:
        """Answer the instant by which it is judged what is overdue."""
        return self._clock()

    async def list(
        self, which: Which, *, by: Person, after: str = "", limit: int = 20
    ) -> Sequence[Opinion]:
        """Answer the opinions a person may see, newest first.

        Raises:
            NotFound: There is no such meeting, or they may not know of it.
        """
        also: frozenset[str] = frozenset()
        if which.meeting_id is not None:
            meeting = await self._meeting(which.meeting_id)
            also = await self._parts.participants.scopes(by, meeting.id)
            require_seen(by, meeting, also=also)
        return await self._store.seen(
            by, which, also=also, duties=duties(by), after=after, limit=limit
        )

    async def show(self, opinion_id: str, *, by: Person) -> Opinion:
        """Answer one opinion.

        Raises:
            NotFound: There is none, or they may not know of it.
        """
        opinion = await self._store.get(opinion_id)
        if opinion is None:
            raise NotFound
        also = await self._parts.participants.scopes(by, opinion.meeting_id)
        if not duties(by) & opinion.staff and not visible(by, opinion, also=also):
            raise NotFound
        return opinion

    async def collect(self, meeting_id: str, fields: Mapping[str, Any], *, by: Person) -> Opinion:
        """Take an opinion of a meeting down.

        Raises:
            BadState: The meeting has not begun, or is archived.
            Invalid: There is no such item or unit.
        """
        meeting = await self._meeting(meeting_id)
        require_served(by, meeting)
        begun = {MeetingState.IN_SESSION, MeetingState.PAUSED, MeetingState.CLOSED}
        if meeting.state not in begun:
            raise BadState("会议未在进行或已归档，不能登记审议意见", allowed=())
        await self._check(meeting, fields)
        opinion = Opinion(
            id=self._new_id(), meeting_id=meeting_id, staff=meeting.scopes,
            created_at=self._clock(), created_by=by.id, **fields,
        )  # fmt: skip
        await self._store.add(opinion)
        await self._note("opinion.collect", opinion, by.id, org=opinion.org_id)
        return opinion

    async def amend(
        self, opinion_id: str, fields: Mapping[str, Any], *, v: int, by: Person
    ) -> Opinion:
        """Change an opinion that is not sent yet.

        Raises:
            BadState: It is sent.
            Conflict: Somebody else changed it first.
        """
        opinion = await self.show(opinion_id, by=by)
        meeting = await self._meeting(opinion.meeting_id)
        require_served(by, meeting)
        if opinion.state is not OpinionState.COLLECTED:
            raise BadState("审议意见已送出，不能修改", allowed=NEXT[opinion.state])
        await self._check(meeting, fields)
        changed = await self._keep(opinion, fields, v)
        await self._note("opinion.amend", changed, by.id, fields=sorted(fields), v=changed.v)
        return changed

    async def move(
        self, opinion_id: str, to: OpinionState, *, text: str, v: int, by: Person
    ) -> Opinion:
        """Take the next step: the staff send and review, the unit takes up and reports.

        Raises:
            Forbidden: It is not theirs to take.
            Invalid: A report or a review without a text.
            BadState: It is not the next step.
            Conflict: Somebody else was faster.
        """
        opinion = await self.show(opinion_id, by=by)
        self._require_turn(opinion, to, by)
        if to not in NEXT[opinion.state]:
            raise BadState("审议意见当前状态不能执行此操作", allowed=NEXT[opinion.state])
        if to in {OpinionState.REPORTED, OpinionState.REVIEWED} and not text:
            raise Invalid("请填写内容", field="text")
        at = self._clock()
        fields: dict[str, Any] = {
            "state": to,
            "moved_eid": self._new_id(),
            "steps": (*opinion.steps, Step(to=to, at=at, by=by.id, text=text)),
        }
        if to is OpinionState.SENT:
            fields |= await self._timer.start(at)
        elif to not in OPEN:
            fields["next_at"] = None
        changed = await self._keep(opinion, fields, v)
        await self._note(f"opinion.{to.value}", changed, by.id, v=changed.v)
        await self._announce(changed)
        return changed

    async def catch_up(self) -> int:
        """Announce steps that a process that died has kept and not told; answer how many. A job.

        Another process may just be announcing one of them: the id is the same, so it is heard once.
        """
        left = await self._store.unannounced(limit=_AT_ONCE)
        for opinion in left:
            await self._announce(opinion)
        return len(left)

    async def _announce(self, opinion: Opinion) -> None:
        event = OpinionMoved(
            id=opinion.moved_eid, v=opinion.v, at=opinion.steps[-1].at,
            meeting_id=opinion.meeting_id, opinion_id=opinion.id, state=opinion.state,
        )  # fmt: skip
        await self._timer.say(opinion, event)
        await self._store.announced(opinion)

    async def todo(self, person: Person) -> Sequence[TodoItem]:
        """Answer what waits at a person's unit; implements ``domain.todo.TodoSource``."""
        units = frozenset(
            scope.partition(":")[2]
            for grant, _ in person.rights(Permission.ANSWER_DRAFT)
            for scope in grant.scopes
            if scope.startswith("unit:")
        )
        return [
            TodoItem(
                kind="opinion.handle",
                obj=f"opinion:{it.id}",
                title=f"审议意见：{it.title}",
                since=it.steps[-1].at if it.steps else it.created_at,
                due=it.due.at if it.due else None,
            )
            for it in (await self._store.at_unit(units) if units else ())
        ]

    def _require_turn(self, opinion: Opinion, to: OpinionState, by: Person) -> None:
        if any(by.may(Permission.MEETING_MANAGE, scope=it) for it in opinion.staff):
            return
        unit = f"unit:{opinion.org_id}"
        if to in BY_THE_UNIT and by.may(Permission.ANSWER_DRAFT, scope=unit):
            return
        raise Forbidden(detail={"permission": Permission.MEETING_MANAGE.value})

    async def _check(self, meeting: Meeting, fields: Mapping[str, Any]) -> None:
        item_id, org_id = fields.get("item_id"), fields.get("org_id")
        if item_id is not None and await self._parts.agenda.get(meeting.id, item_id) is None:
            raise Invalid("议程中没有这一项", field="item_id")
        if org_id is None:
            return
        org = await self._parts.house.get(Org, org_id)
        if org is None or not org.active:
            raise Invalid("办理单位不存在或已停用", field="org_id")

    async def _keep(self, opinion: Opinion, fields: Mapping[str, Any], v: int) -> Opinion:
        changed = Opinion.model_validate({**opinion.model_dump(), **fields, "v": v + 1})
        if opinion.v != v or not await self._store.put(changed, was=opinion):
            now = await self._store.get(opinion.id)
            raise Conflict("审议意见已被他人修改，请刷新后重试", detail={"v": now.v if now else 0})
        return changed

    async def _meeting(self, meeting_id: str) -> Meeting:
        meeting = await self._parts.meetings.get(meeting_id)
        if meeting is None:
            raise NotFound
        return meeting

    async def _note(self, action: str, opinion: Opinion, by: str, **detail: Any) -> None:
        where = {"meeting": opinion.meeting_id, **detail}
        await self._audit.record(action, by=by, obj=f"opinion:{opinion.id}", detail=where)
