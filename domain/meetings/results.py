"""What the chair declared in the hall, typed in by one person and confirmed by another.

The hub takes no legal votes (PRODUCT.md §2.1): a result here says only what was declared in the
hall, and says so. While the quorum is not reached a result needs a note why it is entered anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import require_second
from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Invalid, NotFound
from domain.events import Event
from domain.hall.quorum import RULES
from domain.meetings.meeting import Meeting, MeetingState, require_served
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus
from domain.rules import RuleBook

_PATIENCE = timedelta(seconds=3)

LABEL = "会场宣布的结果（工作人员录入），非平台表决"
"""What stands beside every result, wherever it is shown."""


class Outcome(StrEnum):
    """What was declared."""

    PASSED = "passed"
    FAILED = "failed"
    SHELVED = "shelved"
    """暂不付表决."""


class Tally(BaseModel):
    """The numbers as they were read out."""

    model_config = ConfigDict(frozen=True)

    yes: int
    no: int
    abstain: int


class Result(BaseModel):
    """A declared result; it holds once it is confirmed.

    Attributes:
        tally: The numbers, where they were read out.
        override: Why it was entered although the quorum was not reached, or empty.
        eid: Id of the event that announces it, once it is confirmed.
    """

    model_config = ConfigDict(frozen=True)

    outcome: Outcome
    tally: Tally | None = None
    override: str = ""
    typed_by: str
    typed_at: datetime
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    eid: str = ""
    v: int = 1


class ResultDeclared(Event):
    """A result declared in the hall has been typed and confirmed by two persons."""

    channels: ClassVar[tuple[str, ...]] = ("mtg:{id}", "mtgstaff:{id}", "mtgscreen:{id}")

    type: Literal["item.result"] = "item.result"
    meeting_id: str
    item_id: str
    outcome: Outcome
    tally: Tally | None
    label: str = LABEL


class Quorums(Protocol):
    """Knows whether enough members are in the hall."""

    async def reached(self, meeting_id: str) -> bool:
        """Tell whether the quorum of a meeting is reached now; not where nobody has counted."""


class ResultStore(Protocol):
    """Keeps results with their items."""

    async def result(self, meeting_id: str, item_id: str) -> tuple[bool, Result | None]:
        """Answer whether there is such an item, and its result."""

    async def members(self, meeting_id: str) -> int:
        """Count the members of a meeting."""

    async def put(self, meeting_id: str, item_id: str, result: Result, *, was: int) -> bool:
        """Keep a result if the one there is unconfirmed and at version ``was``; tell whether.

        ``was`` is 0 where there is none yet. A confirmed one is marked as not announced.
        """

    async def told(self, item_id: str) -> None:
        """Take the mark from a result that was announced."""

    async def untold(self, before: datetime) -> Sequence[tuple[str, str, Result]]:
        """Answer (meeting, item, result) of those confirmed before an instant and still marked."""


class Meetings(Protocol):
    """Finds meetings."""

    async def get(self, meeting_id: str) -> Meeting | None:
        """Answer a meeting, or ``None``."""


class ResultService:
    """Takes down what was declared."""

    def __init__(
        self,
        store: ResultStore,
        meetings: Meetings,
        quorums: Quorums,
        rules: RuleBook,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._meetings = meetings
        self._quorums = quorums
        self._rules = rules
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def type(
        self,
        meeting_id: str,
        item_id: str,
        outcome: Outcome,
        tally: Tally | None,
        *,
        override: str,
        v: int,
        by: Person,
    ) -> Result:
        """Type in what was declared; a result that is not confirmed yet is typed anew.

        Raises:
            RuleViolation: The quorum is not reached and no note says why it is entered anyway.
            Invalid: The numbers are more than there are members.
            BadState: It is confirmed already, or the meeting has not begun.
            Conflict: Somebody else typed first; ``detail.v`` is the version now.
        """
        meeting = await self._sitting(meeting_id, by)
        there, before = await self._store.result(meeting_id, item_id)
        if not there:
            raise NotFound
        if before is not None and before.confirmed_at is not None:
            raise BadState("结果已经两人确认，不能修改", allowed=())
        await self._check(meeting, tally)
        short = await self._short(meeting)
        if short and not override:
            raise await self._rules.violated(short, "出席人数未达到法定人数；仍要录入请填写说明")
        result = Result(
            outcome=outcome, tally=tally, override=override if short else "",
            typed_by=by.id, typed_at=self._clock(), v=v + 1,
        )  # fmt: skip
        await self._keep(meeting_id, item_id, result, was=v)
        await self._note("result.type", meeting, item_id, by, result)
        return result

    async def confirm(self, meeting_id: str, item_id: str, *, v: int, by: Person) -> Result:
        """Confirm as the second person what another has typed; from now on everybody sees it.

        Raises:
            Forbidden: The same person again.
            BadState: There is nothing to confirm.
            Conflict: It was typed anew since version ``v``.
        """
        meeting = await self._sitting(meeting_id, by)
        there, result = await self._store.result(meeting_id, item_id)
        if not there:
            raise NotFound
        if result is None:
            raise BadState("尚未录入结果", allowed=("type",))
        if result.confirmed_at is not None:
            raise BadState("结果已经确认", allowed=())
        require_second(by, first=result.typed_by)
        if result.v != v:
            raise _stale(result.v)
        at = self._clock()
        said = {
            "confirmed_by": by.id, "confirmed_at": at, "eid": self._new_id(), "v": v + 1
        }  # fmt: skip
        confirmed = result.model_copy(update=said)
        await self._keep(meeting_id, item_id, confirmed, was=v)
        await self._note("result.confirm", meeting, item_id, by, confirmed)
        await self._announce(meeting_id, item_id, confirmed)
        return confirmed

    async def catch_up(self) -> int:
        """Announce what a process that died has kept and not told; answer how much. A job."""
        left = await self._store.untold(self._clock() - _PATIENCE)
        for meeting_id, item_id, result in left:
            await self._announce(meeting_id, item_id, result)
        return len(left)

    async def _announce(self, meeting_id: str, item_id: str, result: Result) -> None:
        event = ResultDeclared(
            id=result.eid, v=result.v, at=result.confirmed_at or self._clock(),
            meeting_id=meeting_id, item_id=item_id, outcome=result.outcome, tally=result.tally,
        )  # fmt: skip
        for pattern in ResultDeclared.channels:
            await self._bus.publish(pattern.replace("{id}", meeting_id), event)
        await self._store.told(item_id)

    async def _keep(self, meeting_id: str, item_id: str, result: Result, *, was: int) -> None:
        if not await self._store.put(meeting_id, item_id, result, was=was):
            _, now = await self._store.result(meeting_id, item_id)
            raise _stale(now.v if now else 0)

    async def _sitting(self, meeting_id: str, by: Person) -> Meeting:
        meeting = await self._meetings.get(meeting_id)
        if meeting is None:
            raise NotFound
        require_served(by, meeting, Permission.RESULT_RECORD)
        begun = {MeetingState.IN_SESSION, MeetingState.PAUSED, MeetingState.CLOSED}
        if meeting.state not in begun:
            raise BadState("会议未在进行，不能录入结果", allowed=())
        return meeting

    async def _check(self, meeting: Meeting, tally: Tally | None) -> None:
        if tally is None:
            return
        members = await self._store.members(meeting.id)
        if tally.yes + tally.no + tally.abstain > members:
            raise Invalid("票数之和超过组成人员数", field="tally", detail={"members": members})

    async def _short(self, meeting: Meeting) -> str:
        """Answer the rule about the quorum that is not fulfilled, or nothing."""
        rule = RULES.get(meeting.kind.value)
        if rule is None or await self._quorums.reached(meeting.id):
            return ""
        return rule.key

    async def _note(
        self, action: str, meeting: Meeting, item_id: str, by: Person, result: Result
    ) -> None:
        detail: dict[str, Any] = {"item": item_id, "outcome": result.outcome.value, "v": result.v}
        if result.tally is not None:
            detail["tally"] = result.tally.model_dump()
        if result.override:
            detail["override"] = result.override
        await self._audit.record(action, by=by.id, obj=f"meeting:{meeting.id}", detail=detail)


def _stale(v: int) -> Conflict:
    return Conflict("结果已被他人重新录入，请核对后再确认", detail={"v": v})
