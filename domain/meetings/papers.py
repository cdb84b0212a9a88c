"""Papers of a meeting: files in their places on the agenda, each for its readers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from domain.events import Event
from domain.visibility import DataClass


class Readers(StrEnum):
    """For whom a paper is."""

    EVERYBODY = "everybody"
    """All deputies and staff, once the agenda is published."""
    PARTICIPANTS = "participants"
    MEMBERS = "members"
    """Members only; those who attend or observe see it only where they are named."""


class Former(BaseModel):
    """A version that is not handed out any more: its file, and when and by whom it was put up."""

    model_config = ConfigDict(frozen=True)

    v: int
    file_id: str
    added_at: datetime
    added_by: str


class Paper(BaseModel):
    """A file in its place on the agenda; ``also`` names people who get it besides its readers.

    Attributes:
        file_id: The file of the current version ``v``, put up at ``added_at``.
        former: The versions before, oldest first; only the staff still get those.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    meeting_id: str
    file_id: str
    title: str
    readers: Readers
    also: frozenset[str] = frozenset()
    added_at: datetime
    added_by: str
    v: int = 1
    former: tuple[Former, ...] = ()

    @property
    def cls(self) -> DataClass:
        """C1 for everybody, else C2."""
        return DataClass.C1 if self.readers is Readers.EVERYBODY else DataClass.C2

    @property
    def owner_id(self) -> None:
        """Papers belong to the meeting."""

    @property
    def audience(self) -> frozenset[str]:
        """The scopes it is for."""
        named = frozenset(f"user:{it}" for it in self.also)
        match self.readers:
            case Readers.MEMBERS:
                return named | {f"mtgmembers:{self.meeting_id}"}
            case Readers.PARTICIPANTS:
                return named | {f"mtg:{self.meeting_id}"}
        return named


class PaperAdded(Event):
    """A paper was put on the agenda of a meeting; fetch the agenda for whether it is for you."""

    channels: ClassVar[tuple[str, ...]] = ("mtg:{id}", "mtgstaff:{id}")

    type: Literal["doc.added"] = "doc.added"
    meeting_id: str
    item_id: str
    paper_id: str


class PaperReplaced(Event):
    """A paper has a new version ``v``; the former one is not handed out any more."""

    channels: ClassVar[tuple[str, ...]] = ("mtg:{id}", "mtgstaff:{id}")

    type: Literal["doc.replaced"] = "doc.replaced"
    meeting_id: str
    item_id: str
    paper_id: str
