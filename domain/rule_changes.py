"""Changes to the rules: proposed, asked for by one administrator, approved by another.

``proposed → asked → approved | refused``. A motion clerk may propose; an administrator takes the
proposal up, or asks on their own; a second administrator approves, and only then is there a new
row. It begins on its day, at the earliest when it was approved: nothing that is closed changes.
The changes themselves are the log of how the rules came to be what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import decides, may_propose, require_decider, require_second
from domain.clock import Clock, NewId, local_day
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.listing import NEWEST, Slice
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog
from domain.rules import FIXED, RuleBook, RuleParam, RuleStore, Unit, Value, begin_of, fitting


class ChangeState(StrEnum):
    """States of a proposed change."""

    PROPOSED = "proposed"
    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"


class RuleChange(BaseModel):
    """A change on its way, and afterwards the log of how it came about."""

    model_config = ConfigDict(frozen=True)

    id: str
    key: str
    value: Value
    unit: Unit
    valid_from: date
    source: str
    note: str = ""
    reason: str
    state: ChangeState
    before: Value
    proposed_by: str
    proposed_at: datetime
    asked_by: str | None = None
    asked_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision: str = ""
    v: int = 1


class ChangeStore(RuleStore, Protocol):
    """Where rows and proposed changes are kept."""

    async def change(self, change_id: str) -> RuleChange | None:
        """Answer one proposed change."""

    async def changes(
        self, *, key: str | None, state: ChangeState | None, part: Slice
    ) -> Sequence[RuleChange]:
        """Answer one part of the changes."""

    async def add_change(self, change: RuleChange) -> None:
        """Keep a new change."""

    async def settle(self, change: RuleChange, *, was: RuleChange) -> bool:
        """Keep the new form of a change if it still is as it ``was``; tell whether it was."""


class RuleService:
    """Lets changes be proposed, asked for and approved, and keeps the log of them."""

    def __init__(
        self, store: ChangeStore, book: RuleBook, *, audit: AuditLog, clock: Clock, new_id: NewId
    ) -> None:
        self._store = store
        self._book = book
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def propose(
        self,
        key: str,
        value: Value,
        *,
        valid_from: date,
        source: str,
        note: str = "",
        reason: str,
        by: Person,
    ) -> RuleChange:
        """Propose a change; an administrator's own proposal is ``asked`` for at once.

        Raises:
            NotFound: There is no such rule.
            Forbidden: The person may not, or the rule is one that no change may touch.
            Invalid: The value does not fit the rule's unit, or the day is past.
        """
        if not may_propose(by, Permission.CONTROL_CHANGE):
            raise Forbidden(detail={"permission": Permission.CONTROL_CHANGE.value})
        table, at = await self._book.table(), self._clock()
        if key not in table:
            raise NotFound("没有这项规则")
        if key in FIXED:
            raise Forbidden("该项由产品定型，不可更改")
        current = table.row(key, at)
        self._require_ahead(valid_from)
        asks = decides(by, Permission.CONTROL_CHANGE)
        change = RuleChange(
            id=self._new_id(),
            key=key,
            value=fitting(value, current.unit),
            unit=current.unit,
            valid_from=valid_from,
            source=source,
            note=note,
            reason=reason,
            state=ChangeState.ASKED if asks else ChangeState.PROPOSED,
            before=current.value,
            proposed_by=by.id,
            proposed_at=at,
            asked_by=by.id if asks else None,
            asked_at=at if asks else None,
        )
        await self._store.add_change(change)
        await self._note("rule.ask" if asks else "rule.propose", change, by=by)
        return change

    async def ask(self, change_id: str, *, by: Person) -> RuleChange:
        """Take up what another proposed, as the first of the two administrators."""
        require_decider(by, Permission.CONTROL_CHANGE)
        change = await self._in(change_id, ChangeState.PROPOSED)
        require_second(by, first=change.proposed_by)
        asked = await self._settle(
            change, state=ChangeState.ASKED, asked_by=by.id, asked_at=self._clock()
        )
        await self._note("rule.ask", asked, by=by)
        return asked

    async def approve(self, change_id: str, *, by: Person) -> RuleChange:
        """Approve as the second administrator; the row holds from its day, at the earliest now.

        Raises:
            Forbidden: It is the one who asked or proposed.
            Invalid: The day has passed meanwhile.
            Conflict: The rule has got another row from that day.
        """
        require_decider(by, Permission.CONTROL_CHANGE)
        change = await self._in(change_id, ChangeState.ASKED)
        require_second(by, first=change.asked_by or "")
        require_second(by, first=change.proposed_by)
        self._require_ahead(change.valid_from)
        at = self._clock()
        # The row first: its natural key makes it happen once, and an approval that was cut short
        # is completed by repeating it.
        await self._store.add(
            RuleParam(
                key=change.key,
                value=change.value,
                unit=change.unit,
                valid_from=change.valid_from,
                since=max(begin_of(change.valid_from), at),
                source=change.source,
                note=change.note,
                change_id=change.id,
            )
        )
        approved = await self._settle(
            change, state=ChangeState.APPROVED, decided_by=by.id, decided_at=at
        )
        self._book.forget()
        await self._note("rule.change", approved, by=by)
        return approved

    async def refuse(self, change_id: str, *, reason: str, by: Person) -> RuleChange:
        """Refuse a change, or take one's own back."""
        change = await self._store.change(change_id)
        if change is None:
            raise NotFound
        if change.proposed_by != by.id:
            require_decider(by, Permission.CONTROL_CHANGE)
        if change.state not in {ChangeState.PROPOSED, ChangeState.ASKED}:
            raise _not_from(change)
        refused = await self._settle(
            change,
            state=ChangeState.REFUSED,
            decided_by=by.id,
            decided_at=self._clock(),
            decision=reason,
        )
        await self._note("rule.refuse", refused, by=by)
        return refused

    async def changes(
        self,
        *,
        by: Person,
        key: str | None = None,
        state: ChangeState | None = None,
        part: Slice = NEWEST,
    ) -> Sequence[RuleChange]:
        """Answer one part of the log of changes."""
        by.require(Permission.CONTROL_CHANGE)
        return await self._store.changes(key=key, state=state, part=part)

    def _require_ahead(self, valid_from: date) -> None:
        today = local_day(self._clock())
        if valid_from < today:
            raise Invalid(
                "生效日期不能早于今天，已办结事项适用原规则",
                field="valid_from",
                detail={"earliest": today.isoformat()},
            )

    async def _in(self, change_id: str, state: ChangeState) -> RuleChange:
        change = await self._store.change(change_id)
        if change is None:
            raise NotFound
        if change.state is not state:
            raise _not_from(change)
        return change

    async def _settle(self, change: RuleChange, **update: object) -> RuleChange:
        settled = change.model_copy(update={**update, "v": change.v + 1})
        if not await self._store.settle(settled, was=change):
            raise Conflict("该变更刚被他人处理，请刷新后再试", detail={"v": change.v})
        return settled

    async def _note(self, action: str, change: RuleChange, *, by: Person) -> None:
        await self._audit.record(
            action,
            by=by.id,
            obj=f"rule:{change.key}",
            detail={
                "change": change.id,
                "before": _plain(change.before),
                "after": _plain(change.value),
                "valid_from": change.valid_from.isoformat(),
                "source": change.source,
                "reason": change.decision or change.reason,
            },
        )


def _plain(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value


def _not_from(change: RuleChange) -> BadState:
    allowed = {
        ChangeState.PROPOSED: ("asked", "refused"),
        ChangeState.ASKED: ("approved", "refused"),
    }
    return BadState("当前状态不能执行此操作", allowed=allowed.get(change.state, ()))
