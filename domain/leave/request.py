"""A request for leave: its states, what is announced of it, and where it is kept.

::

    draft ──▶ submitted ──▶ approved ──▶ effective ──▶ returned
      └──▶ withdrawn ◀──┘ └──▶ refused

The reason is personal (C3): it is kept sealed, shown to the person, to whoever decides and to the
liaison, and never announced.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from domain.events import Event


class LeaveKind(StrEnum):
    """Why, in one word."""

    SICK = "sick"
    """病假."""
    DUTY = "duty"
    """公假."""
    OTHER = "other"


class LeaveState(StrEnum):
    """States of a request, PRODUCT.md F07."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EFFECTIVE = "effective"
    RETURNED = "returned"


_S = LeaveState

NEXT: Mapping[LeaveState, frozenset[LeaveState]] = {
    _S.DRAFT: frozenset({_S.SUBMITTED, _S.WITHDRAWN}),
    _S.SUBMITTED: frozenset({_S.APPROVED, _S.REFUSED, _S.WITHDRAWN}),
    _S.APPROVED: frozenset({_S.EFFECTIVE}),
    _S.EFFECTIVE: frozenset({_S.RETURNED}),
    _S.REFUSED: frozenset(),
    _S.WITHDRAWN: frozenset(),
    _S.RETURNED: frozenset(),
}

OPEN = frozenset({_S.DRAFT, _S.SUBMITTED, _S.APPROVED, _S.EFFECTIVE})
"""States in which a person cannot ask for the same meeting again."""

DECIDED = frozenset({_S.APPROVED, _S.REFUSED})


class Leave(BaseModel):
    """One request of one person for one meeting.

    Attributes:
        key: What the meeting belongs to, ``session:…`` or else ``mtg:…``: delegates are named
            for that.
        delegation_id: The person's delegation when they asked.
        reason_enc: The reason as the vault sealed it for ``reason_context(id)``.
        since: From when; by default the beginning of the meeting.
        until: When it ends by itself, or ``None``.
        asked_by: The person, or the liaison on their behalf.
        eid: Id of the event that announces this version.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    meeting_id: str
    key: str
    person_id: str
    delegation_id: str | None
    kind: LeaveKind
    reason_enc: bytes = Field(repr=False)
    since: datetime | None
    until: datetime | None
    state: LeaveState
    asked_by: str
    asked_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str = ""
    eid: str
    at: datetime
    v: int = 1


def reason_context(leave_id: str) -> str:
    """Answer the vault context of the reason of a request."""
    return f"leave.reason:{leave_id}"


class LeaveRequest(Event):
    """Somebody asks for leave, takes it back, goes or returns; without the reason."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}",)

    type: Literal["leave.request"] = "leave.request"
    leave_id: str
    meeting_id: str
    person_id: str
    kind: LeaveKind
    state: LeaveState


class LeaveDecided(Event):
    """A request for leave was approved or refused."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}", "mtgstaff:{id}")

    type: Literal["leave.decided"] = "leave.decided"
    leave_id: str
    meeting_id: str
    person_id: str
    kind: LeaveKind
    state: LeaveState


class LeaveStore(Protocol):
    """Keeps requests. Every change is conditional on the version it starts from."""

    async def add(self, leave: Leave) -> None:
        """Keep a new request.

        Raises:
            Conflict: The person has an open one for this meeting.
        """

    async def get(self, leave_id: str) -> Leave | None:
        """Answer a request, or ``None``."""

    async def put(self, leave: Leave, *, was: int) -> bool:
        """Keep a request, marked as not told, if its version still is ``was``; tell whether."""

    async def of_meeting(self, meeting_id: str) -> Sequence[Leave]:
        """Answer the requests for a meeting, oldest first, drafts left out."""

    async def of_person(self, person_id: str) -> Sequence[Leave]:
        """Answer the requests of a person, newest first."""

    async def waiting(self, *, delegation_id: str | None, keys: Collection[str]) -> Sequence[Leave]:
        """Answer submitted requests of a delegation or for any of some keys, oldest first."""

    async def due(self, at: datetime) -> Sequence[Leave]:
        """Answer approved ones that have begun and effective ones that have ended by then."""

    async def told(self, leave: Leave) -> None:
        """Take the mark from a request that has not changed since."""

    async def untold(self, before: datetime) -> Sequence[Leave]:
        """Answer some of those that changed before an instant and are still marked."""

    async def delegates(self, key: str) -> frozenset[str]:
        """Answer who was delegated to decide for a session or meeting."""

    async def delegate(
        self, key: str, people: frozenset[str], *, document: str, by: str, at: datetime
    ) -> None:
        """Name who decides for a session or meeting, in place of those named before."""

    async def delegated_to(self, person_id: str) -> frozenset[str]:
        """Answer the keys for which somebody was delegated."""
