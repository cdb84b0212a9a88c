"""Notices when things go wrong: many at once, the same again, killed halfway, the broker away."""

from __future__ import annotations

import asyncio
import contextlib

import orjson
import pytest

from domain.errors import UpstreamDown
from domain.notices.board import Board
from domain.notices.fanout import CLAIM, FanOut
from domain.notices.notice import State
from domain.rules import RuleTable
from domain.rules_defaults import shipped_rules
from storage.notices.notices import NoticeStore
from storage.notices.receipts import ReceiptStore
from tests.integration.notices import (
    DEPUTIES,
    NOTICES,
    PUDONG,
    draft,
    furnish,
    post,
    receipts,
    told,
)
from tests.integration.people import WEN, bai, yin
from tests.integration.test_identity import audited, enrol
from tests.integration.test_realtime import connected


@pytest.fixture
async def house(hub):
    return await furnish(hub)


@pytest.mark.acceptance("F02-6")
async def test_twenty_posts_with_one_key_are_one_notice_and_one_fan_out(house):
    """F02-6"""
    liaison = await house.sign_in(bai)
    async with connected(await house.sign_in("闻予澄")) as (_, ear):
        key = {"Idempotency-Key": "notice-1"}
        replies = await asyncio.gather(
            *[liaison.call("POST", NOTICES, draft(), headers=key) for _ in range(20)]
        )
        assert {reply.status for reply in replies} <= {201, 409}
        made = {reply.json["id"] for reply in replies if reply.status == 201}
        assert len(made) == 1
        again = await liaison.call("POST", NOTICES, draft(), headers=key)
        assert (again.status, again.json["id"]) == (201, *made)
        await told(house, *made)
        assert (await ear.hears())[1]["id"] in made
        assert ear.news.empty()
    assert await house.db["notice"].count({}) == 1
    assert await house.db["receipt"].count({}) == len(PUDONG)
    assert len(await audited(house, "notice.publish")) == 1


async def test_a_key_is_remembered_by_the_notice_itself_when_the_answer_was_lost(house):
    liaison = await house.sign_in(bai)
    key = {"Idempotency-Key": "notice-2"}
    first = (await liaison.call("POST", NOTICES, draft(), headers=key)).json
    await told(house, first["id"])
    await house.db["idempotency"].delete_many({})  # as if killed before the answer was kept
    again = await liaison.call("POST", NOTICES, draft(), headers=key)
    assert (again.status, again.json["id"]) == (201, first["id"])
    assert await house.db["notice"].count({}) == 1
    other = (await liaison.call("POST", NOTICES, draft())).json
    assert other["id"] != first["id"]


@pytest.mark.acceptance("F02-1")
async def test_two_hundred_sockets_hear_an_urgent_notice_once_and_the_absent_on_their_return(house):
    """F02-1"""
    crowd = [await enrol(house, f"代表{n}", card={"delegation_id": "pudong"}) for n in range(200)]
    absent = "闻予澄"
    admin = await house.sign_in(yin)
    for person_id in DEPUTIES[1:]:
        await house.db["account"].update_one({"_id": person_id}, {"$set": {"state": "ended"}})
    first = await post(admin, audience={"people": [WEN]})
    await told(house, first["id"])
    async with contextlib.AsyncExitStack() as stack:
        callers = [await house.sign_in(person_id) for person_id in crowd]
        ears = [(await stack.enter_async_context(connected(it)))[1] for it in callers]
        notice = await urgent_to_all(house, admin)
        heard = [await ear.hears() for ear in ears]
        assert {data["id"] for _, data in heard} == {notice["id"]}
        assert [channel for channel, _ in heard] == [f"user:#{p}" for p in crowd]
        await told(house, notice["id"])
        assert all(ear.news.empty() for ear in ears)
    assert len(await receipts(house, notice["id"])) == 201
    late = await house.sign_in(absent)
    items = (await late.call("GET", NOTICES)).json["items"]
    assert [it["id"] for it in items] == [notice["id"], first["id"]]
    hub = house.hub.realtime.hub
    retention = hub.authority.policy(f"user:#{WEN}").retention
    stream, _ = await hub.broker.history(f"user:#{WEN}", retention)
    news = [orjson.loads(one.data) for one in stream]
    ids = [data["id"] for data in news if data["type"] == "notice.new"]
    assert ids == [first["id"], notice["id"]]


async def urgent_to_all(house, admin):
    """An urgent notice to every deputy, approved by a second administrator."""
    from tests.integration.test_notices import qi

    asked = await post(admin, priority="紧急", audience={"all": True})
    one = f"{NOTICES}/{asked['id']}"
    second = await house.sign_in(qi)
    approved = (await second.call("POST", f"{one}/approve", {"v": asked["v"]})).json
    return (await admin.call("POST", f"{one}/publish", {"v": approved["v"]})).json


# -- killed halfway --------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is no more."""


class Mouth:
    """What is said, and by whom it was heard; may die before, in the midst of, or after a word."""

    def __init__(self, dies="", at=0):
        self.heard = []
        self.dies, self.at = dies, at
        self.words = 0

    async def spread(self, channels, event):
        self.words += 1
        now = self.words == self.at
        if now and self.dies == "before":
            raise Killed
        for place, channel in enumerate(channels):
            if now and self.dies == "amid" and place == min(1, len(channels) - 1):
                raise Killed
            self.heard.append((channel, event.type, event.id))
        if now and self.dies == "after":
            raise Killed

    async def publish(self, channel, event):
        self.heard.append((channel, event.type, event.id))


class Shipped:
    async def table(self):
        return RuleTable(shipped_rules())


def relay(house, mouth):
    """What a process runs, with batches of two, saying what it has to say to ``mouth``."""
    clock, new_id = house.clock, house.hub.web.new_id
    store, rows = NoticeStore(house.db, clock, batch=2), ReceiptStore(house.db)
    board = Board(store, rows, bus=mouth, clock=clock, new_id=new_id)
    return FanOut(store, rows, bus=mouth, board=board, rules=Shipped(), clock=clock, new_id=new_id)


@pytest.fixture
async def unattended(house, monkeypatch):
    """The house, with nobody carrying out errands, and batches of two."""
    service = house.services.notices
    monkeypatch.setattr(service.fan, "_store", NoticeStore(house.db, house.clock, batch=2))

    async def idle(seconds):
        return None

    monkeypatch.setattr(service.fan._store, "claim", idle)
    monkeypatch.setattr(service.review._desk.store, "_batch", 2)
    return house


@pytest.mark.parametrize("word", [1, 2, 3])
@pytest.mark.parametrize("moment", ["before", "amid", "after"])
async def test_a_relay_that_is_killed_is_continued_and_everybody_hears_it_once(
    unattended, moment, word
):
    house = unattended
    admin = await house.sign_in(yin)
    notice = await post(admin, audience={"all": True})
    first = Mouth(moment, word)
    with pytest.raises(Killed):
        await relay(house, first).step()
    second = Mouth()
    assert not await relay(house, second).step()  # still claimed by the one that died
    house.clock.advance(seconds=CLAIM)
    assert await relay(house, second).step()
    assert not await relay(house, second).step()
    heard = set(first.heard) | set(second.heard)
    assert heard == {(f"user:#{p}", "notice.new", notice["id"]) for p in DEPUTIES}
    rows = await receipts(house, notice["id"])
    assert set(rows) == set(DEPUTIES)
    # Nobody hears more of it again than the batch in which it stopped.
    assert len(first.heard) + len(second.heard) <= len(DEPUTIES) + 2


async def test_a_broker_that_is_away_delays_a_notice_and_loses_nothing(unattended):
    house = unattended
    notice = await post(await house.sign_in(yin), audience={"all": True})
    mouth = Mouth()
    speak = mouth.spread

    async def away(channels, event):
        raise UpstreamDown("实时通道暂时不可用", upstream="redis")

    mouth.spread = away
    for _ in range(60):
        assert await relay(house, mouth).step()
        house.clock.advance(seconds=1)
    mouth.spread = speak
    assert await relay(house, mouth).step()
    assert [channel for channel, *_ in mouth.heard] == [f"user:#{p}" for p in sorted(DEPUTIES)]
    assert len(await receipts(house, notice["id"])) == len(DEPUTIES)


async def test_a_recall_overtakes_an_issue_that_is_under_way(unattended):
    house = unattended
    admin = await house.sign_in(yin)
    notice = await post(admin, audience={"all": True}, priority="重要")
    mouth = Mouth()
    speak = mouth.spread

    async def interrupted(channels, event):
        await speak(channels, event)
        mouth.spread = speak
        path = f"{NOTICES}/{notice['id']}/recall"
        assert (await admin.call("POST", path, {"reason": "误发"})).status == 200

    mouth.spread = interrupted
    assert await relay(house, mouth).step()  # tells two, and is overtaken
    assert await relay(house, mouth).step()  # tells the same two that it is no more
    assert not await relay(house, mouth).step()
    assert [kind for _, kind, _ in mouth.heard] == ["notice.new"] * 2 + ["notice.recalled"] * 2
    rows = await receipts(house, notice["id"])
    assert set(rows) == set(sorted(DEPUTIES)[:2])
    assert not any({"open", "due_at"} & row.keys() for row in rows.values())
    kept = await NoticeStore(house.db, house.clock).get(notice["id"])
    assert (kept.state, kept.fan_done) == (State.RECALLED, True)


async def test_two_relays_at_once_carry_out_one_errand_together_once(unattended):
    house = unattended
    notice = await post(await house.sign_in(yin), audience={"all": True})
    mouth = Mouth()
    done = await asyncio.gather(*[relay(house, mouth).step() for _ in range(5)])
    assert sum(done) == 1
    assert len(mouth.heard) == len(set(mouth.heard)) == len(await receipts(house, notice["id"]))


async def test_two_who_publish_at_once_publish_it_once(house):
    liaison = await house.sign_in(bai)
    kept = await post(liaison, action="draft")
    path = f"{NOTICES}/{kept['id']}/publish"
    replies = await asyncio.gather(
        *[liaison.call("POST", path, {"v": kept["v"]}) for _ in range(10)]
    )
    assert sorted(reply.status for reply in replies) == [200, *[409] * 9]
    await told(house, kept["id"])
    assert set(await receipts(house, kept["id"])) == set(PUDONG)
