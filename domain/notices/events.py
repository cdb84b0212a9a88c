"""What is announced of notices. None carries a body: whoever may read it fetches it.

``notice.new`` has the id of the notice as its own, so that everybody's copy is the same text and a
repeated fan-out is heard once.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from domain.events import Event
from domain.notices.notice import Kind, Mode, Priority, State

_PERSON = ("user:#{uid}",)


class NoticeNew(Event):
    """A notice has come; ``supersedes`` names the version it takes the place of."""

    channels: ClassVar[tuple[str, ...]] = _PERSON

    type: Literal["notice.new"] = "notice.new"
    notice_id: str
    kind: Kind
    priority: Priority
    title: str
    mode: Mode
    confirm_by: datetime | None = None
    supersedes: str | None = None


class NoticeLive(Event):
    """A notice for everybody in a meeting has come."""

    channels: ClassVar[tuple[str, ...]] = ("mtg:{id}",)

    type: Literal["notice.live"] = "notice.live"
    notice_id: str
    priority: Priority
    title: str


class NoticeUpdated(Event):
    """A notice no longer holds as it was: superseded by ``by``, or expired."""

    channels: ClassVar[tuple[str, ...]] = _PERSON

    type: Literal["notice.updated"] = "notice.updated"
    notice_id: str
    state: State
    by: str | None = None


class NoticeRecalled(Event):
    """A tombstone: take the notice off the screen and forget what it said."""

    channels: ClassVar[tuple[str, ...]] = (*_PERSON, "mtg:{id}")

    type: Literal["notice.recalled"] = "notice.recalled"
    notice_id: str
    reason: str


class NoticeNudged(Event):
    """Somebody who has not read a notice is asked to (催办)."""

    channels: ClassVar[tuple[str, ...]] = _PERSON

    type: Literal["notice.nudge"] = "notice.nudge"
    notice_id: str
    priority: Priority
    title: str


class NoticeTested(Event):
    """How a notice would look, for its author alone."""

    channels: ClassVar[tuple[str, ...]] = _PERSON

    type: Literal["notice.test"] = "notice.test"
    notice_id: str
    kind: Kind
    priority: Priority
    title: str


class NoticeMoved(Event):
    """A notice of one's own was approved, rejected, published or could not be."""

    channels: ClassVar[tuple[str, ...]] = _PERSON

    type: Literal["notice.state"] = "notice.state"
    notice_id: str
    state: State
    reason: str = ""


class Unread(Event):
    """How many notices wait unread; ``read`` lists those that were just read somewhere."""

    channels: ClassVar[tuple[str, ...]] = _PERSON
    durable: ClassVar[bool] = False

    type: Literal["unread"] = "unread"
    count: int
    read: tuple[str, ...] = ()


class ReceiptCounted(Event):
    """How far a notice has come; at most once a second, and only when it changed.

    On the staff channel of the meeting it belongs to, otherwise on its author's.
    """

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}", *_PERSON)
    durable: ClassVar[bool] = False

    type: Literal["receipt.count"] = "receipt.count"
    notice_id: str
    total: int
    pushed: int
    delivered: int
    read: int
    confirmed: int
    failed: int
