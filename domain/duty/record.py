"""A duty record: what one deputy did on one occasion, and what was said about it since.

::

    auto | registered ─▶ pending_confirm ─▶ confirmed
                               └─▶ objected ─▶ verifying ─▶ corrected | kept ─▶ confirmed
    (all of these ─▶ void where the check-in is taken back; void ─▶ auto where it is done again)

Its id is made of the meeting and the person, so a meeting gives each person one record, whatever
is scanned twice, synced late, reversed or done again. Nothing is deleted: what was changed stays in
the history with the values it had. A ``locked`` record does not change any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.events import Event


class DutyState(StrEnum):
    """States of a record, PRODUCT.md F07."""

    AUTO = "auto"
    """Written by the check-in, while the meeting goes on."""
    REGISTERED = "registered"
    """Written by hand, while the meeting goes on."""
    PENDING = "pending_confirm"
    CONFIRMED = "confirmed"
    OBJECTED = "objected"
    VERIFYING = "verifying"
    CORRECTED = "corrected"
    KEPT = "kept"
    VOID = "void"
    LOCKED = "locked"
    """The year is closed."""


_S = DutyState

NEXT: Mapping[DutyState, frozenset[DutyState]] = {
    _S.AUTO: frozenset({_S.PENDING, _S.VOID}),
    _S.REGISTERED: frozenset({_S.PENDING, _S.VOID}),
    _S.PENDING: frozenset({_S.CONFIRMED, _S.OBJECTED, _S.VOID}),
    _S.CONFIRMED: frozenset({_S.VOID, _S.LOCKED}),
    _S.OBJECTED: frozenset({_S.VERIFYING, _S.VOID}),
    _S.VERIFYING: frozenset({_S.CORRECTED, _S.KEPT, _S.VOID}),
    _S.CORRECTED: frozenset({_S.CONFIRMED, _S.VOID, _S.LOCKED}),
    _S.KEPT: frozenset({_S.CONFIRMED, _S.VOID, _S.LOCKED}),
    _S.VOID: frozenset({_S.AUTO, _S.REGISTERED, _S.PENDING}),
    _S.LOCKED: frozenset(),
}
"""Where a record may go from each state."""

OPEN = frozenset({_S.AUTO, _S.REGISTERED})
"""Until the meeting is over."""


class Origin(StrEnum):
    """Who wrote a record."""

    ATTENDANCE = "attendance"
    HAND = "hand"


class Level(StrEnum):
    """At which level of the people's congresses."""

    CITY = "市"
    DISTRICT = "区"
    TOWN = "街镇"


class Facts(BaseModel):
    """What was done.

    Attributes:
        kind: Code of the dictionary ``duty.kind``.
        end: When it ended; unknown while it goes on. ``minutes`` alike.
        minutes: Time spent, without what somebody was away in between.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    level: Level = Level.CITY
    title: str
    place: str = ""
    organiser: str = ""
    start: datetime
    end: datetime | None = None
    minutes: int | None = None


class Step(BaseModel):
    """What a record was before a change: its state, and its facts if they changed.

    ``at``, ``by`` and ``reason`` say when, by whom and why it was changed.
    """

    model_config = ConfigDict(frozen=True)

    state: DutyState
    at: datetime
    by: str
    reason: str = ""
    facts: Facts | None = None


class Record(BaseModel):
    """One record.

    Attributes:
        delegation_id: The person's delegation when it was written.
        evidence: What it rests on, ``checkin:…`` or ``attendance:…``, or a word by hand.
        public: Whether it may be shown outside the house.
        by: Who wrote it: a person, or ``system``.
        at: When it last changed.
        eid: Id of the event that announces it.
        follows: Version of the attendance record that it follows; 0 if it was written by hand.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    delegation_id: str | None
    meeting_id: str
    origin: Origin
    facts: Facts
    evidence: str = ""
    state: DutyState
    public: bool = False
    by: str
    at: datetime
    created_at: datetime
    eid: str
    follows: int = 0
    v: int = 1
    history: tuple[Step, ...] = ()

    def moved(
        self,
        to: DutyState,
        *,
        at: datetime,
        by: str,
        reason: str = "",
        facts: Facts | None = None,
        follows: int | None = None,
    ) -> Record:
        """Answer the next version, with what it was in the history."""
        changed = facts is not None and facts != self.facts
        step = Step(
            state=self.state, at=at, by=by, reason=reason, facts=self.facts if changed else None
        )
        update = {
            "state": to,
            "at": at,
            "facts": facts or self.facts,
            "follows": self.follows if follows is None else follows,
            "v": self.v + 1,
            "history": (*self.history, step),
        }
        return self.model_copy(update=update)


def record_id(meeting_id: str, person_id: str) -> str:
    """Answer the id of the record that a meeting gives a person."""
    return f"{meeting_id}-{person_id}"


class DutyNew(Event):
    """One has a new duty record; announced once for each."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["duty.new"] = "duty.new"
    record_id: str
    meeting_id: str
    kind: str
    title: str


class Place(NamedTuple):
    """Where a page of records ended."""

    start: datetime
    id: str


class Wanted(BaseModel):
    """Which records: that began from ``since`` on and before ``until``, of a kind, in a state."""

    model_config = ConfigDict(frozen=True)

    since: datetime | None = None
    until: datetime | None = None
    kind: str | None = None
    state: DutyState | None = None
    delegations: frozenset[str] | None = None


class Tally(NamedTuple):
    """How many records of a kind in a state, and the minutes in them."""

    kind: str
    state: DutyState
    number: int
    minutes: int


class DutyStore(Protocol):
    """Keeps records. Every change is conditional on the version it starts from."""

    async def get(self, record_id: str) -> Record | None:
        """Answer a record, or ``None``."""

    async def many(self, record_ids: Iterable[str]) -> dict[str, Record]:
        """Answer those that are kept, by id."""

    async def put(self, record: Record, *, was: int) -> bool:
        """Keep a record if its version still is ``was``; tell whether.

        A new one (0) is marked as not told.
        """

    async def told(self, records: Iterable[Record]) -> None:
        """Take the mark away."""

    async def untold(self, before: datetime) -> Sequence[Record]:
        """Answer some that were written before an instant and are still marked."""

    async def open_meetings(self) -> Sequence[str]:
        """Answer the ids of the meetings that have records which wait for their end."""

    async def open_at(self, meeting_id: str) -> Sequence[Record]:
        """Answer those records of a meeting."""

    async def of_person(
        self, person_id: str, wanted: Wanted, *, after: Place | None, limit: int
    ) -> Sequence[Record]:
        """Answer a person's records, those that began last first, from ``after`` on."""

    async def of_meeting(
        self, meeting_id: str, wanted: Wanted, *, after: str, limit: int
    ) -> Sequence[Record]:
        """Answer a meeting's records by id, those above ``after``."""

    async def sums(self, scope: Mapping[str, str], wanted: Wanted) -> Sequence[Tally]:
        """Count by kind and state what a ``person_id`` or ``meeting_id`` has, void ones too."""

    async def between(
        self, person_ids: Iterable[str], since: datetime, until: datetime
    ) -> Sequence[Record]:
        """Answer people's records, not void, that overlap a span of time."""
