"""Changing the keys of our codes: ``/api/v1/admin/pass-keys``."""

from __future__ import annotations

from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.pass_keys import PassKeysView, PassKeyView
from handlers.routing import route
from handlers.text import Draft, Reason


class RevocationDraft(Draft):
    """Why a key is not to be believed any more."""

    reason: Reason


class AdminPassKeysHandler(ApiHandler):
    """``/api/v1/admin/pass-keys``."""

    @operation(Permission.SETTINGS_MANAGE)
    async def get(self) -> PassKeysView:
        """Show the keys that are believed now."""
        found = await self.services.passes.keys.public()
        return PassKeysView(keys=[PassKeyView.of(key) for key in found])

    @operation(Permission.SETTINGS_MANAGE, status=201, step_up=True)
    async def post(self) -> PassKeyView:
        """Make a new key; the one before stays believed as long as ``pass.key.overlap`` says."""
        return PassKeyView.of(await self.services.passes.keys.rotate(by=self.user))


class PassKeyRevocationHandler(ApiHandler):
    """``/api/v1/admin/pass-keys/{key_no}/revocation``."""

    @operation(Permission.SETTINGS_MANAGE, step_up=True)
    async def post(self, key_no: int, body: RevocationDraft) -> PassKeysView:
        """Stop believing a key within a second: every code it signed is void."""
        keys = self.services.passes.keys
        await keys.revoke(key_no, reason=body.reason, by=self.user)
        return PassKeysView(keys=[PassKeyView.of(key) for key in await keys.public()])


ROUTES = [
    route(r"/api/v1/admin/pass-keys", AdminPassKeysHandler),
    route(r"/api/v1/admin/pass-keys/(?P<key_no>[0-9]{1,5})/revocation", PassKeyRevocationHandler),
]
