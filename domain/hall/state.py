"""The live parts of a meeting, each with a version of its own.

A part is small and is announced whole, so a client that keeps the newest version of each part has
the state. Instants are on the server's clock; nothing ticks.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """One part of the state.

    Attributes:
        v: Grows with every change; 0 until the first.
        at: When it changed last.
        eid: Id of the event that announces this version; never shown.
    """

    model_config = ConfigDict(frozen=True)

    hidden: ClassVar[frozenset[str]] = frozenset({"eid"})

    v: int = 0
    at: datetime | None = None
    eid: str = ""

    def shown(self) -> dict[str, Any]:
        """Answer what everybody may know: the fields of the event and of the snapshot."""
        return self.model_dump(exclude=set(self.hidden))


class Pointer(Part):
    """Which item of the agenda is being dealt with, or none.

    Attributes:
        title: What it was called when the pointer came to it; a screen may not look it up.
    """

    item_id: str | None = None
    title: str = ""


class Ticking(StrEnum):
    """What a countdown does."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"


class Countdown(Part):
    """A countdown: ``ends_at`` while it runs, ``left_ms`` while it is paused."""

    status: Ticking = Ticking.IDLE
    label: str = ""
    total_s: int = 0
    ends_at: datetime | None = None
    left_ms: int | None = None


class SceneName(StrEnum):
    """What the screen in the hall shows."""

    IDLE = "idle"
    WELCOME = "welcome"
    AGENDA = "agenda"
    QUORUM = "quorum"
    COUNTDOWN = "countdown"
    SPEAKER = "speaker"
    POLL = "poll"
    HALL_CODE = "hall_code"


class Scene(Part):
    """The scene on the screen; ``ref`` says of what, where there are several."""

    scene: SceneName = SceneName.IDLE
    ref: str | None = None


class Figures(BaseModel):
    """A quorum as it was at the instant when it was reached or lost."""

    model_config = ConfigDict(frozen=True)

    eid: str
    v: int
    at: datetime
    present: int
    total: int
    needed: int
    reached: bool


class Quorum(Part):
    """Whether enough are present.

    Attributes:
        present: Members who are in the hall.
        total: All members.
        needed: How many must be present.
        seq: Ticket of the last count that was begun.
        open: Something may have changed since the last count that was kept.
        flip: The last time that ``reached`` changed, until it has been announced.
    """

    hidden: ClassVar[frozenset[str]] = frozenset({"eid", "seq", "open", "flip"})

    present: int = 0
    total: int = 0
    needed: int = 0
    reached: bool = False
    seq: int = 0
    open: bool = False
    flip: Figures | None = None


class Turn(BaseModel):
    """Somebody who waits to speak, or speaks.

    Attributes:
        turn: Which time it is that the person speaks on the item, from 1.
        limit_s: Seconds they have.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    name: str
    item_id: str | None
    turn: int
    limit_s: int
    asked_at: datetime


class Speakers(Part):
    """Who waits to speak, in order."""

    waiting: tuple[Turn, ...] = ()


class Speaking(Part):
    """Who speaks. The screen chimes at ``ends_at``; ``extended`` once the chair has given more."""

    turn: Turn | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    extended: bool = False


class Hall(BaseModel):
    """The whole live state of one meeting."""

    model_config = ConfigDict(frozen=True)

    meeting_id: str
    pointer: Pointer = Pointer()
    countdown: Countdown = Countdown()
    scene: Scene = Scene()
    quorum: Quorum = Quorum()
    speakers: Speakers = Speakers()
    speaking: Speaking = Speaking()

    def part(self, name: str) -> Part:
        """Answer a part by its name."""
        part = getattr(self, name)
        if not isinstance(part, Part):
            raise TypeError(name)
        return part
