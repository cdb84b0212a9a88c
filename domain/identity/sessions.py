"""Login sessions: opened with a secret that only the browser keeps, ended by time or by hand.

``whois`` is on the path of every request. Its answer is kept for at most a second in this process,
so that a revocation holds everywhere within two seconds even where no word of it arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from cachetools import LRUCache
from pydantic import BaseModel, ConfigDict

from domain.errors import Conflict, NotFound, Unauthenticated
from domain.identity.devices import Devices, DeviceSeen
from domain.identity.events import REPLACED, REVOKED, SessionRevoked
from domain.identity.identities import Identities
from domain.identity.surroundings import Surroundings
from domain.identity.tokens import fingerprint
from domain.people import Person

_REMEMBERED = timedelta(seconds=1)
_MOST_REMEMBERED = 20_000


class LoginSession(BaseModel):
    """One login of one person on one device.

    Attributes:
        id: SHA-256 of the login token, in hex; the token itself is nowhere kept.
        method: How the person logged in: ``wechat``, ``password``, ``qr``, ``sms``.
        idle_until: When it ends if nothing is asked any more.
        until: When it ends in any case.
        step_up_until: Until when a fresh proof of identity counts.
        revoked_for: Why it was ended, or empty.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    person_id: str
    device_id: str
    method: str
    opened_at: datetime
    seen_at: datetime
    idle_until: datetime
    until: datetime
    step_up_until: datetime | None = None
    revoked_at: datetime | None = None
    revoked_for: str = ""


class Opened(NamedTuple):
    """A new session and its secret, which is told once."""

    token: str
    session: LoginSession


class SessionStore(Protocol):
    """Where sessions are kept. Every change is conditional on the session being alive."""

    async def add(self, session: LoginSession) -> None:
        """Keep a new session."""

    async def alive(self, session_id: str, at: datetime) -> LoginSession | None:
        """Answer a session that is neither over nor revoked at an instant."""

    async def of(self, person_id: str, at: datetime) -> Sequence[LoginSession]:
        """Answer the living sessions of a person, the one used last first."""

    async def touch(self, session_id: str, *, at: datetime, idle_until: datetime) -> None:
        """Note that a living session was used."""

    async def step_up(self, session_id: str, *, at: datetime, until: datetime) -> bool:
        """Note a fresh proof of identity; tell whether the session was alive."""

    async def revoke(self, session_id: str, *, at: datetime, reason: str) -> LoginSession | None:
        """End a living session and answer it, or ``None`` if it was not alive."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    person: Person
    at: datetime
    tick: float
    until: datetime


class SessionService:
    """Opens, ends and recognises login sessions."""

    def __init__(
        self,
        store: SessionStore,
        devices: Devices,
        identities: Identities,
        around: Surroundings,
    ) -> None:
        self._store = store
        self._devices = devices
        self._identities = identities
        self._bus = around.bus
        self._audit = around.audit
        self._clock = around.clock
        self._new_id = around.new_id
        self._policy = around.policy
        self._make_token = around.make_token
        self._timer = around.timer
        self._known: LRUCache[str, _Remembered] = LRUCache(_MOST_REMEMBERED)

    async def whois(self, token: str) -> Person:
        """Answer the person a login token belongs to, as the house sees them now.

        Raises:
            Unauthenticated: The token is unknown, expired or revoked, or the account is closed.
        """
        return await self.recognise(fingerprint(token))

    async def recognise(self, session_id: str, *, anew: bool = False) -> Person:
        """Answer the person a login session belongs to, as ``whois`` does for its token.

        ``anew`` asks the store even if the answer is remembered: rights have just changed.

        Raises:
            Unauthenticated: The session is unknown, expired or revoked, or the account is closed.
        """
        at = self._clock()
        known = self._known.get(session_id)
        if known is not None and not anew and self._fresh(known, at):
            return known.person
        # Taken before reading: what is read may be older than the moment reading ends.
        tick = self._timer()
        session = await self._store.alive(session_id, at)
        if session is None:
            self._known.pop(session_id, None)
            raise Unauthenticated("登录已失效，请重新登录")
        person = await self._identities.person(session.person_id, at)
        person = person.model_copy(
            update={
                "session_id": session.id,
                "device_id": session.device_id,
                "step_up_until": session.step_up_until,
            }
        )
        if at - session.seen_at >= self._policy.seen_every:
            idle_until = min(at + self._policy.idle, session.until)
            await self._store.touch(session.id, at=at, idle_until=idle_until)
        self._known[session_id] = _Remembered(person, at, tick, session.idle_until)
        return person

    def _fresh(self, known: _Remembered, at: datetime) -> bool:
        return (
            timedelta(0) <= at - known.at < _REMEMBERED
            and self._timer() - known.tick < _REMEMBERED.total_seconds()
            and at < known.until
        )

    async def open(self, person_id: str, *, method: str, device: DeviceSeen) -> Opened:
        """Open a session for somebody who has proved who they are.

        Raises:
            Unauthenticated: The account's state does not allow it.
        """
        at = self._clock()
        await self._identities.person(person_id, at)
        used = await self._devices.seen(person_id, device)
        token = self._make_token()
        session = LoginSession(
            id=fingerprint(token),
            person_id=person_id,
            device_id=used.id,
            method=method,
            opened_at=at,
            seen_at=at,
            idle_until=at + self._policy.idle,
            until=at + self._policy.absolute,
        )
        await self._store.add(session)
        failures = await self._identities.logged_in(person_id, at)
        await self._audit.record(
            "session.open",
            by=person_id,
            obj=f"person:{person_id}",
            detail={"method": method, "device": used.id, "failures_before": failures},
        )
        others = [it for it in await self._store.of(person_id, at) if it.id != session.id]
        for surplus in others[self._policy.per_account - 1 :]:
            await self._end(surplus.id, reason="replaced", close=REPLACED)
        return Opened(token, session)

    async def close(self, *, by: Person) -> None:
        """Log out: end the session that speaks."""
        await self._end(by.session_id, reason="logout")

    async def mine(self, *, by: Person) -> Sequence[LoginSession]:
        """Answer one's own living sessions, the one used last first."""
        return await self._store.of(by.id, self._clock())

    async def revoke(self, session_id: str, *, by: Person) -> None:
        """End one of one's own sessions.

        Raises:
            NotFound: It is not one's own, or over.
        """
        if all(session.id != session_id for session in await self.mine(by=by)):
            raise NotFound
        await self._end(session_id, reason="logout")
        await self._audit.record(
            "session.revoke", by=by.id, obj=f"person:{by.id}", detail={"session": session_id[:12]}
        )

    async def revoke_all(
        self,
        person_id: str,
        *,
        by: str,
        reason: str,
        close: tuple[int, str] = REVOKED,
        keep: str = "",
    ) -> int:
        """End every session of a person, but ``keep``; answer how many there were.

        Args:
            person_id: Whose sessions.
            by: Person id of the one who acts, or ``system``.
            reason: One stable word for the event and the audit, such as ``logout_all``.
            close: Code and reason with which open connections are closed.
            keep: Session id that goes on, or empty.
        """
        ended = 0
        # A login may slip in while the list is worked off: look until there is nothing left.
        while sessions := [
            session
            for session in await self._store.of(person_id, self._clock())
            if session.id != keep
        ]:
            for session in sessions:
                ended += await self._end(session.id, reason=reason, close=close)
        self.forget(person_id)
        if not keep:
            await self._bus.disconnect(person_id, code=close[0], reason=close[1])
        await self._audit.record(
            "session.revoke_all",
            by=by,
            obj=f"person:{person_id}",
            detail={"reason": reason, "count": ended},
        )
        return ended

    async def revoke_device(self, device_id: str, *, by: Person) -> None:
        """End every session on one of one's own devices, and forget the device.

        Raises:
            Conflict: It is the device in use: log out instead.
            NotFound: It is not one's own.
        """
        if device_id == by.device_id:
            raise Conflict("不能移除正在使用的设备，请直接退出登录")
        await self._devices.remove(device_id, by=by)
        for session in await self.mine(by=by):
            if session.device_id == device_id:
                await self._end(session.id, reason="device_removed")
        await self._audit.record(
            "device.remove", by=by.id, obj=f"person:{by.id}", detail={"device": device_id}
        )

    async def prove(self, *, by: Person, method: str) -> datetime:
        """Note that the person has just proved again who they are; answer how long that counts.

        Raises:
            Unauthenticated: The session is over.
        """
        at = self._clock()
        until = at + self._policy.step_up
        if not await self._store.step_up(by.session_id, at=at, until=until):
            raise Unauthenticated("登录已失效，请重新登录")
        self._known.pop(by.session_id, None)
        await self._audit.record(
            "session.step_up", by=by.id, obj=f"person:{by.id}", detail={"method": method}
        )
        return until

    def forget(self, person_id: str) -> None:
        """Drop what this process remembers of a person."""
        stale = [key for key, known in self._known.items() if known.person.id == person_id]
        for key in stale:
            self._known.pop(key, None)

    async def _end(self, session_id: str, *, reason: str, close: tuple[int, str] = REVOKED) -> bool:
        at = self._clock()
        session = await self._store.revoke(session_id, at=at, reason=reason)
        self._known.pop(session_id, None)
        if session is None:
            return False
        event = SessionRevoked(id=self._new_id(), at=at, session_id=session_id, reason=reason)
        await self._bus.publish(f"user:#{session.person_id}", event)
        await self._bus.disconnect_session(session_id, code=close[0], reason=close[1])
        return True
