"""Erasure (个人信息保护法 47): a person asks, an administrator decides within the time of the rule.

What a law demands stays and is named; everything else is deleted by its keepers at once, the
account ends and, emptied, is ``erased`` when its map allows, and the person's name remains on what
they did in office. Each step can be repeated,
so a crash in the middle is made good by deciding again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId, local_day
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.people import AccountState, Person
from domain.permissions import Permission, Reach
from domain.ports import AuditLog
from domain.privacy import PersonalData
from domain.todo import TodoItem

RULE = "privacy.request"
"""Days within which a request must be decided."""


class ErasureState(StrEnum):
    """States of a request."""

    RECEIVED = "received"
    DONE = "done"
    REFUSED = "refused"


class ErasureRequest(BaseModel):
    """One request.

    Attributes:
        due_at: Until when it must be decided.
        reason: Why it was refused; what the person gave as their own is in ``note``.
        removed: Objects removed, per keeper.
        kept: What stayed and why, one sentence each.
        v: Version as read; 0 for one that is not stored yet.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    person_name: str
    note: str = ""
    state: ErasureState = ErasureState.RECEIVED
    asked_at: datetime
    due_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    reason: str = ""
    removed: Mapping[str, int] = {}
    kept: tuple[str, ...] = ()
    v: int = 0


class ErasureStore(Protocol):
    """Keeps requests; at most one per person is open."""

    async def get(self, request_id: str) -> ErasureRequest | None:
        """Answer one request, or ``None``."""

    async def of(self, person_id: str) -> list[ErasureRequest]:
        """Answer somebody's requests, newest first."""

    async def put(self, request: ErasureRequest) -> ErasureRequest:
        """Store a request and answer it with the next version.

        Raises:
            Conflict: ``request.v`` is stale, or the person has an open one.
        """

    async def listed(
        self, state: ErasureState | None, *, after: str | None, limit: int
    ) -> list[ErasureRequest]:
        """Answer requests in the order they came, one page after the id ``after``."""


class AccountView(Protocol):
    """An account, as far as erasure looks at it."""

    @property
    def state(self) -> AccountState:
        """Where the account is on its map."""

    @property
    def ended_at(self) -> datetime | None:
        """When it became ``ended``."""

    @property
    def planned(self) -> Sequence[PlannedChange]:
        """Changes still to come."""


class PlannedChange(Protocol):
    """A change of state still to come."""

    @property
    def to(self) -> AccountState:
        """Where it leads."""


class Accounts(Protocol):
    """Ends accounts."""

    async def get(self, person_id: str) -> AccountView:
        """Answer an account, or raise ``NotFound``."""

    async def change_state(
        self,
        person_id: str,
        to: AccountState,
        *,
        reason: str,
        document: str,
        by: Person,
        effective_at: datetime | None = None,
    ) -> AccountView:
        """Take an account to another state, now or later, and close what it has open."""


class Deadlines(Protocol):
    """Tells the rules of the congress."""

    async def count(self, key: str, at: datetime | None = None) -> int:
        """Answer a number of days."""


class ErasureService:
    """Receives requests for erasure and carries them out. A ``TodoSource`` for who decides.

    ``archive`` is how long an ended account stays before it can be erased (PRODUCT.md §2.3).
    """

    def __init__(
        self,
        keepers: Sequence[PersonalData],
        store: ErasureStore,
        accounts: Accounts,
        rules: Deadlines,
        *,
        archive: timedelta,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._keepers = tuple(keepers)
        self._store = store
        self._accounts = accounts
        self._rules = rules
        self._archive = archive
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def ask(self, note: str = "", *, by: Person) -> ErasureRequest:
        """Ask for erasure of what is kept about oneself.

        Raises:
            Conflict: A request is open already.
        """
        now = self._clock()
        days = await self._rules.count(RULE, now)
        request = await self._store.put(
            ErasureRequest(
                id=self._new_id(),
                person_id=by.id,
                person_name=by.name,
                note=note,
                asked_at=now,
                due_at=now + timedelta(days=days),
            )
        )
        await self._record("ask", request, by.id)
        return request

    async def mine(self, *, by: Person) -> list[ErasureRequest]:
        """Answer one's own requests, newest first."""
        return await self._store.of(by.id)

    async def listed(
        self, *, state: ErasureState | None, after: str | None, limit: int, by: Person
    ) -> list[ErasureRequest]:
        """Answer requests in the order they came, for the privacy desk and the auditor."""
        by.require(Permission.PRIVACY_HANDLE)
        return await self._store.listed(state, after=after, limit=limit)

    async def decide(
        self, request_id: str, *, erase: bool, reason: str = "", v: int, by: Person
    ) -> ErasureRequest:
        """Erase a person, or refuse with a reason that the person reads.

        Raises:
            Forbidden: ``by`` may only look, or it is their own request.
            NotFound: There is no such request.
            BadState: It was decided before.
            Conflict: It is no longer at version ``v``.
            Invalid: It was refused without a reason.
        """
        _require_handler(by)
        request = await self._store.get(request_id)
        if request is None:
            raise NotFound
        if request.person_id == by.id:
            raise Forbidden("不能处理本人的申请")
        if request.state is not ErasureState.RECEIVED:
            raise BadState("该申请已处理", allowed=())
        if request.v != v:
            raise Conflict("内容已被他人修改，请刷新后重试", detail={"v": request.v})
        if not erase and not reason.strip():
            raise Invalid("请填写不予删除的理由", field="reason")
        taken = {"decided_at": self._clock(), "decided_by": by.id, "reason": reason}
        if not erase:
            refused = {**taken, "state": ErasureState.REFUSED}
            done = await self._store.put(request.model_copy(update=refused))
            await self._record("refuse", done, by.id)
            return done
        # The version moves first, so that two administrators cannot both go on from here.
        mine = await self._store.put(request.model_copy(update=taken))
        return await self._erase(mine, by)

    async def todo(self, person: Person) -> Sequence[TodoItem]:
        """Answer the requests that wait for this person to decide."""
        if not _handles(person):
            return ()
        waiting = await self._store.listed(ErasureState.RECEIVED, after=None, limit=200)
        return [
            TodoItem(
                kind="privacy.handle",
                obj=f"erasure:{request.id}",
                title=f"处理{request.person_name}的个人信息删除申请",
                since=request.asked_at,
                due=request.due_at,
            )
            for request in waiting
            if request.person_id != person.id
        ]

    async def _erase(self, request: ErasureRequest, by: Person) -> ErasureRequest:
        kept = await self._close(request, by)
        removed: dict[str, int] = {}
        for keeper in self._keepers:
            report = await keeper.erase(request.person_id)
            removed[keeper.name] = report.removed
            kept += report.kept
        done = await self._store.put(
            request.model_copy(
                update={"state": ErasureState.DONE, "removed": removed, "kept": tuple(kept)}
            )
        )
        await self._record("done", done, by.id, {"removed": removed, "kept": kept})
        return done

    async def _close(self, request: ErasureRequest, by: Person) -> list[str]:
        """End the account, and have it erased as soon as its map allows; answer what stays."""
        try:
            account = await self._accounts.get(request.person_id)
        except NotFound:
            return []  # on the roster only: nobody ever invited this person
        said: dict[str, Any] = {
            "reason": "本人申请删除个人信息",
            "document": f"erasure:{request.id}",
            "by": by,
        }
        if account.state is AccountState.ERASED:
            return []
        person_id = request.person_id
        if account.state is not AccountState.ENDED:
            account = await self._accounts.change_state(person_id, AccountState.ENDED, **said)
        until = (account.ended_at or self._clock()) + self._archive
        if until <= self._clock():
            await self._accounts.change_state(person_id, AccountState.ERASED, **said)
            return []
        if not any(change.to is AccountState.ERASED for change in account.planned):
            await self._accounts.change_state(
                person_id, AccountState.ERASED, **said, effective_at=until
            )
        return [f"空账号：查阅期满（{local_day(until).isoformat()}）后自动注销，其间不含个人信息"]

    async def _record(
        self, verb: str, request: ErasureRequest, by: str, more: Mapping[str, Any] | None = None
    ) -> None:
        await self._audit.record(
            f"erasure.{verb}",
            by=by,
            obj=f"erasure:{request.id}",
            detail={"person": request.person_id, **(more or {})},
        )


def _handles(person: Person) -> bool:
    return any(cell.reach is not Reach.READ for _, cell in person.rights(Permission.PRIVACY_HANDLE))


def _require_handler(person: Person) -> None:
    if not _handles(person):
        raise Forbidden(detail={"permission": Permission.PRIVACY_HANDLE.value})
