"""Login sessions and devices.

::

    login_session {_id: sha256(token), person_id, device_id, method, opened_at, seen_at,
                   idle_until, until, step_up_until, revoked_at, revoked_for}
    device        {_id, person_id, key_h, name, user_agent, first_seen_at, last_seen_at,
                   push_consent}

A device is unique by person and key. ``LoginSweep`` removes a session when its absolute end has
passed, revoked or not. ``push_consent`` belongs to the notices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.identity.devices import Device
from domain.identity.sessions import LoginSession
from storage.client import Database, Duplicate
from storage.gathering import Gathering


class SessionStore:
    """Implements ``domain.identity.sessions.SessionStore``."""

    def __init__(self, db: Database) -> None:
        self._sessions = db["login_session"]
        self._gathered = Gathering(self._many)

    async def add(self, session: LoginSession) -> None:
        """Keep a new session."""
        row = session.model_dump(exclude={"id"})
        await self._sessions.insert_one({**row, "_id": session.id})

    async def alive(self, session_id: str, at: datetime) -> LoginSession | None:
        """Answer a session that is neither over nor revoked at an instant."""
        session = await self._gathered.get(session_id)
        if session is None or session.revoked_at is not None:
            return None
        return session if at < min(session.idle_until, session.until) else None

    async def _many(self, session_ids: Sequence[str]) -> dict[str, LoginSession]:
        rows = await self._sessions.find({"_id": {"$in": list(session_ids)}})
        return {row["_id"]: _read(row) for row in rows}

    async def of(self, person_id: str, at: datetime) -> Sequence[LoginSession]:
        """Answer the living sessions of a person, the one used last first."""
        rows = await self._sessions.find(
            {"person_id": person_id, **_alive(at)}, sort=[("seen_at", -1), ("opened_at", -1)]
        )
        return [_read(row) for row in rows]

    async def touch(self, session_id: str, *, at: datetime, idle_until: datetime) -> None:
        """Note that a living session was used."""
        await self._sessions.update_one(
            {"_id": session_id, **_alive(at)}, {"$set": {"seen_at": at, "idle_until": idle_until}}
        )

    async def step_up(self, session_id: str, *, at: datetime, until: datetime) -> bool:
        """Note a fresh proof of identity; tell whether the session was alive."""
        done = await self._sessions.update_one(
            {"_id": session_id, **_alive(at)}, {"$set": {"step_up_until": until}}
        )
        return done.matched == 1

    async def revoke(self, session_id: str, *, at: datetime, reason: str) -> LoginSession | None:
        """End a living session and answer it, or ``None`` if it was not alive."""
        return _session(
            await self._sessions.find_one_and_update(
                {"_id": session_id, **_alive(at)},
                {"$set": {"revoked_at": at, "revoked_for": reason}},
            )
        )


class DeviceStore:
    """Implements ``domain.identity.devices.DeviceStore``."""

    def __init__(self, db: Database) -> None:
        self._devices = db["device"]

    async def seen(self, device: Device, *, key_h: str) -> Device:
        """Note the device and answer it as kept: with another ``id`` if it was known before."""
        now = {
            "name": device.name,
            "user_agent": device.user_agent,
            "last_seen_at": device.last_seen_at,
        }
        key = {"person_id": device.person_id, "key_h": key_h}
        new = {"_id": device.id, "first_seen_at": device.first_seen_at, "push_consent": {}}
        for upsert in (True, False):
            try:
                row = await self._devices.find_one_and_update(
                    key, {"$set": now, "$setOnInsert": new}, upsert=upsert
                )
            except Duplicate:
                continue  # two logins at once: the other one made the row
            if row is not None:
                return _device(row)
        raise RuntimeError("a device vanished while it was noted")

    async def of(self, person_id: str) -> Sequence[Device]:
        """Answer a person's devices, the one used last first."""
        rows = await self._devices.find(
            {"person_id": person_id}, sort=[("last_seen_at", -1)], limit=200
        )
        return [_device(row) for row in rows]

    async def remove(self, device_id: str, *, person_id: str) -> bool:
        """Forget a device of a person; tell whether there was one."""
        return await self._devices.delete_one({"_id": device_id, "person_id": person_id}) == 1


def _alive(at: datetime) -> dict[str, Any]:
    return {"revoked_at": None, "idle_until": {"$gt": at}, "until": {"$gt": at}}


def _read(row: Mapping[str, Any]) -> LoginSession:
    return LoginSession.model_validate({**row, "id": row["_id"]})


def _session(row: Mapping[str, Any] | None) -> LoginSession | None:
    return None if row is None else _read(row)


def _device(row: Mapping[str, Any]) -> Device:
    return Device.model_validate({**row, "id": row["_id"]})
