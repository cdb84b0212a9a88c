"""Giving and taking roles: two administrators, nobody for themselves, never the last one.

One administrator asks, another approves; nobody asks or approves for themselves, which also rules
out circles of people who grant each other what they do not have. While there is only one
administrator, that one may approve alone what ends the loneliness, a second administrator or an
auditor; the audit says so. The last administrator can never be taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.approvals import require_decider, require_second
from domain.clock import Clock, NewId
from domain.errors import Conflict, Forbidden, Invalid, NotFound
from domain.grant_terms import is_over, require_fitting
from domain.listing import NEWEST, Slice
from domain.people import Person
from domain.permissions import EXCLUSIVE, GuestFunction, Permission, Role
from domain.ports import AuditLog, Bus
from domain.role_grants import (
    WATCHING,
    GrantState,
    GrantStore,
    RoleChanged,
    RoleGrant,
    Scopes,
    last_admin,
    not_from,
)

_MOMENTS = timedelta(seconds=3)
_OPEN = frozenset({GrantState.ASKED, GrantState.GRANTED})


class GrantService:
    """Asks for, approves, refuses and ends role grants."""

    def __init__(
        self,
        store: GrantStore,
        scopes: Scopes,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._scopes = scopes
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def list(
        self,
        *,
        by: Person,
        role: Role | None = None,
        state: GrantState | None = None,
        part: Slice = NEWEST,
    ) -> Sequence[RoleGrant]:
        """Answer one part of the grants; administrators and auditors may look."""
        by.require(Permission.CONTROL_CHANGE)
        return await self._store.list(role=role, state=state, part=part)

    async def of(self, person_id: str, *, by: Person) -> Sequence[RoleGrant]:
        """Answer every grant of a person, newest first."""
        if person_id != by.id:
            by.require(Permission.CONTROL_CHANGE)
        return await self._store.of(person_id)

    async def holders(self, role: Role) -> frozenset[str]:
        """Answer who holds a role now; for services, not for people."""
        return await self._store.holders(role, self._clock())

    async def get(self, grant_id: str, *, by: Person) -> RoleGrant:
        """Answer one grant; administrators and auditors may look."""
        by.require(Permission.CONTROL_CHANGE)
        return await self._get(grant_id)

    async def held(self, person_id: str) -> Sequence[RoleGrant]:
        """Answer what a person holds or was asked for; for services, not for people."""
        return [it for it in await self._store.of(person_id) if it.state in _OPEN]

    async def judge(self, grant: RoleGrant, *, by: Person) -> None:
        """Change nothing, and raise what ``ask`` would raise before it keeps anything."""
        require_decider(by, Permission.CONTROL_CHANGE)
        if grant.person_id == by.id:
            raise Forbidden("不能为本人申请角色", detail={"reason": "own_case"})
        at = self._clock()
        await require_fitting(grant, self._scopes, at=at)
        await self._refuse_excluded(grant.person_id, grant.role, at)

    def draft(
        self,
        person_id: str,
        role: Role,
        *,
        scopes: frozenset[str] = frozenset(),
        functions: frozenset[GuestFunction] = frozenset(),
        since: datetime | None = None,
        until: datetime | None = None,
        reason: str,
        by: Person,
    ) -> RoleGrant:
        """Answer the grant that ``ask`` would keep, for ``judge``."""
        at = self._clock()
        return RoleGrant(
            id=self._new_id(),
            person_id=person_id,
            role=role,
            scopes=scopes,
            functions=functions,
            since=max(since or at, at),
            until=until,
            state=GrantState.ASKED,
            reason=reason,
            asked_by=by.id,
            asked_at=at,
        )

    async def ask(self, person_id: str, role: Role, *, by: Person, **terms: Any) -> RoleGrant:
        """Ask that a person be given a role; it holds nothing until a second person approves.

        ``terms`` are those of ``draft``.

        Raises:
            Invalid: The terms do not fit the role, see ``domain.grant_terms``.
            Conflict: The person has the role already, or one that excludes it.
        """
        grant = self.draft(person_id, role, by=by, **terms)
        await self.judge(grant, by=by)
        await self._store.add(grant)
        await self._note("role.ask", grant, by=by.id)
        return grant

    async def approve(self, grant_id: str, *, by: Person) -> RoleGrant:
        """Approve as the second person; the grant is in force from ``since``, at the earliest now.

        Raises:
            Forbidden: The one who asked, or who would gain, cannot approve.
            BadState: It is no longer waiting.
            Conflict: The person has come to hold a role that excludes it.
        """
        require_decider(by, Permission.CONTROL_CHANGE)
        grant, at = await self._get(grant_id), self._clock()
        sole = (
            grant.asked_by == by.id
            and grant.role in WATCHING
            # Counted by grants, not by who can act: locking a colleague out makes nobody lonely.
            and await self._store.holders(Role.ADMIN, at) == {by.id}
        )
        if not sole:
            require_second(by, first=grant.asked_by, concerned=grant.person_id)
        if grant.state is not GrantState.ASKED:
            raise not_from(grant)
        if grant.until is not None and grant.until <= at:
            raise Invalid("申请的期限已过，请重新申请", field="until")
        await require_fitting(grant, self._scopes, at=at)
        await self._refuse_excluded(grant.person_id, grant.role, at)
        granted = grant.model_copy(
            update={
                "state": GrantState.GRANTED,
                "since": max(grant.since, at),
                "approved_by": by.id,
                "approved_at": at,
                "sole": sole,
                "v": grant.v + 1,
            }
        )
        await self._settle(granted, was=grant)
        if granted.role is Role.ADMIN:
            await self._store.enter_administrator(granted)
        await self._note("role.grant", granted, by=by.id)
        await self._announce(granted)
        return granted

    async def refuse(self, grant_id: str, *, reason: str, by: Person) -> RoleGrant:
        """Refuse what was asked, or take one's own request back."""
        require_decider(by, Permission.CONTROL_CHANGE)
        grant = await self._get(grant_id)
        if grant.state is not GrantState.ASKED:
            raise not_from(grant)
        refused = self._closed(grant, GrantState.REFUSED, reason=reason, by=by.id)
        await self._settle(refused, was=grant)
        await self._note("role.refuse", refused, by=by.id)
        return refused

    async def end(self, grant_id: str, *, reason: str, by: Person) -> RoleGrant:
        """End a grant at once; open subscriptions it allowed end within two seconds.

        One administrator is enough to take rights away, with one exception: an administrator or
        auditor goes only when a second administrator says so too (the first call is noted in
        ``end_asked_by``, the second ends it), or by their own hand. Otherwise one person could get
        rid of everybody who watches.

        Raises:
            Conflict: It is the last administrator (code ``last_admin``).
            BadState: It is not in force.
        """
        grant = await self._get(grant_id)
        own = grant.person_id == by.id
        if not own:
            require_decider(by, Permission.CONTROL_CHANGE)
        if grant.state is not GrantState.GRANTED:
            raise not_from(grant)
        alone = not await self._store.others_administer(grant.person_id, self._clock())
        if grant.role is Role.ADMIN and alone:
            raise last_admin()
        if not own and grant.role in WATCHING and grant.end_asked_by in {None, by.id}:
            asked = grant.model_copy(update={"end_asked_by": by.id, "v": grant.v + 1})
            await self._settle(asked, was=grant)
            await self._note("role.end_ask", asked, by=by.id)
            return asked
        return await self._end(grant, reason=reason, by=by.id)

    async def end_all(self, person_id: str, *, reason: str, by: str) -> None:
        """End everything a person holds, because they left; ``by`` is a person id or ``system``.

        Raises:
            Conflict: The person is the last administrator (code ``last_admin``).
        """
        for grant in await self._store.of(person_id):
            if grant.state is GrantState.GRANTED:
                await self._end(grant, reason=reason, by=by)

    async def require_not_last(self, person_id: str) -> None:
        """Stop counting a person among the administrators, before their account is closed.

        Their grants stay. ``reinstate`` counts them again, and so does the job if the account was
        not closed after all. Harmless for everybody who is no administrator.

        Raises:
            Conflict: The person is the last administrator who can act (code ``last_admin``).
        """
        for grant in await self._administers(person_id):
            if not await self._store.leave_administrator(grant, self._clock()):
                raise last_admin()

    async def reinstate(self, person_id: str) -> None:
        """Count a person among the administrators again, because their account is open."""
        for grant in await self._administers(person_id):
            await self._store.enter_administrator(grant)

    async def _administers(self, person_id: str) -> Sequence[RoleGrant]:
        at = self._clock()
        return [
            grant
            for grant in await self._store.of(person_id)
            if grant.role is Role.ADMIN and grant.holds(at)
        ]

    async def expire(self) -> int:
        """End what has lapsed, so that subscriptions end too; answer how many. Run every second.

        Whoever lost a role in the last moments is judged once more: on some process the first
        judgement may have rested on what was remembered of the person for up to a second.
        """
        at = self._clock()
        for person_id in await self._store.ended_since(at - _MOMENTS):
            await self._bus.recheck(person_id)
        lapsed = [*await self._store.lapsed(at), *await self._guests_after(at)]
        for grant in lapsed:
            await self._end(grant, reason="期限届满", by="system", forced=True)
        return len(lapsed)

    async def _guests_after(self, at: datetime) -> Sequence[RoleGrant]:
        """Answer the passes of guests whose meeting is over and whose own span is not."""
        passes = await self._store.list(
            role=Role.GUEST, state=GrantState.GRANTED, part=Slice(limit=1_000)
        )
        return [it for it in passes if it.holds(at) and await is_over(it, self._scopes, at=at)]

    async def count_administrators(self) -> None:
        """Count as administrators those, and only those, whose account is open. Run as a job."""
        at = self._clock()
        for person_id in sorted(await self._store.holders(Role.ADMIN, at)):
            if await self._store.may_act(person_id):
                await self.reinstate(person_id)
                continue
            for grant in await self._administers(person_id):
                await self._store.leave_administrator(grant, at)

    async def install(self, person_id: str, role: Role, *, by: str, reason: str) -> RoleGrant:
        """Give a role without a second person: the first administrator, and roster imports.

        Only the command line and a roster that two persons approved come through here; an
        administrator or auditor who exists already is answered as is.
        """
        at = self._clock()
        for grant in await self._store.of(person_id):
            if grant.role is role and grant.holds(at):
                return grant
        await self._refuse_excluded(person_id, role, at)
        grant = RoleGrant(
            id=self._new_id(),
            person_id=person_id,
            role=role,
            since=at,
            state=GrantState.GRANTED,
            reason=reason,
            asked_by=by,
            asked_at=at,
            approved_by=by,
            approved_at=at,
        )
        await self._store.add(grant)
        if role is Role.ADMIN:
            await self._store.enter_administrator(grant)
        await self._note("role.install", grant, by=by)
        await self._announce(grant)
        return grant

    async def _end(
        self, grant: RoleGrant, *, reason: str, by: str, forced: bool = False
    ) -> RoleGrant:
        at = self._clock()
        if grant.role is Role.ADMIN:
            left = await self._store.leave_administrator(grant, at)
            # Time takes a lapsed administrator away whether we like it or not.
            if not left and not forced:
                raise last_admin()
        ended = self._closed(grant, GrantState.ENDED, reason=reason, by=by)
        await self._settle(ended, was=grant)
        await self._note("role.end", ended, by=by)
        await self._announce(ended)
        return ended

    def _closed(self, grant: RoleGrant, state: GrantState, *, reason: str, by: str) -> RoleGrant:
        return grant.model_copy(
            update={
                "state": state,
                "ended_by": by,
                "ended_at": self._clock(),
                "end_reason": reason,
                "v": grant.v + 1,
            }
        )

    async def _get(self, grant_id: str) -> RoleGrant:
        grant = await self._store.get(grant_id)
        if grant is None:
            raise NotFound
        return grant

    async def _settle(self, grant: RoleGrant, *, was: RoleGrant) -> None:
        if not await self._store.settle(grant, was=was):
            raise Conflict("该授权刚被他人处理，请刷新后再试", detail={"v": was.v})

    async def _refuse_excluded(self, person_id: str, role: Role, at: datetime) -> None:
        held = {grant.role for grant in await self._store.of(person_id) if grant.holds(at)}
        for together in EXCLUSIVE:
            if role in together and held & (together - {role}):
                raise Conflict(
                    "按职责分离要求，同一人不能兼任这两个角色",
                    code="separation_of_duties",
                    detail={"roles": sorted(together)},
                )

    async def _note(self, action: str, grant: RoleGrant, *, by: str) -> None:
        await self._audit.record(
            action,
            by=by,
            obj=f"person:{grant.person_id}",
            detail={
                "grant": grant.id,
                "role": grant.role.value,
                "scopes": sorted(grant.scopes),
                "reason": grant.end_reason or grant.reason,
                **({"note": "single administrator"} if grant.sole else {}),
            },
        )

    async def _announce(self, grant: RoleGrant) -> None:
        await self._bus.publish(
            f"user:#{grant.person_id}",
            RoleChanged(
                id=self._new_id(), v=grant.v, at=self._clock(), role=grant.role, state=grant.state
            ),
        )
        await self._bus.recheck(grant.person_id)
