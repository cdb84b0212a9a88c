"""What the hall announces: each event carries a whole part, and its version in ``v``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

from domain.events import Event
from domain.hall.state import Part, SceneName, Ticking, Turn

EVERYBODY = ("mtg:{id}", "mtgstaff:{id}", "mtgscreen:{id}")


class AgendaPointer(Event):
    """The meeting has come to an item of its agenda, or to none."""

    channels: ClassVar[tuple[str, ...]] = EVERYBODY

    type: Literal["agenda.pointer"] = "agenda.pointer"
    item_id: str | None
    title: str


class CountdownChanged(Event):
    """A countdown was started, paused, prolonged or stopped; its end is on the hub's clock."""

    channels: ClassVar[tuple[str, ...]] = EVERYBODY

    type: Literal["countdown"] = "countdown"
    status: Ticking
    label: str
    total_s: int
    ends_at: datetime | None
    left_ms: int | None


class SceneChanged(Event):
    """The screen in the hall shows something else."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}", "mtgscreen:{id}")

    type: Literal["screen.scene"] = "screen.scene"
    scene: SceneName
    ref: str | None


class QuorumChanged(Event):
    """Enough are present now, or not any more: said once for each time that changes."""

    channels: ClassVar[tuple[str, ...]] = EVERYBODY

    type: Literal["quorum"] = "quorum"
    present: int
    total: int
    needed: int
    reached: bool


class QuorumCounted(Event):
    """More or fewer are present than before; of several, only the newest matters."""

    channels: ClassVar[tuple[str, ...]] = EVERYBODY
    durable: ClassVar[bool] = False

    type: Literal["quorum.count"] = "quorum.count"
    present: int
    total: int
    needed: int
    reached: bool


class QueueChanged(Event):
    """Somebody was added to those who wait to speak, or left them."""

    channels: ClassVar[tuple[str, ...]] = ("mtg:{id}", "mtgstaff:{id}")

    type: Literal["speech.queue"] = "speech.queue"
    waiting: tuple[Turn, ...]


class SpeakingChanged(Event):
    """Somebody has the floor, has more time, or has finished. Chime at ``ends_at``."""

    channels: ClassVar[tuple[str, ...]] = EVERYBODY

    type: Literal["speech.now"] = "speech.now"
    turn: Turn | None
    started_at: datetime | None
    ends_at: datetime | None
    extended: bool


EVENTS: Mapping[str, type[Event]] = {
    "pointer": AgendaPointer,
    "countdown": CountdownChanged,
    "scene": SceneChanged,
    "quorum": QuorumChanged,
    "speakers": QueueChanged,
    "speaking": SpeakingChanged,
}
"""The event that announces each part of the state."""


def event_of(name: str, part: Part) -> Event:
    """Answer the event that announces a part; the same one however often it is asked for."""
    return EVENTS[name](id=part.eid, **part.shown())


def told_on(name: str, channel: str) -> bool:
    """Tell whether a channel such as ``mtgscreen`` hears of a part; its views show no other."""
    return f"{channel}:{{id}}" in EVENTS[name].channels


def addresses(event: Event, meeting_id: str) -> list[str]:
    """Answer the channels on which an event of a meeting is announced."""
    return [pattern.replace("{id}", meeting_id) for pattern in event.channels]
