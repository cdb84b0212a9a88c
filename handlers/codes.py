"""The one scanner, and the codes that lie about: ``/api/v1/codes`` and beside what they are of."""

from __future__ import annotations

import asyncio
from typing import Self

from pydantic import BaseModel

from domain.codes.issuing import Issued
from domain.codes.reading import Action, Outcome, Reading
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.entry import qr_png, qr_svg
from handlers.operation import PUBLIC, SELF_SERVICE_WHEN_SUSPENDED, SIGNED_IN, Written, operation
from handlers.routing import route
from handlers.scans import Shown
from handlers.seats import No
from handlers.text import Draft, Id


class PreviewDraft(Draft):
    """What was scanned."""

    code: Shown


class ReadDraft(PreviewDraft):
    """What was scanned, and the meeting that one has in front of oneself, if any."""

    meeting_id: Id | None = None


class FactView(BaseModel):
    """A line below the text."""

    label: str
    value: str


class ReadingView(BaseModel):
    """What a code is and what to do next. Nothing is opened by reading.

    Attributes:
        kind: ``H``, ``P``, ``D``, ``S``, ``L``, ``B``, ``C``; ``page`` for a page; or empty.
        action: What to offer.
        page: A route of the H5, to be put behind its ``#``; never an address.
        shown: Of what is none of ours, its text: to be shown, never to be opened or made a link.
    """

    kind: str
    result: Outcome
    title: str
    text: str
    action: Action
    page: str | None
    facts: list[FactView]
    shown: str

    @classmethod
    def of(cls, it: Reading) -> Self:
        """Show a reading."""
        facts = [FactView(**fact._asdict()) for fact in it.facts]
        rest = it._asdict() | {"result": it.outcome, "facts": facts}
        return cls(**{name: rest[name] for name in cls.model_fields})


class CodeView(BaseModel):
    """A code, the address in which it is drawn, and the drawing."""

    title: str
    code: str
    link: str
    svg: str


class PaperCodeView(BaseModel):
    """The code of a paper; it stays the same in every version."""

    paper_id: str
    title: str
    v: int
    code: str
    link: str


class PaperCodesView(BaseModel):
    """The codes of the papers of a meeting, as they stand on its agenda."""

    papers: list[PaperCodeView]


class ReadHandler(ApiHandler):
    """``/api/v1/codes/read``."""

    # By POST, so that no code stands in a log; it changes nothing, so who is suspended may look.
    @operation(SELF_SERVICE_WHEN_SUSPENDED, rate="read")
    async def post(self, body: ReadDraft) -> ReadingView:
        """Say what a code is and what to do with it; nothing is followed and nothing changes."""
        reader = self.services.codes.reader
        return ReadingView.of(
            await reader.read(body.code, meeting_id=body.meeting_id, by=self.user)
        )


class PreviewHandler(ApiHandler):
    """``/api/v1/codes/preview``."""

    @operation(PUBLIC)
    async def post(self, body: PreviewDraft) -> ReadingView:
        """Help a phone that is not logged in: check in, log in first, or bind."""
        return ReadingView.of(await self.services.codes.reader.preview(body.code))


class _CodeHandler(ApiHandler):
    """Shows one code."""

    async def drawn(self, issued: Issued) -> CodeView:
        """Answer a code with its drawing."""
        svg = await asyncio.to_thread(qr_svg, issued.link)
        return CodeView(title=issued.title, code=issued.code, link=issued.link, svg=svg)

    async def paint(self, issued: Issued) -> Written:
        """Write a code as a picture."""
        self.set_header("Content-Type", "image/png")
        self.set_header("Cache-Control", "no-store")
        self.write(await asyncio.to_thread(qr_png, issued.link))
        return Written()


class PaperCodesHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/papers/codes``."""

    @operation(Permission.MEETING_MANAGE)
    async def get(self, meeting_id: Id) -> PaperCodesView:
        """List the codes of the papers of a meeting."""
        found = await self.services.codes.desk.papers(meeting_id, by=self.user)
        return PaperCodesView(
            papers=[
                PaperCodeView(paper_id=paper.id, v=paper.v, **issued._asdict())
                for paper, issued in found
            ]
        )


class PaperCodeHandler(_CodeHandler):
    """``/api/v1/papers/{paper_id}/code``."""

    @operation(Permission.MEETING_MANAGE)
    async def get(self, paper_id: Id) -> CodeView:
        """Show the code of a paper; it opens the current version, whichever that is."""
        return await self.drawn(await self.services.codes.desk.paper(paper_id, by=self.user))


class PaperPictureHandler(_CodeHandler):
    """``/api/v1/papers/{paper_id}/code/picture``."""

    @operation(Permission.MEETING_MANAGE, produces="image/png")
    async def get(self, paper_id: Id) -> Written:
        """Show the code of a paper as a picture."""
        return await self.paint(await self.services.codes.desk.paper(paper_id, by=self.user))


class SeatCodeHandler(_CodeHandler):
    """``/api/v1/meetings/{meeting_id}/seats/{no}/code``."""

    @operation(Permission.CONSOLE_RUN)
    async def get(self, meeting_id: Id, no: No) -> CodeView:
        """Show the code of a seat."""
        return await self.drawn(await self.services.codes.desk.seat(meeting_id, no, by=self.user))


class SeatPictureHandler(_CodeHandler):
    """``/api/v1/meetings/{meeting_id}/seats/{no}/code/picture``."""

    @operation(Permission.CONSOLE_RUN, produces="image/png")
    async def get(self, meeting_id: Id, no: No) -> Written:
        """Show the code of a seat as a picture."""
        return await self.paint(await self.services.codes.desk.seat(meeting_id, no, by=self.user))


class MyContactCodeHandler(_CodeHandler):
    """``/api/v1/me/contact-code``."""

    @operation(SIGNED_IN)
    async def get(self) -> CodeView:
        """Show one's own contact code, if one is a deputy."""
        return await self.drawn(await self.services.codes.desk.mine(by=self.user))


class MyContactPictureHandler(_CodeHandler):
    """``/api/v1/me/contact-code/picture``."""

    @operation(SIGNED_IN, produces="image/png")
    async def get(self) -> Written:
        """Show one's own contact code as a picture."""
        return await self.paint(await self.services.codes.desk.mine(by=self.user))


class ContactCodeHandler(_CodeHandler):
    """``/api/v1/people/{person_id}/contact-code``."""

    @operation(Permission.DIRECTORY_READ)
    async def get(self, person_id: Id) -> CodeView:
        """Show the contact code of a deputy; it opens what is public of their card."""
        return await self.drawn(await self.services.codes.desk.contact(person_id, by=self.user))


class ContactPictureHandler(_CodeHandler):
    """``/api/v1/people/{person_id}/contact-code/picture``."""

    @operation(Permission.DIRECTORY_READ, produces="image/png")
    async def get(self, person_id: Id) -> Written:
        """Show the contact code of a deputy as a picture."""
        return await self.paint(await self.services.codes.desk.contact(person_id, by=self.user))


_MEETING = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})"
_SEAT = rf"{_MEETING}/seats/(?P<no>[0-9A-Za-z-]{{1,16}})"
_PAPER = r"/api/v1/papers/(?P<paper_id>[0-9A-Z]{26})"
_PERSON = r"/api/v1/people/(?P<person_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/codes/preview", PreviewHandler),
    route(r"/api/v1/codes/read", ReadHandler),
    route(r"/api/v1/me/contact-code", MyContactCodeHandler),
    route(r"/api/v1/me/contact-code/picture", MyContactPictureHandler),
    route(rf"{_MEETING}/papers/codes", PaperCodesHandler),
    route(rf"{_PAPER}/code", PaperCodeHandler),
    route(rf"{_PAPER}/code/picture", PaperPictureHandler),
    route(rf"{_PERSON}/contact-code", ContactCodeHandler),
    route(rf"{_PERSON}/contact-code/picture", ContactPictureHandler),
    route(rf"{_SEAT}/code", SeatCodeHandler),
    route(rf"{_SEAT}/code/picture", SeatPictureHandler),
]
