"""What is printed: sheets of codes, seat cards, posters and contact cards, as PDF for A4."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import Written, operation
from handlers.routing import route
from handlers.text import Id

Row = Annotated[int, Field(ge=1, le=200)]


class SeatsQuery(BaseModel):
    """Which seats: a block, some rows, or all of them."""

    block: Annotated[str, StringConstraints(max_length=20)] | None = None
    first: Row = 1
    last: Row = 200


class _PrintHandler(ApiHandler):
    """Hands a file to the printer."""

    def hand(self, name: str, file: bytes) -> Written:
        """Write a PDF."""
        self.set_header("Content-Type", "application/pdf")
        self.set_header("Content-Disposition", f'attachment; filename="{name}.pdf"')
        self.set_header("Cache-Control", "no-store")
        self.write(file)
        return Written()


class PapersHandler(_PrintHandler):
    """``/api/v1/meetings/{meeting_id}/papers/sheet``."""

    @operation(Permission.MEETING_MANAGE, rate="export", produces="application/pdf")
    async def get(self, meeting_id: Id) -> Written:
        """Print the codes of all papers of a meeting, thirty-five on a page."""
        file = await self.services.codes.prints.papers(meeting_id, by=self.user)
        return self.hand(f"papers-{meeting_id}", file)


class SeatsHandler(_PrintHandler):
    """``/api/v1/meetings/{meeting_id}/seats/sheet``."""

    @operation(Permission.CONSOLE_RUN, rate="export", produces="application/pdf")
    async def get(self, meeting_id: Id, query: SeatsQuery) -> Written:
        """Print the cards of seats, eight on a page; a thousand at most at once."""
        file = await self.services.codes.prints.seats(
            meeting_id, block=query.block, rows=(query.first, query.last), by=self.user
        )
        return self.hand(f"seats-{meeting_id}", file)


class PostersHandler(_PrintHandler):
    """``/api/v1/meetings/{meeting_id}/doors/posters``."""

    @operation(Permission.CONSOLE_RUN, rate="export", produces="application/pdf")
    async def get(self, meeting_id: Id) -> Written:
        """Print a poster for each gate; its code opens the check-in page and is no proof."""
        file = await self.services.codes.prints.posters(meeting_id, by=self.user)
        return self.hand(f"posters-{meeting_id}", file)


class ContactsHandler(_PrintHandler):
    """``/api/v1/delegations/{delegation_id}/contact-cards``."""

    @operation(Permission.ACCOUNT_INVITE, rate="export", produces="application/pdf")
    async def get(self, delegation_id: str) -> Written:
        """Print the contact cards of the deputies of a delegation, ten on a page."""
        file = await self.services.codes.prints.contacts(delegation_id, by=self.user)
        return self.hand(f"contacts-{delegation_id}", file)


_MEETING = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})"

ROUTES = [
    route(
        r"/api/v1/delegations/(?P<delegation_id>[0-9A-Za-z][0-9A-Za-z_.-]{0,63})/contact-cards",
        ContactsHandler,
    ),
    route(rf"{_MEETING}/doors/posters", PostersHandler),
    route(rf"{_MEETING}/papers/sheet", PapersHandler),
    route(rf"{_MEETING}/seats/sheet", SeatsHandler),
]
