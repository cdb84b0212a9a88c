"""The public keys of our codes, for gates without a network: ``/api/v1/pass-keys``."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from domain.passes.keys import PublicKey
from handlers.base import ApiHandler
from handlers.operation import PUBLIC, operation
from handlers.routing import route


class PassKeyView(BaseModel):
    """One Ed25519 public key, in base64url; ``until`` is null for the one that signs now."""

    no: int
    public: str
    since: datetime
    until: datetime | None

    @classmethod
    def of(cls, key: PublicKey) -> Self:
        """Show a key."""
        public = base64.urlsafe_b64encode(key.public).rstrip(b"=").decode()
        return cls(no=key.no, public=public, since=key.since, until=key.until)


class PassKeysView(BaseModel):
    """Every key that is believed now, the newest last."""

    keys: list[PassKeyView]


class PassKeysHandler(ApiHandler):
    """``/api/v1/pass-keys``."""

    @operation(PUBLIC)
    async def get(self) -> PassKeysView:
        """Show the keys that codes are verified with."""
        found = await self.services.passes.keys.public()
        return PassKeysView(keys=[PassKeyView.of(key) for key in found])


ROUTES = [route(r"/api/v1/pass-keys", PassKeysHandler)]
