"""Judging a scan: pure rules of gates and times, with the reason first in this order.

Who: not invited, blocked, revoked, suspended, on leave. Where: the gate. When: not yet, too late.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from domain.attendance import Presence
from domain.checkins.scan import Direction, Result
from domain.hall.meeting import Meeting

OPENS, LATE, TOLERANCE = "checkin.opens", "checkin.late", "checkin.clock"
"""The rules that name the times of doors."""

SEALED = frozenset({"archived", "cancelled"})
OVER = SEALED | {"closed"}


class Gate(BaseModel):
    """One gate of a meeting.

    Attributes:
        id: What stands in codes and records.
        capacities: Who may pass here; empty for everybody.
        devices: Which scanners stand here; empty for any.
        opens_at: From when, if not as the meeting.
        closes_at: Until when.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    capacities: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    opens_at: datetime | None = None
    closes_at: datetime | None = None


class DoorPlan(BaseModel):
    """The doors of a meeting; without gates there is one, which has no name.

    Attributes:
        opens_at: From when people may come in; by default as the rule ``checkin.opens`` says.
        late_at: From when they are late; by default ``checkin.late`` after the beginning.
        closes_at: Until when; by default until the meeting is closed.
    """

    model_config = ConfigDict(frozen=True)

    meeting_id: str
    gates: tuple[Gate, ...] = ()
    opens_at: datetime | None = None
    late_at: datetime | None = None
    closes_at: datetime | None = None
    v: int = 0
    at: datetime | None = None
    by: str = ""

    def gate(self, gate_id: str) -> Gate | None:
        """Answer a gate, or ``None``."""
        return next((it for it in self.gates if it.id == gate_id), None)


class Standing(NamedTuple):
    """What is known of somebody at a door."""

    capacity: str | None
    on_leave: bool = False
    suspended: bool = False
    blocked: bool = False
    attention: str = ""


class Times(NamedTuple):
    """What rules say: how long before the beginning doors open, and how long after it is late."""

    opens: timedelta
    late: timedelta


class Passing(NamedTuple):
    """Somebody at a door."""

    dir: Direction
    gate: str
    device: str
    at: datetime
    offline: bool = False


def judge(
    meeting: Meeting, plan: DoorPlan, standing: Standing, passing: Passing, times: Times
) -> Result | None:
    """Answer why somebody may not pass, or ``None`` if they may."""
    if standing.capacity is None:
        return Result.NOT_INVITED
    if standing.blocked:
        return Result.BLOCKED
    if standing.suspended:
        return Result.SUSPENDED
    if standing.on_leave and passing.dir is Direction.IN:
        return Result.ON_LEAVE
    gate = plan.gate(passing.gate)
    if not _fits(plan, gate, standing.capacity, passing):
        return Result.WRONG_GATE
    return _in_time(meeting, plan, gate, passing, times)


def presence(meeting: Meeting, plan: DoorPlan, passing: Passing, times: Times) -> Presence:
    """Answer what somebody is who passes a door now."""
    if passing.dir is Direction.OUT:
        return Presence.LEFT
    late_at = plan.late_at or (meeting.starts_at and meeting.starts_at + times.late)
    return Presence.LATE if late_at and passing.at >= late_at else Presence.PRESENT


def _fits(plan: DoorPlan, gate: Gate | None, capacity: str, passing: Passing) -> bool:
    if gate is None:
        return not plan.gates
    here = not gate.devices or not passing.device or passing.device in gate.devices
    return here and (not gate.capacities or capacity in gate.capacities)


def _in_time(
    meeting: Meeting, plan: DoorPlan, gate: Gate | None, passing: Passing, times: Times
) -> Result | None:
    # What a gate without a network hands in late happened while the meeting was going on.
    if meeting.state in (SEALED if passing.offline else OVER):
        return Result.TOO_LATE
    opens = plan.opens_at or (meeting.starts_at and meeting.starts_at - times.opens)
    closes = plan.closes_at
    if gate is not None:
        opens, closes = gate.opens_at or opens, gate.closes_at or closes
    if passing.dir is Direction.IN:
        if opens and passing.at < opens:
            return Result.NOT_YET
        if closes and passing.at >= closes:
            return Result.TOO_LATE
    return None


class Clocked(NamedTuple):
    """When something happened, as far as we can tell.

    ``sure`` is false where the clock of the device cannot be trusted, because it was set in between
    or says what is still to come.
    """

    at: datetime
    skew_ms: int | None
    sure: bool


def clocked(
    said: datetime | None, *, sent: datetime | None, now: datetime, tolerance: timedelta
) -> Clocked:
    """Put an instant of a device on our clock; ``sent`` is what that clock said when it sent."""
    if said is None:
        return Clocked(now, None, sure=True)
    skew = sent - now if sent is not None else timedelta(0)
    skew_ms = round(skew / timedelta(milliseconds=1)) if sent is not None else None
    # Less than that is the network.
    at = said - skew if abs(skew) > tolerance else said
    if at > now + tolerance or (sent is not None and said > sent + tolerance):
        return Clocked(now, skew_ms, sure=False)
    return Clocked(min(at, now), skew_ms, sure=True)


def outcome(standing: Standing) -> Result:
    """Answer how somebody is let in."""
    return Result.NEEDS_ATTENTION if standing.attention else Result.OK
