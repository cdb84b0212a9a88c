"""Devices in the hall: screens that only show, scanners that only scan, each with a narrow token.

A device is no person. Its token names one meeting; a screen may connect and subscribe to that
meeting's screen channel, which answers with the state, and may do nothing else. The staff of the
meeting make tokens and take them back; a token that was taken back ends within two seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import Clock, NewId
from domain.errors import Invalid, NotFound, Unauthenticated
from domain.events import Event
from domain.hall.meeting import Meetings, driven
from domain.identity.events import REVOKED
from domain.identity.tokens import NewToken, fingerprint, new_token
from domain.people import Grant, Person
from domain.permissions import DEVICE_ROLES, Role
from domain.ports import AuditLog, Bus

PREFIX = "dev-"
"""How a device's token begins, so that nobody looks for a login under it."""
SESSION = "device:"
"""How the session id of a device's connection begins; the fingerprint of its token follows."""

LIFE = timedelta(days=7)
LONGEST = timedelta(days=31)


class DeviceToken(BaseModel):
    """A token for one device at one meeting.

    Attributes:
        id: Fingerprint of the token; the token itself is nowhere kept.
        device_id: What the device is called in events and logs.
        until: When it stops being accepted.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    device_id: str
    name: str
    role: Role
    meeting_id: str
    created_at: datetime
    created_by: str
    until: datetime
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def holds(self, at: datetime) -> bool:
        """Tell whether the token is accepted at an instant."""
        return self.revoked_at is None and at < self.until

    @property
    def person(self) -> Person:
        """The device as services see it: one role, over one meeting."""
        return Person(
            id=self.device_id,
            name=self.name,
            grants=(Grant(role=self.role, scopes=frozenset({f"mtg:{self.meeting_id}"})),),
            session_id=SESSION + self.id,
            device_id=self.device_id,
        )


class Issued(NamedTuple):
    """A new token and its secret, which is told once."""

    secret: str
    token: DeviceToken


class DeviceState(Event):
    """A device was let in, or its token was taken back."""

    channels: ClassVar[tuple[str, ...]] = ("mtgstaff:{id}",)

    type: Literal["device.state"] = "device.state"
    device_id: str
    role: Role
    state: Literal["issued", "revoked"]


class DeviceTokenStore(Protocol):
    """Keeps device tokens."""

    async def add(self, token: DeviceToken) -> None:
        """Keep a new token."""

    async def get(self, token_id: str) -> DeviceToken | None:
        """Answer a token by its fingerprint, or ``None``."""

    async def of(self, meeting_id: str) -> Sequence[DeviceToken]:
        """Answer the tokens of a meeting, oldest first, those taken back included."""

    async def revoke(
        self, meeting_id: str, device_id: str, *, at: datetime, by: str
    ) -> DeviceToken | None:
        """Take back a token that was not taken back yet and answer it, or ``None``."""


class DeviceTokenService:
    """Issues, recognises and takes back device tokens."""

    def __init__(
        self,
        store: DeviceTokenStore,
        meetings: Meetings,
        *,
        bus: Bus,
        audit: AuditLog,
        clock: Clock,
        new_id: NewId,
        make_token: NewToken = new_token,
    ) -> None:
        self._store = store
        self._meetings = meetings
        self._bus = bus
        self._audit = audit
        self._clock = clock
        self._new_id = new_id
        self._make_token = make_token

    async def issue(
        self, meeting_id: str, *, name: str, role: Role, until: datetime | None, by: Person
    ) -> Issued:
        """Make a token for a device at a meeting; without ``until`` it lives a week.

        Raises:
            Forbidden: The person does not drive this meeting.
            Invalid: The role is none of a device's, or the end is past or too far.
        """
        await driven(self._meetings, meeting_id, by=by)
        at = self._clock()
        end = until or at + LIFE
        if role not in DEVICE_ROLES:
            raise Invalid("设备只能是屏幕或扫码器", field="role")
        if not at < end <= at + LONGEST:
            raise Invalid("有效期须在三十一天之内", field="until")
        secret = PREFIX + self._make_token()
        token = DeviceToken(
            id=fingerprint(secret),
            device_id=self._new_id(),
            name=name,
            role=role,
            meeting_id=meeting_id,
            created_at=at,
            created_by=by.id,
            until=end,
        )
        await self._store.add(token)
        await self._note("device.issue", token, by)
        await self._announce(token, "issued")
        return Issued(secret, token)

    async def of(self, meeting_id: str, *, by: Person) -> Sequence[DeviceToken]:
        """Answer the tokens of a meeting, oldest first.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        await driven(self._meetings, meeting_id, by=by)
        return await self._store.of(meeting_id)

    async def revoke(self, meeting_id: str, device_id: str, *, by: Person) -> None:
        """Take a token back; the device is cut off within two seconds.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: There is no such device, or its token was taken back before.
        """
        await driven(self._meetings, meeting_id, by=by)
        token = await self._store.revoke(meeting_id, device_id, at=self._clock(), by=by.id)
        if token is None:
            raise NotFound
        await self._bus.disconnect_session(
            token.person.session_id, code=REVOKED[0], reason=REVOKED[1]
        )
        await self._note("device.revoke", token, by)
        await self._announce(token, "revoked")

    async def recognise(self, token_id: str) -> Person:
        """Answer the device a token belongs to, by the fingerprint of the token.

        Raises:
            Unauthenticated: The token is unknown, over or was taken back.
        """
        token = await self._store.get(token_id)
        if token is None or not token.holds(self._clock()):
            raise Unauthenticated("设备令牌已失效")
        return token.person

    async def _note(self, action: str, token: DeviceToken, by: Person) -> None:
        detail = {"meeting": token.meeting_id, "role": token.role.value, "name": token.name}
        await self._audit.record(action, by=by.id, obj=f"device:{token.device_id}", detail=detail)

    async def _announce(self, token: DeviceToken, state: Literal["issued", "revoked"]) -> None:
        event = DeviceState(
            id=self._new_id(),
            at=self._clock(),
            device_id=token.device_id,
            role=token.role,
            state=state,
        )
        await self._bus.publish(f"mtgstaff:{token.meeting_id}", event)


class Sessions(Protocol):
    """Recognises people by their logins."""

    async def whois(self, token: str) -> Person:
        """Answer the person a login token belongs to."""

    async def recognise(self, session_id: str, *, anew: bool = False) -> Person:
        """Answer the person a login session belongs to."""


class Admittance:
    """Tells who is asking, be it a person with a login or a device with a token.

    Implements ``domain.services.Sessions``. What is answered of a device is never remembered.
    """

    def __init__(self, people: Sessions, devices: DeviceTokenService) -> None:
        self._people = people
        self._devices = devices

    async def whois(self, token: str) -> Person:
        """Answer who a token belongs to.

        Raises:
            Unauthenticated: The token is unknown, expired or revoked.
        """
        if token.startswith(PREFIX):
            return await self._devices.recognise(fingerprint(token))
        return await self._people.whois(token)

    async def recognise(self, session_id: str, *, anew: bool = False) -> Person:
        """Answer who a session belongs to, as ``whois`` does for its token.

        Raises:
            Unauthenticated: The session is unknown, expired or revoked.
        """
        if session_id.startswith(SESSION):
            return await self._devices.recognise(session_id.removeprefix(SESSION))
        return await self._people.recognise(session_id, anew=anew)
