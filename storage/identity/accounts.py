"""Accounts.

::

    account {_id: person id, state, login_name, openid_h, openid_enc, unionid_enc, phone_h,
             phone_enc, password, password_at, password_temporary, totp_enc, totp_on, totp_step,
             pin, fail_count, locked_until, last_login_at, ended_at,
             history: [{id, to, reason, document, by, at, effective_at}], planned: [the same],
             next_at: earliest effective_at of planned, or absent,
             v, created_at, created_by, updated_at, updated_by}

``login_name``, ``openid_h`` and ``phone_h`` are unique where they are strings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.errors import Conflict
from domain.identity.account import Account
from storage.client import Database, Duplicate
from storage.gathering import Gathering


class AccountStore:
    """Implements ``domain.identity.account.AccountStore``."""

    def __init__(self, db: Database) -> None:
        self._accounts = db["account"]
        self._gathered = Gathering(self.many)

    async def get(self, person_id: str) -> Account | None:
        """Answer an account, or ``None``."""
        return await self._gathered.get(person_id)

    async def many(self, person_ids: Sequence[str]) -> dict[str, Account]:
        """Answer the accounts that exist, by person id."""
        rows = await self._accounts.find({"_id": {"$in": list(person_ids)}})
        return {row["_id"]: _read(row) for row in rows}

    async def by_login_name(self, login_name: str) -> Account | None:
        """Answer the account with a login name, or ``None``."""
        return _account(await self._accounts.find_one({"login_name": login_name}))

    async def by_openid(self, openid_h: str) -> Account | None:
        """Answer the account bound to a blinded openid, or ``None``."""
        return _account(await self._accounts.find_one({"openid_h": openid_h}))

    async def by_phone(self, phone_h: str) -> Account | None:
        """Answer the account with a blinded mobile number, or ``None``."""
        return _account(await self._accounts.find_one({"phone_h": phone_h}))

    async def add(self, account: Account) -> bool:
        """Keep a new account; tell whether there was none of this person.

        Raises:
            Conflict: Its login name, openid or mobile number is another's.
        """
        try:
            await self._accounts.insert_one(_row(account))
        except Duplicate as duplicate:
            if "_id" in duplicate.key:
                return False
            raise _taken(duplicate) from duplicate
        return True

    async def add_many(self, accounts: Sequence[Account]) -> None:
        """Keep new accounts in one call, for imports and invented data.

        Raises:
            Conflict: One exists, or shares what is unique; those before it stay.
        """
        try:
            await self._accounts.insert_many([_row(account) for account in accounts])
        except Duplicate as duplicate:
            raise _taken(duplicate) from duplicate

    async def change(self, account: Account, *, was: Account) -> bool:
        """Keep what differs from ``was``, if nobody changed it meanwhile; tell whether so.

        Raises:
            Conflict: Its login name, openid or mobile number is another's.
        """
        new, old = _row(account), _row(was)
        # Only what differs: logins and authenticator steps are noted beside ``v``.
        change = {name: value for name, value in new.items() if old.get(name) != value}
        gone = {name: "" for name in old if name not in new}
        change["v"] = was.v + 1
        update: dict[str, Any] = {"$set": change}
        if gone:
            update["$unset"] = gone
        try:
            done = await self._accounts.update_one({"_id": was.id, "v": was.v}, update)
        except Duplicate as duplicate:
            raise _taken(duplicate) from duplicate
        return done.matched == 1

    async def failed(self, login_name: str) -> None:
        """Count a wrong password; a name that nobody has takes the same time."""
        await self._accounts.update_one({"login_name": login_name}, {"$inc": {"fail_count": 1}})

    async def logged_in(self, person_id: str, at: datetime) -> int:
        """Note a login; answer how many wrong passwords there were since the last one."""
        before = await self._accounts.find_one_and_update(
            {"_id": person_id},
            {"$set": {"last_login_at": at, "fail_count": 0}},
            after=False,
            projection={"fail_count": 1},
        )
        return int(before.get("fail_count", 0)) if before else 0

    async def accept_step(self, person_id: str, step: int) -> bool:
        """Use up an authenticator step; tell whether it was later than every one before."""
        done = await self._accounts.update_one(
            {"_id": person_id, "totp_step": {"$lt": step}}, {"$set": {"totp_step": step}}
        )
        return done.matched == 1

    async def due(self, at: datetime, *, limit: int) -> Sequence[Account]:
        """Answer accounts with a planned change whose time has come."""
        rows = await self._accounts.find(
            {"next_at": {"$lte": at}}, sort=[("next_at", 1)], limit=limit
        )
        return [_read(row) for row in rows]


def _row(account: Account) -> dict[str, Any]:
    row = account.model_dump(exclude={"id"})
    row["_id"] = account.id
    row["state"] = account.state.value
    for name in ("history", "planned"):
        row[name] = [{**change, "to": change["to"].value} for change in row[name]]
    if account.planned:
        row["next_at"] = min(change.effective_at for change in account.planned)
    return row


def _read(row: Mapping[str, Any]) -> Account:
    return Account.model_validate({**row, "id": row["_id"]})


def _account(row: Mapping[str, Any] | None) -> Account | None:
    return None if row is None else _read(row)


def _taken(duplicate: Duplicate) -> Conflict:
    if "openid_h" in duplicate.key:
        return Conflict("该微信已绑定其他人员", code="openid_taken")
    if "login_name" in duplicate.key:
        return Conflict("该登录名已被使用", field="login_name")
    if "phone_h" in duplicate.key:
        return Conflict("该手机号已被使用", field="phone")
    return Conflict("账号已存在", field="id")
