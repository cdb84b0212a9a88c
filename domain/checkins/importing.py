"""Importing a list of who came: on paper or from another system, after the doors were closed.

Every line is judged alone: good ones pass the doors by ``import``, faulty ones are listed with what
is wrong. The number of each scan is made of what the list says, so the same list twice changes
nothing. A dry run asks the doors on paper.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.checkins.doors import DoorService
from domain.checkins.judging import SEALED, DoorPlan
from domain.checkins.scan import Direction, Result, Seen, Way
from domain.checkins.sheet import Line, read_lines
from domain.clock import Clock, local_day
from domain.errors import BadState
from domain.hall.meeting import Meeting, Meetings, driven
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog
from domain.roster import Card
from domain.tables import Fault

Cells = list[list[str]]

_NONCE = 32


class Outcome(NamedTuple):
    """What becomes of one line: the ``result`` of its scan, or ``None`` and what is wrong.

    ``again``: the list was handed in before, and this is what became of it then.
    """

    line: int
    name: str
    deputy_no: str
    person_id: str
    result: Result | None
    faults: Sequence[Fault] = ()
    again: bool = False


class Report(NamedTuple):
    """The whole import, done or only tried."""

    dry_run: bool
    outcomes: Sequence[Outcome]
    unknown: Sequence[str]


class Facts(Protocol):
    """Knows people at the doors of a meeting."""

    async def invited(self, meeting_id: str) -> Sequence[str]:
        """Answer the ids of everybody who takes part."""

    async def plan(self, meeting_id: str) -> DoorPlan:
        """Answer the doors of a meeting; the empty plan if nobody has made one."""


class Cards(Protocol):
    """Knows the roster."""

    async def many(self, person_ids: frozenset[str]) -> dict[str, Card]:
        """Answer the cards that exist, by person id."""


class ImportPorts(NamedTuple):
    """What an import works with; ``reader`` turns a file into cells, off the event loop."""

    facts: Facts
    cards: Cards
    meetings: Meetings
    reader: Callable[[str, bytes], Cells]


class AttendanceImport:
    """Imports lists; ``paper`` are doors that judge and let nobody pass."""

    def __init__(
        self,
        ports: ImportPorts,
        doors: DoorService,
        paper: DoorService,
        *,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._facts, self._cards, self._meetings, self._reader = ports
        self._doors = doors
        self._paper = paper
        self._audit = audit
        self._clock = clock

    async def run(
        self, meeting_id: str, filename: str, data: bytes, *, dry_run: bool, by: Person
    ) -> Report:
        """Import a file, or say what importing it would do.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: There is no such meeting.
            BadState: It is archived or was cancelled.
            Invalid: The file cannot be read as a list of this kind.
            TypeRefused: It is neither CSV nor XLSX.
        """
        meeting = await driven(
            self._meetings, meeting_id, by=by, permission=Permission.CHECKIN_REVERSE
        )
        if meeting.state in SEALED:
            raise BadState("会议已归档或取消，不能再导入签到", allowed=())
        cells = await asyncio.to_thread(self._reader, filename, data)
        day = local_day(meeting.starts_at) if meeting.starts_at else None
        table = read_lines(cells, day=day)
        lines = await self._matched(meeting, table.lines)
        good = {person_id: line for person_id, line in lines if person_id and not line.faults}
        doors = self._paper if dry_run else self._doors
        seen = await doors.by_hand(
            meeting_id,
            {person_id: line.at for person_id, line in good.items()},
            nonce=f"import-{_digest(good)}",
            to=Direction.IN,
            reason=f"导入签到表“{filename[:60]}”",
            way=Way.IMPORT,
            gates={person_id: line.gate for person_id, line in good.items()},
            by=by,
        )
        passed = {it.scan.person_id: it for it in seen}
        outcomes = [
            _outcome(person_id, line, None if line.faults else passed[person_id])
            for person_id, line in lines
        ]
        if not dry_run:
            await self._note(meeting_id, data, outcomes, by)
        return Report(dry_run, outcomes, table.unknown)

    async def _matched(self, meeting: Meeting, lines: Sequence[Line]) -> Sequence[tuple[str, Line]]:
        """Answer whom each line means, and the id of its gate, or what is wrong with it."""
        invited = frozenset(await self._facts.invited(meeting.id))
        cards = (await self._cards.many(invited)).values()
        by_number = {card.deputy_no: card for card in cards if card.deputy_no}
        by_name: defaultdict[str, list[Card]] = defaultdict(list)
        for it in cards:
            by_name[it.name].append(it)
        gates = _gates(await self._facts.plan(meeting.id))
        now = self._clock()
        first: dict[str, int] = {}
        matched = []
        for line in lines:
            alike = by_name[line.name]
            only = alike[0] if len(alike) == 1 else None
            card = by_number.get(line.deputy_no) if line.deputy_no else only
            judged = _named(line, card, len(alike))
            judged = _timed(judged, meeting, now)
            if line.gate and line.gate not in gates:
                judged = judged.with_fault("gate", "没有这个入口")
            if card is not None and not judged.faults:
                before = first.setdefault(card.id, line.line)
                if before != line.line:
                    judged = judged.with_fault("", f"与第 {before} 行是同一人")
            gate = gates.get(line.gate, "")
            person_id = card.id if card is not None else ""
            matched.append((person_id, judged.model_copy(update={"gate": gate})))
        return matched

    async def _note(
        self, meeting_id: str, data: bytes, outcomes: Collection[Outcome], by: Person
    ) -> None:
        accepted = sum(it.result is not None and not it.again for it in outcomes)
        await self._audit.record(
            "attendance.import",
            by=by.id,
            obj=f"meeting:{meeting_id}",
            detail={
                "lines": len(outcomes),
                "faulty": sum(bool(it.faults) for it in outcomes),
                "scans": accepted,
                "sha256": hashlib.sha256(data).hexdigest(),
            },
        )


def _named(line: Line, card: Card | None, alike: int) -> Line:
    if card is None and not line.deputy_no and alike > 1:
        return line.with_fault("deputy_no", "有同名人员，须填写代表证号")
    if card is None:
        field = "deputy_no" if line.deputy_no else "name"
        return line.with_fault(field, "参加人员名单中没有此人")
    if line.name and card.name != line.name:
        return line.with_fault("name", "姓名与代表证号不符")
    return line


def _timed(line: Line, meeting: Meeting, now: datetime) -> Line:
    if line.at is None:
        return line
    if line.at > now:
        return line.with_fault("at", "签到时间不能在将来")
    if meeting.closed_at is not None and line.at > meeting.closed_at:
        return line.with_fault("at", "签到时间晚于会议结束")
    return line


def _gates(plan: DoorPlan) -> Mapping[str, str]:
    return {word: gate.id for gate in plan.gates for word in (gate.name, gate.id)}


def _digest(good: Mapping[str, Line]) -> str:
    rows = sorted(f"{key} {line.at} {line.gate}" for key, line in good.items())
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:_NONCE]


def _outcome(person_id: str, line: Line, seen: Seen | None) -> Outcome:
    return Outcome(
        line.line,
        line.name,
        line.deputy_no,
        person_id,
        seen.scan.result if seen else None,
        line.faults,
        again=seen.again if seen else False,
    )
