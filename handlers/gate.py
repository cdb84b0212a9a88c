"""Faces at gates: ``/api/v1/gates/{gate}/face``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints

from domain.checkins.scan import Direction, Seen
from domain.faces.gate import MOST_PICTURES, AtGate, Proposal
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.faces import BURST, Picture
from handlers.operation import operation
from handlers.routing import route
from handlers.scans import Nonce, ScanView
from handlers.text import Draft, Id, Token

Gate = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,16}$")]
"""A gate of the meeting's doors; ``-`` where no gates were set up."""

_NO_GATE = "-"


class GateFaceDraft(Draft):
    """A face at a gate, with the personal code or badge that says whose it should be.

    Without ``code`` it is asked who it may be. ``nonce`` is the device's own number of the scan.
    """

    meeting_id: Id
    nonce: Nonce
    frames: Annotated[tuple[Picture, ...], Field(min_length=1, max_length=MOST_PICTURES)]
    code: Annotated[str, StringConstraints(max_length=4096)] = ""
    dir: Direction = Direction.IN


class HereQuery(Draft):
    """For which meeting a gate asks."""

    meeting_id: Id


class HereView(BaseModel):
    """What a gate may offer; ``reason`` is the code of the refusal where it may offer nothing.

    ``identify`` says that names are proposed where no code is shown.
    """

    available: bool
    reason: str = ""
    identify: bool = False


class NamedView(BaseModel):
    """Somebody it may be."""

    person_id: str
    name: str


class GateFaceView(BaseModel):
    """What came of it: a scan, or names of which one is to be confirmed with ``proposal``."""

    scan: ScanView | None = None
    people: list[NamedView] = []
    proposal: str | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, outcome: Seen | Proposal) -> Self:
        """Show the outcome."""
        if isinstance(outcome, Seen):
            return cls(scan=ScanView.of(outcome))
        people = [NamedView(**it._asdict()) for it in outcome.people]
        if not people:
            return cls()
        return cls(people=people, proposal=outcome.secret, until=outcome.until)


class ConfirmationDraft(Draft):
    """Which of the proposed people it is, and who says so: they, or the staff who stand by."""

    meeting_id: Id
    nonce: Nonce
    proposal: Token
    person_id: Id
    confirmed_by: Literal["person", "staff"]
    dir: Direction = Direction.IN


class GateFaceHandler(ApiHandler):
    """``/api/v1/gates/{gate}/face``."""

    max_body = BURST

    @operation(Permission.PASS_SCAN)
    async def get(self, gate: Gate, query: HereQuery) -> HereView:
        """Show what a gate may offer now, so that it offers nothing that would be refused."""
        here = await self.services.faces.gate.here(query.meeting_id, by=self.user)
        return HereView(**here._asdict())

    @operation(Permission.PASS_SCAN, rate="face")
    async def post(self, gate: Gate, body: GateFaceDraft) -> GateFaceView:
        """Check somebody in by code and face, or ask who it may be."""
        at = _at(gate, body)
        return GateFaceView.of(
            await self.services.faces.gate.show(at, body.frames, code=body.code, by=self.user)
        )


class ConfirmationHandler(ApiHandler):
    """``/api/v1/gates/{gate}/face/confirmation``."""

    @operation(Permission.PASS_SCAN)
    async def post(self, gate: Gate, body: ConfirmationDraft) -> ScanView:
        """Check in whom somebody has confirmed; the same number again changes nothing."""
        at = _at(gate, body)
        seen = await self.services.faces.gate.confirm(
            at, body.proposal, body.person_id, confirmed_by=body.confirmed_by, by=self.user
        )
        return ScanView.of(seen)


def _at(gate: str, body: GateFaceDraft | ConfirmationDraft) -> AtGate:
    named = "" if gate == _NO_GATE else gate
    return AtGate(named, body.meeting_id, body.nonce, body.dir)


ROUTES = [
    route(r"/api/v1/gates/(?P<gate>[0-9A-Za-z_-]{1,16})/face", GateFaceHandler),
    route(r"/api/v1/gates/(?P<gate>[0-9A-Za-z_-]{1,16})/face/confirmation", ConfirmationHandler),
]
