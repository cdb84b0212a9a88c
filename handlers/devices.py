"""One's own logins: ``/api/v1/me/sessions``, ``/api/v1/me/devices``."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from domain.identity.devices import Device
from domain.identity.sessions import LoginSession
from handlers.entry import EntryHandler
from handlers.operation import SELF_SERVICE_WHEN_SUSPENDED, operation
from handlers.paging import Page
from handlers.routing import route


class LoginView(BaseModel):
    """One login; ``current`` is the one that asks."""

    id: str
    device_id: str
    method: str
    opened_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def of(cls, session: LoginSession, *, current: str) -> Self:
        """Show a session to its owner."""
        return cls(
            id=session.id,
            device_id=session.device_id,
            method=session.method,
            opened_at=session.opened_at,
            seen_at=session.seen_at,
            expires_at=session.until,
            current=session.id == current,
        )


class DeviceView(BaseModel):
    """One browser that was logged in with; ``current`` is the one that asks."""

    id: str
    name: str
    first_seen_at: datetime
    last_seen_at: datetime
    current: bool

    @classmethod
    def of(cls, device: Device, *, current: str) -> Self:
        """Show a device to its owner."""
        return cls(
            id=device.id,
            name=device.name,
            first_seen_at=device.first_seen_at,
            last_seen_at=device.last_seen_at,
            current=device.id == current,
        )


class MySessionsHandler(EntryHandler):
    """``/api/v1/me/sessions``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> Page[LoginView]:
        """List one's logins, the one used last first."""
        found = await self.identity.sessions.mine(by=self.user)
        return self.page([LoginView.of(it, current=self.user.session_id) for it in found], None)

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def delete(self) -> None:
        """Log out everywhere; every connection closes within two seconds."""
        await self.identity.sessions.revoke_all(self.user.id, by=self.user.id, reason="logout_all")
        self.close_session()


class MySessionHandler(EntryHandler):
    """``/api/v1/me/sessions/{session_id}``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def delete(self, session_id: str) -> None:
        """End one login."""
        await self.identity.sessions.revoke(session_id, by=self.user)


class MyDevicesHandler(EntryHandler):
    """``/api/v1/me/devices``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> Page[DeviceView]:
        """List the browsers one has logged in with, the one used last first."""
        found = await self.identity.devices.mine(by=self.user)
        return self.page([DeviceView.of(it, current=self.user.device_id) for it in found], None)


class MyDeviceHandler(EntryHandler):
    """``/api/v1/me/devices/{device_id}``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def delete(self, device_id: str) -> None:
        """Forget a browser and end its logins."""
        await self.identity.sessions.revoke_device(device_id, by=self.user)


ROUTES = [
    route(r"/api/v1/me/devices", MyDevicesHandler),
    route(r"/api/v1/me/devices/(?P<device_id>[0-9A-Z]{26})", MyDeviceHandler),
    route(r"/api/v1/me/sessions", MySessionsHandler),
    route(r"/api/v1/me/sessions/(?P<session_id>[0-9a-f]{64})", MySessionHandler),
]
