"""Keepers of personal data among the login's stores: account, devices, sessions.

Each implements ``domain.privacy.PersonalData``; ``AccountPhones`` implements
``domain.profile.PhoneBook``. Secrets (passwords, authenticator, PIN) are erased and never copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.clock import Clock
from domain.errors import Conflict
from domain.identity.account import openid_context, phone_context
from domain.ports import Vault
from domain.privacy import Erased
from domain.roster import PHONE_DOMAIN
from storage.client import Database
from storage.identity import AccountStore

_C3 = ("login_name", "openid_h", "openid_enc", "unionid_enc", "phone_h", "phone_enc")
_SECRETS = ("password", "totp_enc", "pin")


class AccountData:
    """The account: how somebody logs in, and what became of it."""

    name = "账号"
    collections = ("account",)

    def __init__(self, db: Database, vault: Vault) -> None:
        self._accounts = AccountStore(db)
        self._rows = db["account"]
        self._vault = vault

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer the account with phone and WeChat identity in clear."""
        account = await self._accounts.get(person_id)
        if account is None:
            return []
        row: dict[str, Any] = {
            "id": account.id,
            "state": account.state.value,
            "login_name": account.login_name,
            "last_login_at": account.last_login_at,
            "created_at": account.created_at,
            "history": [
                {"to": change.to.value, "reason": change.reason, "at": change.effective_at}
                for change in account.history
            ],
        }
        if account.phone_enc is not None:
            row["phone"] = self._vault.open(account.phone_enc, context=phone_context(person_id))
        if account.openid_enc is not None:
            row["openid"] = self._vault.open(account.openid_enc, context=openid_context(person_id))
        return [row]

    async def erase(self, person_id: str) -> Erased:
        """Empty the account: nobody can log in with it any more, and nothing says whose it was."""
        gone = dict.fromkeys((*_C3, *_SECRETS), "")
        done = await self._rows.update_one(
            {"_id": person_id}, {"$unset": gone, "$set": {"totp_on": False}, "$inc": {"v": 1}}
        )
        return Erased(removed=done.matched)


class DeviceData:
    """Devices that somebody has logged in with."""

    name = "设备"
    collections = ("device",)

    def __init__(self, db: Database) -> None:
        self._devices = db["device"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every device."""
        found = await self._devices.find({"person_id": person_id}, sort=[("_id", 1)])
        return [
            {
                "id": doc["_id"],
                "name": doc["name"],
                "user_agent": doc["user_agent"],
                "first_seen_at": doc["first_seen_at"],
                "last_seen_at": doc["last_seen_at"],
            }
            for doc in found
        ]

    async def erase(self, person_id: str) -> Erased:
        """Forget every device."""
        return Erased(removed=await self._devices.delete_many({"person_id": person_id}))


class SessionData:
    """Login sessions, and logins under way. Their ids are hashes of tokens and open nothing."""

    name = "登录会话"
    collections = ("login_session", "login_attempt")

    def __init__(self, db: Database) -> None:
        self._sessions = db["login_session"]
        self._attempts = db["login_attempt"]

    async def export(self, person_id: str) -> Sequence[Mapping[str, Any]]:
        """Answer every session on record; a login under way is over before a copy is read."""
        found = await self._sessions.find({"person_id": person_id}, sort=[("opened_at", 1)])
        return [
            {
                "id": doc["_id"],
                "device_id": doc.get("device_id"),
                "method": doc.get("method"),
                "opened_at": doc["opened_at"],
                "seen_at": doc["seen_at"],
                "revoked_at": doc.get("revoked_at"),
            }
            for doc in found
        ]

    async def erase(self, person_id: str) -> Erased:
        """Delete every session; what the network security law wants kept is in the audit."""
        underway = await self._attempts.delete_many({"person_id": person_id})
        return Erased(
            removed=underway + await self._sessions.delete_many({"person_id": person_id}),
            kept=("审计日志：保存不少于六个月，不含联系方式（网络安全法第二十一条）",),
        )


class AccountPhones:
    """The phone numbers that accounts log in with."""

    def __init__(self, db: Database, vault: Vault, *, clock: Clock) -> None:
        self._accounts = AccountStore(db)
        self._vault = vault
        self._clock = clock

    async def taken(self, phone: str, *, by_other_than: str) -> bool:
        """Tell whether a number belongs to somebody else."""
        owner = await self._accounts.by_phone(self._vault.blind(phone, domain=PHONE_DOMAIN))
        return owner is not None and owner.id != by_other_than

    async def phone_changed(self, person_id: str, phone: str) -> None:
        """Log in with the new number from now on; doing it twice changes nothing.

        Raises:
            Conflict: The number is another's, or the account was changed meanwhile.
        """
        account = await self._accounts.get(person_id)
        if account is None:
            return
        phone_h = self._vault.blind(phone, domain=PHONE_DOMAIN)
        if account.phone_h == phone_h:
            return
        new = account.model_copy(
            update={
                "phone_h": phone_h,
                "phone_enc": self._vault.seal(phone, context=phone_context(person_id)),
                "updated_at": self._clock(),
                "updated_by": person_id,
                "v": account.v + 1,
            }
        )
        if not await self._accounts.change(new, was=account):
            raise Conflict("账号刚被他人变更，请稍后重试")
