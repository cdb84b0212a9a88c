"""Looking after accounts: ``/api/v1/admin/accounts``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Self

from pydantic import BaseModel

from domain.account_desk import AccountRow
from domain.identity.account import Account, StateChange
from domain.people import AccountState
from domain.permissions import Permission, Role
from domain.roster import Kind
from handlers.admin.rules import RefusalDraft
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.listing import ListHandler, ListQuery
from handlers.operation import Written, operation
from handlers.paging import Page
from handlers.routing import route
from handlers.text import Draft, Id, Line, Reason, SearchText


class StateDraft(Draft):
    """A change of state, by which document, from when; without ``effective_at`` at once."""

    to: AccountState
    reason: Reason
    document: Line
    effective_at: Instant | None = None


class AccountView(BaseModel):
    """One account in the list; ``bound`` says whether WeChat is tied to it, never which."""

    id: str
    name: str
    kind: Kind
    deputy_no: str | None
    delegation_id: str | None
    state: AccountState
    bound: bool
    login_name: str | None
    roles: list[Role]
    last_login_at: datetime | None
    locked_until: datetime | None
    ended_at: datetime | None
    planned: int
    v: int

    @classmethod
    def of(cls, row: AccountRow) -> Self:
        """Show a row."""
        return cls(**row.model_dump() | {"roles": sorted(row.roles)})


class StateChangeView(BaseModel):
    """One step of an account, past or planned."""

    id: str
    to: AccountState
    reason: str
    document: str
    by: str
    at: datetime
    effective_at: datetime

    @classmethod
    def of(cls, change: StateChange) -> Self:
        """Show a step."""
        return cls(**change.model_dump())


class AccountStateView(BaseModel):
    """The state of an account and how it came about."""

    id: str
    state: AccountState
    locked_until: datetime | None
    ended_at: datetime | None
    history: list[StateChangeView]
    planned: list[StateChangeView]
    v: int

    @classmethod
    def of(cls, account: Account) -> Self:
        """Show an account's state."""
        return cls(
            id=account.id,
            state=account.state,
            locked_until=account.locked_until,
            ended_at=account.ended_at,
            history=[StateChangeView.of(change) for change in account.history],
            planned=[StateChangeView.of(change) for change in account.planned],
            v=account.v,
        )


class EndedView(BaseModel):
    """How many sessions ended."""

    ended: int


class AccountsQuery(ListQuery):
    """Accounts by name, pinyin, initials or deputy number, by state and by role in force."""

    orders: ClassVar[Mapping[str, str]] = {
        "id": "_id", "state": "state", "last_login": "last_login_at", "ended": "ended_at",
    }  # fmt: skip
    usual = "id"

    q: SearchText = ""
    state: AccountState | None = None
    role: Role | None = None


class AccountsExportDraft(Draft):
    """Why the list is taken out of the house, and how it is filtered."""

    reason: Reason
    q: SearchText = ""
    state: AccountState | None = None
    role: Role | None = None


class AccountsHandler(ListHandler):
    """``/api/v1/admin/accounts``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def get(self, query: AccountsQuery) -> Page[AccountView]:
        """Show accounts with the roles in force."""
        found = await self.services.administration.accounts.search(
            by=self.user, q=query.q, state=query.state, role=query.role, part=self.part(query)
        )
        return self.listed(query, found, AccountView.of)


class ExportHandler(ApiHandler):
    """``/api/v1/admin/accounts/export``."""

    @operation(
        Permission.DIRECTORY_EXPORT,
        step_up=True,
        flag="directory.export",
        rate="export",
        produces="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    )
    async def post(self, body: AccountsExportDraft) -> Written:
        """Write the list, as it is filtered, into a spreadsheet with a watermark."""
        export_id, file = await self.services.administration.account_export.write(
            body.reason, by=self.user, q=body.q, state=body.state, role=body.role
        )
        self.set_header(
            "Content-Type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        )
        self.set_header("Content-Disposition", f'attachment; filename="accounts-{export_id}.xlsx"')
        self.set_header("Cache-Control", "no-store")
        self.write(file)
        return Written()


class AccountHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def get(self, person_id: Id) -> AccountStateView:
        """Show the state of an account, what led to it, and what is planned."""
        desk = self.services.administration.accounts
        return AccountStateView.of(await desk.get(person_id, by=self.user))


class StateHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}/state``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def post(self, person_id: Id, body: StateDraft) -> AccountStateView:
        """Order a change of state: suspend, resume, end, unlock; open sockets close within 2 s."""
        account = await self.services.administration.accounts.change_state(
            person_id,
            body.to,
            reason=body.reason,
            document=body.document,
            effective_at=body.effective_at,
            by=self.user,
        )
        return AccountStateView.of(account)


class PlannedHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}/planned/{change_id}``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def delete(self, person_id: Id, change_id: Id) -> None:
        """Take back a change that was planned and has not happened yet."""
        await self.services.identity.accounts.withdraw(person_id, change_id, by=self.user)


class UnlockHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}/unlock``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def post(self, person_id: Id, body: RefusalDraft) -> AccountStateView:
        """Open an account that too many failures have locked."""
        account = await self.services.administration.accounts.unlock(
            person_id, reason=body.reason, by=self.user
        )
        return AccountStateView.of(account)


class UnbindHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}/unbind``."""

    @operation(Permission.ACCOUNT_MANAGE, step_up=True)
    async def post(self, person_id: Id, body: RefusalDraft) -> None:
        """Untie WeChat from an account, so that another can be bound; every session ends."""
        await self.services.administration.accounts.unbind(
            person_id, reason=body.reason, by=self.user
        )


class SessionsHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}/sessions/revoke``."""

    @operation(Permission.ACCOUNT_MANAGE)
    async def post(self, person_id: Id, body: RefusalDraft) -> EndedView:
        """End every session of a person; open sockets close within 2 s."""
        ended = await self.services.administration.accounts.revoke_sessions(
            person_id, reason=body.reason, by=self.user
        )
        return EndedView(ended=ended)


_ACCOUNT = r"/api/v1/admin/accounts/(?P<person_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/admin/accounts", AccountsHandler),
    route(r"/api/v1/admin/accounts/export", ExportHandler),
    route(_ACCOUNT, AccountHandler),
    route(rf"{_ACCOUNT}/planned/(?P<change_id>[0-9A-Z]{{26}})", PlannedHandler),
    route(rf"{_ACCOUNT}/sessions/revoke", SessionsHandler),
    route(rf"{_ACCOUNT}/state", StateHandler),
    route(rf"{_ACCOUNT}/unbind", UnbindHandler),
    route(rf"{_ACCOUNT}/unlock", UnlockHandler),
]
