"""A record of attendance: what may follow what, and when somebody was in the hall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict


class Presence(StrEnum):
    """What is on record of somebody."""

    PRESENT = "present"
    LATE = "late"
    LEFT = "left"
    ABSENT = "absent"
    VOID = "void"
    """The mark was taken back; as if there had been none."""


MARKS: Mapping[Presence | None, frozenset[Presence]] = {
    None: frozenset({Presence.PRESENT, Presence.LATE, Presence.ABSENT}),
    Presence.VOID: frozenset({Presence.PRESENT, Presence.LATE, Presence.ABSENT}),
    Presence.ABSENT: frozenset({Presence.PRESENT, Presence.LATE}),
    Presence.PRESENT: frozenset({Presence.LEFT}),
    Presence.LATE: frozenset({Presence.LEFT}),
    Presence.LEFT: frozenset({Presence.PRESENT}),
}
"""Which mark may follow which."""

IN_THE_HALL = frozenset({Presence.PRESENT, Presence.LATE})


class Turn(BaseModel):
    """One mark in the history of a record; ``reason`` where one was taken back."""

    model_config = ConfigDict(frozen=True)

    state: Presence
    at: datetime
    how: str
    by: str
    reason: str = ""
    gate: str = ""
    ref: str = ""


class Attendance(BaseModel):
    """What is on record of one participant.

    Attributes:
        capacity: ``member``, ``attend`` (列席), ``observe`` (旁听), …; only members count.
        how: ``roll_call``, or the door: ``hall``, ``person``, ``badge``, ``manual``, ``import``.
        by: Person id of whoever marked it.
        gate: Through which gate, where there are several.
        ref: The scan that made the mark, if it was one: the same scan marks once.
    """

    model_config = ConfigDict(frozen=True)

    meeting_id: str
    person_id: str
    capacity: str
    state: Presence
    at: datetime
    how: str
    by: str
    gate: str = ""
    ref: str = ""
    v: int = 1
    history: tuple[Turn, ...] = ()

    def made_by(self, ref: str) -> bool:
        """Tell whether a scan has made this mark, or an earlier one of the same person."""
        return bool(ref) and ref in {self.ref, *(turn.ref for turn in self.history)}

    @property
    def stays(self) -> Sequence[tuple[datetime, datetime | None]]:
        """When they came and left, as far as it holds; ``None`` while they are in the hall."""
        stays: list[tuple[datetime, datetime | None]] = []
        marks = [(turn.state, turn.at) for turn in self.history]
        for state, at in (*marks, (self.state, self.at)):
            if state in IN_THE_HALL:
                stays.append((at, None))
            elif state is not Presence.LEFT:
                stays.clear()
            elif stays:
                came = stays[-1][0]
                # What is handed in late may stand in another order than it happened.
                stays[-1] = (came, max(came, at))
        return stays


class Mark(NamedTuple):
    """What the roll-call says of somebody."""

    person_id: str
    state: Presence


class Passage(NamedTuple):
    """A mark with what is known of it: when, by which door and gate, by which scan."""

    person_id: str
    state: Presence
    at: datetime
    how: str
    by: str
    gate: str = ""
    ref: str = ""


class Marked(NamedTuple):
    """What became of a mark: ``marked``, ``already``, ``not_invited`` or ``refused``."""

    person_id: str
    outcome: Literal["marked", "already", "not_invited", "refused"]
    record: Attendance | None


def judged(meeting_id: str, was: Attendance | None, it: Passage, capacity: str) -> Marked:
    """Answer what becomes of a mark; the record is another than ``was`` if it is to be kept."""
    if was is not None and was.made_by(it.ref):
        return Marked(it.person_id, "marked", was)
    if was is not None and was.state is it.state:
        return Marked(it.person_id, "already", was)
    if it.state not in MARKS[was.state if was else None]:
        return Marked(it.person_id, "refused", was)
    record = following(was, it) if was else _first(meeting_id, it, capacity)
    return Marked(it.person_id, "marked", record)


def _first(meeting_id: str, it: Passage, capacity: str) -> Attendance:
    facts = {name: value for name, value in it._asdict().items() if name != "person_id"}
    return Attendance(meeting_id=meeting_id, person_id=it.person_id, capacity=capacity, **facts)


def following(was: Attendance, it: Passage, *, reason: str = "") -> Attendance:
    """Answer the record after a mark; what it was before goes into the history."""
    turn = Turn(
        state=was.state, at=was.at, how=was.how, by=was.by, reason=reason, gate=was.gate,
        ref=was.ref,
    )  # fmt: skip
    facts = {name: value for name, value in it._asdict().items() if name != "person_id"}
    return was.model_copy(update={**facts, "v": was.v + 1, "history": (*was.history, turn)})
