"""Screens and scanners of a meeting: ``/api/v1/meetings/{meeting_id}/devices``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from domain.device_tokens import DeviceToken
from domain.permissions import Permission, Role
from handlers.base import ApiHandler
from handlers.entry import qr_svg
from handlers.instants import Instant
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Draft, Id, Name


class DeviceDraft(Draft):
    """A device to be let in; without ``until`` for a week."""

    name: Name
    role: Literal["screen", "scanner"]
    until: Instant | None = None


class DeviceTokenView(BaseModel):
    """A device of a meeting, without its token."""

    device_id: str
    name: str
    role: Role
    created_at: datetime
    created_by: str
    until: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, token: DeviceToken) -> Self:
        """Show a device to the staff."""
        return cls(**token.model_dump(include=set(cls.model_fields)))


class IssuedView(BaseModel):
    """A device with its token, which is shown this once.

    A screen connects with it as the connection token, and subscribes to ``channel``. ``link`` is
    the page for the device with the token in it, and ``svg`` a picture of that.
    """

    device: DeviceTokenView
    token: str
    channel: str | None
    link: str
    svg: str


class DeviceTokensView(BaseModel):
    """The devices of a meeting, oldest first."""

    devices: list[DeviceTokenView]


class MeetingDevicesHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/devices``."""

    @operation(Permission.CONSOLE_RUN)
    async def get(self, meeting_id: Id) -> DeviceTokensView:
        """List the devices of a meeting."""
        found = await self.services.device_tokens.of(meeting_id, by=self.user)
        return DeviceTokensView(devices=[DeviceTokenView.of(token) for token in found])

    @operation(Permission.CONSOLE_RUN, status=201, idempotent=False)
    async def post(self, meeting_id: Id, body: DeviceDraft) -> IssuedView:
        """Let a device in; its token is shown this once."""
        issued = await self.services.device_tokens.issue(
            meeting_id, name=body.name, role=Role(body.role), until=body.until, by=self.user
        )
        screen = issued.token.role is Role.SCREEN
        links = self.services.passes.links
        link = links.ticket("screen" if screen else "gate", meeting_id, issued.secret)
        return IssuedView(
            device=DeviceTokenView.of(issued.token),
            token=issued.secret,
            channel=f"mtgscreen:{meeting_id}" if screen else None,
            link=link,
            svg=qr_svg(link),
        )


class MeetingDeviceHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/devices/{device_id}``."""

    @operation(Permission.CONSOLE_RUN)
    async def delete(self, meeting_id: Id, device_id: Id) -> None:
        """Take a device's token back; it is cut off within two seconds."""
        await self.services.device_tokens.revoke(meeting_id, device_id, by=self.user)


_DEVICES = r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/devices"

ROUTES = [
    route(_DEVICES, MeetingDevicesHandler),
    route(rf"{_DEVICES}/(?P<device_id>[0-9A-Z]{{26}})", MeetingDeviceHandler),
]
