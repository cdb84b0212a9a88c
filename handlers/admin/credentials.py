"""Giving people what they log in with: invitation, password, authenticator."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, StringConstraints

from domain.people import AccountState
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.entry import qr_svg
from handlers.operation import operation
from handlers.routing import route
from handlers.text import Draft, Reason

LoginName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,31}$")]
"""What staff type beside a password; upper and lower case are the same."""


class PasswordResetDraft(Draft):
    """The login name, where the account has none yet or gets another one."""

    login_name: LoginName | None = None


class TotpResetDraft(Draft):
    """Why, for example how the identity of the caller was checked."""

    reason: Reason


class InvitedView(BaseModel):
    """The account after the invitation."""

    person_id: str
    state: AccountState


class BindCodeView(BaseModel):
    """An invitation to be handed out on paper.

    ``code`` opens the binding page with the name masked, until ``expires_at``. It proves nothing:
    binding still takes name, number and a code on the mobile.
    """

    person_id: str
    name: str
    code: str
    link: str
    svg: str
    expires_at: datetime


class PasswordView(BaseModel):
    """A password that was just made: shown once, to be changed at the next login."""

    person_id: str
    login_name: str | None
    password: str


class InvitationHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}/invitation``."""

    @operation(Permission.ACCOUNT_INVITE, status=201)
    async def post(self, person_id: str) -> InvitedView:
        """Invite somebody of the roster to bind their WeChat; liaisons, in their delegation."""
        account = await self.services.identity.credentials.invite(person_id, by=self.user)
        return InvitedView(person_id=account.id, state=account.state)


class BindCodeHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}/bind-code``."""

    @operation(Permission.ACCOUNT_INVITE, status=201, idempotent=False)
    async def post(self, person_id: str) -> BindCodeView:
        """Invite somebody of the roster by a code on paper; liaisons, in their delegation."""
        made = await self.services.identity.bind_codes.make(person_id, by=self.user)
        link = self.services.passes.links.to(made.code)
        return BindCodeView(
            person_id=made.card.id,
            name=made.card.name,
            code=made.code,
            link=link,
            svg=await asyncio.to_thread(qr_svg, link),
            expires_at=made.until,
        )


class PasswordHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}/password``."""

    @operation(Permission.ACCOUNT_MANAGE, status=201, step_up=True, idempotent=False)
    async def post(self, person_id: str, body: PasswordResetDraft) -> PasswordView:
        """Give an account a new password, shown once."""
        account, password = await self.services.identity.credentials.reset_password(
            person_id, login=body.login_name, by=self.user
        )
        return PasswordView(person_id=account.id, login_name=account.login_name, password=password)


class TotpHandler(ApiHandler):
    """``/api/v1/admin/accounts/{person_id}/totp/reset``."""

    @operation(Permission.ACCOUNT_MANAGE, step_up=True)
    async def post(self, person_id: str, body: TotpResetDraft) -> None:
        """Turn the authenticator of somebody off who has lost it."""
        await self.services.identity.credentials.reset_totp(
            person_id, reason=body.reason, by=self.user
        )


_ONE = r"/api/v1/admin/accounts/(?P<person_id>[0-9A-Z]{26})"

ROUTES = [
    route(rf"{_ONE}/bind-code", BindCodeHandler),
    route(rf"{_ONE}/invitation", InvitationHandler),
    route(rf"{_ONE}/password", PasswordHandler),
    route(rf"{_ONE}/totp/reset", TotpHandler),
]
