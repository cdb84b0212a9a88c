"""Integration keys in real use: gateways and doors take a new one without a restart."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from pydantic import SecretStr
from tornado.httpclient import AsyncHTTPClient
from tornado.testing import bind_unused_port

from domain.permissions import Role
from gateways.sms import SmsAccount
from gateways.standin.neighbourhood import Neighbourhood
from server import commands, jobs
from server.assembly import assemble
from server.config import Realtime, Sms, WeChat
from server.lifecycle import serve
from tests.integration.conftest import MintedSessions, RunningHub, hub_settings
from tests.integration.people import MOBILES, ZHANG, feng, person, settle, ulid, yin

KEYS = "/api/v1/admin/integrations"
qi = person(ulid(30), "祁闻笛", Role.ADMIN)
ACCOUNT = SmsAccount(
    secret_id="AKIDfirst", secret_key="first-sms-key", app_id="1400", sign_name="代表服务平台",
    templates={"invitation": ("1111", ("name",))},
)  # fmt: skip


class Town:
    """A hub beside WeChat and a text message provider, both set up and without a key."""

    def __init__(self, hub, street, admin, second):
        self.hub = hub
        self.street = street
        self.admin = admin
        self.second = second

    async def hand_in(self, consumer, overlap=24, **parts):
        body = {"parts": parts, "overlap_hours": overlap, "reason": "轮换"}
        asked = await self.admin.call("POST", f"{KEYS}/{consumer}/keys", body)
        assert asked.status == 201, asked.json
        approved = await self.second.call("POST", f"{KEYS}/keys/{asked.json['id']}/approve")
        assert approved.status == 200, approved.json
        return approved.json

    async def standing(self, consumer, caller=None):
        shown = (await (caller or self.admin).call("GET", KEYS)).json["integrations"]
        return next(row for row in shown if row["consumer"] == consumer)

    async def info(self, key):
        return await self.hub.anybody.call("POST", "/api/info", {}, headers={"X-API-Key": key})


@pytest.fixture
async def made(mongo_uri, tmp_path, clock, new_id):
    """Builds a town; further settings may be said."""
    async with AsyncExitStack() as stack:

        async def build(**said):
            street = await Neighbourhood.open(
                clock=clock, wechat=("wx1", "s3cret-one"), sms=ACCOUNT
            )
            stack.push_async_callback(street.close)
            socket, port = bind_unused_port()
            settings = hub_settings(
                tmp_path,
                mongo_uri,
                f"t{secrets.token_hex(6)}",
                public_url=f"http://127.0.0.1:{port}",
                wechat=WeChat(base_url=street.url, open_url=street.url, app_id="wx1"),
                sms=Sms(base_url=street.url, app_id="1400", template_invitation="1111"),
                **said,
            )
            hub = await assemble(settings, stack, clock=clock, new_id=new_id)
            stack.push_async_callback(hub.db.drop)
            sessions = MintedSessions(hub.services.sessions)
            object.__setattr__(hub.services, "sessions", sessions)
            await serve(hub, stack, [socket])
            client = AsyncHTTPClient(force_instance=True)
            stack.callback(client.close)
            running = RunningHub(hub, f"http://127.0.0.1:{port}", clock, client, sessions.minted)
            await settle(hub.db, hub.ground.vault)
            return Town(running, street, await running.sign_in(yin), await running.sign_in(qi))

        yield build


async def test_wechat_is_used_with_the_key_of_the_moment(made):
    town = await made()
    page = {"url": f"{town.hub.url}/h5/"}
    ask = ("POST", "/api/v1/wechat/jssdk", page)
    missing = await town.hub.anybody.call(*ask)
    assert (missing.status, missing.code) == (503, "not_configured")
    await town.hand_in("wechat", secret="s3cret-one")
    assert (await town.hub.anybody.call(*ask)).status == 200

    town.street.wechat.app_secret = "s3cret-two"
    town.hub.clock.advance(hours=3)
    assert (await town.hub.anybody.call(*ask)).status == 503
    await town.hand_in("wechat", secret="s3cret-two")
    assert (await town.hub.anybody.call(*ask)).status == 200


async def test_text_messages_go_out_with_the_key_of_the_moment(made):
    town = await made()
    invite = town.hub.services.identity.credentials.invite
    courier = town.hub.services.identity.courier
    await town.hand_in("sms", secret_id="AKIDfirst", key="first-sms-key")
    await invite(ZHANG, by=yin)
    await courier.delivered()
    assert len(town.street.sms.inbox) == 1
    town.street.sms.account = replace(ACCOUNT, secret_id="AKIDsecond", secret_key="second-key")
    town.hub.clock.advance(minutes=2)  # the provider's own limit for one number
    await town.hand_in("sms", secret_id="AKIDsecond", key="second-key")
    await invite(ZHANG, by=yin)
    await courier.delivered()
    assert [message.phone for message in town.street.sms.inbox] == [f"+86{MOBILES[ZHANG]}"] * 2


async def test_the_server_api_opens_changes_over_and_closes_while_it_runs(made):
    town = await made()
    first, second = "first-api-key-0001", "second-api-key-0002"
    assert (await town.info(first)).status == 404
    await town.hand_in("server_api", key=first)
    assert (await town.info(first)).status == 200
    assert (await town.info("not-the-key-at-all")).status == 401
    after = await town.hand_in("server_api", key=second, overlap=1)
    assert [(await town.info(key)).status for key in (first, second)] == [200, 200]
    town.hub.clock.advance(hours=1)
    assert [(await town.info(key)).status for key in (first, second)] == [401, 200]
    end = await town.admin.call("POST", f"{KEYS}/keys/{after['id']}/end", {"reason": "泄露"})
    assert end.json["state"] == "ended"
    assert (await town.info(second)).status == 404


async def test_every_process_looks_for_new_keys_once_a_second(made, clock):
    town = await made()
    (row,) = [it for it in jobs.rows(town.hub.services) if it.name == "integrations.refresh"]
    assert row.everywhere
    assert row.every.total_seconds() * 1.1 < 2
    town.hub.hub.ground.keys.load([])  # as on a process that has not looked since
    await town.hand_in("server_api", key="first-api-key-0001")
    town.hub.hub.ground.keys.load([])
    await row.run()
    assert (await town.info("first-api-key-0001")).status == 200


async def test_a_key_is_shown_by_its_fingerprint_and_taken_by_two(made):
    town = await made()
    body = {"parts": {"key": "first-api-key-0001"}, "reason": "开放接口"}
    stale = await town.hub.sign_in(yin.model_copy(update={"step_up_until": None}))
    path = f"{KEYS}/server_api/keys"
    assert (await stale.call("POST", path, body)).code == "step_up_required"
    asked = await town.admin.call("POST", path, body)
    assert asked.status == 201
    one = f"{KEYS}/keys/{asked.json['id']}"
    assert (await town.admin.call("POST", f"{one}/approve")).status == 403
    assert (await town.admin.call("POST", path, body)).status == 409
    auditor = await town.hub.sign_in(feng)
    waits = await town.standing("server_api", auditor)
    assert (waits["source"], waits["keys"][0]["state"]) == ("none", "asked")
    assert (await auditor.call("POST", f"{one}/approve")).status == 403
    await town.second.call("POST", f"{one}/approve")
    shown = await town.standing("server_api")
    assert (shown["source"], shown["fingerprint"]) == ("kept", asked.json["fingerprint"])
    everything = (await auditor.call("GET", KEYS)).body + asked.body
    assert b"first-api-key" not in everything
    for wrong, status in (
        ({**body, "parts": {"key": "tiny"}}, 422),
        ({**body, "parts": {}}, 422),
        ({**body, "overlap_hours": 999}, 422),
        ({**body, "parts": {"key": 7}}, 400),
    ):
        reply = await town.admin.call("POST", path, wrong)
        assert reply.status == status, wrong
        assert "tiny" not in reply.body.decode()
    news = await town.admin.call("POST", f"{KEYS}/news/keys", body)
    assert news.status == 404


async def test_the_operator_wins_and_check_says_which_key_is_in_force(made):
    town = await made(realtime=Realtime(api_key=SecretStr("operators-api-key")))
    body = {"parts": {"key": "first-api-key-0001"}, "reason": "换"}
    refused = await town.admin.call("POST", f"{KEYS}/server_api/keys", body)
    assert (refused.status, refused.code) == (409, "set_by_operator")
    assert refused.json["detail"] == {"setting": "HUB_REALTIME__API_KEY"}
    assert (await town.info("operators-api-key")).status == 200
    kept = await town.hand_in("wechat", secret="s3cret-one")
    probes = {probe.name: probe.says for probe in await commands.check(town.hub.hub.settings)}
    assert probes["key server_api"] == "HUB_REALTIME__API_KEY is in force"
    assert probes["key wechat"] == f"kept in the vault: {kept['fingerprint']}"
    assert probes["key sms"] == "none (HUB_SMS__KEY is not set)"
