"""The notification ladder over real sockets: WeChat, text messages, the call list; who reads."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.integration.ladder import CARD, TEMPLATE, opened, reads
from tests.integration.people import BAI, CEN, MOBILES, SHAN, WEN, XI, ZHANG, bai, cen, wen, yin
from tests.integration.test_realtime import connected

FIELDS = {"title": "thing1", "kind": "phrase2", "time": "time3"}


@pytest.fixture
async def town(mongo_uri, tmp_path, clock, new_id):
    async with opened(mongo_uri, tmp_path, clock, new_id) as town:
        yield town


async def test_an_urgent_notice_climbs_rung_by_rung_until_somebody_phones(town):
    await town.owns_wechat(WEN)
    notice = await town.urgent(WEN)
    await town.climbs()
    assert town.chats() == []
    await town.later(seconds=10)
    [chat] = town.chats()
    assert chat.data == {
        "thing1": notice["title"],
        "phrase2": "会议通知",
        "time3": chat.data["time3"],
    }
    assert chat.url.endswith(f"/h5/#/notices/{notice['id']}")
    assert town.texts() == []
    await town.later(minutes=5)
    assert town.texts() == [("会议通知", notice["title"])]
    row = await town.receipt(notice)
    assert (row["rung"], row["sms_id"][:5]) == ("sms", "2028:")
    await town.later(minutes=10)
    row = await town.receipt(notice)
    assert (row["rung"], row.get("due_at")) == ("call", None)
    await town.later(hours=5)
    assert (len(town.chats()), len(town.texts())) == (1, 1)


@pytest.mark.acceptance("F02-3")
async def test_reading_on_one_device_clears_the_other_and_calls_wechat_off(town):
    """F02-3"""
    await town.owns_wechat(WEN)
    one, other = [await town.hub.sign_in("闻予澄") for _ in range(2)]
    async with connected(other) as (_, ear):
        notice = await town.urgent(WEN)
        assert (await ear.hears())[1]["type"] == "notice.new"
        await reads(one, notice)
        async with asyncio.timeout(2):
            _, badge = await ear.hears()
        assert (badge["type"], badge["count"], badge["read"]) == (
            "unread",
            0,
            [notice["id"]],
        )
    first = (await town.receipt(notice))["read_at"]
    await town.later(seconds=10)
    await reads(other, notice)
    await town.later(hours=1)
    assert (town.street.messages.calls, town.texts()) == (0, [])
    assert (await town.receipt(notice))["read_at"] == first


async def test_text_messages_are_for_what_is_urgent_only(town):
    await town.owns_wechat(WEN)
    notice = await town.urgent(WEN, CEN, priority="重要")
    await town.later(seconds=10)
    assert len(town.chats()) == 1
    await town.later(hours=1)
    row = await town.receipt(notice)
    assert (row["rung"], row.get("due_at"), town.texts()) == ("done", None, [])
    assert (await town.receipt(notice, CEN))["failed"] == "尚未绑定微信"


async def test_an_ordinary_notice_stays_in_the_house(town):
    await town.owns_wechat(WEN)
    await town.urgent(WEN, priority="普通")
    await town.later(days=1)
    assert (town.street.messages.calls, len(town.street.sms.inbox)) == (0, 0)


async def test_what_a_device_has_acknowledged_needs_no_wechat_but_urgent_still_needs_reading(town):
    await town.owns_wechat(WEN)
    caller = await town.hub.sign_in(wen)
    notice = await town.urgent(WEN)
    await caller.call("POST", f"/api/v1/notices/{notice['id']}/delivered")
    await town.later(seconds=10)
    assert town.street.messages.calls == 0
    await town.later(minutes=5)
    assert len(town.texts()) == 1


async def test_at_night_what_is_important_waits_and_what_is_urgent_does_not(town):
    await town.owns_wechat(WEN, ZHANG)
    # 22:00 in Shanghai.
    town.hub.clock.now = town.hub.clock.now.replace(hour=14, minute=0, second=0)
    notice = await town.urgent(WEN, priority="重要")
    await town.urgent(ZHANG)
    await town.later(minutes=1)
    assert (len(town.chats()), len(town.chats(ZHANG))) == (0, 1)
    due = (await town.receipt(notice))["due_at"]
    assert (due.hour, due - town.hub.clock.now) == (23, timedelta(hours=8, minutes=59))
    await town.later(hours=8, minutes=58)
    assert town.chats() == []
    await town.later(minutes=1)
    assert len(town.chats()) == 1


@pytest.mark.parametrize("processes", [1, 3])
async def test_who_wants_a_digest_gets_one_message_in_the_morning_for_all(
    mongo_uri, tmp_path, clock, new_id, processes
):
    async with opened(mongo_uri, tmp_path, clock, new_id, processes=processes) as town:
        await town.owns_wechat(WEN, ZHANG)
        caller = await town.hub.sign_in(wen)
        reply = await caller.call("PATCH", "/api/v1/me/preferences", {"digest": True, "v": 0})
        assert reply.status == 200, reply.body
        notices = [await town.urgent(WEN, ZHANG, priority="重要") for _ in range(3)]
        await reads(caller, notices[0])
        await town.later(minutes=1)
        assert (town.chats(), len(town.chats(ZHANG))) == ([], 1)
        town.hub.clock.now = (await town.receipt(notices[1]))["due_at"]
        assert town.hub.clock.now.hour == 23
        climbs = [hub.services.ladder.climb for hub in (town.hub.hub, *town.others)]
        await asyncio.gather(*[climb.sweep() for climb in climbs for _ in range(3)])
        for _ in range(15):
            await town.later(seconds=5)
        [chat] = town.chats()
        assert (chat.data["thing1"], chat.data["phrase2"]) == ("您有 2 条通知未读", "通知摘要")
        rows = [await town.receipt(one) for one in notices]
        assert [row.get("wx_at") is not None for row in rows] == [False, True, True]
        assert [row.get("due_at") for row in rows] == [None] * 3


async def test_two_processes_and_many_hands_climb_each_rung_once(
    mongo_uri, tmp_path, clock, new_id
):
    async with opened(mongo_uri, tmp_path, clock, new_id, processes=3) as town:
        people = (WEN, ZHANG)
        await town.owns_wechat(*people)
        town.passes(minutes=2)
        for one in people:
            await town.street.messages.agree(town.openids[one], TEMPLATE)
        for _ in range(2):
            await town.urgent(*people)
        town.passes(seconds=10)
        climbs = [hub.services.ladder.climb for hub in (town.hub.hub, *town.others)]

        async def race():
            await asyncio.gather(*[climb.sweep() for climb in climbs for _ in range(5)])
            await town.climbs()

        await race()
        assert ([len(town.chats(one)) for one in people], town.street.messages.calls) == ([2, 2], 4)
        town.passes(minutes=5)
        await race()
        town.passes(seconds=31)
        await race()
        assert [len(town.texts(one)) for one in people] == [2, 2]


async def test_a_process_killed_before_it_sends_leaves_the_rung_to_the_next(town):
    await town.owns_wechat(WEN)
    notice = await town.urgent(WEN)
    town.passes(seconds=10)
    store, now = town.hub.services.ladder.climb._store, town.hub.clock()
    assert await store.claim(at=now, until=now + timedelta(minutes=1), token="killed")
    assert await town.hub.services.ladder.climb.sweep() == 0
    town.passes(seconds=61)
    await town.climbs()
    assert len(town.chats()) == 1
    assert (await town.receipt(notice))["rung"] == "wx"


async def test_a_process_killed_while_sending_never_makes_a_second_message(town):
    await town.owns_wechat(WEN)
    notice = await town.urgent(WEN)
    town.passes(seconds=10)
    store, now = town.hub.services.ladder.climb._store, town.hub.clock()
    claim = await store.claim(at=now, until=now + timedelta(minutes=1), token="killed")
    from domain.notices.receipt import Rung

    assert await store.begin(claim, Rung.WX)
    await town.later(seconds=61)
    row = await town.receipt(notice)
    assert (row["rung"], row["wx_why"], town.street.messages.calls) == ("wx", "unknown", 0)
    await town.later(minutes=5)
    assert len(town.texts()) == 1


async def test_whoever_reads_between_claim_and_sending_gets_nothing_and_the_ladder_stays_over(town):
    await town.owns_wechat(WEN)
    notice = await town.urgent(WEN)
    town.passes(seconds=10)
    from domain.ladder.ports import Settled
    from domain.notices.receipt import Rung

    store, now = town.hub.services.ladder.climb._store, town.hub.clock()
    claim = await store.claim(at=now, until=now + timedelta(minutes=1), token="slow")
    await reads(await town.hub.sign_in(wen), notice)
    assert not await store.begin(claim, Rung.WX)
    due = now + timedelta(minutes=5)
    await store.settle(claim, Settled(at=now, rung=Rung.WX, due=due, sent=Rung.WX))
    row = await town.receipt(notice)
    assert (row.get("due_at"), row["wx_at"]) == (None, now)
    await town.later(hours=1)
    assert (town.street.messages.calls, town.texts()) == (0, [])


async def test_a_recalled_notice_climbs_no_further(town):
    await town.owns_wechat(WEN)
    notice = await town.urgent(WEN)
    admin = await town.hub.sign_in(yin)
    path = f"/api/v1/notices/{notice['id']}"
    reply = await admin.call("POST", f"{path}/recall", {"reason": "时间有误，请等待新通知"})
    assert reply.status == 200, reply.body
    async with asyncio.timeout(5):
        while (await town.receipt(notice)).get("due_at"):
            await asyncio.sleep(0.01)
    await town.later(hours=1)
    assert (town.street.messages.calls, town.texts()) == (0, [])


async def test_a_dead_token_is_renewed_and_the_message_goes_once(town):
    await town.owns_wechat(WEN)
    await town.urgent(WEN)
    town.street.messages.faults.append(40001)
    await town.later(seconds=10)
    assert (len(town.chats()), town.street.messages.calls) == (1, 2)


@pytest.mark.parametrize(
    ("errcode", "why"), [(45009, "quota"), (43101, "no_consent"), (99999, "refused")]
)
async def test_a_refusal_leaves_the_rung_out_and_the_text_message_comes_at_its_time(
    town, errcode, why
):
    await town.owns_wechat(WEN)
    notice = await town.urgent(WEN)
    town.street.messages.faults.append(errcode)
    await town.later(seconds=10)
    row = await town.receipt(notice)
    assert (row["rung"], row["wx_why"], row.get("wx_at")) == ("wx", why, None)
    await town.later(minutes=4, seconds=50)
    assert (len(town.chats()), len(town.texts())) == (0, 1)


async def test_one_who_left_the_account_is_told_by_text_message(mongo_uri, tmp_path, clock, new_id):
    more = {"card_template": CARD, "subscribe_template": "", "card_fields": FIELDS}
    async with opened(mongo_uri, tmp_path, clock, new_id, **more) as town:
        await town.owns_wechat(WEN, ZHANG)
        town.street.messages.left.add(town.openids[WEN])
        notice = await town.urgent(WEN, ZHANG)
        await town.later(seconds=10)
        row = await town.receipt(notice)
        assert (row["wx_why"], row.get("wx_at")) == ("not_following", None)
        sent = await town.receipt(notice, ZHANG)
        assert (sent["wx_result"], sent["wx_id"]) == ("success", town.chats(ZHANG)[0].message_id)
        await town.later(minutes=5)
        assert len(town.texts()) == 1


async def test_a_busy_wechat_is_asked_again_and_nonsense_is_not(town):
    await town.owns_wechat(WEN, ZHANG)
    busy = await town.urgent(WEN)
    town.street.messages.faults.append(-1)
    await town.later(seconds=10)
    assert (await town.receipt(busy))["tries"] == 1
    await town.later(seconds=30)
    assert len(town.chats()) == 1
    strange = await town.urgent(ZHANG)
    town.street.messages.nonsense = "<html>502 Bad Gateway</html>"
    await town.later(seconds=10)
    assert (await town.receipt(strange, ZHANG))["wx_why"] == "unknown"
    await town.later(minutes=6)
    assert (town.chats(ZHANG), len(town.texts(ZHANG))) == ([], 1)


async def test_a_slow_wechat_that_delivers_without_an_answer_is_not_asked_twice(
    mongo_uri, tmp_path, clock, new_id
):
    async with opened(mongo_uri, tmp_path, clock, new_id, timeout=0.2) as town:
        await town.owns_wechat(WEN)
        notice = await town.urgent(WEN)
        town.street.messages.stalled = True
        await town.later(seconds=10)
        town.street.messages.stalled = False
        town.street.messages.going_on.set()
        # WeChat's own report makes known what its answer did not say.
        async with asyncio.timeout(5):
            while (row := await town.receipt(notice)).get("wx_result") is None:
                assert row.get("wx_why", "unknown") == "unknown"
                await asyncio.sleep(0.01)
        await town.later(minutes=4)
        row = await town.receipt(notice)
        assert (row.get("wx_why"), row["wx_at"] is not None) == (None, True)
        assert (len(town.chats()), town.street.messages.calls) == (1, 1)


async def test_members_are_told_by_wecom_and_all_others_by_the_official_account(
    mongo_uri, tmp_path, clock, new_id
):
    async with opened(mongo_uri, tmp_path, clock, new_id, wecom=True) as town:
        await town.owns_wechat(WEN, ZHANG)
        town.street.wecom.members[MOBILES[WEN]] = "wen"
        notice = await town.urgent(WEN, ZHANG)
        await town.later(seconds=10)
        assert [card.user_id for card in town.street.wecom.inbox] == ["wen"]
        assert (len(town.chats(WEN)), len(town.chats(ZHANG))) == (0, 1)
        rows = [await town.receipt(notice, one) for one in (WEN, ZHANG)]
        assert [row.get("wx_at") for row in rows] == [town.hub.clock.now] * 2


async def test_wechat_gone_for_a_while_costs_patience_and_nothing_else(town):
    await town.owns_wechat(WEN, ZHANG, SHAN, CEN)
    notice = await town.urgent(WEN, ZHANG, SHAN, CEN, priority="重要")
    town.street.messages.down = True
    await town.later(seconds=10)
    town.street.messages.down = False
    assert (await town.receipt(notice))["tries"] == 1
    await town.later(seconds=30)
    assert [len(town.chats(one)) for one in (WEN, ZHANG, SHAN, CEN)] == [1] * 4


async def test_consents_are_counted_from_page_and_event_and_used_up(town):
    await town.owns_wechat(WEN, agrees=False)
    caller, openid = await town.hub.sign_in(wen), town.openids[WEN]

    async def left():
        return (await caller.call("GET", "/api/v1/wechat/consents")).json["left"]

    async def page(key):
        body = {"id": key, "answers": {TEMPLATE: "accept"}}
        reply = await caller.call("POST", "/api/v1/wechat/consents", body)
        assert reply.status == 200, reply.body
        return reply.json["left"]

    messages = town.street.messages
    assert await left() == 0
    await messages.agree(openid, TEMPLATE)
    assert await left() == 1
    assert await page("same-answer") == 1
    assert await page("same-answer") == 1
    town.passes(minutes=2)
    await messages.agree(openid, TEMPLATE, tell=False)
    assert await page("another-one") == 2
    for _ in range(3):
        await town.urgent(WEN, priority="重要")
        await town.later(seconds=10)
    assert (len(town.chats()), messages.calls, await left()) == (2, 2, 0)
    town.passes(minutes=2)
    await messages.agree(openid, TEMPLATE)
    assert await left() == 1
    await messages.refuse(openid, TEMPLATE)
    stock = (await caller.call("GET", "/api/v1/wechat/consents")).json
    assert (stock["left"], stock["refused"]) == (0, True)


async def test_a_long_term_consent_is_good_for_every_message(mongo_uri, tmp_path, clock, new_id):
    async with opened(mongo_uri, tmp_path, clock, new_id, subscribe_long_term=True) as town:
        await town.owns_wechat(WEN)
        for _ in range(3):
            await town.urgent(WEN, priority="重要")
            await town.later(seconds=10)
        assert len(town.chats()) == 3


async def test_a_consent_we_believed_in_is_given_up_when_wechat_knows_of_none(town):
    await town.owns_wechat(WEN, agrees=False)
    caller = await town.hub.sign_in(wen)
    body = {"id": "hopeful", "answers": {TEMPLATE: "accept"}}
    await caller.call("POST", "/api/v1/wechat/consents", body)
    notice = await town.urgent(WEN)
    await town.later(seconds=10)
    assert (await town.receipt(notice))["wx_why"] == "no_consent"
    assert (await caller.call("GET", "/api/v1/wechat/consents")).json["left"] == 0


async def test_what_wechat_reports_of_a_message_is_kept_with_its_receipt(town):
    await town.owns_wechat(WEN, ZHANG)
    town.street.messages.blocking.add(town.openids[ZHANG])
    notice = await town.urgent(WEN, ZHANG)
    await town.later(seconds=10)
    async with asyncio.timeout(5):
        while "wx_result" not in await town.receipt(notice, ZHANG):
            await asyncio.sleep(0.01)
    messages = town.street.messages
    await messages.report(town.chats()[0], card=False)
    results = [(await town.receipt(notice, one)).get("wx_result") for one in (WEN, ZHANG)]
    assert results == ["success", "failed"]
    assert (await town.receipt(notice))["wx_id"] == town.chats()[0].message_id


async def test_the_liaison_phones_the_delegation_and_nobody_elses(town):
    notice = await town.urgent(WEN, CEN)
    liaison, deputy = await town.hub.sign_in(bai), await town.hub.sign_in(cen)
    assert (await liaison.call("GET", "/api/v1/call-list")).json["items"] == []
    for _ in range(3):
        await town.later(minutes=6)
    items = (await liaison.call("GET", "/api/v1/call-list")).json["items"]
    assert [(one["person_id"], one["name"], one["mobile"]) for one in items] == [
        (WEN, "闻予澄", MOBILES[WEN])
    ]
    assert (await deputy.call("GET", "/api/v1/call-list")).status == 403
    path = f"/api/v1/call-list/{notice['id']}"
    assert (await liaison.call("POST", f"{path}/{CEN}", {"result": "reached"})).status == 404
    missed = await liaison.call(
        "POST", f"{path}/{WEN}", {"result": "no_answer", "note": "无人接听"}
    )
    assert (missed.status, missed.json["call_at"]) == (200, None)
    assert len((await liaison.call("GET", "/api/v1/call-list")).json["items"]) == 1
    done = await liaison.call("POST", f"{path}/{WEN}", {"result": "reached"})
    assert done.json["call_at"] is not None
    assert (await liaison.call("GET", "/api/v1/call-list")).json["items"] == []
    assert (await liaison.call("POST", f"{path}/{WEN}", {"result": "reached"})).status == 404
    row = await town.receipt(notice)
    assert [(call["by"], call["result"]) for call in row["calls"]] == [
        (BAI, "no_answer"),
        (BAI, "reached"),
    ]


@pytest.mark.acceptance("M01-5")
async def test_the_report_of_the_ladder_adds_up_to_the_whole(town):
    """M01-5"""
    await town.owns_wechat(WEN, ZHANG)
    notice = await town.urgent(WEN, ZHANG, BAI, XI)
    admin = await town.hub.sign_in(yin)

    async def parts():
        reply = await admin.call("GET", f"/api/v1/notices/{notice['id']}/ladder")
        assert reply.status == 200, reply.body
        view = reply.json
        assert sum(part["permille"] for part in view["parts"]) == 1000
        assert sum(part["count"] for part in view["parts"]) == view["total"] == 4
        return {part["key"]: part["count"] for part in view["parts"] if part["count"]}, view

    assert (await parts())[0] == {"waiting": 4}
    await reads(await town.hub.sign_in("席知微"), notice)
    await town.later(seconds=10)
    await reads(await town.hub.sign_in(wen), notice)
    assert (await parts())[0] == {"ws": 1, "wx": 1, "waiting": 2}
    await town.later(minutes=5)
    await reads(await town.hub.sign_in("章清"), notice)
    await town.later(minutes=10)
    counts, view = await parts()
    assert counts == {"ws": 1, "wx": 1, "sms": 1, "waiting": 1}
    assert view["sent"] == {"wx": 2, "sms": 1, "call": 0}
    assert view["left_out"] == [
        {"way": "sms", "reason": "没有手机号码", "count": 1},
        {"way": "wx", "reason": "尚未绑定微信", "count": 1},
    ]
    await admin.call("POST", f"/api/v1/call-list/{notice['id']}/{BAI}", {"result": "reached"})
    assert (await parts())[0] == {"ws": 1, "wx": 1, "sms": 1, "call": 1}
