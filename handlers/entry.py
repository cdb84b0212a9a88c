"""What the login endpoints share: the browser's device key, and the cookies of a new session."""

from __future__ import annotations

import io
import re
from datetime import datetime
from typing import Annotated, Self

import segno
from pydantic import BaseModel, StringConstraints

from domain.identity.admission import Enrolment, NextStep
from domain.identity.devices import DeviceSeen
from domain.identity.services import Identity
from domain.identity.sessions import Opened
from domain.identity.tokens import new_token
from domain.people import AccountState
from domain.permissions import Role
from handlers.base import ApiHandler

DEVICE_COOKIE = "daibiao_device"
_DEVICE_SECONDS = 400 * 86_400  # browsers keep no cookie longer
_KEY = re.compile(r"[A-Za-z0-9_-]{43}")

Password = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A password as typed; nothing is stripped from it."""

SixDigits = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
"""A code from a message or an authenticator app, or a PIN."""


class PersonView(BaseModel):
    """Who came in."""

    id: str
    name: str
    state: AccountState
    roles: list[Role]


class EntryView(BaseModel):
    """Outcome of a login.

    ``next`` is ``done`` with a session in the cookies, or the step that is still missing, which
    ``ticket`` opens: ``totp``, ``enrol_totp``, ``change_password``. ``token`` is for programs,
    which send it as ``Authorization: Bearer``; ``csrf`` is what pages send back in
    ``X-CSRF-Token`` with everything that changes something.
    """

    next: str
    ticket: str | None = None
    token: str | None = None
    csrf: str | None = None
    expires_at: datetime | None = None
    person: PersonView | None = None


class EnrolmentView(BaseModel):
    """What an authenticator app reads: as text, as address, and as a picture of the address."""

    secret: str
    uri: str
    svg: str

    @classmethod
    def of(cls, enrolment: Enrolment) -> Self:
        """Show a fresh secret, once."""
        return cls(secret=enrolment.secret, uri=enrolment.uri, svg=qr_svg(enrolment.uri))


class EntryHandler(ApiHandler):
    """Base of endpoints at which somebody comes in."""

    @property
    def identity(self) -> Identity:
        """The use cases of logging in."""
        return self.services.identity

    def device(self) -> DeviceSeen:
        """Answer what the request says about the browser; a new one is given a key."""
        key = self.get_cookie(DEVICE_COOKIE) or ""
        if not _KEY.fullmatch(key):
            key = new_token()
        self.set_cookie(
            DEVICE_COOKIE,
            key,
            max_age=_DEVICE_SECONDS,
            httponly=True,
            secure=self.web.secure,
            samesite="Lax",
        )
        return DeviceSeen(key=key, user_agent=self.request.headers.get("User-Agent", ""))

    def admit_session(self, opened: Opened) -> None:
        """Give the browser the cookies of a session."""
        seconds = int(self.identity.policy.absolute.total_seconds())
        self.open_session(opened.token, seconds=seconds)

    async def welcome(self, outcome: Opened | NextStep) -> EntryView:
        """Answer the outcome of a login, and give the browser its cookies if it is in."""
        if isinstance(outcome, NextStep):
            return EntryView(next=outcome.step, ticket=outcome.ticket)
        self.admit_session(outcome)
        person = await self.identity.sessions.whois(outcome.token)
        return EntryView(
            next="done",
            token=outcome.token,
            csrf=self.web.csrf.token(outcome.token),
            expires_at=outcome.session.until,
            person=PersonView(
                id=person.id, name=person.name, state=person.state, roles=sorted(person.roles)
            ),
        )


def qr_svg(text: str) -> str:
    """Answer a QR code as an SVG that scales, dark on light."""
    return str(segno.make(text, error="m").svg_inline(scale=4, omitsize=True, light="#fff"))


def qr_png(text: str) -> bytes:
    """Answer a QR code as a PNG of about four hundred dots each way."""
    made = io.BytesIO()
    segno.make(text, error="m", micro=False).save(made, kind="png", scale=8, border=4)
    return made.getvalue()
