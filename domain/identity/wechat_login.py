"""Coming in through WeChat: a round trip to the authorisation page, and back with a code.

The ``state`` of a round trip is random, kept here, good once, and tied to the browser that began it
by a nonce in a short-lived cookie: a link that somebody else prepared opens nothing. Only the
silent scope is asked for, so WeChat tells the openid and nothing more.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from domain.errors import Forbidden, Malformed, Unauthenticated
from domain.identity.account import (
    OPENID_DOMAIN,
    AccountStore,
    openid_context,
    unionid_context,
)
from domain.identity.admission import Admission, NextStep
from domain.identity.attempts import Attempt, AttemptStore
from domain.identity.devices import DeviceSeen
from domain.identity.ports import WeChat, WeChatIdentity
from domain.identity.sessions import Opened
from domain.identity.surroundings import Surroundings
from domain.identity.tickets import Tickets
from domain.identity.tokens import fingerprint
from domain.ports import Vault

KIND = "oauth"
BIND = "bind"
"""Step of the ticket that an openid nobody is bound to gets."""

IN_TICKET = "ticket"
"""Stands for the person id in the vault context while nobody knows who it is."""

CALLBACK = "/api/v1/wechat/callback"

H5 = "/h5/"
"""Where the pages for WeChat live on this hub; they route by fragment."""


class OfficialAccount(BaseModel):
    """What the hub is to WeChat.

    Attributes:
        open_url: Where the authorisation page is.
        origin: Where browsers find the hub; must be the registered domain.
        messages: Answers the keys of what WeChat's server tells us, the newest first: ``token``
            signs it, ``aes_key`` encrypts it or is empty. None where that is not set up.
    """

    model_config = ConfigDict(frozen=True)

    app_id: str
    open_url: str
    origin: str
    messages: Callable[[], Sequence[Mapping[str, str]]] = tuple


class Departure(NamedTuple):
    """Where to send the browser, and what to put into its cookie."""

    url: str
    nonce: str


class Arrival(NamedTuple):
    """Who came back, and where they wanted to go.

    ``outcome`` is a session, a next step, or ``None`` with a ``ticket`` for the binding.
    """

    outcome: Opened | NextStep | None
    ticket: str
    return_to: str


class WeChatLogin:
    """Sends browsers to WeChat and receives them back."""

    def __init__(
        self,
        store: AttemptStore,
        accounts: AccountStore,
        admission: Admission,
        tickets: Tickets,
        *,
        wechat: WeChat,
        official: OfficialAccount,
        vault: Vault,
        around: Surroundings,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._admission = admission
        self._tickets = tickets
        self._wechat = wechat
        self._official = official
        self._vault = vault
        self._around = around

    async def depart(self, return_to: str) -> Departure:
        """Begin a round trip that ends at a path of ours.

        Raises:
            Malformed: ``return_to`` is not a path of this hub.
        """
        require_own_path(return_to)
        state, nonce = self._around.make_token(), self._around.make_token()
        at = self._around.clock()
        await self._store.add(
            Attempt(
                id=fingerprint(state),
                kind=KIND,
                data={"nonce_h": fingerprint(nonce), "return_to": return_to},
                created_at=at,
                until=at + self._around.policy.oauth,
            )
        )
        return Departure(self._authorize_url(state), nonce)

    async def arrive(self, code: str, state: str, *, nonce: str, device: DeviceSeen) -> Arrival:
        """End a round trip: let the person in, or give a ticket with which they can be bound.

        Raises:
            Malformed: ``bad_state``: the state is not ours, too old, or another browser's.
            Unauthenticated: ``code_used``: code or state were used before, or the code is too old.
            Forbidden: ``snapshot_user``: WeChat shows a snapshot page with an invented person.
        """
        at = self._around.clock()
        trip = await self._store.get(KIND, fingerprint(state), at=at)
        if trip is None or not hmac.compare_digest(trip.data["nonce_h"], fingerprint(nonce)):
            raise Malformed("登录请求无效，请重新进入", code="bad_state")
        if await self._store.move(KIND, trip.id, at=at, was="open", to="used") is None:
            raise Unauthenticated("微信授权已使用，请重新进入", code="code_used")
        who = await self._wechat.exchange(code)
        if who.snapshot:
            raise Forbidden("请点击页面下方“使用完整服务”后再登录", code="snapshot_user")
        return await self._receive(who, trip.data["return_to"], device=device)

    async def _receive(self, who: WeChatIdentity, return_to: str, *, device: DeviceSeen) -> Arrival:
        openid_h = self._vault.blind(who.openid, domain=OPENID_DOMAIN)
        account = await self._accounts.by_openid(openid_h)
        if account is not None:
            outcome = await self._admission.enter(account, method="wechat", device=device)
            return Arrival(outcome, "", return_to)
        data = {
            "openid_h": openid_h,
            "openid_enc": self._vault.seal(who.openid, context=openid_context(IN_TICKET)),
            "unionid_enc": who.unionid
            and self._vault.seal(who.unionid, context=unionid_context(IN_TICKET)),
        }
        return Arrival(None, await self._tickets.issue(BIND, data=data), return_to)

    def _authorize_url(self, state: str) -> str:
        # WeChat refuses the page unless the parameters stand in exactly this order.
        redirect = quote(self._official.origin + CALLBACK, safe="")
        return (
            f"{self._official.open_url}/connect/oauth2/authorize"
            f"?appid={quote(self._official.app_id, safe='')}&redirect_uri={redirect}"
            f"&response_type=code&scope=snsapi_base&state={state}#wechat_redirect"
        )


def require_own_path(path: str) -> None:
    """Do nothing if an address is a path on this hub, whatever a browser makes of it.

    Raises:
        Malformed: It could lead elsewhere.
    """
    # Browsers read a backslash as a slash and drop tabs and line breaks.
    plain = path.isprintable() and "\\" not in path and " " not in path
    if not plain or not path.startswith("/") or path.startswith("//"):
        raise Malformed("返回地址无效", code="bad_type", field="return_to")
