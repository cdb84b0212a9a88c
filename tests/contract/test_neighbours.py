"""Our clients against the stand-ins, over real sockets: what is sent, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from domain.errors import NotConfigured, RateLimited, Unauthenticated, UpstreamDown
from gateways.http import JsonClient
from gateways.sms import NoSms, SmsAccount, TencentSms, sign
from gateways.standin.neighbourhood import LOGIN_CODE, Neighbourhood
from gateways.wechat import NoWeChat, WeChatClient, WeChatError

ACCOUNT = SmsAccount(
    secret_id="AKIDdemo",
    secret_key="demo-secret",
    app_id="1400000001",
    sign_name="代表服务",
    templates={LOGIN_CODE: ("1110", ("code", "minutes"))},
)


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 20, 0, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def ticking():
    return Ticking()


@pytest.fixture
async def street(ticking):
    street = await Neighbourhood.open(clock=ticking, wechat=("wx1", "s3cret"), sms=ACCOUNT)
    yield street
    await street.close()


@pytest.fixture
async def wechat(street, ticking):
    client = WeChatClient(
        JsonClient("wechat", street.url), app_id="wx1", app_secret="s3cret", clock=ticking
    )
    yield client
    client.close()


@pytest.fixture
async def sms(street, ticking):
    client = TencentSms(JsonClient("sms", street.url), ACCOUNT, clock=ticking)
    yield client
    client.close()


async def open_page(street, openid, **changes):
    """Do what a phone does, and answer the response without following its redirect."""
    query = {
        "appid": "wx1",
        "redirect_uri": "http://127.0.0.1:1/cb",
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "s",
        "user": openid,
    } | changes
    address = f"{street.url}/connect/oauth2/authorize?{urlencode(query)}"
    request = HTTPRequest(address, follow_redirects=False)
    return await AsyncHTTPClient().fetch(request, raise_error=False)


async def test_a_code_tells_who_opened_the_page_and_works_once(street, wechat):
    user = street.wechat.add_user("闻予澄")
    response = await open_page(street, user.openid)
    assert response.code == 302
    back = parse_qs(urlsplit(response.headers["Location"]).query)
    assert back["state"] == ["s"]

    identity = await wechat.exchange(back["code"][0])
    assert (identity.openid, identity.snapshot) == (user.openid, False)
    with pytest.raises(Unauthenticated) as refusal:
        await wechat.exchange(back["code"][0])
    assert refusal.value.code == "code_used"


async def test_a_code_dies_after_five_minutes(street, wechat, ticking):
    code = street.wechat.issue_code(street.wechat.add_user("蔺书航").openid)
    ticking.now += timedelta(minutes=5, seconds=1)
    with pytest.raises(Unauthenticated) as refusal:
        await wechat.exchange(code)
    assert refusal.value.code == "code_used"


async def test_a_snapshot_visitor_is_told_apart(street, wechat):
    code = street.wechat.issue_code(street.wechat.add_user("游客", snapshot=True).openid)
    assert (await wechat.exchange(code)).snapshot


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"appid": "wx2"}, "10006"),
        ({"scope": "everything"}, "10005"),
        ({"redirect_uri": "https://elsewhere.example/cb"}, "10003"),
    ],
)
async def test_the_phone_refuses_a_wrong_link(street, changes, number):
    response = await open_page(street, "nobody", **changes)
    assert response.code == 400
    assert number in response.body.decode()


async def test_a_wrong_secret_is_an_upstream_error(street, ticking):
    client = WeChatClient(
        JsonClient("wechat", street.url), app_id="wx1", app_secret="no", clock=ticking
    )
    with pytest.raises(WeChatError) as refusal:
        await client.access_token()
    assert refusal.value.errcode == 40125
    client.close()


async def test_the_token_is_kept_until_five_minutes_before_its_end(street, wechat, ticking):
    first = await wechat.access_token()
    ticking.now += timedelta(seconds=6899)
    assert await wechat.access_token() == first
    ticking.now += timedelta(seconds=2)
    assert await wechat.access_token() != first


async def test_a_dead_token_is_fetched_anew_once_for_the_ticket(street, wechat):
    first = await wechat.access_token()
    street.wechat.fault = 40001
    assert (await wechat.jsapi_ticket()).startswith("ticket-wx1-")
    # Normal mode answers the same token: renewing it is WeChat's business, not ours.
    assert await wechat.access_token() == first


async def test_another_error_is_not_tried_again(street, wechat):
    await wechat.access_token()
    street.wechat.fault = 45009
    with pytest.raises(WeChatError) as refusal:
        await wechat.jsapi_ticket()
    assert refusal.value.errcode == 45009


async def test_a_neighbour_that_is_away_is_upstream_down(ticking):
    client = WeChatClient(
        JsonClient("wechat", "http://127.0.0.1:9"), app_id="a", app_secret="b", clock=ticking
    )
    with pytest.raises(UpstreamDown) as refusal:
        await client.access_token()
    assert refusal.value.detail == {"upstream": "wechat"}
    assert "secret" not in repr(refusal.value.__cause__)
    client.close()


async def test_what_is_not_configured_says_so():
    with pytest.raises(NotConfigured):
        await NoWeChat().exchange("x")
    with pytest.raises(NotConfigured):
        await NoSms().send("13800000000", LOGIN_CODE, {})


def test_the_signature_is_the_one_the_provider_publishes():
    # The worked example of Tencent Cloud's “Signature v3” page; key and id are masked there too.
    body = (
        b'{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
    )
    header = sign(
        secret_id="*" * 32,
        secret_key="*" * 32,
        service="cvm",
        host="cvm.tencentcloudapi.com",
        action="DescribeInstances",
        body=body,
        timestamp=1551113065,
    )
    assert header.endswith("10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f")


async def test_a_message_arrives_with_its_parameters_in_order(street, sms):
    serial = await sms.send("13800000001", LOGIN_CODE, {"minutes": "5", "code": "123456"})
    assert serial.startswith("2028:")
    assert street.sms.last_to("13800000001").params == ("123456", "5")


async def test_a_second_message_within_thirty_seconds_is_too_fast(street, sms, ticking):
    params = {"minutes": "5", "code": "123456"}
    await sms.send("13800000001", LOGIN_CODE, params)
    with pytest.raises(RateLimited):
        await sms.send("13800000001", LOGIN_CODE, params)
    ticking.now += timedelta(seconds=31)
    await sms.send("13800000001", LOGIN_CODE, params)
    assert len(street.sms.inbox) == 2


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"secret_key": "wrong"}, "AuthFailure.SignatureFailure"),
        ({"app_id": "1"}, "SmsSdkAppIdVerifyFail"),
        ({"sign_name": "别人"}, "SignatureIncorrectOrUnapproved"),
    ],
)
async def test_the_provider_refuses_a_wrong_account(street, ticking, changes, word):
    from dataclasses import replace

    client = TencentSms(JsonClient("sms", street.url), replace(ACCOUNT, **changes), clock=ticking)
    with pytest.raises(UpstreamDown, match=word):
        await client.send("13800000001", LOGIN_CODE, {"minutes": "5", "code": "1"})
    client.close()


async def test_a_clock_five_minutes_off_is_refused(street, sms, ticking):
    class Late:
        def __call__(self):
            return ticking() - timedelta(minutes=6)

    late = TencentSms(JsonClient("sms", street.url), ACCOUNT, clock=Late())
    with pytest.raises(UpstreamDown, match="SignatureExpire"):
        await late.send("13800000001", LOGIN_CODE, {"minutes": "5", "code": "1"})
    late.close()


async def test_a_wrong_number_is_refused_and_nothing_arrives(street, sms):
    with pytest.raises(UpstreamDown, match="IncorrectPhoneNumber"):
        await sms.send("12345", LOGIN_CODE, {"minutes": "5", "code": "1"})
    assert not street.sms.inbox
