"""How a duty record follows the attendance: pure rules, one answer however often they are asked.

While nobody has said anything about it, a record says what the attendance says. Once somebody has
confirmed or objected, its facts are theirs; only that the check-in is taken back still voids it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from domain.attendance import Attendance
from domain.clock import local_day
from domain.duty.record import DutyState, Facts, Origin, Record, record_id
from domain.people import SYSTEM

OVER = frozenset({"closed", "archived"})

_SAID_NOTHING = frozenset({DutyState.AUTO, DutyState.PENDING})
_OWN_CAPACITIES = frozenset({"member", "attend", "observe"})
_MINUTE, _A_DAY = timedelta(minutes=1), timedelta(days=1)

KINDS: Mapping[str, str] = {
    "npc": "出席大会",
    # The presidium meets for the congress and during it.
    "presidium": "出席大会",
}
"""What taking part as a member is called; the dictionary has no word for the other meetings."""

ATTENDING, IN_GROUPS, OTHER = "列席", "小组活动", "其他"


class Occasion(BaseModel):
    """A meeting as its duty records see it.

    Attributes:
        closed_at: When its staff closed it.
        organiser: Name of the committee, delegation or session that meets.
        scopes: The scopes by which staff have to do with it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    state: str
    title: str = ""
    place: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    closed_at: datetime | None = None
    session_id: str | None = None
    organiser: str = ""
    scopes: frozenset[str] = frozenset()

    @property
    def over(self) -> bool:
        """Whether it has taken place."""
        return self.state in OVER

    @property
    def end(self) -> datetime | None:
        """When it ended, once it is over.

        A console that nobody closed until the next day is no meeting: then the end is the planned
        one.
        """
        if not self.over or self.closed_at is None:
            return self.ends_at if self.over else None
        if self.ends_at and local_day(self.closed_at) > local_day(self.ends_at):
            return self.ends_at
        return self.closed_at


def kind_of(meeting: Occasion, capacity: str) -> str:
    """Answer the kind of duty that taking part in a meeting is."""
    if capacity == "attend":
        return ATTENDING
    if capacity != "member":
        return OTHER
    if meeting.kind == "delegation":
        # Groups that deliberate during the session are part of it.
        return KINDS["npc"] if meeting.session_id else IN_GROUPS
    return KINDS.get(meeting.kind, OTHER)


def counts_for(capacity: str) -> bool:
    """Tell whether taking part in a capacity is duty: working for a meeting is not."""
    return capacity in _OWN_CAPACITIES


def follow(
    was: Record | None,
    roll: Attendance,
    meeting: Occasion,
    *,
    delegation_id: str | None,
    at: datetime,
    eid: str,
) -> Record | None:
    """Answer the record as the attendance wants it, or ``None`` if nothing is to be kept."""
    there = bool(roll.stays) and meeting.state != "cancelled"
    if was is None:
        return _first(roll, meeting, delegation_id, at, eid) if there else None
    if was.state is DutyState.LOCKED or was.origin is Origin.HAND or roll.v < was.follows:
        return None
    if there:
        return _there(was, roll, meeting, at)
    if was.state is DutyState.VOID:
        return _noted(was, roll)
    reason = "会议取消" if meeting.state == "cancelled" else "签到已撤销"
    return was.moved(DutyState.VOID, at=at, by=roll.by, reason=reason, follows=roll.v)


def facts_of(roll: Attendance, meeting: Occasion) -> Facts:
    """Answer what somebody did who was at a meeting, in the hours as far as it is over."""
    stays = roll.stays
    start, left = stays[0][0], stays[-1][1]
    end = minutes = None
    if meeting.over:
        # Without any end of the meeting, nobody knows of the last stay how long it was.
        last = left or max(meeting.end or start, stays[-1][0])
        spent = sum(((out or last) - came for came, out in stays), timedelta())
        # Who never left a meeting of several days did not sit there at night; nobody knows.
        end, minutes = last, round(spent / _MINUTE) if spent <= _A_DAY else None
    return Facts(
        kind=kind_of(meeting, roll.capacity),
        title=meeting.title,
        place=meeting.place,
        organiser=meeting.organiser,
        start=start,
        end=end,
        minutes=minutes,
    )


def _there(was: Record, roll: Attendance, meeting: Occasion, at: datetime) -> Record | None:
    facts, state = facts_of(roll, meeting), _state(meeting)
    if was.state is DutyState.VOID:
        again = was.moved(state, at=at, by=roll.by, reason="重新签到", facts=facts, follows=roll.v)
        return again.model_copy(update={"evidence": _evidence(roll)})
    if was.state not in _SAID_NOTHING or (facts == was.facts and was.state is state):
        return _noted(was, roll)
    if was.state is state is DutyState.AUTO:
        # Nobody has been asked yet; how somebody came and went is in the attendance.
        update = {"facts": facts, "at": at, "follows": roll.v, "v": was.v + 1}
        return was.model_copy(update=update)
    return was.moved(DutyState.PENDING, at=at, by=SYSTEM.id, facts=facts, follows=roll.v)


def _noted(was: Record, roll: Attendance) -> Record | None:
    """Note what has been looked at, so that whoever is slower and saw less changes nothing."""
    if roll.v == was.follows:
        return None
    return was.model_copy(update={"follows": roll.v, "v": was.v + 1})


def _state(meeting: Occasion) -> DutyState:
    return DutyState.PENDING if meeting.over else DutyState.AUTO


def _first(
    roll: Attendance,
    meeting: Occasion,
    delegation_id: str | None,
    at: datetime,
    eid: str,
) -> Record:
    return Record(
        id=record_id(roll.meeting_id, roll.person_id),
        person_id=roll.person_id,
        delegation_id=delegation_id,
        meeting_id=roll.meeting_id,
        origin=Origin.ATTENDANCE,
        facts=facts_of(roll, meeting),
        evidence=_evidence(roll),
        state=_state(meeting),
        by=SYSTEM.id,
        at=at,
        created_at=at,
        eid=eid,
        follows=roll.v,
    )


def _evidence(roll: Attendance) -> str:
    if roll.ref:
        return f"checkin:{roll.ref}"
    return f"attendance:{roll.meeting_id}:{roll.person_id}"
