"""Coming in through WeChat, against a stand-in that refuses what WeChat refuses."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from pydantic import SecretStr
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.testing import bind_unused_port
from wechatpy.client import WeChatClient
from wechatpy.crypto import WeChatCrypto

from domain.grants import GrantService
from domain.permissions import Role
from domain.roster import PHONE_DOMAIN, Card, Kind, mobile_context
from gateways.standin.neighbourhood import Neighbourhood
from server.assembly import assemble
from server.config import Sms, WeChat
from server.lifecycle import serve
from server.neighbours import sms_account
from storage.identity import AccountStore
from storage.people import PeopleStore
from tests.integration.conftest import Caller, RunningHub, hub_settings
from tests.integration.test_identity import audited, cookies

WEN = {"name": "闻予澄", "deputy_no": "D001", "phone": "19900000001"}
CEN = {"name": "岑以宁", "deputy_no": "D002", "phone": "19900000002"}
AES_KEY = secrets.token_hex(22)[:43]


@dataclass
class Town:
    """A hub with its neighbours."""

    hub: RunningHub
    street: Neighbourhood

    def code_of(self, phone: str) -> str:
        return self.street.sms.last_to(phone).params[0]

    async def delivered(self) -> None:
        await self.hub.services.identity.courier.delivered()

    def messages(self) -> int:
        return len(self.street.sms.inbox)

    def phone(self, name: str = "代表手机", **more) -> Phone:
        return Phone(self, self.street.wechat.add_user(name, **more).openid)


class Phone:
    """A browser inside WeChat, with its cookies."""

    def __init__(self, town: Town, openid: str) -> None:
        self.town = town
        self.openid = openid
        self.jar: dict[str, str] = {}

    async def call(self, method, path, json=None, **headers):
        anybody = self.town.hub.anybody
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.jar.items()), **headers}
        if "daibiao_csrf" in self.jar:
            headers["X-CSRF-Token"] = self.jar["daibiao_csrf"]
        reply = await anybody.call(method, path, json, headers=headers)
        for name, value in cookies(reply).items():
            self.jar[name] = value
            if not value:
                del self.jar[name]
        return reply

    async def opens(self, path="/api/v1/wechat/authorize"):
        """Open the page, be sent to WeChat, and answer the address WeChat sends us back to."""
        away = await self.call("GET", path)
        assert away.status == 302, away.body
        location, _, fragment = away.headers["Location"].partition("#")
        assert fragment == "wechat_redirect"
        back = await AsyncHTTPClient().fetch(
            HTTPRequest(f"{location}&user={self.openid}", follow_redirects=False),
            raise_error=False,
        )
        assert back.code == 302, back.body
        parts = urlsplit(back.headers["Location"])
        return f"{parts.path}?{parts.query}"

    async def enters(self, path="/api/v1/wechat/authorize"):
        return await self.call("GET", await self.opens(path))

    async def ticket(self):
        reply = await self.enters()
        assert reply.status == 302
        fragment = urlsplit(reply.headers["Location"]).fragment
        return parse_qs(urlsplit(fragment).query)["ticket"][0]

    async def claims(self, ticket=None, **who):
        body = {"ticket": ticket or await self.ticket(), **who}
        return await self.call("POST", "/api/v1/wechat/bindings", body)

    async def confirms(self, attempt, code, **more):
        path = f"/api/v1/wechat/bindings/{attempt}/confirm"
        return await self.call("POST", path, {"code": code, **more})

    async def binds(self, who=WEN, **more):
        claim = await self.claims(**who)
        assert claim.status == 201, claim.body
        await self.town.delivered()
        code = self.town.code_of(who["phone"])
        return await self.confirms(claim.json["id"], code, **more)


@pytest.fixture
async def town(mongo_uri, tmp_path, clock, new_id):
    """A hub beside WeChat and a text message provider."""
    sms = Sms(
        base_url="http://placeholder",
        secret_id="AKID",
        key=SecretStr("secret"),
        app_id="1400",
        template_login_code="1110",
        template_invitation="1111",
    )
    async with AsyncExitStack() as stack:
        street = await Neighbourhood.open(
            clock=clock, wechat=("wx1", "s3cret"), sms=sms_account(sms)
        )
        stack.push_async_callback(street.close)
        socket, port = bind_unused_port()
        settings = hub_settings(
            tmp_path,
            mongo_uri,
            f"t{secrets.token_hex(6)}",
            public_url=f"http://127.0.0.1:{port}",
            wechat=WeChat(
                base_url=street.url,
                open_url=street.url,
                app_id="wx1",
                app_secret=SecretStr("s3cret"),
                token=SecretStr("callback-token"),
                aes_key=SecretStr(AES_KEY),
            ),
            sms=sms.model_copy(update={"base_url": street.url}),
        )
        made = await assemble(settings, stack, clock=clock, new_id=new_id)
        stack.push_async_callback(made.db.drop)
        await serve(made, stack, [socket])
        client = AsyncHTTPClient(force_instance=True, max_clients=200)
        stack.callback(client.close)
        town = Town(RunningHub(made, f"http://127.0.0.1:{port}", clock, client), street)
        for who in (WEN, CEN):
            await on_roster(town, **who)
        yield town


async def on_roster(town: Town, *, name: str, deputy_no: str | None, phone: str, **more) -> str:
    vault, person_id = town.hub.hub.ground.vault, town.hub.hub.web.new_id()
    card = Card(
        id=person_id,
        name=name,
        deputy_no=deputy_no,
        mobile_h=vault.blind(phone, domain=PHONE_DOMAIN),
        mobile_enc=vault.seal(phone, context=mobile_context(person_id)),
        **{"kind": Kind.DEPUTY, **more},
    )
    await PeopleStore(town.hub.db).put(card)
    return person_id


def envelope(reply):
    return {key: value for key, value in reply.json.items() if key != "request_id"}


async def test_f01_1_a_code_from_wechat_works_once_and_a_strange_state_is_refused(town):
    """F01-1."""
    phone = town.phone()
    callback = await phone.opens()
    jar = dict(phone.jar)
    assert (await phone.call("GET", callback)).status == 302
    phone.jar = jar
    again = await phone.call("GET", callback)
    assert (again.status, again.code) == (401, "code_used")
    strange = await phone.call("GET", f"/api/v1/wechat/callback?code=x&state={'a' * 43}")
    assert (strange.status, strange.code) == (400, "bad_state")
    assert (await phone.call("GET", "/api/v1/wechat/callback?code=x")).status == 400


async def test_the_authorisation_address_has_wechats_order_and_a_state_of_its_own(town):
    first = await town.hub.anybody.call("GET", "/api/v1/wechat/authorize")
    second = await town.hub.anybody.call("GET", "/api/v1/wechat/authorize")
    pattern = (
        re.escape(f"{town.street.url}/connect/oauth2/authorize?appid=wx1&redirect_uri=")
        + r"http%3A%2F%2F127\.0\.0\.1%3A\d+%2Fapi%2Fv1%2Fwechat%2Fcallback"
        + r"&response_type=code&scope=snsapi_base&state=([\w-]{43})#wechat_redirect"
    )
    states = [re.fullmatch(pattern, it.headers["Location"])[1] for it in (first, second)]
    assert len(set(states)) == 2


async def test_a_code_older_than_five_minutes_is_refused(town, clock):
    phone = town.phone()
    callback = await phone.opens()
    clock.advance(minutes=5, seconds=1)
    reply = await phone.call("GET", callback)
    assert (reply.status, reply.code) == (401, "code_used")


async def test_a_link_that_another_browser_began_opens_nothing(town):
    callback = await town.phone("别人").opens()
    reply = await town.phone().call("GET", callback)
    assert (reply.status, reply.code) == (400, "bad_state")


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example/", "https://evil.example/", "/%5Cevil.example", "/%09/evil", ""]
)
async def test_nobody_is_sent_to_another_site_afterwards(town, elsewhere):
    reply = await town.hub.anybody.call("GET", f"/api/v1/wechat/authorize?return_to={elsewhere}")
    assert reply.status == 400


async def test_the_invented_visitor_of_a_snapshot_page_is_refused(town):
    reply = await town.phone("游客", snapshot=True).enters()
    assert (reply.status, reply.code) == (403, "snapshot_user")


async def test_f01_2_binding_makes_active_and_a_second_wechat_conflicts_and_is_audited(town):
    """F01-2."""
    phone = town.phone()
    bound = await phone.binds()
    assert (bound.status, bound.json["next"]) == (201, "done")
    me = await phone.call("GET", "/api/v1/me")
    assert (me.json["name"], me.json["state"]) == ("闻予澄", "active")
    account = await AccountStore(town.hub.db).get(me.json["id"])
    assert [change.to.value for change in account.history] == ["bound", "active"]

    town.hub.clock.advance(minutes=2)
    second = await town.phone("另一部手机").binds()
    assert (second.status, second.code) == (409, "already_bound")
    [entry] = await audited(town.hub, "account.bind_refused")
    assert (entry["obj"], entry["detail"]) == (
        f"person:{account.id}",
        {"reason": "already_bound"},
    )
    assert (await phone.call("GET", "/api/v1/me")).status == 200


async def test_after_the_first_time_a_deputy_is_in_without_typing(town):
    phone = town.phone()
    assert (await phone.binds()).status == 201
    phone.jar.clear()
    reply = await phone.enters("/api/v1/wechat/authorize?return_to=/h5/%3Ffrom%3Dmenu")
    assert (reply.status, reply.headers["Location"]) == (302, "/h5/?from=menu")
    assert (await phone.call("GET", "/api/v1/me")).json["name"] == "闻予澄"


async def test_a_place_with_a_chinese_name_is_found_again(town):
    phone = town.phone()
    await phone.binds()
    place = "/h5/?q=%E9%80%9A%E7%9F%A5"
    reply = await phone.enters(f"/api/v1/wechat/authorize?return_to={quote(place)}")
    assert reply.headers["Location"] == place
    raw = await phone.enters(f"/api/v1/wechat/authorize?return_to={quote('/h5/?q=通知')}")
    assert raw.status == 302
    assert unquote(raw.headers["Location"].encode("latin-1").decode()) == "/h5/?q=通知"


@pytest.mark.parametrize(
    "query",
    ["code=%FF&state=%FF", "code=%00&state=%00", "state=" + "a" * 129, "code=a&code=b&state=%E9"],
)
async def test_a_garbled_return_is_refused_without_an_error_of_ours(town, query):
    reply = await town.phone().call("GET", f"/api/v1/wechat/callback?{query}")
    assert reply.status in {400, 422}


async def test_who_takes_an_account_over_with_a_code_drops_the_old_device(town):
    old = town.phone()
    await old.binds()
    town.hub.clock.advance(minutes=2)
    new = town.phone("新手机")
    claim = await new.claims(**WEN)
    await town.delivered()
    code = town.code_of(WEN["phone"])
    assert (await new.confirms(claim.json["id"], code)).status == 409
    taken = await new.confirms(claim.json["id"], code, rebind=True)
    assert (taken.status, taken.json["next"]) == (201, "done")
    assert (await old.call("GET", "/api/v1/me")).status == 401
    old.jar.clear()
    assert "#/bind?" in (await old.enters()).headers["Location"]
    assert (await new.confirms(claim.json["id"], code, rebind=True)).code == "code_wrong"


async def test_a_wechat_that_is_somebody_elses_cannot_be_bound_again(town):
    phone = town.phone()
    ticket = await phone.ticket()
    spare = await phone.ticket()
    claim = await phone.claims(ticket, **WEN)
    await town.delivered()
    await phone.confirms(claim.json["id"], town.code_of(WEN["phone"]))
    claim = await phone.claims(spare, **CEN)
    await town.delivered()
    reply = await phone.confirms(claim.json["id"], town.code_of(CEN["phone"]))
    assert (reply.status, reply.code) == (409, "openid_taken")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "闻雨澄"},
        {"deputy_no": "D999"},
        {"deputy_no": "D002"},
        {"phone": "19900000009"},
        {"deputy_no": ""},
    ],
)
async def test_nobody_is_sent_a_code_unless_all_three_are_right(town, wrong):
    phone = town.phone()
    right, claim = await town.phone().claims(**CEN), await phone.claims(**(WEN | wrong))
    assert claim.status == 201
    assert claim.json.keys() == right.json.keys()
    await town.delivered()
    assert town.messages() == 1
    refused = await phone.confirms(claim.json["id"], "123456")
    assert (refused.status, refused.code) == (401, "code_wrong")


async def test_staff_bind_by_name_and_number_alone(town):
    await on_roster(town, name="席知微", deputy_no=None, phone="19900000003", kind=Kind.STAFF)
    phone = town.phone()
    bound = await phone.binds({"name": "席知微", "deputy_no": "", "phone": "19900000003"})
    assert bound.json["person"]["name"] == "席知微"


async def test_f01_5_five_wrong_codes_lock_for_a_quarter_of_an_hour(town, clock):
    """F01-5."""
    phone = town.phone()
    claim = await phone.claims(**WEN)
    await town.delivered()
    code = town.code_of(WEN["phone"])
    wrong = "000000" if code != "000000" else "111111"
    for _ in range(5):
        reply = await phone.confirms(claim.json["id"], wrong)
        assert (reply.status, reply.code) == (401, "code_wrong")
    locked = await phone.confirms(claim.json["id"], code)
    assert (locked.status, locked.code) == (429, "locked")
    assert int(locked.headers["Retry-After"]) == 15 * 60
    clock.advance(minutes=14, seconds=59)
    assert (await phone.claims(**WEN)).code == "locked"
    clock.advance(seconds=1)
    assert (await town.phone().binds()).status == 201


async def test_f01_5_an_unknown_person_and_a_wrong_code_are_one_answer_in_the_same_time(
    town, clock
):
    """F01-5."""
    phone = town.phone()
    nobody = {"name": "无此人", "deputy_no": "D404", "phone": "19900000404"}
    took, said = {"known": [], "unknown": []}, set()
    asked = {"known": [], "unknown": []}
    for _ in range(40):
        clock.advance(days=1)
        ticket = await phone.ticket()
        for kind, who in (("known", WEN), ("unknown", nobody)):
            before = time.perf_counter()
            claim = await phone.claims(ticket, **who)
            asked[kind].append(time.perf_counter() - before)
            assert claim.status == 201
            for _ in range(5):
                before = time.perf_counter()
                # Seven digits of chance are not worth a flaky test: the code is made wrong.
                wrong = await phone.confirms(claim.json["id"], await not_the_code(town, kind))
                took[kind].append(time.perf_counter() - before)
                said.add(str(envelope(wrong)))
            assert (await phone.confirms(claim.json["id"], "000000")).code == "locked"
    assert len(took["known"]) == len(took["unknown"]) == 200
    assert len(said) == 1
    for times in (took, asked):
        medians = [statistics.median(times[kind]) for kind in ("known", "unknown")]
        assert abs(medians[0] - medians[1]) < 0.020


async def not_the_code(town: Town, kind: str) -> str:
    if kind == "unknown":
        return "123456"
    await town.delivered()
    return "123456" if town.code_of(WEN["phone"]) != "123456" else "654321"


async def test_codes_go_out_once_a_minute_and_ten_times_a_day(town, clock):
    phone = town.phone()
    for _ in range(10):
        assert (await phone.claims(**WEN)).status == 201
        soon = await phone.claims(**WEN)
        assert (soon.status, soon.code) == (429, "rate_limited")
        clock.advance(minutes=7)
    much = await phone.claims(**WEN)
    assert (much.status, much.code) == (429, "rate_limited")
    assert int(much.headers["Retry-After"]) > 3600


async def test_a_code_dies_after_five_minutes(town, clock):
    phone = town.phone()
    claim = await phone.claims(**WEN)
    await town.delivered()
    clock.advance(minutes=5)
    reply = await phone.confirms(claim.json["id"], town.code_of(WEN["phone"]))
    assert (reply.status, reply.code) == (401, "code_wrong")


async def test_neither_openid_nor_number_nor_code_is_stored_in_the_clear(town):
    phone = town.phone()
    claim = await phone.claims(**WEN)
    await town.delivered()
    code = town.code_of(WEN["phone"])
    kept = str(await town.hub.db["login_attempt"].find({}))
    await phone.confirms(claim.json["id"], code)
    for name in ("account", "login_attempt", "login_session", "device", "audit", "login_try"):
        kept += str(await town.hub.db[name].find({}))
    assert phone.openid not in kept
    assert WEN["phone"] not in kept
    assert f"'{code}'" not in kept
    assert phone.jar["daibiao_session"] not in kept


async def test_a_sms_provider_that_is_down_does_not_show_in_the_answer(town, caplog):
    town.street.sms.down = True
    phone = town.phone()
    assert (await phone.claims(**WEN)).status == 201
    await town.delivered()
    assert "a text message was not sent: Unsent" in caplog.text
    assert WEN["phone"] not in caplog.text


async def test_two_wechats_that_bind_one_person_at_the_same_moment_end_with_one(town, clock):
    phones, claims, codes = [town.phone(), town.phone()], [], []
    for phone in phones:
        clock.advance(minutes=1)
        claims.append(await phone.claims(**WEN))
        await town.delivered()
        codes.append(town.code_of(WEN["phone"]))
    replies = await asyncio.gather(
        *(
            phone.confirms(claim.json["id"], code)
            for phone, claim, code in zip(phones, claims, codes, strict=True)
        )
    )
    assert sorted(reply.status for reply in replies) == [201, 409]
    assert len(await audited(town.hub, "account.bind")) == 1
    assert len(await audited(town.hub, "account.bind_refused")) == 1


async def test_one_code_binds_once_however_often_it_is_sent_at_the_same_moment(town):
    phone = town.phone()
    claim = await phone.claims(**WEN)
    await town.delivered()
    code = town.code_of(WEN["phone"])
    replies = await asyncio.gather(*(phone.confirms(claim.json["id"], code) for _ in range(4)))
    assert [reply.status for reply in replies].count(201) == 1
    assert await town.hub.db["login_session"].count({}) == 1


async def test_a_deputy_proves_themselves_again_by_a_message_to_their_own_phone(town, clock):
    phone, other = town.phone(), town.phone()
    await phone.binds()
    await other.binds(CEN)
    clock.advance(minutes=1)
    sent = await phone.call("POST", "/api/v1/step-up/sms")
    assert sent.status == 201
    await town.delivered()
    proof = {"method": "sms", "id": sent.json["id"], "code": town.code_of(WEN["phone"])}
    stolen = await other.call("POST", "/api/v1/step-up", proof)
    assert (stolen.status, stolen.code) == (401, "proof_wrong")
    assert (await phone.call("PUT", "/api/v1/me/pin", {"pin": "271828"})).status != 204
    assert (await phone.call("POST", "/api/v1/step-up", proof)).status == 200
    assert (await phone.call("PUT", "/api/v1/me/pin", {"pin": "271828"})).status == 204
    assert (await phone.call("POST", "/api/v1/step-up", proof)).code == "code_wrong"


async def test_a_code_for_one_purpose_is_good_for_no_other(town, clock):
    phone = town.phone()
    claim = await phone.claims(**WEN)
    await town.delivered()
    code = town.code_of(WEN["phone"])
    other = town.phone()
    await other.binds(CEN)
    proof = {"method": "sms", "id": claim.json["id"], "code": code}
    assert (await other.call("POST", "/api/v1/step-up", proof)).code == "code_wrong"


# -- a PC, by scanning ---------------------------------------------------------------------------


async def shown(town: Town):
    pc = Phone(town, "")
    code = await pc.call("POST", "/api/v1/qr-logins")
    assert code.status == 201
    return pc, code.json


async def polled(pc, code):
    return (await pc.call("GET", f"/api/v1/qr-logins/{code['id']}?secret={code['secret']}")).json


async def test_staff_log_in_at_a_pc_by_scanning_and_the_session_is_handed_out_once(town):
    phone = town.phone()
    await phone.binds()
    pc, code = await shown(town)
    assert code["svg"].startswith("<svg")
    start, _, carried = code["url"].partition("?code=")
    assert start == f"{town.hub.url}/h5/#/scan"
    claims = await town.hub.services.passes.keys.verify(carried)
    assert (claims.kind, claims.attempt_id) == ("L", code["id"])
    assert await polled(pc, code) == {"state": "created", "entry": None}
    scanned = await phone.call("POST", f"/api/v1/qr-logins/{code['id']}/scan")
    assert scanned.json["state"] == "scanned"
    assert (await polled(pc, code))["state"] == "scanned"
    assert (await phone.call("POST", f"/api/v1/qr-logins/{code['id']}/confirm")).status == 200
    first, second = await polled(pc, code), await polled(pc, code)
    assert first["entry"]["person"]["name"] == "闻予澄"
    assert second == {"state": "handed", "entry": None}
    assert (await pc.call("GET", "/api/v1/me")).json["name"] == "闻予澄"


async def test_many_polls_at_the_same_moment_are_handed_one_session(town):
    phone = town.phone()
    await phone.binds()
    pc, code = await shown(town)
    for step in ("scan", "confirm"):
        await phone.call("POST", f"/api/v1/qr-logins/{code['id']}/{step}")
    before = await town.hub.db["login_session"].count({})
    answers = await asyncio.gather(*(polled(pc, code) for _ in range(8)))
    assert sum(answer["entry"] is not None for answer in answers) == 1
    assert await town.hub.db["login_session"].count({}) == before + 1


async def test_a_code_confirmed_by_another_account_conflicts(town):
    wen, cen = town.phone(), town.phone()
    await wen.binds()
    await cen.binds(CEN)
    pc, code = await shown(town)
    await wen.call("POST", f"/api/v1/qr-logins/{code['id']}/scan")
    for step in ("scan", "confirm", "refuse"):
        reply = await cen.call("POST", f"/api/v1/qr-logins/{code['id']}/{step}")
        assert (reply.status, reply.code) == (409, "conflict")
    assert (await polled(pc, code))["state"] == "scanned"


async def test_a_code_that_nobody_scanned_cannot_be_confirmed_and_a_refused_one_stays(town):
    phone = town.phone()
    await phone.binds()
    pc, code = await shown(town)
    early = await phone.call("POST", f"/api/v1/qr-logins/{code['id']}/confirm")
    assert (early.status, early.code) == (409, "bad_state")
    await phone.call("POST", f"/api/v1/qr-logins/{code['id']}/scan")
    assert (await phone.call("POST", f"/api/v1/qr-logins/{code['id']}/refuse")).status == 200
    late = await phone.call("POST", f"/api/v1/qr-logins/{code['id']}/confirm")
    assert (late.status, late.code) == (409, "bad_state")
    assert await polled(pc, code) == {"state": "refused", "entry": None}


async def test_a_code_is_over_after_two_minutes(town, clock):
    phone = town.phone()
    await phone.binds()
    pc, code = await shown(town)
    clock.advance(seconds=120)
    assert (await polled(pc, code))["state"] == "expired"
    assert (await phone.call("POST", f"/api/v1/qr-logins/{code['id']}/scan")).status == 404


async def test_who_does_not_hold_the_secret_of_the_screen_gets_nothing(town):
    _, code = await shown(town)
    thief = Phone(town, "")
    path = f"/api/v1/qr-logins/{code['id']}?secret={secrets.token_urlsafe(32)}"
    assert (await thief.call("GET", path)).status == 404


async def test_an_administrator_needs_an_authenticator_whatever_way_they_come(town):
    phone = town.phone()
    await phone.binds()
    me = (await phone.call("GET", "/api/v1/me")).json["id"]
    granting: GrantService = town.hub.services.administration.grants
    await granting.install(me, Role.ADMIN, by="system", reason="测试")
    phone.jar.clear()
    reply = await phone.enters()
    assert "#/login?next=enrol_totp&ticket=" in reply.headers["Location"]
    assert "daibiao_session" not in phone.jar


# -- pages and messages --------------------------------------------------------------------------


async def test_a_page_of_ours_is_signed_without_its_fragment_and_no_other(town):
    url = f"{town.hub.url}/h5/?a=1"
    signed = await town.hub.anybody.call(
        "POST", "/api/v1/wechat/jssdk", {"url": f"{url}#/meetings/1"}
    )
    assert signed.status == 200
    ticket = await town.hub.services.identity.jssdk._wechat.jsapi_ticket()
    text = (
        f"jsapi_ticket={ticket}&noncestr={signed.json['nonce_str']}"
        f"&timestamp={signed.json['timestamp']}&url={url}"
    )
    assert signed.json["signature"] == hashlib.sha1(text.encode()).hexdigest()
    for other in ("https://evil.example/h5/", "http://127.0.0.1/h5/", "h5", "http://[::1"):
        reply = await town.hub.anybody.call("POST", "/api/v1/wechat/jssdk", {"url": other})
        assert (reply.status, reply.json.get("field")) == (422, "url"), other


@pytest.mark.parametrize(
    ("entered", "now"),
    [
        # iOS compares with the address at which the page was first entered, Android with the
        # present one; pages route by fragment, so both are the same but for what is not signed.
        ("/h5/", "/h5/#/scan?code=RD1.D.x.y"),
        (
            "/h5/?from=singlemessage&isappinstalled=0",
            "/h5/?from=singlemessage&isappinstalled=0#/me",
        ),
        ("/h5/?a=%E4%BB%A3%E8%A1%A8", "/h5/?a=%E4%BB%A3%E8%A1%A8#/papers/1?x=1"),
    ],
)
async def test_the_scanner_of_wechat_may_be_used_on_both_systems(town, entered, now):
    """``scanQRCode`` works where ``wx.config`` was signed for the address that the system sees."""
    theirs = WeChatClient("wx1", "s3cret").jsapi
    ticket = await town.hub.services.identity.jssdk._wechat.jsapi_ticket()
    for path in (entered, now):
        reply = await town.hub.anybody.call(
            "POST", "/api/v1/wechat/jssdk", {"url": town.hub.url + path}
        )
        assert (reply.status, reply.json["app_id"]) == (200, "wx1")
        seen = town.hub.url + entered
        expected = theirs.get_jsapi_signature(
            reply.json["nonce_str"], ticket, reply.json["timestamp"], seen
        )
        assert reply.json["signature"] == expected


def signature(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()


def push_path(**more: str) -> str:
    signed = signature("callback-token", "1760000000", "n1")
    query = {"signature": signed, "timestamp": "1760000000", "nonce": "n1", **more}
    return "/api/v1/wechat/messages?" + "&".join(f"{k}={v}" for k, v in query.items())


def scan_event(openid: str, scene: str) -> str:
    return (
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName>"
        f"<FromUserName><![CDATA[{openid}]]></FromUserName><CreateTime>1760000000</CreateTime>"
        "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[SCAN]]></Event>"
        f"<EventKey><![CDATA[{scene}]]></EventKey><Ticket><![CDATA[t]]></Ticket></xml>"
    )


async def test_wechats_server_is_told_that_the_address_is_ours(town):
    reply = await town.hub.anybody.call("GET", push_path(echostr="4217"))
    assert (reply.status, reply.body) == (200, b"4217")
    forged = await town.hub.anybody.call("GET", push_path(echostr="4217", signature="0" * 40))
    assert (forged.status, forged.code) == (403, "bad_signature")


async def test_a_scan_reported_by_wechat_marks_the_code_as_scanned(town):
    phone = town.phone()
    await phone.binds()
    pc, code = await shown(town)
    event = scan_event(phone.openid, f"qr-login:{code['id']}").encode()
    reply = await town.hub.anybody.call("POST", push_path(), body=event)
    assert reply.status == 200
    assert code["id"] in reply.body.decode()
    assert (await polled(pc, code))["state"] == "scanned"


async def test_a_stranger_who_scans_is_asked_to_bind_first(town):
    _, code = await shown(town)
    event = scan_event("o-stranger", f"qr-login:{code['id']}").encode()
    reply = await town.hub.anybody.call("POST", push_path(), body=event)
    assert "请先绑定身份" in reply.body.decode()


async def test_encrypted_messages_are_opened_and_answered_encrypted(town):
    crypto = WeChatCrypto("callback-token", AES_KEY, "wx1")
    sealed = crypto.encrypt_message(scan_event("o-stranger", "x"), "n1", "1760000000")
    encrypted = re.search(r"<Encrypt><!\[CDATA\[(.*?)\]\]>", sealed, re.DOTALL)[1]
    path = push_path(
        encrypt_type="aes",
        msg_signature=signature("callback-token", "1760000000", "n1", encrypted),
    )
    reply = await town.hub.anybody.call("POST", path, body=sealed.encode())
    assert reply.status == 200, reply.body
    text = reply.body.decode()
    answer = re.search(r"<MsgSignature><!\[CDATA\[(.*?)\]\]>", text)[1]
    opened = crypto.decrypt_message(text, answer, "1760000000", "n1")
    assert "点击进入" in opened
    tampered = path.replace("msg_signature=", "msg_signature=0")
    assert (await town.hub.anybody.call("POST", tampered, body=sealed.encode())).status == 403


@pytest.mark.parametrize("body", [b"", b"<xml>", b"{}", b"<xml></xml>", b"\xff\xfe"])
async def test_a_message_that_is_none_is_no_error_of_ours(town, body):
    for path in (push_path(), push_path(encrypt_type="aes", msg_signature="x")):
        reply = await town.hub.anybody.call("POST", path, body=body)
        assert reply.status < 500


async def test_a_caller_without_cookies_may_use_the_token_of_the_answer(town):
    bound = await town.phone().binds()
    caller = Caller(town.hub.url, town.hub.client, bound.json["token"])
    assert (await caller.call("GET", "/api/v1/me")).status == 200
