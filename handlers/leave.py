"""Leave: ``/api/v1/meetings/{meeting_id}/leave``, ``/api/v1/leave/{leave_id}``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from domain.leave.request import LeaveKind, LeaveState
from domain.leave.routing import Route
from domain.leave.service import Seen, Wish
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import SELF_SERVICE_WHEN_SUSPENDED, SIGNED_IN, operation
from handlers.routing import route
from handlers.snapshot import PositionView, SnapshotView
from handlers.text import Draft, Id, Line, Note, Reason


class LeaveDraft(Draft):
    """What somebody asks for; with ``person_id``, as a liaison on a deputy's behalf."""

    kind: LeaveKind
    reason: Reason
    since: Instant | None = None
    until: Instant | None = None
    person_id: Id | None = None
    draft: bool = False


class DecisionDraft(Draft):
    """Yes or no, and a word about it."""

    approve: bool
    note: Note = ""


class DelegatesDraft(Draft):
    """Whom the 主任会议 delegated, and by which document."""

    people: Annotated[frozenset[Id], Field(max_length=10)]
    document: Line = ""


class LeaveView(BaseModel):
    """A request for leave.

    ``reason`` and ``note`` are null for whoever may know that somebody is away but not why.
    ``route`` says who decides now; ``decides``, whether that is the one who asks.
    """

    leave_id: str
    meeting_id: str
    person_id: str
    kind: LeaveKind
    state: LeaveState
    since: datetime | None
    until: datetime | None
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    note: str | None
    route: Route
    decides: bool
    v: int

    @classmethod
    def of(cls, seen: Seen) -> Self:
        """Show a request as somebody sees it."""
        leave = seen.leave
        hidden = {"reason", "note", "route", "decides", "leave_id"}
        return cls(
            leave_id=leave.id,
            reason=seen.reason,
            note=None if seen.reason is None else leave.note,
            route=seen.route,
            decides=seen.decides,
            **leave.model_dump(include=set(cls.model_fields) - hidden),
        )


class LeavesView(BaseModel):
    """One's own requests, newest first."""

    leaves: list[LeaveView]


class MeetingLeavesView(SnapshotView):
    """The requests for a meeting, oldest first; of each the newest ``v`` holds."""

    leaves: list[LeaveView]


class DelegatesView(BaseModel):
    """Who decides about leave before the session."""

    people: list[str]


class MeetingLeavesHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/leave``."""

    @operation(SIGNED_IN)
    async def get(self, meeting_id: Id) -> MeetingLeavesView:
        """Show the requests that one may know of.

        The staff of the meeting follow them with ``leave.request`` and ``leave.decided``.
        """
        channel = f"mtgstaff:{meeting_id}"
        taken = await self.services.realtime.snapshot(
            channel, lambda: self.services.leave.of_meeting(meeting_id, by=self.user)
        )
        return MeetingLeavesView(
            channel=channel,
            position=PositionView.of(taken.position),
            leaves=[LeaveView.of(seen) for seen in taken.state],
        )

    @operation(Permission.LEAVE_ASK, status=201)
    async def post(self, meeting_id: Id, body: LeaveDraft) -> LeaveView:
        """Ask for leave; it goes to whoever decides in this phase."""
        seen = await self.services.leave.ask(
            meeting_id,
            Wish(body.kind, body.reason, body.since, body.until),
            person_id=body.person_id,
            draft=body.draft,
            by=self.user,
        )
        return LeaveView.of(seen)


class DelegatesHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/leave-approvers``."""

    @operation(Permission.CONSOLE_RUN)
    async def put(self, meeting_id: Id, body: DelegatesDraft) -> DelegatesView:
        """Record whom the 主任会议 delegated to decide, for the meeting's whole session."""
        people = await self.services.leave.delegate(
            meeting_id, body.people, document=body.document, by=self.user
        )
        return DelegatesView(people=sorted(people))


class MyLeavesHandler(ApiHandler):
    """``/api/v1/me/leave``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> LeavesView:
        """Show one's own requests, newest first."""
        found = await self.services.leave.mine(by=self.user)
        return LeavesView(leaves=[LeaveView.of(seen) for seen in found])


class LeaveHandler(ApiHandler):
    """``/api/v1/leave/{leave_id}``."""

    @operation(SIGNED_IN)
    async def get(self, leave_id: Id) -> LeaveView:
        """Show a request."""
        return LeaveView.of(await self.services.leave.show(leave_id, by=self.user))


class SubmitHandler(ApiHandler):
    """``/api/v1/leave/{leave_id}/submit``."""

    @operation(Permission.LEAVE_ASK)
    async def post(self, leave_id: Id) -> LeaveView:
        """Hand a draft in."""
        return LeaveView.of(await self.services.leave.submit(leave_id, by=self.user))


class WithdrawHandler(ApiHandler):
    """``/api/v1/leave/{leave_id}/withdraw``."""

    @operation(Permission.LEAVE_ASK)
    async def post(self, leave_id: Id) -> LeaveView:
        """Take back what has not been decided."""
        return LeaveView.of(await self.services.leave.withdraw(leave_id, by=self.user))


class ReturnHandler(ApiHandler):
    """``/api/v1/leave/{leave_id}/return``."""

    @operation(Permission.LEAVE_ASK)
    async def post(self, leave_id: Id) -> LeaveView:
        """Say that the person is back."""
        return LeaveView.of(await self.services.leave.come_back(leave_id, by=self.user))


class DecideHandler(ApiHandler):
    """``/api/v1/leave/{leave_id}/decide``."""

    @operation(SIGNED_IN)
    async def post(self, leave_id: Id, body: DecisionDraft) -> LeaveView:
        """Approve or refuse, as the one whose turn it is in this phase; others get 403."""
        seen = await self.services.leave.decide(
            leave_id, approve=body.approve, note=body.note, by=self.user
        )
        return LeaveView.of(seen)


_MEETING = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})"
_LEAVE = r"/api/v1/leave/(?P<leave_id>[0-9A-Z]{26})"

ROUTES = [
    route(_LEAVE, LeaveHandler),
    route(rf"{_LEAVE}/decide", DecideHandler),
    route(rf"{_LEAVE}/return", ReturnHandler),
    route(rf"{_LEAVE}/submit", SubmitHandler),
    route(rf"{_LEAVE}/withdraw", WithdrawHandler),
    route(r"/api/v1/me/leave", MyLeavesHandler),
    route(rf"{_MEETING}/leave", MeetingLeavesHandler),
    route(rf"{_MEETING}/leave-approvers", DelegatesHandler),
]
