"""企业微信: members found by number, one card each, refusals told apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.ladder.ports import Message, Outcome
from gateways.http import JsonClient
from gateways.sms import SmsAccount
from gateways.standin.neighbourhood import WECOM, Neighbourhood
from gateways.wecom import WeComMessages

NOW = datetime(2026, 1, 20, 0, 30, tzinfo=UTC)
PHONE = "19900000001"
MESSAGE = Message(
    id="n1",
    title="分组会议改在 3 号厅",
    kind="会议通知",
    priority="紧急",
    at=NOW,
    url="https://h/#/n1",
)


@pytest.fixture
async def street():
    account = SmsAccount("id", "key", "1400", "签名", {})
    street = await Neighbourhood.open(clock=lambda: NOW, wechat=("wx1", "s"), sms=account)
    street.wecom.members[PHONE] = "wenyucheng"
    yield street
    await street.close()


def client_of(url, secret=WECOM[1], agent_id=1_000_002):
    return WeComMessages(
        JsonClient("wecom", url),
        corp_id=WECOM[0],
        agent_id=agent_id,
        secret=secret,
        clock=lambda: NOW,
    )


@pytest.fixture
async def wecom(street):
    client = client_of(street.url)
    yield client
    client.close()


async def test_a_member_gets_one_card_however_often_it_is_sent(street, wecom):
    done = [await wecom.send(PHONE, MESSAGE) for _ in range(2)]
    assert [one.outcome for one in done] == [Outcome.SENT] * 2
    assert all(one.message_id for one in done)
    assert [(card.user_id, card.title) for card in street.wecom.inbox] == [
        ("wenyucheng", "分组会议改在 3 号厅")
    ]


async def test_the_longest_title_of_a_notice_is_cut_to_what_a_card_takes(street, wecom):
    done = await wecom.send(PHONE, replace(MESSAGE, title="长" * 60))
    assert (done.outcome, street.wecom.inbox[0].title) == (Outcome.SENT, "长" * 42)


async def test_who_is_no_member_or_may_not_see_the_application_is_refused(street, wecom):
    assert (await wecom.send("19900000009", MESSAGE)).reason == "no_member"
    street.wecom.hidden.add("wenyucheng")
    assert (await wecom.send(PHONE, MESSAGE)).reason == "no_member"
    assert not street.wecom.inbox


@pytest.mark.parametrize(
    ("errcode", "outcome", "reason"),
    [
        (-1, Outcome.LATER, "busy"),
        (45009, Outcome.LATER, "busy"),
        (301002, Outcome.REFUSED, "refused"),
    ],
)
async def test_what_it_answers_is_told_apart(street, wecom, errcode, outcome, reason):
    street.wecom.faults.append(errcode)
    done = await wecom.send(PHONE, MESSAGE)
    assert (done.outcome, done.reason, len(street.wecom.inbox)) == (outcome, reason, 0)


async def test_a_dead_token_is_renewed_once(street, wecom):
    street.wecom.faults.append(42001)
    assert (await wecom.send(PHONE, MESSAGE)).outcome is Outcome.SENT
    assert len(street.wecom.inbox) == 1


async def test_a_wrong_secret_a_wrong_application_and_a_dead_line(street):
    for client, outcome in [
        (client_of(street.url, secret="no"), Outcome.LATER),
        (client_of(street.url, secret=""), Outcome.REFUSED),
        (client_of(street.url, agent_id=1), Outcome.REFUSED),
        (client_of("http://127.0.0.1:9"), Outcome.LATER),
    ]:
        assert (await client.send(PHONE, MESSAGE)).outcome is outcome
        client.close()
    assert not street.wecom.inbox
