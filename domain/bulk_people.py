"""What administrators do to many people at once: invite, suspend, give a role, approve roles."""

from __future__ import annotations

from typing import Any, Protocol

from domain.account_desk import AccountDesk
from domain.approvals import require_second
from domain.bulk import BulkParams
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.grants import GrantService
from domain.identity.account import TRANSITIONS, Account
from domain.people import AccountState, Person
from domain.permissions import Permission, Role
from domain.role_grants import GrantState, RoleGrant, last_admin
from domain.roster import Card


class Cards(Protocol):
    """Knows the roster."""

    async def get(self, person_id: str) -> Card | None:
        """Answer a card."""


class Invitations(Protocol):
    """Invites people; ``domain.identity.credentials.Credentials`` does."""

    async def invite(self, person_id: str, *, by: Person) -> Account:
        """Invite somebody of the roster by SMS to bind their WeChat."""


class Invite:
    """Invite people of the roster by text message to bind their WeChat."""

    name = "accounts.invite"
    permission = Permission.ACCOUNT_INVITE

    def __init__(self, invitations: Invitations, cards: Cards) -> None:
        self._invitations = invitations
        self._cards = cards

    async def judge(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Refuse who is not on the roster (any more), or has no number to write to."""
        card = await self._cards.get(item)
        if card is None or not card.active:
            raise NotFound
        if not by.may(self.permission, scope=f"deleg:{card.delegation_id}"):
            raise NotFound
        if card.mobile_enc is None:
            raise Invalid("名册中没有手机号", field="mobile")

    async def act(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Invite; whoever was invited already hears of it once more."""
        await self._invitations.invite(item, by=by)


class Suspend:
    """Suspend accounts (暂停执行代表职务), by a document."""

    name = "accounts.suspend"
    permission = Permission.ACCOUNT_MANAGE

    def __init__(self, desk: AccountDesk, grants: GrantService) -> None:
        self._desk = desk
        self._grants = grants

    async def judge(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Refuse one's own account, the last administrator's, and states it does not follow."""
        if not params.document:
            raise Invalid("请填写文号", field="document")
        if item == by.id:
            raise Forbidden("不能变更本人账号的状态", detail={"reason": "own_case"})
        account = await self._desk.get(item, by=by)
        if AccountState.SUSPENDED not in TRANSITIONS[account.state]:
            raise BadState("账号当前状态不能进行此变更", allowed=())
        if await self._grants.holders(Role.ADMIN) == {item}:
            raise last_admin()

    async def act(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Suspend; open connections close within two seconds."""
        account = await self._desk.get(item, by=by)
        latest = account.history[-1] if account.history else None
        if (
            account.state is AccountState.SUSPENDED
            and latest is not None
            and (latest.by, latest.document) == (by.id, params.document)
        ):
            return
        await self._desk.change_state(
            item, AccountState.SUSPENDED, reason=params.reason, document=params.document, by=by
        )


class AskRole:
    """Ask that people be given a role; a second administrator approves (②)."""

    name = "grants.ask"
    permission = Permission.CONTROL_CHANGE

    def __init__(self, grants: GrantService) -> None:
        self._grants = grants

    async def judge(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Refuse whom the role cannot be given."""
        if await self._open(item, params) is not None:
            raise Conflict("该人员已有此角色，或已在申请中")
        draft = self._grants.draft(item, _role(params), **_terms(params), by=by)
        await self._grants.judge(draft, by=by)

    async def act(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Ask."""
        there = await self._open(item, params)
        if there is not None and (there.state, there.asked_by) == (GrantState.ASKED, by.id):
            return
        await self._grants.ask(item, _role(params), **_terms(params), by=by)

    async def _open(self, person_id: str, params: BulkParams) -> RoleGrant | None:
        wanted = (params.role, params.scopes)
        for grant in await self._grants.held(person_id):
            if (grant.role, grant.scopes) == wanted:
                return grant
        return None


class ApproveRole:
    """Approve, as the second administrator, what the first has asked for (②)."""

    name = "grants.approve"
    permission = Permission.CONTROL_CHANGE

    def __init__(self, grants: GrantService) -> None:
        self._grants = grants

    async def judge(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Refuse one's own requests, one's own role, and what does not wait."""
        grant = await self._grants.get(item, by=by)
        require_second(by, first=grant.asked_by, concerned=grant.person_id)
        if grant.state is not GrantState.ASKED:
            raise BadState("当前状态不能执行此操作", allowed=())

    async def act(self, item: str, params: BulkParams, *, by: Person) -> None:
        """Approve; the role is in force."""
        grant = await self._grants.get(item, by=by)
        if (grant.state, grant.approved_by) == (GrantState.GRANTED, by.id):
            return
        await self._grants.approve(item, by=by)


def _terms(params: BulkParams) -> dict[str, Any]:
    return params.model_dump(include={"scopes", "functions", "until", "reason"})


def _role(params: BulkParams) -> Role:
    if params.role is None:
        raise Invalid("请选择角色", field="role")
    return params.role
