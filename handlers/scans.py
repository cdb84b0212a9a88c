"""Scanning at the doors: ``/api/v1/scans``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, JsonValue, StringConstraints, ValidationError

from domain.checkins.scan import SAYS, Attempt, Direction, Result, Seen, Way
from domain.errors import Invalid
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import PUBLIC, operation
from handlers.routing import route
from handlers.text import Draft, Id

Nonce = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
"""The caller's own number of a scan: the same number is the same scan."""

Shown = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
"""What was read off a code, whatever it is."""

GateId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{0,16}$")]
"""A gate of a meeting; empty where there is only one."""


class ScanDraft(Draft):
    """One scan.

    Attributes:
        code: The text of the code, a ticket from ``/scans/claims``, or an address of ours.
        meeting_id: For which meeting; devices and staff at a door must say.
        at: When it happened by the clock of the device; without it, now.
        offline: It was decided without the hub, and ``said`` is what the gate decided.
    """

    nonce: Nonce
    code: Shown
    meeting_id: Id | None = None
    gate: GateId = ""
    dir: Direction = Direction.IN
    at: Instant | None = None
    offline: bool = False
    said: Annotated[str, StringConstraints(max_length=32)] = ""

    @property
    def attempt(self) -> Attempt:
        """What the doors are asked."""
        return Attempt(**self.model_dump())


class ScansDraft(Draft):
    """One scan, or up to five hundred in ``scans``.

    ``sent_at`` is what the clock of the device says now: a clock that is wrong is put right by it.
    In a batch each scan is read by itself; what cannot be read is named in ``faults``.
    """

    sent_at: Instant | None = None
    scans: Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=500)] | None = None
    nonce: Nonce | None = None
    code: Shown | None = None
    meeting_id: Id | None = None
    gate: GateId = ""
    dir: Direction = Direction.IN
    at: Instant | None = None
    offline: bool = False
    said: Annotated[str, StringConstraints(max_length=32)] = ""

    def one(self) -> ScanDraft:
        """Answer the single scan.

        Raises:
            Invalid: It lacks its number or its code.
        """
        if self.nonce is None or self.code is None:
            raise Invalid("缺少此项", field="nonce" if self.nonce is None else "code")
        return ScanDraft(**self.model_dump(exclude={"sent_at", "scans"}))


class ScanView(BaseModel):
    """What came of a scan.

    Attributes:
        note: What the person is to be told.
        first_at: Of a duplicate: when they passed, at ``first_gate``.
        conflict: A gate without a network had decided otherwise: as it ``said``.
        again: It had been handed in before; this is what came of it then.
    """

    nonce: str
    result: Result
    accepted: bool
    msg: str
    meeting_id: str | None
    person_id: str | None
    name: str
    gate: str
    way: Way
    dir: Direction
    at: datetime
    at_device: datetime | None
    skew_ms: int | None
    offline: bool
    said: str
    note: str
    first_at: datetime | None
    first_gate: str
    conflict: bool
    again: bool

    @classmethod
    def of(cls, seen: Seen) -> Self:
        """Show a scan."""
        scan = seen.scan
        shown = scan.model_dump(include=set(cls.model_fields))
        return cls(
            **shown,
            nonce=scan.id.partition(":")[2],
            accepted=scan.accepted,
            msg=SAYS[scan.result],
            name=seen.name,
            again=seen.again,
        )


class UnreadView(BaseModel):
    """A scan of a batch that could not be read; ``index`` counts from 0."""

    index: int
    field: str
    msg: str


class ScansView(BaseModel):
    """What came of a batch, in its order, without those in ``faults``."""

    results: list[ScanView]
    faults: list[UnreadView]


class ClaimDraft(Draft):
    """The hall code that was just scanned."""

    code: Shown


class ClaimView(BaseModel):
    """A ticket: hand it in as ``code`` of a scan once logged in; good once, until ``until``."""

    claim: str
    meeting_id: str
    title: str
    until: datetime


class ScansHandler(ApiHandler):
    """``/api/v1/scans``."""

    @operation(Permission.CHECK_IN)
    async def post(self, body: ScansDraft) -> ScanView | ScansView:
        """Hand in a scan, or a batch; the same number again changes nothing."""
        doors = self.services.checkins.doors
        if body.scans is None:
            attempts = [body.one().attempt]
            (seen,) = await doors.scan(attempts, sent=body.sent_at, by=self.user)
            return ScanView.of(seen)
        read, faults = _read(body.scans)
        found = await doors.scan(read, sent=body.sent_at, by=self.user)
        return ScansView(results=[ScanView.of(it) for it in found], faults=faults)


class ClaimsHandler(ApiHandler):
    """``/api/v1/scans/claims``."""

    @operation(PUBLIC)
    async def post(self, body: ClaimDraft) -> ClaimView:
        """Turn a hall code into a ticket, so that logging in may take its time."""
        code = self.services.passes.links.bare(body.code)
        claimed = await self.services.passes.hall_codes.claim(code)
        return ClaimView(
            claim=claimed.claim,
            meeting_id=claimed.meeting.id,
            title=claimed.meeting.title,
            until=claimed.until,
        )


def _read(rows: tuple[JsonValue, ...]) -> tuple[list[Attempt], list[UnreadView]]:
    read: list[Attempt] = []
    faults: list[UnreadView] = []
    for index, row in enumerate(rows):
        try:
            read.append(ScanDraft.model_validate(row).attempt)
        except ValidationError as error:
            field = ".".join(str(part) for part in error.errors()[0]["loc"])
            faults.append(UnreadView(index=index, field=field, msg="格式不正确"))
    return read, faults


ROUTES = [
    route(r"/api/v1/scans", ScansHandler),
    route(r"/api/v1/scans/claims", ClaimsHandler),
]
