"""Proving oneself again, and the proofs one sets up: step-up, PIN, password, authenticator."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, model_validator

from domain.identity.step_up import Method
from handlers.entry import EnrolmentView, EntryHandler, Password, SixDigits
from handlers.operation import SELF_SERVICE_WHEN_SUSPENDED, operation
from handlers.routing import route
from handlers.text import Draft, Id


class ProofDraft(Draft):
    """One proof: ``code`` for ``sms`` (with ``id``), ``pin`` and ``totp``, else ``password``."""

    method: Method
    id: Id | None = None
    code: SixDigits | None = None
    password: Password | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.method is Method.PASSWORD:
            missing = "password" if self.password is None else ""
        else:
            missing = "code" if self.code is None else ""
        if self.method is Method.SMS and self.id is None:
            missing = "id"
        if missing:
            raise ValueError(f"缺少 {missing}")
        return self

    @property
    def secret(self) -> str:
        """What is judged."""
        return (self.password if self.method is Method.PASSWORD else self.code) or ""


class PinDraft(Draft):
    """A PIN."""

    pin: SixDigits


class CodeOnlyDraft(Draft):
    """A code of the authenticator."""

    code: SixDigits


class PasswordDraft(Draft):
    """The old and the new password."""

    old_password: Password
    new_password: Password


class MethodsView(BaseModel):
    """The ways that are set up, and until when the last proof counts."""

    methods: list[Method]
    until: datetime | None


class WindowView(BaseModel):
    """Until when the proof counts."""

    until: datetime


class SentView(BaseModel):
    """A message is on its way; ``id`` goes back with the code."""

    id: str
    expires_at: datetime


class StepUpHandler(EntryHandler):
    """``/api/v1/step-up``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> MethodsView:
        """Show in which ways one can prove oneself."""
        methods = await self.identity.step_up.methods(by=self.user)
        return MethodsView(methods=methods, until=self.user.step_up_until)

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def post(self, body: ProofDraft) -> WindowView:
        """Prove once more who one is; for five minutes this login may do what matters."""
        until = await self.identity.step_up.prove(
            body.method, body.secret, by=self.user, attempt_id=body.id or ""
        )
        return WindowView(until=until)


class StepUpSmsHandler(EntryHandler):
    """``/api/v1/step-up/sms``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED, status=201, idempotent=False)
    async def post(self) -> SentView:
        """Send a code to one's own mobile number."""
        attempt = await self.identity.step_up.send_code(by=self.user)
        return SentView(id=attempt.id, expires_at=attempt.until)


class PinHandler(EntryHandler):
    """``/api/v1/me/pin``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED, step_up=True)
    async def put(self, body: PinDraft) -> None:
        """Set one's PIN."""
        await self.identity.step_up.set_pin(body.pin, by=self.user)


class MyPasswordHandler(EntryHandler):
    """``/api/v1/me/password``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def put(self, body: PasswordDraft) -> None:
        """Change one's password; every other login ends."""
        await self.identity.step_up.change_password(
            body.old_password, body.new_password, by=self.user
        )


class MyTotpHandler(EntryHandler):
    """``/api/v1/me/totp``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED, status=201, step_up=True, idempotent=False)
    async def post(self) -> EnrolmentView:
        """Answer a fresh authenticator secret; it counts once a code of it was shown."""
        account = await self.identity.accounts.get(self.user.id)
        return EnrolmentView.of(await self.identity.admission.new_secret(account))

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def put(self, body: CodeOnlyDraft) -> None:
        """Turn the authenticator on with its first code."""
        account = await self.identity.accounts.get(self.user.id)
        await self.identity.admission.turn_on(account, body.code)

    @operation(SELF_SERVICE_WHEN_SUSPENDED, step_up=True)
    async def delete(self) -> None:
        """Turn the authenticator off."""
        await self.identity.step_up.drop_totp(by=self.user)


ROUTES = [
    route(r"/api/v1/me/password", MyPasswordHandler),
    route(r"/api/v1/me/pin", PinHandler),
    route(r"/api/v1/me/totp", MyTotpHandler),
    route(r"/api/v1/step-up", StepUpHandler),
    route(r"/api/v1/step-up/sms", StepUpSmsHandler),
]
