"""WeChat's messages: what our client sends fits, and what does not fit is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from domain.errors import Unsent, UpstreamDown
from domain.ladder.ports import Message, Outcome
from gateways.http import Breaker, JsonClient
from gateways.sms import SmsAccount, TencentSms
from gateways.standin import wechat_messages as standin
from gateways.standin.neighbourhood import Neighbourhood
from gateways.standin.wechat_messages import AccountTemplate
from gateways.wechat import WeChatClient
from gateways.wechat_notices import NoWeChatNotices, Template, WeChatNotices, fitted

NOW = datetime(2026, 1, 20, 0, 30, tzinfo=UTC)
FIELDS = {
    "title": "thing1",
    "kind": "phrase2",
    "time": "time3",
    "priority": "phrase4",
    "count": "number5",
}
MESSAGE = Message(
    id="n1",
    title="分组会议改在 3 号厅",
    kind="会议通知",
    priority="紧急",
    at=NOW,
    url="https://h/#/n1",
)
ACCOUNT = SmsAccount("id", "key", "1400", "签名", {})


@pytest.fixture
async def street():
    street = await Neighbourhood.open(clock=lambda: NOW, wechat=("wx1", "s3cret"), sms=ACCOUNT)
    street.messages.templates = {
        "sub": AccountTemplate(tuple(FIELDS.values())),
        "card": AccountTemplate(tuple(FIELDS.values()), card=True),
    }
    yield street
    await street.close()


def sender_of(url, **more):
    client = WeChatClient(
        JsonClient("wechat", url, **more), app_id="wx1", app_secret="s3cret", clock=lambda: NOW
    )
    return client, WeChatNotices(
        client,
        subscription=Template("sub", FIELDS),
        long_term=False,
        card=Template("card", FIELDS),
    )


@pytest.fixture
async def sender(street):
    client, sender = sender_of(street.url)
    yield sender
    client.close()


async def openid_of(street, *, agrees=True):
    openid = street.wechat.add_user("闻予澄").openid
    if agrees:
        await street.messages.agree(openid, "sub")
    return openid


async def test_a_subscription_message_arrives_with_its_fields_and_uses_the_consent_up(
    street, sender
):
    openid = await openid_of(street)
    done = await sender.subscribed(openid, MESSAGE)
    assert (done.outcome, done.message_id) == (Outcome.SENT, "")
    [message] = street.messages.to(openid)
    assert message.data == {
        "thing1": "分组会议改在 3 号厅", "phrase2": "会议通知", "time3": "2026年1月20日 08:30",
        "phrase4": "紧急", "number5": "1",
    }  # fmt: skip
    assert message.url == "https://h/#/n1"
    again = await sender.subscribed(openid, MESSAGE)
    assert (again.outcome, again.reason) == (Outcome.REFUSED, "no_consent")


async def test_a_template_message_has_an_id_and_is_shown_once_however_often_it_is_sent(
    street, sender
):
    openid = await openid_of(street, agrees=False)
    first, second = [await sender.carded(openid, MESSAGE) for _ in range(2)]
    assert first.message_id
    assert first == second
    assert len(street.messages.to(openid)) == 1


@pytest.mark.parametrize(
    ("errcode", "outcome", "reason"),
    [
        (-1, Outcome.LATER, "busy"),
        (43101, Outcome.REFUSED, "no_consent"),
        (43004, Outcome.REFUSED, "not_following"),
        (45009, Outcome.REFUSED, "quota"),
        (47003, Outcome.REFUSED, "field"),
        (40003, Outcome.REFUSED, "no_wechat"),
        (12345, Outcome.REFUSED, "refused"),
    ],
)
async def test_what_wechat_answers_is_told_apart(street, sender, errcode, outcome, reason):
    openid = await openid_of(street)
    street.messages.faults.append(errcode)
    done = await sender.subscribed(openid, MESSAGE)
    assert (done.outcome, done.reason, street.messages.calls) == (outcome, reason, 1)
    assert street.messages.to(openid) == []


async def test_a_dead_token_is_renewed_once_and_not_for_ever(street, sender):
    openid = await openid_of(street)
    street.messages.faults.append(42001)
    assert (await sender.subscribed(openid, MESSAGE)).outcome is Outcome.SENT
    street.messages.calls = 0
    street.messages.faults.extend([40001] * 5)
    assert (await sender.subscribed(openid, MESSAGE)).outcome is Outcome.LATER
    assert street.messages.calls == 2


async def test_a_used_up_quota_and_one_who_left_are_refused_by_the_stand_in_itself(street, sender):
    street.messages.quota = 1
    one, other = [await openid_of(street) for _ in range(2)]
    assert (await sender.subscribed(one, MESSAGE)).outcome is Outcome.SENT
    assert (await sender.subscribed(other, MESSAGE)).reason == "quota"
    street.messages.left.add(other)
    assert (await sender.carded(other, MESSAGE)).reason == "not_following"
    assert (await sender.carded("o-nobody", MESSAGE)).reason == "no_wechat"


@pytest.mark.parametrize("nonsense", ["<html>502</html>", "[]", '{"hello": 1}', '{"errcode": "x"}'])
async def test_nonsense_leaves_it_unknown_whether_the_message_went(street, sender, nonsense):
    openid = await openid_of(street)
    street.messages.nonsense = nonsense
    assert (await sender.subscribed(openid, MESSAGE)).outcome is Outcome.UNKNOWN


async def test_an_answer_that_does_not_come_leaves_it_unknown_and_a_refused_line_does_not(street):
    openid = await openid_of(street)
    client, sender = sender_of(street.url, timeout=0.1)
    street.messages.stalled = True
    assert (await sender.subscribed(openid, MESSAGE)).outcome is Outcome.UNKNOWN
    assert len(street.messages.to(openid)) == 1
    street.messages.going_on.set()
    street.messages.stalled = False
    street.messages.down = True
    assert (await sender.subscribed(openid, MESSAGE)).outcome is Outcome.LATER
    client.close()
    client, sender = sender_of("http://127.0.0.1:9")
    assert (await sender.subscribed(openid, MESSAGE)).outcome is Outcome.LATER
    client.close()
    assert (await NoWeChatNotices().carded(openid, MESSAGE)).reason == "not_configured"


async def test_twenty_messages_at_once_renew_a_dead_token_without_losing_any(street, sender):
    people = [await openid_of(street) for _ in range(20)]
    street.messages.faults.extend([40001] * 10)
    done = await asyncio.gather(*[sender.subscribed(one, MESSAGE) for one in people])
    assert {one.outcome for one in done} == {Outcome.SENT}
    assert [len(street.messages.to(one)) for one in people] == [1] * 20


@given(
    title=st.text(max_size=70),
    kind=st.sampled_from(["会议通知", "紧急通知", "Notice", "", "一二三四五六七"]),
    at=st.datetimes(timezones=st.just(UTC), min_value=datetime(2025, 1, 1)),  # noqa: DTZ001
)
def test_whatever_a_notice_is_called_its_fields_are_what_wechat_takes(title, kind, at):
    for name, value in [
        ("thing1", title), ("phrase2", kind), ("time3", at), ("date4", at),
        ("character_string5", title), ("character_string6", at), ("number7", title),
    ]:  # fmt: skip
        kind_of = name.rstrip("0123456789")
        assert standin._FITS[kind_of].fullmatch(fitted(name, value)), (name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("thing1", "字" * 21), ("thing1", "两\n行"), ("thing1", ""), ("phrase2", "六个汉字太多"),
        ("phrase2", "abc"), ("time3", "明天"), ("time3", "2026-13"), ("number5", "3,5"),
        ("number5", "1" * 33),
    ],
)  # fmt: skip
async def test_the_stand_in_names_the_field_that_does_not_fit(street, name, value):
    openid, (token, _) = await openid_of(street), street.wechat.stable_token()
    good = {"thing1": "a", "phrase2": "通知", "time3": "08:30", "phrase4": "紧急", "number5": "1"}
    data = {key: {"value": text} for key, text in {**good, name: value}.items()}
    response = await AsyncHTTPClient().fetch(
        HTTPRequest(
            f"{street.url}/cgi-bin/message/subscribe/bizsend?access_token={token}",
            method="POST",
            body=orjson.dumps({"touser": openid, "template_id": "sub", "data": data}),
        )
    )
    answer = orjson.loads(response.body)
    assert (answer["errcode"], name in answer["errmsg"]) == (47003, True)


async def test_the_phones_show_what_wechat_brought(street, sender):
    openid = await openid_of(street)
    await sender.subscribed(openid, MESSAGE)
    page = (await AsyncHTTPClient().fetch(f"{street.url}/phones")).body.decode()
    assert "闻予澄" in page
    assert "分组会议改在 3 号厅" in page


class Seconds:
    """Seconds that a test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


async def test_five_failures_open_the_circuit_for_a_minute_and_one_request_tries_again(street):
    seconds = Seconds()
    client = JsonClient("wechat", street.url, breaker=Breaker(seconds))
    street.messages.down = True
    path = "/cgi-bin/message/template/send"
    for _ in range(5):
        with pytest.raises(UpstreamDown):
            await client.post(path, b"{}")
    with pytest.raises(Unsent) as refusal:
        await client.post(path, b"{}")
    assert (street.messages.calls, refusal.value.retry_after) == (5, 60)
    seconds.now = 60.0
    with pytest.raises(Unsent):
        await client.post(path, b"{}")
    with pytest.raises(Unsent):
        await client.post(path, b"{}")
    assert street.messages.calls == 6
    seconds.now = 120.0
    street.messages.down = False
    assert (await client.post(path, b"{}"))["errcode"] == 40001
    assert (await client.post(path, b"{}"))["errcode"] == 40001
    client.close()


async def test_failures_that_are_not_in_a_row_leave_the_circuit_closed(street):
    client = JsonClient("wechat", street.url)
    for _ in range(4):
        street.messages.down = True
        with pytest.raises(UpstreamDown):
            await client.post("/cgi-bin/message/template/send", b"{}")
        street.messages.down = False
        await client.post("/cgi-bin/message/template/send", b"{}")
    assert street.messages.calls == 8
    client.close()


@pytest.mark.parametrize(
    "answer", [{}, {"access_token": "t"}, {"access_token": 5, "expires_in": "soon"}]
)
async def test_a_token_that_is_none_sends_nothing_and_is_asked_for_again_later(
    street, monkeypatch, answer
):
    client, sender = sender_of(street.url)
    http = client._http
    asked = http.post

    async def post(path, body, **more):
        return answer if "stable_token" in path else await asked(path, body, **more)

    monkeypatch.setattr(http, "post", post)
    openid = await openid_of(street)
    done = await sender.carded(openid, MESSAGE)
    assert (done.outcome, done.reason) == (Outcome.LATER, "busy")
    monkeypatch.undo()
    assert (await sender.carded(openid, MESSAGE)).outcome is Outcome.SENT
    client.close()


@pytest.mark.parametrize("said", [None, "ok", {"SendStatusSet": ["Ok"]}, {"SendStatusSet": [None]}])
async def test_nonsense_of_the_text_message_provider_is_its_failure_and_not_ours(
    street, monkeypatch, said
):
    http = JsonClient("sms", street.url)

    async def post(path, body, **more):
        return {"Response": said}

    monkeypatch.setattr(http, "post", post)
    account = SmsAccount("id", "key", "1400", "签名", {"notice": ("1", ("title",))})
    gateway = TencentSms(http, account, clock=lambda: NOW)
    with pytest.raises(UpstreamDown):
        await gateway.send("19900000001", "notice", {"title": "通知"})
    gateway.close()
