"""WeChat's side of logging in: authorisation, binding, page signatures: ``/api/v1/wechat``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from pydantic import BaseModel, Field, StringConstraints

from domain.identity.admission import NextStep
from domain.identity.wechat_login import H5, Arrival
from handlers.entry import EntryHandler, EntryView, SixDigits
from handlers.operation import PUBLIC, Written, operation
from handlers.routing import route
from handlers.text import Draft, Name, Phone, Token

OAUTH_COOKIE = "daibiao_oauth"


class AuthorizeQuery(BaseModel):
    """Where to go afterwards: a path of this hub."""

    return_to: Annotated[str, Field(max_length=1000)] = H5


class CallbackQuery(BaseModel):
    """What WeChat sends back; both are empty when the person said no."""

    code: Annotated[str, Field(max_length=512)] = ""
    state: Annotated[str, Field(max_length=128)] = ""


class BindingDraft(Draft):
    """Who one claims to be. ``deputy_no`` is empty for staff, who have none."""

    ticket: Token
    name: Name
    deputy_no: Annotated[str, StringConstraints(strip_whitespace=True, max_length=32)] = ""
    phone: Phone


class BindingView(BaseModel):
    """A code was sent if everything was right; ``id`` goes back with it."""

    id: str
    expires_at: datetime


class ConfirmDraft(Draft):
    """The code. ``rebind`` takes the account over from another WeChat and drops that device."""

    code: SixDigits
    rebind: bool = False


class PageDraft(Draft):
    """The address of the page, with or without fragment.

    A page that routes by path sends its first entry on iOS, and the present address on Android.
    """

    url: Annotated[str, StringConstraints(max_length=2000)]


class SignedView(BaseModel):
    """What ``wx.config`` takes."""

    app_id: str
    timestamp: int
    nonce_str: str
    signature: str


class AuthorizeHandler(EntryHandler):
    """``/api/v1/wechat/authorize``."""

    @operation(PUBLIC, status=302)
    async def get(self, query: AuthorizeQuery) -> Written:
        """Send the browser to WeChat's authorisation page."""
        departure = await self.identity.wechat_login.depart(query.return_to)
        self.set_cookie(
            OAUTH_COOKIE,
            departure.nonce,
            max_age=int(self.identity.policy.oauth.total_seconds()),
            path="/api/v1/wechat",
            httponly=True,
            secure=self.web.secure,
            samesite="Lax",
        )
        self.redirect(departure.url)
        return Written()


class CallbackHandler(EntryHandler):
    """``/api/v1/wechat/callback``."""

    @operation(PUBLIC, status=302)
    async def get(self, query: CallbackQuery) -> Written:
        """Receive the browser back, and send it on: into the house, or to the binding page."""
        arrival = await self.identity.wechat_login.arrive(
            query.code,
            query.state,
            nonce=self.get_cookie(OAUTH_COOKIE) or "",
            device=self.device(),
        )
        self.redirect(self._onward(arrival))
        return Written()

    def _onward(self, arrival: Arrival) -> str:
        """Answer where the browser goes; tickets travel in the fragment, which no server sees."""
        match arrival.outcome:
            case None:
                query = {"ticket": arrival.ticket, "return_to": arrival.return_to}
                return f"{H5}#/bind?{urlencode(query)}"
            case NextStep(step, ticket):
                query = {"next": step, "ticket": ticket, "return_to": arrival.return_to}
                return f"{H5}#/login?{urlencode(query)}"
            case opened:
                self.admit_session(opened)
                return arrival.return_to


class BindingsHandler(EntryHandler):
    """``/api/v1/wechat/bindings``."""

    @operation(PUBLIC, status=201)
    async def post(self, body: BindingDraft) -> BindingView:
        """Claim to be somebody of the roster; the answer does not tell whether that is right."""
        attempt = await self.identity.binding.begin(
            body.ticket, name=body.name, deputy_no=body.deputy_no, phone=body.phone
        )
        return BindingView(id=attempt.id, expires_at=attempt.until)


class BindingConfirmHandler(EntryHandler):
    """``/api/v1/wechat/bindings/{attempt_id}/confirm``."""

    @operation(PUBLIC, status=201)
    async def post(self, attempt_id: str, body: ConfirmDraft) -> EntryView:
        """Prove it with the code from the message, and come in."""
        outcome = await self.identity.binding.confirm(
            attempt_id, body.code, device=self.device(), rebind=body.rebind
        )
        return await self.welcome(outcome)


class JsSdkHandler(EntryHandler):
    """``/api/v1/wechat/jssdk``."""

    @operation(PUBLIC)
    async def post(self, body: PageDraft) -> SignedView:
        """Sign one of our pages for the JS-SDK."""
        signed = await self.identity.jssdk.sign(body.url)
        return SignedView(
            app_id=signed.app_id,
            timestamp=signed.timestamp,
            nonce_str=signed.nonce_str,
            signature=signed.signature,
        )


ROUTES = [
    route(r"/api/v1/wechat/authorize", AuthorizeHandler),
    route(r"/api/v1/wechat/bindings", BindingsHandler),
    route(r"/api/v1/wechat/bindings/(?P<attempt_id>[0-9A-Z]{26})/confirm", BindingConfirmHandler),
    route(r"/api/v1/wechat/callback", CallbackHandler),
    route(r"/api/v1/wechat/jssdk", JsSdkHandler),
]
