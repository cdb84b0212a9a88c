"""A house beside WeChat and a text message provider, in which people have phones."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import SecretStr
from tornado.httpclient import AsyncHTTPClient
from tornado.testing import bind_unused_port

from domain.identity.account import OPENID_DOMAIN, openid_context
from gateways.standin.neighbourhood import WECOM, Neighbourhood
from gateways.standin.wechat_messages import AccountTemplate, Callback, Received
from server.assembly import Hub, assemble
from server.config import Sms, WeChat, WeCom
from server.lifecycle import serve
from server.neighbours import sms_account
from tests.integration.conftest import Caller, MintedSessions, RunningHub, hub_settings
from tests.integration.notices import furnish, issued, receipts
from tests.integration.people import MOBILES, WEN, yin

TEMPLATE, CARD = "tpl-notice", "tpl-card"
FIELDS = ("thing1", "phrase2", "time3")
AES_KEY = secrets.token_hex(22)[:43]


@dataclass
class Town:
    """A hub with its neighbours. ``others`` are further processes on the same database."""

    hub: RunningHub
    street: Neighbourhood
    others: list[Hub]

    def __post_init__(self) -> None:
        self.openids: dict[str, str] = {}

    def passes(self, **time: float) -> None:
        """Let time pass."""
        self.hub.clock.now += timedelta(**time)

    async def owns_wechat(self, *people: str, agrees: bool = True) -> None:
        """Bind people to a WeChat user each, who has agreed to one message unless told not to."""
        vault = self.hub.hub.ground.vault
        for person_id in people:
            openid = self.street.wechat.add_user(f"手机 {person_id[-2:]}").openid
            self.openids[person_id] = openid
            bound = {
                "openid_h": vault.blind(openid, domain=OPENID_DOMAIN),
                "openid_enc": vault.seal(openid, context=openid_context(person_id)),
            }
            await self.hub.db["account"].update_one({"_id": person_id}, {"$set": bound})
            if agrees:
                await self.street.messages.agree(openid, TEMPLATE)

    async def urgent(self, *people: str, **more: Any) -> Any:
        """Issue an urgent notice to people, by an administrator."""
        admin = await self.hub.sign_in(yin)
        more = {"audience": {"people": list(people)}, "priority": "紧急", **more}
        notice = await issued(self.hub, admin, **more)
        assert notice["state"] == "published"
        return notice

    async def climbs(self) -> None:
        """Let the ladder do what is due now, to the end."""
        ladder = self.hub.services.ladder
        async with asyncio.timeout(20):
            while True:
                await ladder.climb.sweep()
                busy = {"$or": [{"due_at": {"$lte": self.hub.clock()}}, {"claim": {"$ne": None}}]}
                if await self.hub.db["receipt"].find_one(busy) is None:
                    return
                # A job of the hub itself may be at it.
                await asyncio.sleep(0.01)

    async def later(self, **time: float) -> None:
        """Let time pass, and the ladder do what is due then."""
        self.passes(**time)
        await self.climbs()

    async def receipt(self, notice: Any, person_id: str = WEN) -> dict[str, Any]:
        """What is on record of a notice with a person."""
        return (await receipts(self.hub, notice["id"]))[person_id]

    def chats(self, person_id: str = WEN) -> list[Received]:
        """What WeChat has brought to somebody."""
        return self.street.messages.to(self.openids[person_id])

    def texts(self, person_id: str = WEN) -> list[tuple[str, ...]]:
        """The text messages somebody has got."""
        phone = f"+86{MOBILES[person_id]}"
        return [message.params for message in self.street.sms.inbox if message.phone == phone]


@asynccontextmanager
async def opened(mongo_uri, tmp_path, clock, new_id, *, processes=1, wecom=False, **wechat):
    """Open a town."""
    sms = Sms(
        base_url="http://placeholder",
        secret_id="AKID",
        key=SecretStr("secret"),
        app_id="1400",
        template_login_code="1110",
        template_notice="1112",
    )
    async with AsyncExitStack() as stack:
        street = await Neighbourhood.open(
            clock=clock, wechat=("wx1", "s3cret"), sms=sms_account(sms)
        )
        stack.push_async_callback(street.close)
        street.messages.templates = {
            TEMPLATE: AccountTemplate(FIELDS, long_term=wechat.get("subscribe_long_term", False)),
            CARD: AccountTemplate(FIELDS, card=True),
        }
        socket, port = bind_unused_port()
        url = f"http://127.0.0.1:{port}"
        settings = hub_settings(
            tmp_path,
            mongo_uri,
            f"t{secrets.token_hex(6)}",
            public_url=url,
            wechat=WeChat(
                base_url=street.url,
                open_url=street.url,
                app_id="wx1",
                app_secret=SecretStr("s3cret"),
                token=SecretStr("callback-token"),
                aes_key=SecretStr(AES_KEY),
                **{"subscribe_template": TEMPLATE, **wechat},
            ),
            wecom=WeCom(
                base_url=street.url,
                corp_id=WECOM[0] if wecom else "",
                agent_id=street.wecom.agent_id,
                secret=SecretStr(WECOM[1]),
            ),
            sms=sms.model_copy(update={"base_url": street.url}),
        )
        made = await assemble(settings, stack, clock=clock, new_id=new_id)
        stack.push_async_callback(made.db.drop)
        others = [
            await assemble(settings, stack, clock=clock, new_id=new_id)
            for _ in range(processes - 1)
        ]
        sessions = MintedSessions(made.services.sessions)
        object.__setattr__(made.services, "sessions", sessions)
        await serve(made, stack, [socket])
        street.messages.callback = Callback(
            f"{url}/api/v1/wechat/messages", "callback-token", AES_KEY
        )
        client = AsyncHTTPClient(force_instance=True, max_clients=200)
        stack.callback(client.close)
        hub = RunningHub(made, url, clock, client, sessions.minted)
        await furnish(hub)
        yield Town(hub, street, others)


async def reads(caller: Caller, notice: Any) -> None:
    """Open a notice and say so."""
    reply = await caller.call("POST", f"/api/v1/notices/{notice['id']}/read")
    assert reply.status == 200, reply.body
