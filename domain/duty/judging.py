"""What a duty record may say: pure rules about times and hours, and who has to do with it."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from domain.approvals import decides
from domain.clock import local_day
from domain.duty.following import Occasion
from domain.duty.record import NEXT, DutyState, Facts, Level, Record
from domain.errors import BadState, Invalid
from domain.people import Person
from domain.permissions import Permission, Reach

MINUTES_A_DAY = 24 * 60

_MINUTE = timedelta(minutes=1)


class Change(BaseModel):
    """What somebody wants to be on record; what is ``None`` stays as it was."""

    model_config = ConfigDict(frozen=True)

    kind: str | None = None
    level: Level | None = None
    title: str | None = None
    place: str | None = None
    organiser: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    minutes: int | None = None


def changed(was: Facts, change: Change, *, now: datetime) -> Facts:
    """Answer the facts with a change; without minutes of its own, those between start and end.

    Raises:
        Invalid: It would end before it begins, lie in the future, or take more hours than there
            are.
    """
    said = {name: value for name, value in change if value is not None}
    facts = was.model_copy(update=said)
    if facts.start > now or (facts.end is not None and facts.end > now):
        raise Invalid("时间不能在将来", field="start" if facts.start > now else "end")
    if facts.end is None:
        return facts
    if facts.end < facts.start:
        raise Invalid("结束时间不能早于开始时间", field="end")
    spent = round((facts.end - facts.start) / _MINUTE)
    days = (local_day(facts.end) - local_day(facts.start)).days + 1
    if change.minutes is not None:
        too_much = change.minutes > MINUTES_A_DAY * days
    elif said.keys().isdisjoint({"start", "end"}):
        too_much = False
    else:
        facts = facts.model_copy(update={"minutes": spent})
        too_much = spent > MINUTES_A_DAY
    if too_much:
        raise Invalid("每天不能超过 24 小时，跨日的请填写实际时长", field="hours")
    if (facts.minutes or 0) > spent:
        raise Invalid("时长不能超过起止时间", field="hours")
    return facts


def require_next(record: Record, to: DutyState) -> None:
    """Do nothing if a record may go into a state.

    Raises:
        BadState: It may not.
    """
    if to not in NEXT[record.state]:
        locked = record.state is DutyState.LOCKED
        msg = "履职记录已按年度锁定" if locked else "履职记录当前状态不能执行此操作"
        raise BadState(msg, allowed=(state.value for state in NEXT[record.state]))


def delegations(person: Person) -> frozenset[str]:
    """Answer the delegations whose records are a person's business, as their liaison."""
    return frozenset(
        scope.partition(":")[2]
        for grant, _ in person.rights(Permission.DUTY_REGISTER)
        for scope in grant.scopes
        if scope.startswith("deleg:")
    )


def handles(person: Person, meeting: Occasion | None, delegation_id: str | None) -> bool:
    """Tell whether a person registers and decides: the organiser, or the delegation's liaison."""
    scopes = meeting.scopes if meeting else frozenset()
    if delegation_id:
        scopes |= {f"deleg:{delegation_id}"}
    return any(decides(person, Permission.DUTY_REGISTER, scope=it) for it in scopes)


def looks(person: Person, meeting: Occasion | None, delegation_id: str | None) -> bool:
    """Tell whether a person may see a record, or with no delegation all those of a meeting."""
    if handles(person, meeting, delegation_id):
        return True
    return any(
        cell.reach in {Reach.READ, Reach.ALL}
        for permission in (Permission.DUTY_REGISTER, Permission.DUTY_STATISTICS)
        for _, cell in person.rights(permission)
    )
