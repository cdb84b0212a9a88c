"""What the rules of notices need from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from domain.events import Event
from domain.notices.audience import Recipient
from domain.notices.notice import Notice, State
from domain.notices.receipt import Counts, Mark, Receipt


class Errand(StrEnum):
    """What everybody who has a notice must be told."""

    ISSUE = "issue"
    NUDGE = "nudge"
    RECALL = "recall"
    SUPERSEDE = "supersede"
    EXPIRE = "expire"


@dataclass(frozen=True, kw_only=True)
class Work:
    """An errand that was claimed, and how far it has come.

    Attributes:
        token: Id of this errand; batches and events are named after it.
        place: Batches of recipients that are done.
        cursor: Person id up to which everybody has been told.
        claim: Which claim this is; whoever has an older one has lost it.
    """

    notice: Notice
    errand: Errand
    token: str
    at: datetime
    place: int = 0
    cursor: str = ""
    claim: int = 0


class NoticeStore(Protocol):
    """Keeps notices. Every change is conditional on the version it starts from."""

    async def add(self, notice: Notice, *, key: str = "") -> Notice:
        """Keep a new notice, and answer it; with a ``key`` that was used, the one kept then.

        Raises:
            Conflict: There is such a version of the lineage already.
        """

    async def get(self, notice_id: str) -> Notice | None:
        """Answer a notice."""

    async def many(self, notice_ids: Collection[str]) -> dict[str, Notice]:
        """Answer the notices that exist, by id."""

    async def change(
        self, notice: Notice, *, was: Notice, errand: Errand | None = None, token: str = ""
    ) -> bool:
        """Keep the new form if it still is as it ``was``; tell whether it was.

        With an ``errand``, whoever has the notice will be told, in the same write. An errand that
        is under way hands over at its next step.
        """

    async def publish(
        self, notice: Notice, recipients: Sequence[Recipient], *, was: Notice, token: str
    ) -> bool:
        """Keep the published form together with whom it goes to; tell whether it was as it was."""

    async def nudge(self, notice_id: str, *, at: datetime, before: datetime, token: str) -> bool:
        """Begin a reminder if the last one was not after ``before`` and nothing is under way."""

    async def desk(
        self,
        *,
        author: str,
        scopes: frozenset[str] | None,
        urgent: bool,
        state: State | None,
        after: str,
        limit: int,
    ) -> Sequence[Notice]:
        """Answer notices by an author or in some scopes (``None``: all), newest first.

        ``urgent`` adds what is 紧急 and needs a second person. Of others' notices none that is
        their author's alone.
        """

    async def lineage(self, lineage: str) -> Sequence[Notice]:
        """Answer every version, oldest first."""

    async def due(self, state: State, at: datetime, limit: int) -> Sequence[Notice]:
        """Answer the scheduled that are to be published, or published that expire, by ``at``."""


class FanStore(Protocol):
    """Hands out errands, one claimant at a time, and keeps how far they have come."""

    async def claim(self, seconds: float) -> Work | None:
        """Answer an errand that is due, ours for ``seconds``, or ``None``."""

    async def batch(self, token: str, place: int) -> Sequence[Recipient]:
        """Answer a batch of recipients, none after the last."""

    async def advance(self, work: Work, *, seconds: float) -> bool:
        """Keep ``place`` and ``cursor`` and the claim; ``False`` if it was lost."""

    async def finish(self, work: Work) -> bool:
        """Mark the errand as done; ``False`` if the claim was lost."""

    async def release(self, work: Work, *, seconds: float) -> None:
        """Give the claim back, to be due in ``seconds``."""


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """One mark on one receipt."""

    receipt_id: str
    mark: Mark
    at: datetime
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Marked:
    """What is there after marks were made.

    Attributes:
        receipts: Those that exist, by id.
        unread: What still waits unread for the people who read.
    """

    receipts: Mapping[str, Receipt]
    unread: Mapping[str, int]


class ReceiptStore(Protocol):
    """Keeps receipts. Instants are set where they are empty: the first wins."""

    async def add(self, receipts: Sequence[Receipt]) -> None:
        """Keep receipts, each unless it is there already."""

    async def mark(self, strokes: Sequence[Stroke]) -> Marked:
        """Make marks, with all they imply, together with those of others who ask at this moment.

        Raises:
            UpstreamDown: They could not be stored, or too many wait.
        """

    async def many(self, receipt_ids: Collection[str]) -> dict[str, Receipt]:
        """Answer the receipts that exist, by id."""

    async def end(self, notice_id: str, *, gone: str, at: datetime) -> None:
        """Stop counting a notice's receipts as unread and end their ladders."""

    async def page(
        self, notice_id: str, *, after: str, limit: int, unread: bool = False
    ) -> Sequence[Receipt]:
        """Answer a notice's receipts by person id, those above ``after``."""

    async def nudged(self, notice_id: str, person_ids: Collection[str], at: datetime) -> None:
        """Note that people were reminded."""

    async def inbox(
        self, person_id: str, *, unread: bool, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Receipt]:
        """Answer somebody's receipts, newest first."""

    async def unread(self, person_ids: Collection[str]) -> Mapping[str, int]:
        """Count what waits unread, for each of some people."""

    async def counts(self, notice_id: str) -> Mapping[str, Counts]:
        """Count a notice's receipts by delegation; ``""`` holds those of nobody's."""

    async def touched(self, since: datetime, until: datetime) -> Sequence[str]:
        """Answer the ids of notices whose receipts changed after ``since``, up to ``until``."""


class Megaphone(Protocol):
    """Says the same thing to many at once."""

    async def publish(self, channel: str, event: Event) -> None:
        """Announce an event on a channel; see ``domain.ports.Bus``."""

    async def spread(self, channels: Sequence[str], event: Event) -> None:
        """Announce an event on many channels, now; the caller keeps its place and may repeat.

        Raises:
            UpstreamDown: The broker does not answer; some may have heard it.
        """
