"""Attendance as a spreadsheet: everybody who takes part, and what is on record of them.

That somebody is on leave is in it; why is personal, and is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.attendance import IN_THE_HALL, Attendance, Presence, Turn
from domain.checkins.judging import DoorPlan
from domain.clock import SHANGHAI
from domain.hall.meeting import Meetings, driven
from domain.leave.request import Leave, LeaveState
from domain.organisation import Delegation, OrganisationStore
from domain.people import Person
from domain.roster import Card
from domain.sheet_export import SheetExport, Table

CAPACITIES = {"member": "组成人员", "attend": "列席", "observe": "旁听", "staff": "工作人员"}
STATES = {
    Presence.PRESENT: "出席",
    Presence.LATE: "迟到",
    Presence.LEFT: "已离场",
    Presence.ABSENT: "缺席",
}
WAYS = {
    "roll_call": "点名",
    "hall": "会场码",
    "person": "手机码",
    "badge": "证件",
    "face": "人脸",
    "manual": "人工",
    "import": "导入",
}
LEAVES = {
    LeaveState.SUBMITTED: "待审批",
    LeaveState.APPROVED: "已批准",
    LeaveState.REFUSED: "未批准",
    LeaveState.EFFECTIVE: "请假中",
    LeaveState.RETURNED: "已销假",
}
NOT_THERE = "未签到"


class Facts(Protocol):
    """Knows who takes part, and the doors."""

    async def invited(self, meeting_id: str) -> Sequence[str]:
        """Answer the ids of everybody who takes part."""

    async def plan(self, meeting_id: str) -> DoorPlan:
        """Answer the doors of a meeting; the empty plan if nobody has made one."""


class Cards(Protocol):
    """Knows the roster."""

    async def many(self, person_ids: frozenset[str]) -> dict[str, Card]:
        """Answer the cards that exist, by person id."""


class Roll(Protocol):
    """Knows who is in the hall."""

    async def of(self, meeting_id: str) -> Sequence[Attendance]:
        """Answer every record of a meeting."""


class Leaves(Protocol):
    """Knows who is on leave."""

    async def of_meeting(self, meeting_id: str) -> Sequence[Leave]:
        """Answer the requests for a meeting, oldest first, drafts left out."""


class ExportPorts(NamedTuple):
    """What the sheet is made of."""

    facts: Facts
    cards: Cards
    roll: Roll
    leaves: Leaves
    meetings: Meetings
    house: OrganisationStore


class AttendanceExport:
    """Writes attendance into a spreadsheet."""

    def __init__(self, ports: ExportPorts, export: SheetExport) -> None:
        self._ports = ports
        self._export = export

    async def write(self, meeting_id: str, *, by: Person) -> tuple[str, bytes]:
        """Answer the name of the export (its id) and the xlsx file.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: There is no such meeting.
        """
        ports = self._ports
        meeting = await driven(ports.meetings, meeting_id, by=by)
        records = {it.person_id: it for it in await ports.roll.of(meeting_id)}
        capacities = await ports.meetings.capacities(
            meeting_id, await ports.facts.invited(meeting_id)
        )
        # Who was struck off the list and had come is still on record.
        people = capacities.keys() | records.keys()
        cards = await ports.cards.many(frozenset(people))
        homes = await ports.house.all(Delegation)
        leaves = {it.person_id: it.state for it in await ports.leaves.of_meeting(meeting_id)}
        gates = {gate.id: gate.name for gate in (await ports.facts.plan(meeting_id)).gates}
        names = {it.id: it.name for it in homes}
        order = {it.id: place for place, it in enumerate(homes)}

        def place(person_id: str) -> tuple[int, str, str]:
            card = cards.get(person_id)
            home = order.get(card.delegation_id or "", len(order)) if card else len(order)
            return home, card.sort_key if card else "", person_id

        rows = []
        for person_id in sorted(people, key=place):
            card, record = cards.get(person_id), records.get(person_id)
            capacity = capacities.get(person_id) or (record.capacity if record else "")
            rows.append(
                (
                    card.name if card else "",
                    (card.deputy_no or "") if card else "",
                    names.get(card.delegation_id or "", "") if card else "",
                    CAPACITIES.get(capacity, capacity),
                    *_cells(record, gates),
                    LEAVES.get(leaves[person_id], "") if person_id in leaves else "",
                    _remark(record),
                )
            )
        return await self._export.write(
            _TABLE,
            rows,
            reason=f"会议签到表：{meeting.title}",
            by=by,
            detail={"meeting": meeting_id},
        )


def _cells(record: Attendance | None, gates: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Answer state, time, way and gate."""
    if record is None or record.state is Presence.VOID:
        return NOT_THERE, "", "", ""
    if record.state is Presence.ABSENT:
        return STATES[record.state], "", WAYS.get(record.how, record.how), ""
    came = next((it for it in _marks(record) if it.at == record.stays[0][0]), record)
    gate = gates.get(came.gate, came.gate)
    return STATES[record.state], _local(came.at), WAYS.get(came.how, came.how), gate


def _remark(record: Attendance | None) -> str:
    if record is None:
        return ""
    remarks = []
    late = any(it.state is Presence.LATE for it in _marks(record))
    if late and record.state is not Presence.LATE:
        remarks.append("曾迟到")
    if record.state is Presence.LEFT:
        remarks.append(f"{_local(record.at)} 离场")
    reversed_ = sum(bool(turn.reason) for turn in record.history)
    if reversed_:
        remarks.append(f"撤销 {reversed_} 次")
    if record.state in IN_THE_HALL and len(record.stays) > 1:
        remarks.append(f"进出 {len(record.stays)} 次")
    return "；".join(remarks)


def _marks(record: Attendance) -> Sequence[Turn | Attendance]:
    return [*record.history, record]


def _local(at: datetime) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


_TABLE = Table(
    "attendance",
    "签到表",
    (
        *("姓名", "代表证号", "代表团", "参加身份", "状态", "签到时间", "方式", "入口"),
        *("请假", "备注"),
    ),
)
