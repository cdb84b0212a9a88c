"""What became of one notice with one person: ``pending → pushed → delivered → read → confirmed``.

The id ``<notice id>:<person id>`` makes a second receipt impossible, and each instant is set where
it is still empty and never again: the first wins. A later mark brings the earlier ones with it, so
at no time has more been read than delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.notices.notice import Priority


class Mark(StrEnum):
    """What a reader's device or the reader tells of a notice."""

    DELIVERED = "delivered"
    READ = "read"
    CONFIRMED = "confirmed"


CHAIN: tuple[Mark, ...] = (Mark.DELIVERED, Mark.READ, Mark.CONFIRMED)
"""Each mark implies those before it."""


class Reply(StrEnum):
    """How a reader answers where confirmation is asked for."""

    JOIN = "join"
    LEAVE = "leave"
    OTHER = "other"


class Rung(StrEnum):
    """Where on the notification ladder a receipt stands; see ``domain.ladder``."""

    WS = "ws"
    WX = "wx"
    SMS = "sms"
    CALL = "call"
    DONE = "done"


class Receipt(BaseModel):
    """One receipt.

    Attributes:
        n: Notice id.
        p: Person id.
        deleg: Delegation of the person when it was published, or empty.
        pri: Priority of the notice.
        pub: When the notice was published.
        open: Whether it waits in the person's list as unread.
        gone: Why it no longer counts: ``recalled``, ``superseded``, ``expired``, or empty.
        answer: What the person said on confirming: ``{reply, fields}``.
        failed: Why it could not be brought to the person, or empty.
        rung: Where on the ladder it stands.
        due_at: When the next rung is due; empty once the ladder is over.
    """

    model_config = ConfigDict(frozen=True)

    n: str
    p: str
    deleg: str = ""
    pri: Priority
    pub: datetime
    pushed_at: datetime | None = None
    wx_at: datetime | None = None
    sms_at: datetime | None = None
    call_at: datetime | None = None
    delivered_at: datetime | None = None
    read_at: datetime | None = None
    confirmed_at: datetime | None = None
    nudged_at: datetime | None = None
    open: bool = False
    gone: str = ""
    answer: Mapping[str, Any] | None = None
    failed: str = ""
    rung: Rung = Rung.WS
    due_at: datetime | None = None

    @property
    def id(self) -> str:
        """``<notice id>:<person id>``."""
        return receipt_id(self.n, self.p)

    @property
    def state(self) -> str:
        """The furthest it has come."""
        if self.confirmed_at:
            return "confirmed"
        if self.read_at:
            return "read"
        if self.delivered_at:
            return "delivered"
        if self.failed:
            return "failed"
        return "pushed" if self.pushed_at else "pending"


class Counts(BaseModel):
    """How many receipts have come how far; ``pushed ≥ delivered ≥ read ≥ confirmed`` always."""

    model_config = ConfigDict(frozen=True)

    total: int = 0
    pushed: int = 0
    delivered: int = 0
    read: int = 0
    confirmed: int = 0
    failed: int = 0
    join: int = 0
    leave: int = 0
    other: int = 0

    def plus(self, other: Counts) -> Counts:
        """Answer both together."""
        mine, theirs = self.model_dump(), other.model_dump()
        return Counts(**{name: mine[name] + theirs[name] for name in mine})


def receipt_id(notice_id: str, person_id: str) -> str:
    """Answer the natural id of a receipt."""
    return f"{notice_id}:{person_id}"
