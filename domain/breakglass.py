"""Break-glass: looking, for a quarter of an hour, at what administrators must not see.

``asked → approved → open → closed`` (or ``refused``). One administrator asks and names one object
and the reason; another approves; the first opens it and may look for ``WINDOW``, which then closes
by itself. The auditors are told at every step and at once when it opens, and every look is
recorded. There is no exception for a lonely administrator: with one, the glass stays whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import require_decider, require_second
from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Forbidden, NotFound
from domain.events import Event
from domain.people import Person
from domain.permissions import Permission, Role
from domain.ports import AuditLog, Bus

WINDOW = timedelta(minutes=15)
"""How long the glass stays open, PRODUCT.md §5 M10."""

PATIENCE = timedelta(hours=24)
"""How long a request or an approval waits before it counts no more."""


class GlassState(StrEnum):
    """States of a break-glass window."""

    ASKED = "asked"
    APPROVED = "approved"
    OPEN = "open"
    CLOSED = "closed"
    REFUSED = "refused"


class Glass(BaseModel):
    """One window, from the request to its end.

    Attributes:
        person_id: Who asks, and may look while it is open.
        obj: The one object it is about, ``<kind>:<id>``.
        open_until: When it closes by itself; set when it opens.
        uses: How often it was looked through.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    obj: str
    reason: str
    state: GlassState
    asked_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision: str = ""
    opened_at: datetime | None = None
    open_until: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    uses: int = 0
    v: int = 1

    def is_open(self, at: datetime) -> bool:
        """Tell whether one may look at an instant."""
        return (
            self.state is GlassState.OPEN and self.open_until is not None and at < self.open_until
        )

    def state_at(self, at: datetime) -> GlassState:
        """Answer the state, closed by the clock even where nobody has noted it yet."""
        if self.state is GlassState.OPEN and not self.is_open(at):
            return GlassState.CLOSED
        waits = self.state in {GlassState.ASKED, GlassState.APPROVED}
        if waits and (self.decided_at or self.asked_at) + PATIENCE <= at:
            return GlassState.CLOSED
        return self.state


class GlassMoved(Event):
    """A break-glass window was asked for, approved, opened, closed or refused."""

    channels: ClassVar[tuple[str, ...]] = ("dash", "user:#{uid}")

    type: Literal["break_glass.moved"] = "break_glass.moved"
    glass_id: str
    state: GlassState
    person_id: str
    obj: str
    open_until: datetime | None = None


class GlassStore(Protocol):
    """Where windows are kept."""

    async def get(self, glass_id: str) -> Glass | None:
        """Answer one window."""

    async def add(self, glass: Glass) -> None:
        """Keep a new one."""

    async def settle(self, glass: Glass, *, was: Glass) -> bool:
        """Keep the new form if the window still is as it ``was``; tell whether it was."""

    async def opened(self, person_id: str, at: datetime) -> Sequence[Glass]:
        """Answer a person's windows that are open at an instant."""

    async def used(self, glass_id: str) -> None:
        """Count one look."""

    async def overdue(self, at: datetime) -> Sequence[Glass]:
        """Answer windows that are noted as open and whose time is over."""

    async def list(self, *, after: str, limit: int) -> Sequence[Glass]:
        """Answer windows in descending order of id, those below ``after`` if it is not empty."""


class Auditors(Protocol):
    """Knows who the auditors are."""

    async def holders(self, role: Role, at: datetime) -> frozenset[str]:
        """Answer the ids of the people who hold a role at an instant."""


class BreakGlassService:
    """Opens the glass for a while, and tells those who watch."""

    def __init__(
        self,
        store: GlassStore,
        auditors: Auditors,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._auditors = auditors
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def ask(self, obj: str, *, reason: str, by: Person) -> Glass:
        """Ask to look at one object."""
        require_decider(by, Permission.BREAK_GLASS)
        glass = Glass(
            id=self._new_id(),
            person_id=by.id,
            obj=obj,
            reason=reason,
            state=GlassState.ASKED,
            asked_at=self._clock(),
        )
        await self._store.add(glass)
        await self._tell("break_glass.ask", glass, by=by.id)
        return glass

    async def approve(self, glass_id: str, *, by: Person) -> Glass:
        """Approve as the second administrator.

        Raises:
            Forbidden: It is the one who asked.
            BadState: It is not waiting, or has waited too long.
        """
        require_decider(by, Permission.BREAK_GLASS)
        glass = await self._get(glass_id)
        require_second(by, first=glass.person_id)
        return await self._move(
            glass,
            GlassState.ASKED,
            by=by.id,
            action="break_glass.approve",
            state=GlassState.APPROVED,
            decided_by=by.id,
            decided_at=self._clock(),
        )

    async def refuse(self, glass_id: str, *, reason: str, by: Person) -> Glass:
        """Refuse, or take one's own request back."""
        require_decider(by, Permission.BREAK_GLASS)
        glass = await self._get(glass_id)
        return await self._move(
            glass,
            GlassState.ASKED,
            by=by.id,
            action="break_glass.refuse",
            state=GlassState.REFUSED,
            decided_by=by.id,
            decided_at=self._clock(),
            decision=reason,
        )

    async def open(self, glass_id: str, *, by: Person) -> Glass:
        """Break the glass: the quarter of an hour begins now.

        Raises:
            Forbidden: Somebody else asked for it.
            BadState: It is not approved, or the approval is too old.
        """
        require_decider(by, Permission.BREAK_GLASS)
        glass = await self._get(glass_id)
        if glass.person_id != by.id:
            raise Forbidden("只能由申请人本人开启")
        at = self._clock()
        return await self._move(
            glass,
            GlassState.APPROVED,
            by=by.id,
            action="break_glass.open",
            state=GlassState.OPEN,
            opened_at=at,
            open_until=at + WINDOW,
        )

    async def close(self, glass_id: str, *, by: Person) -> Glass:
        """Close it before its time; any administrator may."""
        require_decider(by, Permission.BREAK_GLASS)
        return await self._close(await self._get(glass_id), by=by.id)

    async def require_open(self, obj: str, *, by: Person) -> None:
        """Do nothing if the person has an open window on this object; the look is recorded.

        Raises:
            Forbidden: There is none, or its time is over (``detail.reason`` ``break_glass``).
        """
        for glass in await self._store.opened(by.id, self._clock()):
            if glass.obj == obj:
                await self._audit.record(
                    "break_glass.use", by=by.id, obj=obj, detail={"glass": glass.id}
                )
                await self._store.used(glass.id)
                return
        raise Forbidden("须经双人审批的紧急查看授权", detail={"reason": "break_glass"})

    async def open_until(self, person_id: str, at: datetime) -> datetime | None:
        """Answer until when a person has some window open, or ``None``."""
        ends = [it.open_until for it in await self._store.opened(person_id, at) if it.open_until]
        return max(ends, default=None)

    async def list(self, *, by: Person, after: str = "", limit: int = 50) -> Sequence[Glass]:
        """Answer windows, newest first, with their state now; auditors may look too."""
        by.require(Permission.BREAK_GLASS)
        at = self._clock()
        return [
            glass.model_copy(update={"state": glass.state_at(at)})
            for glass in await self._store.list(after=after, limit=limit)
        ]

    async def sweep(self) -> int:
        """Note and announce what the clock has closed; answer how many. Run as a job."""
        overdue = await self._store.overdue(self._clock())
        for glass in overdue:
            closed = glass.model_copy(
                update={
                    "state": GlassState.CLOSED,
                    "closed_at": glass.open_until,
                    "closed_by": "system",
                    "v": glass.v + 1,
                }
            )
            if await self._store.settle(closed, was=glass):
                await self._tell("break_glass.close", closed, by="system")
        return len(overdue)

    async def _close(self, glass: Glass, *, by: str) -> Glass:
        return await self._move(
            glass,
            GlassState.OPEN,
            by=by,
            action="break_glass.close",
            state=GlassState.CLOSED,
            closed_at=self._clock(),
            closed_by=by,
        )

    async def _get(self, glass_id: str) -> Glass:
        glass = await self._store.get(glass_id)
        if glass is None:
            raise NotFound
        return glass

    async def _move(
        self, glass: Glass, start: GlassState, *, by: str, action: str, **update: object
    ) -> Glass:
        if glass.state_at(self._clock()) is not start:
            raise BadState("当前状态不能执行此操作", allowed=_NEXT[glass.state_at(self._clock())])
        moved = glass.model_copy(update={**update, "v": glass.v + 1})
        if not await self._store.settle(moved, was=glass):
            raise Conflict("该申请刚被他人处理，请刷新后再试", detail={"v": glass.v})
        await self._tell(action, moved, by=by)
        return moved

    async def _tell(self, action: str, glass: Glass, *, by: str) -> None:
        at = self._clock()
        await self._audit.record(
            action,
            by=by,
            obj=glass.obj,
            detail={"glass": glass.id, "person": glass.person_id, "reason": glass.reason},
        )
        event = GlassMoved(
            id=self._new_id(),
            v=glass.v,
            at=at,
            glass_id=glass.id,
            state=glass.state,
            person_id=glass.person_id,
            obj=glass.obj,
            open_until=glass.open_until,
        )
        await self._bus.publish("dash", event)
        for auditor in sorted(await self._auditors.holders(Role.AUDITOR, at)):
            await self._bus.publish(f"user:#{auditor}", event)
        if glass.state in {GlassState.OPEN, GlassState.CLOSED}:
            await self._bus.recheck(glass.person_id)


_NEXT = {
    GlassState.ASKED: ("approved", "refused"),
    GlassState.APPROVED: ("open",),
    GlassState.OPEN: ("closed",),
    GlassState.CLOSED: (),
    GlassState.REFUSED: (),
}
