"""The list of accounts as a spreadsheet, as an administrator has filtered it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.account_desk import AccountRow
from domain.approvals import require_decider
from domain.clock import SHANGHAI
from domain.listing import Order, Slice, spot_of
from domain.organisation import Delegation, OrganisationStore
from domain.people import AccountState, Person
from domain.permissions import Permission, Role
from domain.roster import Kind
from domain.sheet_export import SheetExport, Table

_BATCH = 500


class Desk(Protocol):
    """Lists accounts; ``domain.account_desk.AccountDesk`` does."""

    async def search(
        self,
        *,
        by: Person,
        q: str = "",
        state: AccountState | None = None,
        role: Role | None = None,
        part: Slice,
    ) -> Sequence[AccountRow]:
        """Answer one part of the accounts that are wanted."""


class AccountExport:
    """Writes the list of accounts; without numbers and identities, as the list shows it."""

    def __init__(self, desk: Desk, house: OrganisationStore, export: SheetExport) -> None:
        self._desk = desk
        self._house = house
        self._export = export

    async def write(
        self,
        reason: str,
        *,
        by: Person,
        q: str = "",
        state: AccountState | None = None,
        role: Role | None = None,
    ) -> tuple[str, bytes]:
        """Answer the name of the export (its id) and the xlsx file.

        Raises:
            Forbidden: The person may not take lists out of the house.
            Invalid: No reason was given.
        """
        require_decider(by, Permission.DIRECTORY_EXPORT)
        delegations = {node.id: node.name for node in await self._house.all(Delegation)}
        found: list[AccountRow] = []
        part = Slice(Order(), None, _BATCH)
        while True:
            page = await self._desk.search(by=by, q=q, state=state, role=role, part=part)
            found += page
            if len(page) < _BATCH:
                break
            part = part._replace(after=spot_of(page[-1], part.order))
        asked = {"q": q, "state": state.value if state else "", "role": role.value if role else ""}
        return await self._export.write(
            _TABLE,
            [_row(account, delegations) for account in found],
            reason=reason,
            by=by,
            detail={"filter": {name: value for name, value in asked.items() if value}},
        )


_TABLE = Table(
    "account",
    "账号",
    ("姓名", "类别", "代表证号", "代表团", "状态", "角色", "登录名", "已绑定微信", "最近登录"),
)

_KINDS = {Kind.DEPUTY: "代表", Kind.STAFF: "工作人员"}


def _row(account: AccountRow, delegations: dict[str, str]) -> tuple[str, ...]:
    return (
        account.name,
        _KINDS.get(account.kind, account.kind.value),
        account.deputy_no or "",
        delegations.get(account.delegation_id or "", ""),
        account.state.value,
        "、".join(sorted(role.value for role in account.roles)),
        account.login_name or "",
        "是" if account.bound else "否",
        _local(account.last_login_at),
    )


def _local(at: datetime | None) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M") if at else ""
