"""Keys of our neighbours and for our callers: ``/api/v1/admin/integrations``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, Field, SecretStr

from domain.integrations import IntegrationKey, KeyState, Standing
from domain.key_ring import CONSUMERS
from domain.permissions import Permission
from handlers.admin.rules import RefusalDraft
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Draft, Id, Key, Reason

Part = Annotated[SecretStr, Field(min_length=1, max_length=512)]


class KeyDraft(Draft):
    """A key by its parts, and for how many hours the one before it stays accepted."""

    parts: Annotated[dict[Key, Part], Field(min_length=1, max_length=4)]
    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24
    reason: Reason


class IntegrationKeyView(BaseModel):
    """One key; what it is, nobody is ever shown.

    ``until``: when it ends because another has taken its place, or null.
    """

    id: str
    fingerprint: str
    state: KeyState
    reason: str
    overlap_hours: int
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision: str
    since: datetime | None
    until: datetime | None
    v: int

    @classmethod
    def of(cls, key: IntegrationKey, until: datetime | None = None) -> Self:
        """Show a key."""
        hours = int(key.overlap.total_seconds() // 3600)
        shown = key.model_dump(exclude={"sealed", "consumer", "overlap"})
        return cls(**shown, overlap_hours=hours, until=until)


class IntegrationView(BaseModel):
    """How things stand with one consumer.

    ``source`` is ``setting`` (an operator said the key in the variable ``setting``, which wins),
    ``kept`` (one of ``keys``) or ``none``. ``configured`` is false where the neighbour itself is
    not set up; then no key is taken. ``parts`` names what a key consists of.
    """

    consumer: str
    about: str
    setting: str
    parts: list[str]
    configured: bool
    source: str
    fingerprint: str
    keys: list[IntegrationKeyView]

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """Show how things stand."""
        about, setting, parts = CONSUMERS[standing.consumer]
        return cls(
            consumer=standing.consumer,
            about=about,
            setting=setting,
            parts=list(parts),
            configured=standing.configured,
            source=standing.source,
            fingerprint=standing.fingerprint,
            keys=[IntegrationKeyView.of(key, until) for key, until in standing.keys],
        )


class IntegrationsView(BaseModel):
    """Every consumer of a key, sorted by name."""

    integrations: list[IntegrationView]


class IntegrationsHandler(ApiHandler):
    """``/api/v1/admin/integrations``."""

    @operation(Permission.SETTINGS_MANAGE)
    async def get(self) -> IntegrationsView:
        """Show which keys are in force or wait, by fingerprint, and where they come from."""
        found = await self.services.administration.integrations.standing(by=self.user)
        return IntegrationsView(integrations=[IntegrationView.of(each) for each in found])


class KeysHandler(ApiHandler):
    """``/api/v1/admin/integrations/{consumer}/keys``."""

    @operation(Permission.CONTROL_CHANGE, status=201, step_up=True, idempotent=False)
    async def post(self, consumer: Key, body: KeyDraft) -> IntegrationKeyView:
        """Hand a key in; a second administrator approves, and it is never shown again."""
        key = await self.services.administration.integrations.ask(
            consumer,
            {name: part.get_secret_value() for name, part in body.parts.items()},
            overlap=timedelta(hours=body.overlap_hours),
            reason=body.reason,
            by=self.user,
        )
        return IntegrationKeyView.of(key)


class ApproveHandler(ApiHandler):
    """``/api/v1/admin/integrations/keys/{key_id}/approve``."""

    @operation(Permission.CONTROL_CHANGE, step_up=True)
    async def post(self, key_id: Id) -> IntegrationKeyView:
        """Approve as the second administrator; every process uses the key within two seconds."""
        keys = self.services.administration.integrations
        return IntegrationKeyView.of(await keys.approve(key_id, by=self.user))


class RefuseHandler(ApiHandler):
    """``/api/v1/admin/integrations/keys/{key_id}/refuse``."""

    @operation(Permission.CONTROL_CHANGE)
    async def post(self, key_id: Id, body: RefusalDraft) -> IntegrationKeyView:
        """Refuse a key, or take one's own back; what it was is forgotten."""
        keys = self.services.administration.integrations
        return IntegrationKeyView.of(await keys.refuse(key_id, reason=body.reason, by=self.user))


class EndHandler(ApiHandler):
    """``/api/v1/admin/integrations/keys/{key_id}/end``."""

    @operation(Permission.CONTROL_CHANGE, step_up=True)
    async def post(self, key_id: Id, body: RefusalDraft) -> IntegrationKeyView:
        """End a key at once, for example because it leaked."""
        keys = self.services.administration.integrations
        return IntegrationKeyView.of(await keys.end(key_id, reason=body.reason, by=self.user))


_KEY = r"/api/v1/admin/integrations/keys/(?P<key_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/admin/integrations", IntegrationsHandler),
    route(r"/api/v1/admin/integrations/(?P<consumer>[a-z0-9_.-]{1,64})/keys", KeysHandler),
    route(rf"{_KEY}/approve", ApproveHandler),
    route(rf"{_KEY}/end", EndHandler),
    route(rf"{_KEY}/refuse", RefuseHandler),
]
