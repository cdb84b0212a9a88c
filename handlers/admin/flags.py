"""Switching features: ``/api/v1/admin/flags``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StrictBool

from domain.flags import FLAGS, FlagState
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Draft, Key, Reason


class SwitchDraft(Draft):
    """On or off, why, and the version that was read (0 for a flag that nobody ever changed)."""

    on: StrictBool
    reason: Reason
    v: Annotated[int, Field(ge=0)]


class FlagView(BaseModel):
    """One flag: what it switches, how it is shipped and why, how it stands and since when."""

    key: str
    about: str
    default: bool
    why: str
    fixed: bool
    on: bool
    reason: str
    changed_by: str | None
    changed_at: datetime | None
    v: int

    @classmethod
    def of(cls, state: FlagState) -> Self:
        """Show a flag."""
        return cls(**FLAGS[state.key]._asdict(), **state.model_dump())


class FlagListView(BaseModel):
    """Every flag, sorted by key."""

    flags: list[FlagView]


class FlagsHandler(ApiHandler):
    """``/api/v1/admin/flags``."""

    @operation(Permission.SETTINGS_MANAGE)
    async def get(self) -> FlagListView:
        """Show every flag with its default and the reason for it."""
        found = await self.services.administration.flags.listed(by=self.user)
        return FlagListView(flags=[FlagView.of(state) for state in found])


class FlagHandler(ApiHandler):
    """``/api/v1/admin/flags/{key}``."""

    @operation(Permission.SETTINGS_MANAGE, step_up=True)
    async def put(self, key: Key, body: SwitchDraft) -> FlagView:
        """Switch a feature; every process obeys within two seconds."""
        flags = self.services.administration.flags
        return FlagView.of(
            await flags.switch(key, on=body.on, reason=body.reason, v=body.v, by=self.user)
        )


ROUTES = [
    route(r"/api/v1/admin/flags", FlagsHandler),
    route(r"/api/v1/admin/flags/(?P<key>[a-z0-9_.-]{1,64})", FlagHandler),
]
