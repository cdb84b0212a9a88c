"""Logging in at a PC by scanning with the phone: ``/api/v1/qr-logins``."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from domain.identity.attempts import Attempt
from handlers.entry import EntryHandler, EntryView, qr_svg
from handlers.operation import PUBLIC, SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Token


class QrView(BaseModel):
    """A fresh code. ``secret`` is for the browser that polls and must not be shown.

    ``url`` is what the picture holds: our address with the signed code in it, which WeChat opens
    and our own scanner reads.
    """

    id: str
    url: str
    svg: str
    secret: str
    expires_at: datetime


class PollQuery(BaseModel):
    """The secret of the browser."""

    secret: Token


class PollView(BaseModel):
    """How things stand.

    ``state`` is ``created``, ``scanned``, ``confirmed``, ``refused``, ``handed`` or ``expired``.
    ``entry`` is there in the one answer that lets the browser in.
    """

    state: str
    entry: EntryView | None = None


class VouchView(BaseModel):
    """What the phone shows: which kind of PC asks, and until when."""

    id: str
    state: str
    device: str
    expires_at: datetime


class QrLoginsHandler(EntryHandler):
    """``/api/v1/qr-logins``."""

    @operation(PUBLIC, status=201, flag="login.qr")
    async def post(self) -> QrView:
        """Make a code for this browser; it is good for two minutes."""
        code = await self.identity.qr.create(device=self.device())
        return QrView(
            id=code.attempt.id,
            url=code.url,
            svg=qr_svg(code.url),
            secret=code.secret,
            expires_at=code.attempt.until,
        )


class QrLoginHandler(EntryHandler):
    """``/api/v1/qr-logins/{attempt_id}``."""

    @operation(PUBLIC)
    async def get(self, attempt_id: str, query: PollQuery) -> PollView:
        """Ask how things stand; the first answer after the confirmation lets the browser in."""
        polled = await self.identity.qr.poll(attempt_id, query.secret, device=self.device())
        entry = await self.welcome(polled.outcome) if polled.outcome else None
        return PollView(state=polled.state, entry=entry)


class QrScanHandler(EntryHandler):
    """``/api/v1/qr-logins/{attempt_id}/scan``."""

    @operation(SIGNED_IN)
    async def post(self, attempt_id: str) -> VouchView:
        """Say that one has scanned the code, and see which PC asks."""
        return _view(await self.identity.qr.scan(attempt_id, by=self.user))


class QrConfirmHandler(EntryHandler):
    """``/api/v1/qr-logins/{attempt_id}/confirm``."""

    @operation(SIGNED_IN, flag="login.qr")
    async def post(self, attempt_id: str) -> VouchView:
        """Let the PC in."""
        return _view(await self.identity.qr.confirm(attempt_id, by=self.user))


class QrRefuseHandler(EntryHandler):
    """``/api/v1/qr-logins/{attempt_id}/refuse``."""

    @operation(SIGNED_IN)
    async def post(self, attempt_id: str) -> VouchView:
        """Keep the PC out."""
        return _view(await self.identity.qr.refuse(attempt_id, by=self.user))


def _view(attempt: Attempt) -> VouchView:
    return VouchView(
        id=attempt.id,
        state=attempt.state,
        device=attempt.data["device"],
        expires_at=attempt.until,
    )


_ONE = r"/api/v1/qr-logins/(?P<attempt_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/qr-logins", QrLoginsHandler),
    route(_ONE, QrLoginHandler),
    route(rf"{_ONE}/confirm", QrConfirmHandler),
    route(rf"{_ONE}/refuse", QrRefuseHandler),
    route(rf"{_ONE}/scan", QrScanHandler),
]
