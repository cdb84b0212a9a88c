"""Codes that are shown: the hall's, one's own, and badges."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints

from domain.passes.badges import Badge, BadgeState, Coded
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.entry import qr_png, qr_svg
from handlers.operation import SIGNED_IN, Written, operation
from handlers.routing import route
from handlers.text import Draft, Id, Reason


class HallCodeQuery(BaseModel):
    """At which gate, and what the picture holds: the bare ``code``, or the ``link`` to a page."""

    gate: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{0,16}$")] = ""
    draw: Literal["code", "link"] = "code"


class HallCodeView(BaseModel):
    """What the screen shows now; it asks again at ``next_at`` on the clock that says ``now``."""

    meeting_id: str
    gate: str
    code: str
    link: str
    svg: str
    window_s: int
    next_at: datetime
    expires_at: datetime
    now: datetime


class MyPassQuery(BaseModel):
    """For which meeting."""

    meeting: Id


class MyPassView(BaseModel):
    """A code for one's own phone; it is to be fetched afresh before ``expires_at``."""

    meeting_id: str
    title: str
    code: str
    svg: str
    refresh_s: int
    expires_at: datetime


class BadgesDraft(Draft):
    """To whom badges are issued; without ``people``, to everybody who takes part."""

    people: Annotated[frozenset[Id], Field(min_length=1, max_length=500)] | None = None


class BadgeView(BaseModel):
    """A badge without its code."""

    id: str
    person_id: str
    serial: int
    state: BadgeState
    issued_at: datetime
    until: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, badge: Badge) -> Self:
        """Show a badge."""
        return cls(**badge.model_dump(include=set(cls.model_fields)))


class CodedBadgeView(BadgeView):
    """A badge that holds, with its code and whose it is."""

    name: str
    code: str

    @classmethod
    def coded(cls, it: Coded) -> Self:
        """Show a badge to who prints it."""
        shown = it.badge.model_dump(include=set(BadgeView.model_fields))
        return cls(**shown, name=it.name, code=it.code)


class BadgesView(BaseModel):
    """Badges that hold, by number."""

    badges: list[CodedBadgeView]


class RevokedBadgeDraft(Draft):
    """Why a badge is void."""

    reason: Reason


class HallCodeHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/hall-code``."""

    @operation(Permission.HALL_CODE)
    async def get(self, meeting_id: Id, query: HallCodeQuery) -> HallCodeView:
        """Show the code for the screen in the hall, the same one throughout its window."""
        it = await self.services.passes.hall_codes.show(meeting_id, gate=query.gate, by=self.user)
        link = self.services.passes.links.to(it.code)
        return HallCodeView(
            meeting_id=meeting_id,
            gate=it.gate,
            code=it.code,
            link=link,
            svg=qr_svg(link if query.draw == "link" else it.code),
            window_s=int(it.window.total_seconds()),
            next_at=it.next_at,
            expires_at=it.until,
            now=it.now,
        )


class MyPassHandler(ApiHandler):
    """``/api/v1/me/pass``."""

    @operation(SIGNED_IN)
    async def get(self, query: MyPassQuery) -> MyPassView:
        """Show one's own code for a meeting."""
        it = await self.services.passes.badges.mine(query.meeting, by=self.user)
        return MyPassView(
            meeting_id=it.meeting.id,
            title=it.meeting.title,
            code=it.code,
            svg=qr_svg(it.code),
            refresh_s=max(1, int(it.life.total_seconds() * 2 / 3)),
            expires_at=it.until,
        )


class BadgesHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/badges``."""

    @operation(Permission.CONSOLE_RUN)
    async def get(self, meeting_id: Id) -> BadgesView:
        """List the badges that hold, with their codes."""
        found = await self.services.passes.badges.list(meeting_id, by=self.user)
        return BadgesView(badges=[CodedBadgeView.coded(it) for it in found])

    @operation(Permission.CONSOLE_RUN, status=201)
    async def post(self, meeting_id: Id, body: BadgesDraft) -> BadgesView:
        """Issue badges; who has one keeps it."""
        found = await self.services.passes.badges.issue(meeting_id, body.people, by=self.user)
        return BadgesView(badges=[CodedBadgeView.coded(it) for it in found])


class BadgeSheetHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/badges/sheet``."""

    @operation(Permission.CONSOLE_RUN, rate="export", produces="application/pdf")
    async def get(self, meeting_id: Id) -> Written:
        """Print the badges that hold: A4, eight on a page."""
        file = await self.services.passes.badges.sheet(meeting_id, by=self.user)
        self.set_header("Content-Type", "application/pdf")
        self.set_header("Content-Disposition", f'attachment; filename="badges-{meeting_id}.pdf"')
        self.set_header("Cache-Control", "no-store")
        self.write(file)
        return Written()


class MyPassPictureHandler(ApiHandler):
    """``/api/v1/me/pass/picture``."""

    @operation(SIGNED_IN, produces="image/png")
    async def get(self, query: MyPassQuery) -> Written:
        """Show one's own code for a meeting as a picture."""
        it = await self.services.passes.badges.mine(query.meeting, by=self.user)
        self.set_header("Content-Type", "image/png")
        self.set_header("Cache-Control", "no-store")
        self.write(qr_png(it.code))
        return Written()


class BadgeRevocationHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/badges/{badge_id}/revocation``."""

    @operation(Permission.CONSOLE_RUN)
    async def post(self, meeting_id: Id, badge_id: Id, body: RevokedBadgeDraft) -> BadgeView:
        """Void a badge that is lost or was copied; a new one can be issued then."""
        badge = await self.services.passes.badges.revoke(
            meeting_id, badge_id, reason=body.reason, by=self.user
        )
        return BadgeView.of(badge)


_MEETING = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/me/pass", MyPassHandler),
    route(r"/api/v1/me/pass/picture", MyPassPictureHandler),
    route(rf"{_MEETING}/badges", BadgesHandler),
    route(rf"{_MEETING}/badges/sheet", BadgeSheetHandler),
    route(rf"{_MEETING}/badges/(?P<badge_id>[0-9A-Z]{{26}})/revocation", BadgeRevocationHandler),
    route(rf"{_MEETING}/hall-code", HallCodeHandler),
]
