"""The list for a gate without a network: ``/api/v1/meetings/{meeting_id}/pass-list``."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from domain.checkins.pass_list import SealedList
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Id


class PassListView(BaseModel):
    """A sealed list; ``nonce``, ``sealed`` and ``signature`` are base64.

    ``sealed`` is AES-256-GCM with the meeting id as additional data, under
    HKDF-SHA256(device token, info ``daibiao pass list <meeting id>``); ``signature`` is Ed25519
    with the key ``key_no`` over ``daibiao pass list``, a zero byte, meeting id, nonce, sealed.
    """

    meeting_id: str
    made_at: datetime
    key_no: int
    nonce: str
    sealed: str
    signature: str

    @classmethod
    def of(cls, meeting_id: str, it: SealedList) -> Self:
        """Show a list to the device it is for."""
        nonce, sealed, signature = (
            base64.b64encode(raw).decode() for raw in (it.nonce, it.sealed, it.signature)
        )
        return cls(
            meeting_id=meeting_id,
            made_at=it.made_at,
            key_no=it.key_no,
            nonce=nonce,
            sealed=sealed,
            signature=signature,
        )


class PassListHandler(ApiHandler):
    """``/api/v1/meetings/{meeting_id}/pass-list``."""

    @operation(Permission.PASS_SCAN)
    async def get(self, meeting_id: Id) -> PassListView:
        """Take the list of a meeting along to a gate without a network; for scanners only."""
        made = await self.services.checkins.lists.make(
            meeting_id, secret=self.token or "", by=self.user
        )
        return PassListView.of(meeting_id, made)


ROUTES = [route(r"/api/v1/meetings/(?P<meeting_id>[0-9A-Z]{26})/pass-list", PassListHandler)]
