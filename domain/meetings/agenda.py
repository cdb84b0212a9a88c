"""The agenda of a meeting: its items in order, each with its place for papers.

What is being dealt with is what the pointer of the hall points at (``domain.hall``), so there is
never more than one current item. The order is one list in the meeting; an item that is not in it
yet stands at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Invalid, NotFound
from domain.events import Event
from domain.meetings.meeting import (
    OVER,
    Meeting,
    MeetingState,
    MeetingStore,
    require_seen,
    require_served,
    serves,
)
from domain.meetings.papers import Paper
from domain.meetings.participants import ParticipantService
from domain.meetings.results import Result
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus
from domain.visibility import visible

MOST_ITEMS = 100


class ItemKind(StrEnum):
    """What sort of business an item is."""

    BILL = "bill"
    """法规案."""
    REPORT = "report"
    """专项工作报告."""
    PERSONNEL = "personnel"
    """人事任免."""
    RESOLUTION = "resolution"
    """决议决定."""
    MOTION = "motion"
    """议案."""
    OTHER = "other"


class ItemState(StrEnum):
    """States of an item; ``current`` follows from the pointer and is never stored."""

    PENDING = "pending"
    CURRENT = "current"
    DONE = "done"
    POSTPONED = "postponed"


_NEXT: Mapping[ItemState, frozenset[ItemState]] = {
    ItemState.PENDING: frozenset({ItemState.DONE, ItemState.POSTPONED}),
    ItemState.DONE: frozenset(),
    ItemState.POSTPONED: frozenset({ItemState.PENDING}),
}


class AgendaItem(BaseModel):
    """One item; ``v`` is its version as read."""

    model_config = ConfigDict(frozen=True)

    id: str
    meeting_id: str
    title: str
    kind: ItemKind = ItemKind.OTHER
    reporter: str = ""
    state: ItemState = ItemState.PENDING
    papers: tuple[Paper, ...] = ()
    result: Result | None = None
    v: int = 1
    created_at: datetime | None = None
    created_by: str = ""
    updated_at: datetime | None = None
    updated_by: str = ""


class Agenda(NamedTuple):
    """The items somebody sees, in order, each as far as they may see it."""

    meeting: Meeting
    items: Sequence[AgendaItem]


class AgendaChanged(Event):
    """Items of a published agenda changed: added, reordered, done, postponed; fetch it again."""

    channels: ClassVar[tuple[str, ...]] = ("mtg:{id}", "mtgstaff:{id}")

    type: Literal["agenda.changed"] = "agenda.changed"
    meeting_id: str


class AgendaStore(Protocol):
    """Keeps items. Every change is conditional on the version it starts from."""

    async def add(self, item: AgendaItem) -> None:
        """Keep a new item."""

    async def get(self, meeting_id: str, item_id: str) -> AgendaItem | None:
        """Answer an item of a meeting, or ``None``."""

    async def of(self, meeting_id: str) -> Sequence[AgendaItem]:
        """Answer the items of a meeting in order, the current one as such."""

    async def put(self, item: AgendaItem, *, was: AgendaItem) -> bool:
        """Keep the new form if it is still at version ``was.v``; tell whether."""

    async def remove(self, item: AgendaItem) -> bool:
        """Remove an item that is still at its version and has no result; tell whether."""

    async def arrange(self, meeting: Meeting, item_ids: Sequence[str]) -> bool:
        """Set the order if the meeting is still at its version, which grows; tell whether."""

    async def with_paper(self, paper_id: str) -> AgendaItem | None:
        """Answer the item on which a paper is, or ``None``."""


class AgendaService:
    """Keeps agendas."""

    def __init__(
        self,
        store: AgendaStore,
        meetings: MeetingStore,
        participants: ParticipantService,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._meetings = meetings
        self._participants = participants
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def show(self, meeting_id: str, *, by: Person) -> Agenda:
        """Answer the agenda: to its staff all of it, to others when published and what they may.

        Raises:
            NotFound: There is no such meeting, or they may not know of it.
        """
        meeting = await self.find(meeting_id)
        also = await self._participants.scopes(by, meeting_id)
        require_seen(by, meeting, also=also)
        staff = serves(by, meeting)
        if not staff and meeting.agenda_published_at is None:
            return Agenda(meeting, ())
        items = await self._store.of(meeting_id)
        return Agenda(meeting, items if staff else [_as_seen(it, by, also) for it in items])

    async def add(self, meeting_id: str, fields: Mapping[str, Any], *, by: Person) -> AgendaItem:
        """Put an item at the end of the agenda.

        Raises:
            BadState: The meeting is over.
            Conflict: There are too many items.
        """
        meeting = await self.served(meeting_id, by)
        require_open(meeting, OVER)
        if len(await self._store.of(meeting_id)) >= MOST_ITEMS:
            raise Conflict(f"议程最多 {MOST_ITEMS} 项")
        now = self._clock()
        item = AgendaItem(
            id=self._new_id(), meeting_id=meeting_id, created_at=now, created_by=by.id,
            updated_at=now, updated_by=by.id, **fields,
        )  # fmt: skip
        await self._store.add(item)
        await self.note("agenda.add", item, by, title=item.title)
        await self.tell(meeting)
        return item

    async def amend(
        self, meeting_id: str, item_id: str, fields: Mapping[str, Any], *, v: int, by: Person
    ) -> AgendaItem:
        """Change title, kind or reporter of an item that is still at version ``v``.

        Raises:
            BadState: The meeting is over.
            Conflict: Somebody else changed it first.
        """
        meeting = await self.served(meeting_id, by)
        require_open(meeting, OVER)
        item = await self.item(meeting_id, item_id, v)
        changed = await self.keep(item, fields, by)
        await self.note("agenda.amend", changed, by, fields=sorted(fields), v=changed.v)
        await self.tell(meeting)
        return changed

    async def remove(self, meeting_id: str, item_id: str, *, v: int, by: Person) -> None:
        """Take an item off an agenda that is not published yet; later it is postponed instead.

        Raises:
            BadState: The agenda is published, a result is typed in, or the meeting is over.
            Conflict: Somebody else changed it first.
        """
        meeting = await self.served(meeting_id, by)
        require_open(meeting, OVER)
        if meeting.agenda_published_at is not None:
            raise BadState("议程已公布，只能将议题改为暂缓", allowed=(ItemState.POSTPONED,))
        item = await self.item(meeting_id, item_id, v)
        if item.result is not None:
            raise BadState("该议题已录入结果，不能删除", allowed=())
        if not await self._store.remove(item):
            raise _stale(await self.item(meeting_id, item_id, None))
        await self.note("agenda.remove", item, by, title=item.title)

    async def arrange(
        self, meeting_id: str, item_ids: Sequence[str], *, v: int, by: Person
    ) -> Agenda:
        """Set the order of all items; ``v`` is the version of the meeting.

        Raises:
            Invalid: It does not name every item exactly once.
            Conflict: Somebody else changed the meeting first.
        """
        meeting = await self.served(meeting_id, by)
        require_open(meeting, OVER)
        there = {item.id for item in await self._store.of(meeting_id)}
        if len(item_ids) != len(there) or set(item_ids) != there:
            raise Invalid("请列出全部议题，每项一次", field="items")
        if meeting.v != v or not await self._store.arrange(meeting, item_ids):
            now = await self.find(meeting_id)
            raise Conflict("会议已被他人修改，请刷新后重试", detail={"v": now.v})
        await self._audit.record(
            "agenda.arrange", by=by.id, obj=f"meeting:{meeting_id}", detail={"v": v + 1}
        )
        await self.tell(meeting)
        return await self.show(meeting_id, by=by)

    async def settle(
        self, meeting_id: str, item_id: str, to: ItemState, *, v: int, by: Person
    ) -> AgendaItem:
        """Say that an item is done or postponed, or take it up again.

        Raises:
            BadState: The item cannot go there, or is done while the meeting does not sit.
            Conflict: Somebody else changed it first.
        """
        meeting = await self.served(meeting_id, by, Permission.CONSOLE_RUN)
        require_open(meeting, OVER)
        item = await self.item(meeting_id, item_id, v)
        if to not in _NEXT[item.state]:
            raise BadState("该议题当前状态不能执行此操作", allowed=_NEXT[item.state])
        sits = {MeetingState.IN_SESSION, MeetingState.PAUSED}
        if to is ItemState.DONE and meeting.state not in sits:
            raise BadState("会议尚未开始", allowed=_NEXT[item.state] - {ItemState.DONE})
        changed = await self.keep(item, {"state": to}, by)
        await self.note("agenda.settle", changed, by, to=to.value, v=changed.v)
        await self.tell(meeting)
        return changed

    async def served(
        self, meeting_id: str, by: Person, permission: Permission = Permission.MEETING_MANAGE
    ) -> Meeting:
        """Answer a meeting to somebody of its staff.

        Raises:
            NotFound: There is none.
            Forbidden: They are not of its staff.
        """
        meeting = await self.find(meeting_id)
        require_served(by, meeting, permission)
        return meeting

    async def find(self, meeting_id: str) -> Meeting:
        """Answer a meeting.

        Raises:
            NotFound: There is none.
        """
        meeting = await self._meetings.get(meeting_id)
        if meeting is None:
            raise NotFound
        return meeting

    async def item(self, meeting_id: str, item_id: str, v: int | None = None) -> AgendaItem:
        """Answer an item as it is kept, at version ``v`` if one is named.

        Raises:
            NotFound: There is none.
            Conflict: It is at another version.
        """
        item = await self._store.get(meeting_id, item_id)
        if item is None:
            raise NotFound
        if v is not None and item.v != v:
            raise _stale(item)
        return item

    async def keep(self, item: AgendaItem, fields: Mapping[str, Any], by: Person) -> AgendaItem:
        """Keep some fields of an item and answer it in its next version.

        Raises:
            Conflict: Somebody else changed it first.
        """
        stamp = {"v": item.v + 1, "updated_at": self._clock(), "updated_by": by.id}
        changed = AgendaItem.model_validate({**item.model_dump(), **fields, **stamp})
        if not await self._store.put(changed, was=item):
            raise _stale(await self.item(item.meeting_id, item.id))
        return changed

    async def tell(self, meeting: Meeting) -> None:
        """Announce that the agenda changed: to the staff, and to all once it is published."""
        event = AgendaChanged(id=self._new_id(), at=self._clock(), meeting_id=meeting.id)
        published = meeting.agenda_published_at is not None
        for channel in meeting.channels[:2] if published else (f"mtgstaff:{meeting.id}",):
            await self._bus.publish(channel, event)

    async def note(self, action: str, item: AgendaItem, by: Person, **detail: Any) -> None:
        """Write into the audit what was done to an item."""
        where = {"item": item.id, **detail}
        await self._audit.record(action, by=by.id, obj=f"meeting:{item.meeting_id}", detail=where)


def _as_seen(item: AgendaItem, person: Person, also: frozenset[str]) -> AgendaItem:
    papers = tuple(paper for paper in item.papers if visible(person, paper, also=also))
    declared = item.result if item.result and item.result.confirmed_at else None
    return item.model_copy(update={"papers": papers, "result": declared})


def require_open(meeting: Meeting, closed: frozenset[MeetingState]) -> None:
    """Do nothing unless a meeting is in one of the states in which nothing may change.

    Raises:
        BadState: It is.
    """
    if meeting.state in closed:
        raise BadState("会议已结束，不能修改", allowed=())


def _stale(item: AgendaItem) -> Conflict:
    return Conflict("该议题已被他人修改，请刷新后重试", detail={"v": item.v})
