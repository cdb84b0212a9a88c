"""Logging in and out, and who one is: ``/api/v1/session``, ``/api/v1/me``."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from domain.people import AccountState, Flag, Person
from domain.permissions import GuestFunction, Permission, Role
from handlers.base import ApiHandler
from handlers.entry import EnrolmentView, EntryHandler, EntryView, Password, SixDigits
from handlers.operation import PUBLIC, SELF_SERVICE_WHEN_SUSPENDED, operation
from handlers.routing import route
from handlers.text import Draft, Line, Token


class LoginDraft(Draft):
    """Name and password, and at once the authenticator code if it is at hand."""

    username: Line
    password: Password
    code: SixDigits | None = None


class CodeDraft(Draft):
    """The ticket of step ``totp`` and a code of the authenticator."""

    ticket: Token
    code: SixDigits


class TicketDraft(Draft):
    """The ticket of step ``enrol_totp``."""

    ticket: Token


class RenewalDraft(Draft):
    """The ticket of step ``change_password`` and the new password."""

    ticket: Token
    new_password: Password


class GrantView(BaseModel):
    """One role in force."""

    role: Role
    scopes: list[str]
    functions: list[GuestFunction]
    until: datetime | None


class MeView(BaseModel):
    """The person who is logged in; ``permissions`` is for showing buttons, not for deciding."""

    id: str
    name: str
    state: AccountState
    grants: list[GrantView]
    flags: list[Flag]
    permissions: list[Permission]
    delegation_id: str | None
    group_id: str | None
    committee_ids: list[str]
    org_id: str | None
    session_id: str
    device_id: str
    step_up_until: datetime | None

    @classmethod
    def of(cls, person: Person) -> Self:
        """Show a person to themselves."""
        return cls(
            id=person.id,
            name=person.name,
            state=person.state,
            grants=[
                GrantView(
                    role=grant.role,
                    scopes=sorted(grant.scopes),
                    functions=sorted(grant.functions),
                    until=grant.until,
                )
                for grant in person.grants
            ],
            flags=sorted(person.flags),
            permissions=list(person.permissions),
            delegation_id=person.delegation_id,
            group_id=person.group_id,
            committee_ids=sorted(person.committee_ids),
            org_id=person.org_id,
            session_id=person.session_id,
            device_id=person.device_id,
            step_up_until=person.step_up_until,
        )


class SessionHandler(EntryHandler):
    """``/api/v1/session``: the session of this browser."""

    @operation(PUBLIC, status=201)
    async def post(self, body: LoginDraft) -> EntryView:
        """Log in with name and password."""
        outcome = await self.identity.password_login.login(
            body.username, body.password, device=self.device(), code=body.code or ""
        )
        return await self.welcome(outcome)

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def delete(self) -> None:
        """Log out."""
        await self.identity.sessions.close(by=self.user)
        self.close_session()


class SessionCodeHandler(EntryHandler):
    """``/api/v1/session/totp``: the second half of a login."""

    @operation(PUBLIC, status=201)
    async def post(self, body: CodeDraft) -> EntryView:
        """Go on with a code of the authenticator."""
        outcome = await self.identity.admission.with_code(
            body.ticket, body.code, device=self.device()
        )
        return await self.welcome(outcome)


class EnrolmentHandler(EntryHandler):
    """``/api/v1/session/totp-enrolment``: an administrator's first authenticator."""

    @operation(PUBLIC, status=201)
    async def post(self, body: TicketDraft) -> EnrolmentView:
        """Answer a fresh authenticator secret; it counts once a code of it was shown."""
        return EnrolmentView.of(await self.identity.admission.begin_enrolment(body.ticket))


class EnrolmentCodeHandler(EntryHandler):
    """``/api/v1/session/totp-enrolment/confirm``."""

    @operation(PUBLIC, status=201)
    async def post(self, body: CodeDraft) -> EntryView:
        """Turn the authenticator on with its first code, and go on with the login."""
        outcome = await self.identity.admission.finish_enrolment(
            body.ticket, body.code, device=self.device()
        )
        return await self.welcome(outcome)


class RenewalHandler(EntryHandler):
    """``/api/v1/session/password``: a password that no longer lets anybody in."""

    @operation(PUBLIC, status=201)
    async def post(self, body: RenewalDraft) -> EntryView:
        """Set a new password, and go on with the login."""
        outcome = await self.identity.admission.change_password(
            body.ticket, body.new_password, device=self.device()
        )
        return await self.welcome(outcome)


class MeHandler(ApiHandler):
    """``/api/v1/me``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> MeView:
        """Show who is logged in, with the roles in force."""
        return MeView.of(self.user)


ROUTES = [
    route(r"/api/v1/me", MeHandler),
    route(r"/api/v1/session", SessionHandler),
    route(r"/api/v1/session/password", RenewalHandler),
    route(r"/api/v1/session/totp", SessionCodeHandler),
    route(r"/api/v1/session/totp-enrolment", EnrolmentHandler),
    route(r"/api/v1/session/totp-enrolment/confirm", EnrolmentCodeHandler),
]
