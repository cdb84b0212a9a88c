"""Review opinions (审议意见): what a meeting asks of a unit, and what became of it in three months.

::

    collected ─▶ sent ─▶ handling ─▶ reported ─▶ reviewed

Sending starts the clock of ``npcsc.opinion``; the opinion keeps the day and the source. Reminders
are written down when it is sent and told by a job; once it is overdue that is told on ``dash``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.deadlines import Due
from domain.events import Event
from domain.people import Person
from domain.visibility import DataClass


class OpinionState(StrEnum):
    """States of an opinion, PRODUCT.md F05."""

    COLLECTED = "collected"
    SENT = "sent"
    HANDLING = "handling"
    REPORTED = "reported"
    REVIEWED = "reviewed"


_S = OpinionState

NEXT: Mapping[OpinionState, frozenset[OpinionState]] = {
    _S.COLLECTED: frozenset({_S.SENT}),
    _S.SENT: frozenset({_S.HANDLING}),
    _S.HANDLING: frozenset({_S.REPORTED}),
    _S.REPORTED: frozenset({_S.REVIEWED}),
    _S.REVIEWED: frozenset(),
}

BY_THE_UNIT = frozenset({_S.HANDLING, _S.REPORTED})
"""Steps that the unit takes; the staff may note them on its behalf."""

OPEN = frozenset({_S.SENT, _S.HANDLING})
"""States in which the clock runs."""


class Reminder(BaseModel):
    """A reminder to come: ``id`` is that of its event, ``days`` how many are left then."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: datetime
    days: int


class Step(BaseModel):
    """One step that was taken."""

    model_config = ConfigDict(frozen=True)

    to: OpinionState
    at: datetime
    by: str
    text: str = ""


class Opinion(BaseModel):
    """One opinion on its way.

    Attributes:
        org_id: The unit that handles it.
        due: Until when it must be reported on, once it is sent.
        reminders: What is told before that, the earliest first.
        moved_eid: Id of the event that announces the last step.
        overdue_eid: Id of the event that tells that it is overdue.
        next_at: When there is something to tell next, or ``None``.
        overdue_at: When it was told that it is overdue.
        staff: Scopes of those who look after it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    meeting_id: str
    item_id: str | None = None
    title: str
    body: str
    org_id: str
    state: OpinionState = OpinionState.COLLECTED
    steps: tuple[Step, ...] = ()
    due: Due | None = None
    reminders: tuple[Reminder, ...] = ()
    moved_eid: str = ""
    overdue_eid: str = ""
    next_at: datetime | None = None
    overdue_at: datetime | None = None
    staff: frozenset[str] = frozenset()
    v: int = 1
    created_at: datetime
    created_by: str

    @property
    def cls(self) -> DataClass:
        """For those concerned."""
        return DataClass.C2

    @property
    def owner_id(self) -> None:
        """Opinions belong to the meeting."""

    @property
    def audience(self) -> frozenset[str]:
        """Members of the meeting, and the unit once it is sent."""
        members = frozenset({f"mtgmembers:{self.meeting_id}"})
        return members if self.state is _S.COLLECTED else members | {f"unit:{self.org_id}"}

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether it should have been reported on by now."""
        return self.state in OPEN and self.due is not None and now >= self.due.at


class OpinionMoved(Event):
    """An opinion took a step."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}", "queue:{org}")

    type: Literal["opinion.state"] = "opinion.state"
    meeting_id: str
    opinion_id: str
    state: OpinionState


class OpinionDue(Event):
    """An opinion must be reported on soon."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}", "queue:{org}")

    type: Literal["opinion.due"] = "opinion.due"
    meeting_id: str
    opinion_id: str
    due: date
    days_left: int


class OpinionOverdue(Event):
    """An opinion was not reported on in time."""

    channels: ClassVar[tuple[str, ...]] = ("dash", "mtgstaff:{id}", "queue:{org}")

    type: Literal["opinion.overdue"] = "opinion.overdue"
    meeting_id: str
    opinion_id: str
    org_id: str
    due: date


class Which(NamedTuple):
    """Which opinions: of a meeting, in a state, overdue at an instant."""

    meeting_id: str | None = None
    state: OpinionState | None = None
    overdue: datetime | None = None


class OpinionStore(Protocol):
    """Keeps opinions. Every change is conditional on the version it starts from."""

    async def add(self, opinion: Opinion) -> None:
        """Keep a new one."""

    async def get(self, opinion_id: str) -> Opinion | None:
        """Answer one, or ``None``."""

    async def put(self, opinion: Opinion, *, was: Opinion) -> bool:
        """Keep the new form if it is still at version ``was.v``; tell whether.

        One that took a step is marked as not announced.
        """

    async def announced(self, opinion: Opinion) -> None:
        """Take the mark away, unless another step was taken since."""

    async def unannounced(self, *, limit: int) -> Sequence[Opinion]:
        """Answer those that are marked."""

    async def seen(
        self,
        person: Person,
        which: Which,
        *,
        also: frozenset[str] = frozenset(),
        duties: frozenset[str] = frozenset(),
        after: str = "",
        limit: int = 50,
    ) -> Sequence[Opinion]:
        """Answer those a person may see, newest first, those below ``after`` if not empty."""

    async def ringing(self, now: datetime, *, limit: int) -> Sequence[Opinion]:
        """Answer open ones about which there is something to tell."""

    async def told(self, opinion: Opinion, *, was: Opinion) -> bool:
        """Keep when to tell next, if nobody else did and it is as it ``was``; tell whether."""

    async def at_unit(self, org_ids: frozenset[str]) -> Sequence[Opinion]:
        """Answer the open ones of some units, the most urgent first."""
