"""Doing one thing to many: shown first, done after a moment in which it can be taken back.

An order is judged item by item and kept; nothing has happened yet. ``WINDOW`` later a job does it,
one item after the other, so that what cannot be undone (a text message, a closed connection) can
still be prevented. What a feature can do to many is a ``BulkAction``, registered in the assembly::

    waiting ──▶ running ──▶ done
       └──▶ undone
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

import structlog
from pydantic import BaseModel, ConfigDict

from domain.approvals import require_decider
from domain.clock import Clock, NewId
from domain.errors import BadState, DomainError, Invalid, NotFound
from domain.events import Event
from domain.people import Person
from domain.permissions import GuestFunction, Permission, Role
from domain.ports import AuditLog, Bus

_log = structlog.get_logger("daibiao.bulk")

WINDOW = timedelta(seconds=10)
"""How long an order can be taken back (PRODUCT.md §5)."""

MOST = 500
"""Items of one order."""

_STUCK_AFTER = timedelta(minutes=1)
"""A running order that moved no item for so long belonged to a process that died."""


class ItemState(StrEnum):
    """What becomes of one item."""

    READY = "ready"
    REFUSED = "refused"
    DONE = "done"
    FAILED = "failed"


class BulkState(StrEnum):
    """States of an order."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    UNDONE = "undone"


class BulkItem(BaseModel):
    """One item; ``code`` and ``msg`` say why it was refused or failed."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: ItemState = ItemState.READY
    code: str = ""
    msg: str = ""


class BulkParams(BaseModel):
    """What an action needs to know beside whom it is done to; each takes what it needs.

    Attributes:
        document: The document that orders it.
        role: The role to give, with its ``scopes``, until ``until`` or for good; ``functions``
            are a guest's.
    """

    model_config = ConfigDict(frozen=True)

    reason: str
    document: str = ""
    role: Role | None = None
    scopes: frozenset[str] = frozenset()
    functions: frozenset[GuestFunction] = frozenset()
    until: datetime | None = None


class BulkOrder(BaseModel):
    """One order. ``v`` moves with every change, 0 for one that is not stored yet."""

    model_config = ConfigDict(frozen=True)

    id: str
    action: str
    params: BulkParams
    items: tuple[BulkItem, ...]
    by: str
    state: BulkState = BulkState.WAITING
    asked_at: datetime
    runs_at: datetime
    moved_at: datetime | None = None
    finished_at: datetime | None = None
    v: int = 0

    @property
    def counts(self) -> Mapping[ItemState, int]:
        """How many items are in which state."""
        return Counter(item.state for item in self.items)


class BulkDone(Event):
    """The order of the receiver was carried out."""

    channels: ClassVar[tuple[str, ...]] = ("user:#{uid}",)

    type: Literal["bulk.done"] = "bulk.done"
    order: str
    action: str
    done: int
    failed: int


class BulkAction(Protocol):
    """One thing that can be done to many."""

    @property
    def name(self) -> str:
        """``<noun>s.<verb>``."""

    @property
    def permission(self) -> Permission:
        """What whoever orders it must decide on."""

    async def judge(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Change nothing, and raise what ``act`` would raise now."""

    async def act(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Do it; where it is done already, do nothing, for a broken order goes on from here."""


class BulkStore(Protocol):
    """Keeps orders."""

    async def get(self, order_id: str) -> BulkOrder | None:
        """Answer one order."""

    async def of(self, person_id: str, *, limit: int) -> Sequence[BulkOrder]:
        """Answer somebody's latest orders, newest first."""

    async def put(self, order: BulkOrder) -> bool:
        """Keep an order over version ``order.v``; tell whether it still was at it."""

    async def claim(self, now: datetime, *, stuck_before: datetime) -> BulkOrder | None:
        """Take the oldest order that is due or stuck and answer it as running, or ``None``."""


class People(Protocol):
    """Knows people as they are now."""

    async def person(self, person_id: str, at: datetime) -> Person:
        """Answer a person who may be logged in.

        Raises:
            Unauthenticated: Their account is closed.
        """


class BulkService:
    """Shows, takes, takes back and carries out orders."""

    def __init__(
        self,
        actions: Sequence[BulkAction],
        store: BulkStore,
        people: People,
        *,
        audit: AuditLog,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._actions = {action.name: action for action in actions}
        self._store = store
        self._people = people
        self._audit = audit
        self._bus = bus
        self._clock = clock
        self._new_id = new_id

    async def preview(
        self, action: str, items: Sequence[str], params: BulkParams, *, by: Person
    ) -> Sequence[BulkItem]:
        """Answer what would become of each item, and change nothing.

        Raises:
            Forbidden: The person may not do this at all.
            Invalid: There is no such action, or there are no items, or too many.
        """
        does = self._action(action)
        require_decider(by, does.permission)
        wanted = tuple(dict.fromkeys(items))
        if not 1 <= len(wanted) <= MOST:
            raise Invalid(f"应选择 1–{MOST} 项", field="items")
        return [await self._judged(does, item, params, by) for item in wanted]

    async def order(
        self, action: str, items: Sequence[str], params: BulkParams, *, by: Person
    ) -> BulkOrder:
        """Take an order; it is carried out after ``WINDOW``, without the items refused now.

        Raises:
            Forbidden: The person may not do this at all.
            Invalid: Every item is refused (``detail.items`` says why), or as for ``preview``.
        """
        judged = await self.preview(action, items, params, by=by)
        if all(item.state is ItemState.REFUSED for item in judged):
            refused = [item.model_dump(mode="json") for item in judged]
            raise Invalid("没有可以执行的项", field="items", detail={"items": refused})
        now = self._clock()
        order = BulkOrder(
            id=self._new_id(),
            action=action,
            params=params,
            items=tuple(judged),
            by=by.id,
            asked_at=now,
            runs_at=now + WINDOW,
        )
        await self._store.put(order)
        await self._note("bulk.order", order, by=by.id)
        return order.model_copy(update={"v": 1})

    async def undo(self, order_id: str, *, by: Person) -> BulkOrder:
        """Take an order back before anything has happened.

        Raises:
            NotFound: There is no such order, or it is somebody else's.
            BadState: The time for it is over, or it was taken back.
        """
        order = await self.get(order_id, by=by)
        waits = order.state is BulkState.WAITING and self._clock() < order.runs_at
        undone = order.model_copy(update={"state": BulkState.UNDONE, "finished_at": self._clock()})
        if not waits or not await self._store.put(undone):
            raise BadState("已超过可撤销的时间", allowed=())
        await self._note("bulk.undo", undone, by=by.id)
        return undone.model_copy(update={"v": order.v + 1})

    async def get(self, order_id: str, *, by: Person) -> BulkOrder:
        """Answer one of one's own orders.

        Raises:
            NotFound: There is no such order, or it is somebody else's.
        """
        order = await self._store.get(order_id)
        if order is None or order.by != by.id:
            raise NotFound
        return order

    async def mine(self, *, by: Person, limit: int = 50) -> Sequence[BulkOrder]:
        """Answer one's own latest orders, newest first."""
        return await self._store.of(by.id, limit=limit)

    async def run_next(self) -> bool:
        """Carry out the oldest order that is due; tell whether there was one. Run as a job."""
        now = self._clock()
        order = await self._store.claim(now, stuck_before=now - _STUCK_AFTER)
        if order is None:
            return False
        for place, item in enumerate(order.items):
            if item.state is not ItemState.READY:
                continue
            items = [*order.items]
            items[place] = await self._acted(order, item)
            moved = order.model_copy(update={"items": tuple(items), "moved_at": self._clock()})
            if not await self._store.put(moved):
                return True  # taken for stuck, and another process goes on
            order = moved.model_copy(update={"v": order.v + 1})
        done = order.model_copy(update={"state": BulkState.DONE, "finished_at": self._clock()})
        if await self._store.put(done):
            await self._finished(done)
        return True

    async def _finished(self, order: BulkOrder) -> None:
        await self._note("bulk.done", order, by=order.by)
        event = BulkDone(
            id=self._new_id(),
            v=order.v + 1,
            at=self._clock(),
            order=order.id,
            action=order.action,
            done=order.counts.get(ItemState.DONE, 0),
            failed=order.counts.get(ItemState.FAILED, 0),
        )
        await self._bus.publish(f"user:#{order.by}", event)

    async def _acted(self, order: BulkOrder, item: BulkItem) -> BulkItem:
        try:
            # Asked for each item: who lost the right in the middle stops in the middle.
            by = await self._people.person(order.by, self._clock())
            does = self._action(order.action)
            require_decider(by, does.permission)
            await does.act(item.id, order.params, by=by)
        except DomainError as refusal:
            return _said(item.id, ItemState.FAILED, refusal)
        except Exception:  # noqa: BLE001 - one item must not keep the others from being done
            _log.exception("bulk item failed", order=order.id, item=item.id)
            failed = {"state": ItemState.FAILED, "code": "internal", "msg": "系统错误，请单独处理"}
            return item.model_copy(update=failed)
        return item.model_copy(update={"state": ItemState.DONE})

    async def _judged(
        self, does: BulkAction, item: str, params: BulkParams, by: Person
    ) -> BulkItem:
        try:
            await does.judge(item, params, by=by)
        except DomainError as refusal:
            return _said(item, ItemState.REFUSED, refusal)
        return BulkItem(id=item)

    def _action(self, name: str) -> BulkAction:
        if name not in self._actions:
            raise Invalid(
                "没有这种批量操作", field="action", detail={"allowed": sorted(self._actions)}
            )
        return self._actions[name]

    async def _note(self, action: str, order: BulkOrder, *, by: str) -> None:
        await self._audit.record(
            action,
            by=by,
            obj=f"bulk:{order.id}",
            detail={
                "action": order.action,
                "reason": order.params.reason,
                "counts": {state.value: many for state, many in order.counts.items()},
            },
        )


def _said(item: str, state: ItemState, refusal: DomainError) -> BulkItem:
    return BulkItem(id=item, state=state, code=refusal.code, msg=refusal.msg)
