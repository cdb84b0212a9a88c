"""The desk at which meetings are planned, announced and led from state to state.

Keep first, tell afterwards: a change marks the meeting as not announced in the same write, and a
job announces what a process that died left behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.meetings.meeting import (
    NEXT,
    OVER,
    SEALED,
    Announcement,
    Capacity,
    Meeting,
    MeetingChanged,
    MeetingMoved,
    MeetingState,
    MeetingStore,
    Place,
    Wanted,
    duties,
    require_seen,
    require_served,
    scopes_of,
    serves,
)
from domain.meetings.notice_rules import NoticeRules
from domain.meetings.participants import ParticipantStore
from domain.organisation import Committee, Delegation, OrganisationStore, Session
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus

_PATIENCE = timedelta(seconds=3)

ON_THE_CONSOLE = frozenset(
    {MeetingState.IN_SESSION, MeetingState.PAUSED, MeetingState.CLOSED, MeetingState.READY}
)
"""States into which those who run the console may bring a meeting too."""


class Seen(NamedTuple):
    """A meeting as somebody sees it.

    Attributes:
        capacity: In which the person takes part, if they do.
        staff: Whether they prepare it.
    """

    meeting: Meeting
    capacity: Capacity | None
    staff: bool
    counts: Mapping[Capacity, int]


class AtTheEnd(Protocol):
    """Wants to know when a meeting is over, or lasts longer than was planned."""

    async def ended(self, meeting: Meeting) -> None:
        """End what was given for the time of the meeting; doing it twice is harmless."""

    async def moved(self, meeting: Meeting) -> None:
        """Let last what was given for the time of the meeting until its new end."""


class MeetingDesk:
    """Plans meetings and leads them from state to state.

    ``at_the_end`` are told when a meeting is over, or ends at another time.
    """

    def __init__(
        self,
        store: MeetingStore,
        participants: ParticipantStore,
        house: OrganisationStore,
        notices: NoticeRules,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._participants = participants
        self._house = house
        self._notices = notices
        self.at_the_end: list[AtTheEnd] = []
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    # -- looking ---------------------------------------------------------------------------------

    async def show(self, meeting_id: str, *, by: Person) -> Seen:
        """Answer a meeting, in which capacity the person takes part, and how many others do.

        Raises:
            NotFound: There is none, or they may not know of it.
        """
        meeting = await self._find(meeting_id)
        mine = await self._participants.one(meeting_id, by.id)
        capacity = mine.capacity if mine else None
        require_seen(by, meeting, also=scopes_of(meeting_id, capacity))
        counts = await self._participants.counts(meeting_id)
        return Seen(meeting, capacity, serves(by, meeting), counts)

    async def list(
        self, wanted: Wanted, *, by: Person, after: Place | None = None, limit: int = 20
    ) -> Sequence[Meeting]:
        """Answer the meetings a person may see, the latest first."""
        mine = await self._participants.meetings_of(by.id)
        also = frozenset(
            scope for it, capacity in mine.items() for scope in scopes_of(it, capacity)
        )
        return await self._store.seen(
            by, wanted, also=also, duties=duties(by), after=after, limit=limit
        )

    # -- planning --------------------------------------------------------------------------------

    async def plan(self, fields: Mapping[str, Any], *, by: Person) -> Meeting:
        """Plan a meeting of a session, committee or delegation one works for.

        Raises:
            Forbidden: The person works for another one.
            Invalid: It refers to something that is not there, or its times make no sense.
        """
        by.require(Permission.MEETING_MANAGE)
        now = self._clock()
        meeting = Meeting.model_validate(
            {
                **fields, "id": self._new_id(), "eid": self._new_id(),
                "moved_eid": self._new_id(), "created_at": now, "created_by": by.id,
                "updated_at": now, "updated_by": by.id,
            }
        )  # fmt: skip
        if not serves(by, meeting):
            raise Forbidden(
                "只能筹备本人所服务的会次、委员会或代表团的会议",
                detail={"permission": Permission.MEETING_MANAGE.value},
            )
        await self._check(meeting)
        await self._store.add(meeting)
        await self._note("meeting.plan", meeting, by, kind=meeting.kind.value, title=meeting.title)
        await self._announce(meeting, moved=False)
        return meeting

    async def amend(
        self, meeting_id: str, fields: Mapping[str, Any], *, v: int, urgent: str = "", by: Person
    ) -> Meeting:
        """Change title, place, times or quotas of a meeting that is still at version ``v``.

        Raises:
            RuleViolation: It was announced, would begin earlier than the rule wants, and no reason
                was given; names rule and source.
            Forbidden: The person does not prepare it.
            BadState: It is over.
            Conflict: Somebody else changed it first.
            Invalid: Its times make no sense.
        """
        meeting = await self._served(meeting_id, v, by)
        if meeting.state in OVER:
            raise BadState("会议已结束，不能修改", allowed=NEXT[meeting.state])
        rule = await self._too_early(meeting, fields)
        if rule:
            if not urgent:
                raise await self._notices.violated(rule, meeting.model_copy(update=dict(fields)))
            said = Announcement(at=self._clock(), by=by.id, rule=rule, urgent=urgent)
            fields = {**fields, "announced": said}
        changed = await self._keep(meeting, fields, by)
        note = {"rule": rule, "urgent": urgent} if rule else {}
        await self._note("meeting.amend", changed, by, fields=sorted(fields), v=changed.v, **note)
        await self._announce(changed, moved=False)
        if changed.ends_at != meeting.ends_at:
            for watch in self.at_the_end:
                await watch.moved(changed)
        return changed

    async def _too_early(self, meeting: Meeting, fields: Mapping[str, Any]) -> str:
        """Answer the rule that is broken if an announced meeting is brought forward."""
        starts_at = fields.get("starts_at")
        if meeting.announced is None or meeting.starts_at is None or starts_at is None:
            return ""
        if starts_at >= meeting.starts_at:
            return ""
        moved = meeting.model_copy(update={"starts_at": starts_at})
        return await self._notices.too_late(moved, self._clock())

    async def publish_agenda(self, meeting_id: str, *, v: int, by: Person) -> Meeting:
        """Let those who may see the meeting see its agenda from now on.

        Raises:
            BadState: It is over.
            Conflict: Somebody else changed it first.
        """
        meeting = await self._served(meeting_id, v, by)
        if meeting.state in SEALED:
            raise BadState("会议已归档或取消", allowed=())
        changed = await self._keep(meeting, {"agenda_published_at": self._clock()}, by)
        await self._note("agenda.publish", changed, by, v=changed.v)
        await self._announce(changed, moved=False)
        return changed

    # -- states ----------------------------------------------------------------------------------

    async def announce(self, meeting_id: str, *, v: int, urgent: str, by: Person) -> Meeting:
        """Announce a meeting, in time or with the reason why not (临时召集).

        Raises:
            RuleViolation: It begins too soon, and no reason was given; names rule and source.
            Invalid: It is not known when it begins.
            BadState: It is not planned any more.
            Conflict: Somebody else changed it first.
        """
        meeting = await self._served(meeting_id, v, by)
        self._require_next(meeting, MeetingState.ANNOUNCED)
        now = self._clock()
        rule = await self._notices.too_late(meeting, now)
        if rule and not urgent:
            raise await self._notices.violated(rule, meeting)
        said = Announcement(at=now, by=by.id, rule=rule, urgent=urgent if rule else "")
        fields = {"state": MeetingState.ANNOUNCED, "announced": said}
        changed = await self._keep(meeting, fields, by)
        note = {"rule": rule, "urgent": urgent} if rule else {}
        await self._note("meeting.announce", changed, by, v=changed.v, **note)
        await self._announce(changed, moved=True)
        return changed

    async def move(
        self, meeting_id: str, to: MeetingState, *, v: int, reason: str = "", by: Person
    ) -> Meeting:
        """Bring a meeting into another state.

        Raises:
            Forbidden: The person neither prepares it nor runs its console.
            Invalid: A meeting that people know of is cancelled without a reason.
            BadState: It cannot go there from where it is.
            Conflict: Somebody else changed it first.
        """
        permission = Permission.CONSOLE_RUN if to in ON_THE_CONSOLE else Permission.MEETING_MANAGE
        meeting = await self._served(meeting_id, v, by, permission)
        self._require_next(meeting, to)
        known = meeting.state is not MeetingState.PLANNED
        if to is MeetingState.CANCELLED and known and not reason:
            raise Invalid("取消已通知的会议须说明原因", field="reason")
        fields: dict[str, Any] = {"state": to}
        if to is MeetingState.CLOSED:
            fields["closed_at"] = self._clock()
        changed = await self._keep(meeting, fields, by)
        note = {"reason": reason} if reason else {}
        await self._note("meeting.move", changed, by, to=to.value, v=changed.v, **note)
        await self._announce(changed, moved=True)
        if to in OVER:
            for watch in self.at_the_end:
                await watch.ended(changed)
        return changed

    async def catch_up(self) -> int:
        """Announce what a process that died has kept and not told; answer how much. A job."""
        left = await self._store.untold(self._clock() - _PATIENCE)
        for meeting in left:
            await self._announce(meeting, moved=True)
            if meeting.state in OVER:
                for watch in self.at_the_end:
                    await watch.ended(meeting)
        return len(left)

    # -- inside ----------------------------------------------------------------------------------

    async def _served(
        self,
        meeting_id: str,
        v: int,
        by: Person,
        permission: Permission = Permission.MEETING_MANAGE,
    ) -> Meeting:
        meeting = await self._find(meeting_id)
        require_served(by, meeting, permission)
        if meeting.v != v:
            raise _stale(meeting)
        return meeting

    def _require_next(self, meeting: Meeting, to: MeetingState) -> None:
        if to not in NEXT[meeting.state]:
            raise BadState("会议当前状态不能执行此操作", allowed=NEXT[meeting.state])

    async def _keep(self, meeting: Meeting, fields: Mapping[str, Any], by: Person) -> Meeting:
        stamp = {
            "v": meeting.v + 1, "eid": self._new_id(), "moved_eid": meeting.moved_eid,
            "updated_at": self._clock(), "updated_by": by.id,
        }  # fmt: skip
        if "state" in fields:
            stamp["moved_eid"] = self._new_id()
        changed = Meeting.model_validate({**meeting.model_dump(), **fields, **stamp})
        await self._check(changed)
        if not await self._store.put(changed, was=meeting):
            raise _stale(await self._find(meeting.id))
        return changed

    async def _check(self, meeting: Meeting) -> None:
        if meeting.starts_at and meeting.ends_at and meeting.ends_at <= meeting.starts_at:
            raise Invalid("结束时间须晚于开始时间", field="ends_at")
        parts = (
            (Session, "session_id", meeting.session_id),
            (Committee, "committee_id", meeting.committee_id),
            (Delegation, "delegation_id", meeting.delegation_id),
        )
        for kind, field, key in parts:
            if key is not None and await self._house.get(kind, key) is None:
                raise Invalid("所属机构或会次不存在", field=field)

    async def _announce(self, meeting: Meeting, *, moved: bool) -> None:
        said: dict[str, Any] = {"v": meeting.v, "meeting_id": meeting.id, "state": meeting.state}
        at = meeting.updated_at or self._clock()
        if moved and meeting.state is not MeetingState.PLANNED:
            event = MeetingMoved(id=meeting.moved_eid, at=at, **said)
            for channel in meeting.channels[:2]:
                await self._bus.publish(channel, event)
        changed = MeetingChanged(id=meeting.eid, at=at, **said)
        for channel in meeting.channels:
            await self._bus.publish(channel, changed)
        await self._store.told(meeting)

    async def _find(self, meeting_id: str) -> Meeting:
        meeting = await self._store.get(meeting_id)
        if meeting is None:
            raise NotFound
        return meeting

    async def _note(self, action: str, meeting: Meeting, by: Person, **detail: Any) -> None:
        await self._audit.record(action, by=by.id, obj=f"meeting:{meeting.id}", detail=detail)


def _stale(meeting: Meeting) -> Conflict:
    return Conflict("会议已被他人修改，请刷新后重试", detail={"v": meeting.v})
