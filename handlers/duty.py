"""Duty records: ``/api/v1/me/duty-records``, ``/api/v1/duty-records``, and those of a meeting."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints

from domain.duty.desk import Seen, of_year
from domain.duty.judging import Change
from domain.duty.record import DutyState, Facts, Level, Origin, Place, Record, Step, Tally
from domain.duty.registering import Registered
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import SELF_SERVICE_WHEN_SUSPENDED, SIGNED_IN, operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.text import Draft, Id, Line, Reason

RecordId = Annotated[
    str, StringConstraints(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}-[0-9A-HJKMNP-TV-Z]{26}$")
]
"""A duty record: meeting and person."""

DutyKind = Annotated[str, StringConstraints(min_length=1, max_length=40)]
"""A code of the dictionary ``duty.kind``."""

Year = Annotated[int, Field(ge=2000, le=2199)]

Hours = Annotated[float, Field(ge=0, le=24 * 366)]
"""Hours, kept to the minute."""


class YearQuery(BaseModel):
    """Which calendar year, in Shanghai; all without it."""

    year: Year | None = None


class MineQuery(PageQuery):
    """Which of one's own records."""

    year: Year | None = None
    kind: DutyKind | None = None
    state: DutyState | None = None


class MeetingQuery(PageQuery):
    """Which of a meeting's records."""

    state: DutyState | None = None


class FactsView(BaseModel):
    """What was done; ``end`` and ``hours`` are null while it goes on, or where nobody knows."""

    kind: str
    level: Level
    title: str
    place: str
    organiser: str
    start: datetime
    end: datetime | None
    hours: float | None

    @classmethod
    def of(cls, facts: Facts) -> Self:
        """Show facts."""
        return cls(**_facts(facts))


class StepView(BaseModel):
    """What the record was before a change, and who changed it when; ``facts`` if they changed."""

    state: DutyState
    at: datetime
    by: str
    reason: str
    facts: FactsView | None

    @classmethod
    def of(cls, step: Step) -> Self:
        """Show a step."""
        facts = FactsView.of(step.facts) if step.facts else None
        return cls(**step.model_dump(exclude={"facts"}), facts=facts)


class DutyView(FactsView):
    """A duty record, with its history from the beginning."""

    id: str
    person_id: str
    meeting_id: str
    origin: Origin
    evidence: str
    state: DutyState
    public: bool
    at: datetime
    created_at: datetime
    v: int
    history: list[StepView]

    @classmethod
    def shown(cls, record: Record) -> Self:
        """Show a record."""
        return cls(**_fields(record))


class HandledDutyView(DutyView):
    """A record as others see it; ``handles``: the one who looks may decide about it."""

    name: str
    handles: bool

    @classmethod
    def seen(cls, seen: Seen) -> Self:
        """Show a record."""
        return cls(**_fields(seen.record), name=seen.name, handles=seen.handles)


class SumView(BaseModel):
    """How many records of a kind in a state, and their hours."""

    kind: str
    state: DutyState
    count: int
    hours: float

    @classmethod
    def of(cls, tally: Tally) -> Self:
        """Show a number."""
        return cls(
            kind=tally.kind, state=tally.state, count=tally.number, hours=_hours(tally.minutes)
        )


class SumsView(BaseModel):
    """Records by kind and state; ``count`` and ``hours`` are of all but the void ones."""

    sums: list[SumView]
    count: int
    hours: float

    @classmethod
    def of(cls, tallies: Sequence[Tally]) -> Self:
        """Show numbers."""
        holds = [it for it in tallies if it.state is not DutyState.VOID]
        return cls(
            sums=[SumView.of(it) for it in tallies],
            count=sum(it.number for it in holds),
            hours=_hours(sum(it.minutes for it in holds)),
        )


class ObjectionDraft(Draft):
    """Why a record is not right."""

    reason: Reason


class FactsDraft(Draft):
    """Facts; what is left out stays as it is."""

    kind: DutyKind | None = None
    level: Level | None = None
    title: Annotated[Line, Field(min_length=1)] | None = None
    place: Line | None = None
    organiser: Line | None = None
    start: Instant | None = None
    end: Instant | None = None
    hours: Hours | None = None

    @property
    def change(self) -> Change:
        """What the desk is asked."""
        minutes = None if self.hours is None else round(self.hours * 60)
        return Change(**self.model_dump(include=set(FactsView.model_fields) - {"hours"}),
                      minutes=minutes)  # fmt: skip


class DecisionDraft(FactsDraft):
    """What became of an objection, and why.

    ``corrected`` with the new facts, ``kept``, or ``void`` for what was written by hand and never
    was.
    """

    outcome: Literal["corrected", "kept", "void"]
    reason: Reason


class RegistrationDraft(FactsDraft):
    """Whom to register; times, title and place are the meeting's if they are left out."""

    people: Annotated[tuple[Id, ...], Field(min_length=1, max_length=500)]
    evidence: Line = ""


class OverlapView(BaseModel):
    """A confirmed record of the same time."""

    record_id: str
    title: str
    start: datetime
    end: datetime | None


class RegisteredView(BaseModel):
    """What became of somebody's registration; ``overlaps`` are a warning and stop nothing."""

    person_id: str
    outcome: Literal["registered", "already", "not_invited", "no_deputy"]
    record_id: str | None
    state: DutyState | None
    overlaps: list[OverlapView]

    @classmethod
    def of(cls, it: Registered) -> Self:
        """Show an outcome."""
        overlaps = [
            OverlapView(
                record_id=one.id, title=one.facts.title, start=one.facts.start, end=one.facts.end
            )
            for one in it.overlaps
        ]
        return cls(
            person_id=it.person_id,
            outcome=it.outcome,
            record_id=it.record.id if it.record else None,
            state=it.record.state if it.record else None,
            overlaps=overlaps,
        )


class RegistrationView(BaseModel):
    """What became of a list, in its order."""

    results: list[RegisteredView]


class MyRecordsHandler(ApiHandler):
    """``/api/v1/me/duty-records``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self, query: MineQuery) -> Page[DutyView]:
        """Show one's own records, those that began last first; ``duty.new`` tells of a new one."""
        after = self.after(query)
        wanted = of_year(query.year, kind=query.kind, state=query.state)
        place = Place(datetime.fromisoformat(after[0]), after[1]) if after else None
        found = await self.services.duty.desk.mine(
            wanted, after=place, limit=query.limit + 1, by=self.user
        )
        shown = found[: query.limit]
        last = shown[-1] if len(found) > query.limit else None
        return self.page(
            [DutyView.shown(it) for it in shown],
            [last.facts.start.isoformat(), last.id] if last else None,
        )


class MySumsHandler(ApiHandler):
    """``/api/v1/me/duty-records/summary``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self, query: YearQuery) -> SumsView:
        """Count one's own records by kind and state."""
        found = await self.services.duty.desk.sums(of_year(query.year), by=self.user)
        return SumsView.of(found)


class RecordHandler(ApiHandler):
    """``/api/v1/duty-records/{record_id}``."""

    @operation(SIGNED_IN)
    async def get(self, record_id: RecordId) -> HandledDutyView:
        """Show a record with its history to its person and to who has to do with it."""
        return HandledDutyView.seen(await self.services.duty.desk.show(record_id, by=self.user))


class ConfirmationHandler(ApiHandler):
    """``/api/v1/duty-records/{record_id}/confirmation``."""

    @operation(Permission.DUTY_CONFIRM)
    async def post(self, record_id: RecordId) -> DutyView:
        """Confirm one's own record; saying it again changes nothing."""
        return DutyView.shown(await self.services.duty.desk.confirm(record_id, by=self.user))


class ObjectionHandler(ApiHandler):
    """``/api/v1/duty-records/{record_id}/objection``."""

    @operation(Permission.DUTY_CONFIRM)
    async def post(self, record_id: RecordId, body: ObjectionDraft) -> DutyView:
        """Object to one's own record."""
        record = await self.services.duty.desk.object(record_id, reason=body.reason, by=self.user)
        return DutyView.shown(record)


class VerificationHandler(ApiHandler):
    """``/api/v1/duty-records/{record_id}/verification``."""

    @operation(Permission.DUTY_REGISTER)
    async def post(self, record_id: RecordId) -> HandledDutyView:
        """Take an objection up, as the organiser or the delegation's liaison."""
        return HandledDutyView.seen(await self.services.duty.desk.verify(record_id, by=self.user))


class DecisionHandler(ApiHandler):
    """``/api/v1/duty-records/{record_id}/decision``."""

    @operation(Permission.DUTY_REGISTER)
    async def post(self, record_id: RecordId, body: DecisionDraft) -> HandledDutyView:
        """Decide an objection that was taken up; the facts of before stay in the history."""
        desk = self.services.duty.desk
        match body.outcome:
            case "corrected":
                seen = await desk.correct(record_id, body.change, reason=body.reason, by=self.user)
            case "kept":
                seen = await desk.keep(record_id, reason=body.reason, by=self.user)
            case "void":
                seen = await desk.strike(record_id, reason=body.reason, by=self.user)
        return HandledDutyView.seen(seen)


class MeetingRecordsHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/duty-records``."""

    @operation(Permission.DUTY_REGISTER)
    async def get(self, meeting_id: Id, query: MeetingQuery) -> Page[HandledDutyView]:
        """Show a meeting's records: all to its staff, those of a delegation to its liaison."""
        after = self.after(query)
        found = await self.services.duty.desk.of_meeting(
            meeting_id,
            query.state,
            after=after[0] if after else "",
            limit=query.limit + 1,
            by=self.user,
        )
        shown = found[: query.limit]
        more = len(found) > query.limit
        return self.page(
            [HandledDutyView.seen(it) for it in shown], [shown[-1].record.id] if more else None
        )

    @operation(Permission.DUTY_REGISTER)
    async def post(self, meeting_id: Id, body: RegistrationDraft) -> RegistrationView:
        """Register by hand whom no door has seen; nobody gets a second record of a meeting."""
        done = await self.services.duty.registry.register(
            meeting_id, body.people, body.change, evidence=body.evidence, by=self.user
        )
        return RegistrationView(results=[RegisteredView.of(it) for it in done])


class MeetingSumsHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/duty-records/summary``."""

    @operation(Permission.DUTY_REGISTER)
    async def get(self, meeting_id: Id) -> SumsView:
        """Count a meeting's records by kind and state."""
        return SumsView.of(await self.services.duty.desk.sums_of_meeting(meeting_id, by=self.user))


def _hours(minutes: int) -> float:
    return round(minutes / 60, 1)


def _facts(facts: Facts) -> dict[str, Any]:
    hours = None if facts.minutes is None else _hours(facts.minutes)
    return facts.model_dump(exclude={"minutes"}) | {"hours": hours}


def _fields(record: Record) -> dict[str, Any]:
    same = record.model_dump(include=set(DutyView.model_fields) - {"history"})
    return same | _facts(record.facts) | {"history": [StepView.of(it) for it in record.history]}


_RECORD = r"/api/v1/duty-records/(?P<record_id>[0-9A-Z]{26}-[0-9A-Z]{26})"
_MEETING = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/duty-records"

ROUTES = [
    route(_RECORD, RecordHandler),
    route(rf"{_RECORD}/confirmation", ConfirmationHandler),
    route(rf"{_RECORD}/decision", DecisionHandler),
    route(rf"{_RECORD}/objection", ObjectionHandler),
    route(rf"{_RECORD}/verification", VerificationHandler),
    route(r"/api/v1/me/duty-records", MyRecordsHandler),
    route(r"/api/v1/me/duty-records/summary", MySumsHandler),
    route(_MEETING, MeetingRecordsHandler),
    route(rf"{_MEETING}/summary", MeetingSumsHandler),
]
