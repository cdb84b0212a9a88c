"""What becomes of accounts: every change of state, by whom, by which document, from when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from domain.approvals import require_decider
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.identity.account import TRANSITIONS, Account, AccountStore, StateChange
from domain.identity.events import REVOKED, SUSPENDED, AccountChanged
from domain.identity.lockout import Lockout, name_key
from domain.identity.sessions import SessionService
from domain.identity.surroundings import Surroundings
from domain.people import AccountState, Person
from domain.permissions import Permission

_S = AccountState

BY_HAND = frozenset({_S.ACTIVE, _S.SUSPENDED, _S.ENDED, _S.ERASED})
"""States an administrator may order; the others follow from what the person does."""

_LATEST = 100  # planned changes handled in one run of the job


class Watch(Protocol):
    """Keeps the hub administered."""

    async def require_not_last(self, person_id: str) -> None:
        """Stop counting a person among the administrators.

        Raises:
            Conflict: The person is the last administrator.
        """

    async def reinstate(self, person_id: str) -> None:
        """Count a person among the administrators again."""


class AccountService:
    """Makes accounts and changes their state."""

    def __init__(
        self,
        store: AccountStore,
        sessions: SessionService,
        watch: Watch,
        lockout: Lockout,
        around: Surroundings,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._watch = watch
        self._lockout = lockout
        self._bus = around.bus
        self._audit = around.audit
        self._clock = around.clock
        self._new_id = around.new_id
        self._policy = around.policy

    async def get(self, person_id: str) -> Account:
        """Answer an account.

        Raises:
            NotFound: The person has none.
        """
        account = await self._store.get(person_id)
        if account is None:
            raise NotFound
        return account

    async def prepare(self, person_id: str, *, by: str) -> Account:
        """Make the account of somebody on the roster, ``imported``; one that exists is answered.

        Whoever calls has judged that ``by`` may put people on the roster.
        """
        at = self._clock()
        account = Account(
            id=person_id,
            state=AccountState.IMPORTED,
            created_at=at,
            created_by=by,
            updated_at=at,
            updated_by=by,
        )
        if await self._store.add(account):
            await self._audit.record("account.import", by=by, obj=f"person:{person_id}")
            return account
        return await self.get(person_id)

    async def change_state(
        self,
        person_id: str,
        to: AccountState,
        *,
        reason: str,
        document: str,
        by: Person,
        effective_at: datetime | None = None,
    ) -> Account:
        """Order a change of state, at once or from a later instant on.

        Open connections of a suspended or ended account close within two seconds.

        Raises:
            Forbidden: Not an administrator, or it is one's own account.
            BadState: That state does not follow from the present one.
            Conflict: The last administrator would be shut out, or the account just changed.
        """
        require_decider(by, Permission.ACCOUNT_MANAGE)
        if person_id == by.id:
            raise Forbidden("不能变更本人账号的状态", detail={"reason": "own_case"})
        if to not in BY_HAND:
            raise Invalid("不能人工设为该状态", field="to")
        at = self._clock()
        change = StateChange(
            id=self._new_id(),
            to=to,
            reason=reason,
            document=document,
            by=by.id,
            at=at,
            effective_at=max(effective_at or at, at),
        )
        account = await self.get(person_id)
        if change.effective_at > at:
            return await self._plan(account, change)
        return await self._apply(account, change)

    async def withdraw(self, person_id: str, change_id: str, *, by: Person) -> Account:
        """Take back a change that was planned and has not happened yet.

        Raises:
            NotFound: It is not planned (any more).
        """
        require_decider(by, Permission.ACCOUNT_MANAGE)
        account = await self.get(person_id)
        left = tuple(change for change in account.planned if change.id != change_id)
        if len(left) == len(account.planned):
            raise NotFound
        kept = await self.keep(account, {"planned": left}, by=by.id)
        await self._note("account.withdraw", person_id, by=by.id, detail={"change": change_id})
        return kept

    async def apply_due(self) -> int:
        """Carry out planned changes whose time has come; answer how many. Run as a job."""
        at, done = self._clock(), 0
        for account in await self._store.due(at, limit=_LATEST):
            for change in account.planned:
                if change.effective_at <= at:
                    done += await self._carry_out(account.id, change)
        return done

    async def lock(self, account: Account | None) -> None:
        """Note that too many failures shut an account; ``None``: nobody has that name."""
        person_id = account.id if account else "unknown"
        await self._note("account.lock", person_id, by="system")
        if account is None or account.state is not AccountState.ACTIVE:
            return
        at = self._clock()
        change = self._own(AccountState.LOCKED, "登录失败次数过多", by="system")
        shut = {"locked_until": at + self._policy.lock}
        if await self._move(account, change, also=shut) is not None:
            await self._announce(account.id, AccountState.LOCKED, v=account.v + 1)

    async def unlock(self, account: Account) -> Account:
        """Answer the account after a lock whose time is over is off."""
        if account.state is not AccountState.LOCKED:
            return account
        if account.state_at(self._clock()) is AccountState.LOCKED:
            return account
        change = self._own(AccountState.ACTIVE, "锁定期满", by="system")
        moved = await self._move(account, change, also={"locked_until": None})
        return moved or await self.get(account.id)

    async def _plan(self, account: Account, change: StateChange) -> Account:
        # Judged against the states it may follow when the time comes: others may be planned first.
        kept = await self.keep(account, {"planned": (*account.planned, change)}, by=change.by)
        await self._note(
            "account.plan", account.id, by=change.by, detail=_told(change, was=account.state)
        )
        return kept

    async def _carry_out(self, person_id: str, change: StateChange) -> bool:
        account = await self.get(person_id)
        if change.id not in {planned.id for planned in account.planned}:
            return False  # another process was faster, or it was withdrawn
        try:
            await self._apply(account, change)
        except Conflict as refusal:
            # Something came in between: the plan is dropped, and the record says why.
            left = tuple(planned for planned in account.planned if planned.id != change.id)
            await self._written(account, {"planned": left}, by="system")
            await self._note(
                "account.plan_refused",
                person_id,
                by="system",
                detail=_told(change, was=account.state) | {"refused": refusal.code},
            )
            return False
        return True

    async def _apply(self, account: Account, change: StateChange) -> Account:
        at = self._clock()
        self._judge(account, change, at)
        if change.to is not AccountState.ACTIVE:
            await self._watch.require_not_last(account.id)
        also: dict[str, Any] = {"locked_until": None}
        if change.to is AccountState.ENDED:
            also["ended_at"] = change.effective_at
        if change.to is AccountState.ERASED:
            also |= _NOTHING_LEFT
        moved = await self._move(account, change, also=also)
        if moved is None:
            raise Conflict("账号刚被他人变更，请刷新后重试", detail={"v": account.v})
        if change.to is AccountState.ACTIVE:
            await self._watch.reinstate(account.id)
        await self._note(
            f"account.{change.to.value}",
            account.id,
            by=change.by,
            detail=_told(change, was=account.state),
        )
        await self._announce(account.id, change.to, v=moved.v)
        await self._enforce(account, change)
        return moved

    def _judge(self, account: Account, change: StateChange, at: datetime) -> None:
        state = account.state_at(at)
        if change.to not in TRANSITIONS[state]:
            raise BadState(
                "账号当前状态不能进行此变更",
                allowed=(after.value for after in TRANSITIONS[state] & BY_HAND),
            )
        if change.to is AccountState.ERASED and (
            account.ended_at is None or at < account.ended_at + self._policy.archive
        ):
            raise BadState("查阅期未满，不能注销", allowed=(AccountState.ACTIVE.value,))

    async def _enforce(self, account: Account, change: StateChange) -> None:
        person_id = account.id
        self._sessions.forget(person_id)
        match change.to:
            case AccountState.SUSPENDED:
                await self._bus.disconnect(person_id, code=SUSPENDED[0], reason=SUSPENDED[1])
            case AccountState.ENDED | AccountState.ERASED:
                await self._sessions.revoke_all(
                    person_id, by=change.by, reason=f"account_{change.to.value}", close=REVOKED
                )
            case _:
                await self._lockout.passed_all(person_id, name_key(account.login_name))
                await self._bus.recheck(person_id)

    async def _move(
        self, account: Account, change: StateChange, *, also: Mapping[str, Any]
    ) -> Account | None:
        update = {
            **also,
            "state": change.to,
            "history": (*account.history, change),
            "planned": tuple(it for it in account.planned if it.id != change.id),
        }
        return await self._written(account, update, by=change.by)

    async def advance(
        self,
        account: Account,
        *steps: AccountState,
        reason: str,
        by: str,
        also: Mapping[str, Any],
    ) -> Account:
        """Take an account through states that follow from what its owner does, in one write.

        Raises:
            Conflict: The account was changed meanwhile.
        """
        changes = tuple(self._own(state, reason, by=by) for state in steps)
        update: dict[str, Any] = {**also, "history": (*account.history, *changes)}
        if steps:
            update["state"] = steps[-1]
        moved = await self.keep(account, update, by=by)
        if steps:
            self._sessions.forget(account.id)
            await self._announce(account.id, moved.state, v=moved.v)
        return moved

    async def keep(self, account: Account, update: Mapping[str, Any], *, by: str) -> Account:
        """Keep new values of an account.

        Raises:
            Conflict: The account was changed meanwhile.
        """
        kept = await self._written(account, update, by=by)
        if kept is None:
            raise Conflict("账号刚被他人变更，请刷新后重试", detail={"v": account.v})
        return kept

    async def _written(
        self, account: Account, update: Mapping[str, Any], *, by: str
    ) -> Account | None:
        after = account.model_copy(
            update={**update, "updated_at": self._clock(), "updated_by": by, "v": account.v + 1}
        )
        return after if await self._store.change(after, was=account) else None

    def _own(self, to: AccountState, reason: str, *, by: str) -> StateChange:
        at = self._clock()
        return StateChange(id=self._new_id(), to=to, reason=reason, by=by, at=at, effective_at=at)

    async def _announce(self, person_id: str, state: AccountState, *, v: int) -> None:
        event = AccountChanged(id=self._new_id(), v=v, at=self._clock(), state=state)
        await self._bus.publish(f"user:#{person_id}", event)

    async def _note(
        self, action: str, person_id: str, *, by: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        await self._audit.record(action, by=by, obj=f"person:{person_id}", detail=detail)


_NOTHING_LEFT: Mapping[str, Any] = dict.fromkeys(
    (
        *("login_name", "openid_h", "openid_enc", "unionid_enc", "phone_h", "phone_enc"),
        *("password", "password_at", "totp_enc", "pin"),
    )
) | {"totp_on": False}


def _told(change: StateChange, *, was: AccountState) -> dict[str, str]:
    return {
        "from": was.value,
        "to": change.to.value,
        "reason": change.reason,
        "document": change.document,
        "effective_at": change.effective_at.isoformat(),
    }
