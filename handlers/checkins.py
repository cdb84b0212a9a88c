"""Check-in by hand, one or many: ``/api/v1/meetings/{meeting_id}/check-ins``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from domain.checkins.scan import Direction
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import operation
from handlers.routing import route
from handlers.scans import Nonce, ScansView, ScanView
from handlers.text import Draft, Id, Reason


class CheckInsDraft(Draft):
    """Who passes, and why by hand; ``at`` for all, if not now."""

    nonce: Nonce
    people: Annotated[tuple[Id, ...], Field(min_length=1, max_length=500)]
    dir: Direction = Direction.IN
    reason: Reason
    at: Instant | None = None


class CheckInsHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/check-ins``."""

    @operation(Permission.CHECKIN_REVERSE)
    async def post(self, meeting_id: Id, body: CheckInsDraft) -> ScansView:
        """Let people pass whom the staff know; the same number again changes nothing."""
        found = await self.services.checkins.doors.by_hand(
            meeting_id,
            dict.fromkeys(body.people, body.at),
            nonce=body.nonce,
            to=body.dir,
            reason=body.reason,
            by=self.user,
        )
        return ScansView(results=[ScanView.of(it) for it in found], faults=[])


class AttendeeView(BaseModel):
    """Somebody who takes part; ``status`` is what is on record, ``on_leave`` or ``missing``.

    Follow it with the event ``attendance``: of each person the line with the newest ``v`` holds,
    and a line that is ``void`` means ``on_leave`` or ``missing``. ``py`` and ``initials`` are the
    name in pinyin.
    """

    person_id: str
    name: str
    delegation_id: str
    capacity: str
    status: str
    on_leave: bool
    v: int
    py: str
    initials: str


class OverviewView(BaseModel):
    """Numbers by delegation and status (``""``: in no delegation), and who that is."""

    meeting_id: str
    counts: dict[str, dict[str, int]]
    people: list[AttendeeView]


class OverviewHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/attendance/overview``."""

    @operation(Permission.CONSOLE_RUN)
    async def get(self, meeting_id: Id) -> OverviewView:
        """Show who is there, late, on leave and missing, by delegation."""
        found = await self.services.checkins.overview.of(meeting_id, by=self.user)
        return OverviewView(
            meeting_id=meeting_id,
            counts={key: dict(numbers) for key, numbers in found.counts.items()},
            people=[AttendeeView(**it._asdict()) for it in found.people],
        )


ROUTES = [
    route(r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/attendance/overview", OverviewHandler),
    route(r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/check-ins", CheckInsHandler),
]
