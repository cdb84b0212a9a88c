"""Receipts: marks from several devices, the board, reminders, deadlines, export, the to-do."""

from __future__ import annotations

import asyncio
import io
import random
from datetime import datetime, timedelta

import orjson
import pytest
from openpyxl import load_workbook

from domain.errors import UpstreamDown
from domain.notices.receipt import Mark
from domain.people import Person
from domain.permissions import Role
from tests.integration.notices import (
    NOTICES,
    PUDONG,
    furnish,
    grant,
    issued,
    liaison_of,
    meeting,
    receipts,
    told,
    zhuo,
)
from tests.integration.people import (
    BAI,
    CEN,
    WEN,
    ZHANG,
    bai,
    cen,
    feng,
    person,
    ulid,
    wen,
    yin,
)
from tests.integration.test_identity import audited
from tests.integration.test_realtime import connected
from tests.snapshots import following


@pytest.fixture
async def house(hub):
    return await furnish(hub)


async def rpc(client, method, **data):
    answer = (await client.rpc(method, data)).data
    return answer if isinstance(answer, dict) else orjson.loads(answer)


@pytest.mark.acceptance("F02-3")
async def test_reading_on_one_device_clears_the_badge_on_the_other_and_calls_the_ladder_off(house):
    """F02-3"""
    liaison = await house.sign_in(bai)
    first, second = await house.sign_in("闻予澄"), await house.sign_in("闻予澄")
    notice = await issued(house, liaison, priority="重要")
    before = (await receipts(house, notice["id"]))[WEN]
    assert before["due_at"] == house.clock.now + timedelta(seconds=10)
    async with connected(first) as (client, _), connected(second) as (_, ear):
        assert (await second.call("GET", f"{NOTICES}/unread")).json["count"] == 1
        house.clock.advance(seconds=1)
        answer = (await rpc(client, "notice.read", ids=[notice["id"]]))["result"]
        assert answer["unread"] == 0
        async with asyncio.timeout(2):
            _, data = await ear.hears()
        assert (data["type"], data["count"], data["read"]) == ("unread", 0, [notice["id"]])
        at = house.clock.now
        house.clock.advance(seconds=5)
        assert (await second.call("POST", f"{NOTICES}/{notice['id']}/read")).status == 200
        await rpc(client, "notice.delivered", ids=[notice["id"]])
    after = (await receipts(house, notice["id"]))[WEN]
    assert (after["read_at"], after["delivered_at"]) == (at, at)
    assert not {"due_at", "open"} & after.keys()
    assert (await receipts(house, notice["id"]))[ZHANG]["due_at"] == before["due_at"]


async def test_marks_of_several_notices_go_together_and_those_of_others_are_named(house):
    liaison = await house.sign_in(bai)
    mine = [(await issued(house, liaison))["id"] for _ in range(3)]
    other = (await issued(house, liaison, audience={"people": [ZHANG]}))["id"]
    async with connected(await house.sign_in("闻予澄")) as (client, _):
        answer = (await rpc(client, "notice.delivered", ids=[*mine, other, ulid(99)]))["result"]
        assert {one["notice_id"] for one in answer["receipts"]} == set(mine)
        assert set(answer["missing"]) == {other, ulid(99)}
        assert answer["receipts"][0]["read_at"] is None
        refused = (await rpc(client, "notice.read", ids=[]))["error"]
        assert (refused["code"], refused["field"]) == ("invalid", "ids")
    assert "delivered_at" not in (await receipts(house, other))[ZHANG]


@pytest.mark.acceptance("F02-5")
async def test_the_counts_stand_in_order_at_every_moment_of_ten_thousand_steps(house):
    """F02-5"""
    liaison = await house.sign_in(bai)
    everybody = [Person(id=p, name=p) for p in PUDONG]
    notices = [
        (await issued(house, liaison, mode="confirm", priority="重要"))["id"] for _ in range(25)
    ]
    service = house.services.notices
    rng = random.Random(5)
    running = True

    async def step():
        who, notice_id = rng.choice(everybody), rng.choice(notices)
        match rng.randrange(3):
            case 0:
                await service.receipts.mark([notice_id], Mark.DELIVERED, by=who)
            case 1:
                await service.receipts.mark([notice_id], Mark.READ, by=who)
            case _:
                await service.receipts.mark([notice_id], Mark.CONFIRMED, by=who)

    looks = []

    async def look():
        while running:
            counts = await service.board.counts(rng.choice(notices))
            looks.append(counts)
            chain = [counts.total, counts.pushed, counts.delivered, counts.read, counts.confirmed]
            assert chain == sorted(chain, reverse=True), counts

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        for _ in range(100):
            await asyncio.gather(*[step() for _ in range(100)])
        running = False
    assert len(looks) > 20
    for notice_id in notices:
        rows = (await receipts(house, notice_id)).values()
        counts = await service.board.counts(notice_id)
        assert counts.total == len(rows) == 4
        for name in ("pushed", "delivered", "read", "confirmed"):
            assert getattr(counts, name) == sum(f"{name}_at" in row for row in rows)


async def test_the_board_tells_of_changes_once_a_second_to_whoever_runs_the_meeting(house):
    await meeting(house, *PUDONG)
    staff = await house.sign_in(zhuo)
    heard = []
    publish = house.hub.ground.bus.publish

    async def listen(channel, event):
        if event.type == "receipt.count":
            heard.append((channel, event.pushed, event.read))
        await publish(channel, event)

    board = house.services.notices.board
    board._bus = type("Ear", (), {"publish": staticmethod(listen)})()
    notice = await issued(house, staff, meeting_id="m1", audience={"meetings": ["m1"]})
    await board.tell()
    heard.clear()
    for reader in PUDONG:
        by = Person(id=reader, name=reader)
        await house.services.notices.receipts.mark([notice["id"]], Mark.READ, by=by)
    await board.tell()
    await board.tell()
    assert heard == [("mtgstaff:m1", 4, 4)]
    by = Person(id=WEN, name="闻予澄")
    await house.services.notices.receipts.mark([notice["id"]], Mark.READ, by=by)
    await board.tell()
    assert len(heard) == 1


async def test_an_author_without_a_meeting_follows_the_board_on_their_own_channel(house):
    await grant(house, BAI, Role.LIAISON, "deleg:pudong")
    liaison = await house.sign_in("柏令仪")
    async with connected(liaison) as (_, ear):
        notice = await issued(house, liaison)
        _, data = await ear.hears()
        assert (data["type"], data["notice_id"]) == ("receipt.count", notice["id"])
        assert (data["total"], data["pushed"], data["read"]) == (4, 4, 0)


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status", "shown"),
    [
        (yin, 200, {*PUDONG, CEN}),
        (feng, 200, {*PUDONG, CEN}),
        (bai, 200, set(PUDONG)),
        (liaison_of("chongming"), 200, {CEN}),
        (liaison_of("elsewhere"), 200, set()),
        (person(ulid(70), "旁人", Role.CMTE_STAFF, "cmte:shehui"), 403, set()),
        (wen, 403, set()),
    ],
)
async def test_receipts_with_names_are_for_those_whose_deputies_they_are(house, who, status, shown):
    notice = await issued(house, await house.sign_in(yin), audience={"all": True})
    caller = await house.sign_in(who)
    reply = await caller.call("GET", f"{NOTICES}/{notice['id']}/receipts")
    assert reply.status == status
    if status == 200:
        assert {line["person_id"] for line in reply.json["items"]} == shown
        assert all(line["name"] for line in reply.json["items"])


async def test_the_board_is_read_in_pages_and_by_delegation(house):
    admin, deputy = await house.sign_in(yin), await house.sign_in(wen)
    notice = await issued(house, admin, audience={"all": True})
    one = f"{NOTICES}/{notice['id']}"
    await deputy.call("POST", f"{one}/read")
    people, cursor = [], ""
    while cursor is not None:
        page = (await admin.call("GET", f"{one}/receipts?limit=2{cursor}")).json
        people += [line["person_id"] for line in page["items"]]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert people == sorted({*PUDONG, CEN})
    unread = (await admin.call("GET", f"{one}/receipts?unread=true")).json["items"]
    assert {line["person_id"] for line in unread} == {*PUDONG, CEN} - {WEN}
    report = (await admin.call("GET", f"{one}/receipts/report")).json
    assert (report["counts"]["total"], report["counts"]["read"]) == (5, 1)
    assert [(r["name"], r["total"], r["read"]) for r in report["delegations"]] == [
        ("浦东新区代表团", 4, 1),
        ("崇明区代表团", 1, 0),
    ]


async def test_the_export_carries_a_watermark_and_is_on_record(house):
    liaison, deputy = await house.sign_in(bai), await house.sign_in(wen)
    form = [{"key": "bus", "label": "乘车地点", "kind": "choice", "choices": ["人民广场", "自行"]}]
    notice = await issued(house, liaison, mode="confirm", form=form)
    one = f"{NOTICES}/{notice['id']}"
    answer = {"reply": "leave", "fields": {"bus": "自行"}}
    assert (await deputy.call("POST", f"{one}/confirm", answer)).status == 200
    reply = await liaison.call("GET", f"{one}/receipts/export")
    assert reply.headers["Cache-Control"] == "no-store"
    sheet = load_workbook(io.BytesIO(reply.body)).active
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][0].startswith("柏令仪 2026-02-01 09:00:00 导出")
    assert rows[1][-1] == "乘车地点"
    mine = next(row for row in rows if row[0] == "闻予澄")
    assert mine[1:3] == ("浦东新区代表团", "已确认")
    assert (mine[7], mine[-1]) == ("请假", "自行")
    (entry,) = await audited(house, "notice.export")
    assert (entry["by"], entry["detail"]["count"]) == (BAI, 4)


# -- asking for an answer --------------------------------------------------------------------------


async def test_a_notice_to_confirm_waits_in_the_todo_until_it_is_answered_once(house):
    liaison, deputy = await house.sign_in(bai), await house.sign_in(wen)
    by = house.clock.now + timedelta(hours=2)
    form = [
        {"key": "seat", "label": "座位", "required": True},
        {"key": "guests", "label": "随员", "kind": "number"},
    ]
    notice = await issued(house, liaison, mode="confirm", confirm_by=by.isoformat(), form=form)
    one = f"{NOTICES}/{notice['id']}"
    todo = (await deputy.call("GET", "/api/v1/me/todo")).json
    assert [(it["kind"], it["obj"]) for it in todo["items"]] == [
        ("notice.confirm", f"notice:{notice['id']}")
    ]
    for fields, field in (
        ({}, "fields.seat"),
        ({"seat": "A1", "guests": "two"}, "fields.guests"),
        ({"seat": "A1", "meal": "素"}, "fields.meal"),
    ):
        refused = await deputy.call("POST", f"{one}/confirm", {"fields": fields})
        assert (refused.status, refused.json["field"]) == (422, field)
    said = {"reply": "join", "fields": {"seat": "A1"}}
    assert (await deputy.call("POST", f"{one}/confirm", said)).status == 200
    assert (await deputy.call("POST", f"{one}/confirm", said)).status == 200
    other = await deputy.call("POST", f"{one}/confirm", {**said, "reply": "leave"})
    assert (other.status, other.code) == (409, "confirmed_before")
    assert (await receipts(house, notice["id"]))[WEN]["answer"] == said
    assert (await deputy.call("GET", "/api/v1/me/todo")).json["items"] == []
    stranger = await house.sign_in(cen)
    assert (await stranger.call("POST", f"{one}/confirm", said)).status == 404


async def test_after_the_deadline_nobody_confirms(house):
    liaison, deputy = await house.sign_in(bai), await house.sign_in(wen)
    by = house.clock.now + timedelta(hours=2)
    notice = await issued(house, liaison, mode="confirm", confirm_by=by.isoformat())
    house.clock.advance(hours=2, seconds=1)
    late = await deputy.call("POST", f"{NOTICES}/{notice['id']}/confirm", {})
    assert (late.status, late.code) == (422, "confirm_closed")
    assert (await deputy.call("GET", "/api/v1/me/todo")).json["items"] == []


# -- 催办 ------------------------------------------------------------------------------------------


@pytest.mark.acceptance("M01-4")
async def test_a_reminder_goes_to_the_unread_alone_and_once_an_hour(house):
    """M01-4"""
    liaison = await house.sign_in(bai)
    reader, sleeper = await house.sign_in("闻予澄"), await house.sign_in("单怀瑾")
    notice = await issued(house, liaison)
    one = f"{NOTICES}/{notice['id']}"
    async with connected(reader) as (client, first), connected(sleeper) as (_, second):
        await rpc(client, "notice.read", ids=[notice["id"]])
        house.clock.advance(minutes=5)
        assert (await liaison.call("POST", f"{one}/nudge")).json == {"unread": 3}
        await told(house, notice["id"])
        _, data = await second.hears()
        assert (data["type"], data["notice_id"]) == ("notice.nudge", notice["id"])
        assert {(await first.hears())[1]["type"]} == {"unread"}
        assert first.news.empty()
        nudged = {
            p for p, row in (await receipts(house, notice["id"])).items() if "nudged_at" in row
        }
        assert nudged == {*PUDONG} - {WEN}
        house.clock.advance(minutes=59)
        again = await liaison.call("POST", f"{one}/nudge")
        assert (again.status, again.headers["Retry-After"]) == (429, "60")
        house.clock.advance(minutes=1)
        assert (await liaison.call("POST", f"{one}/nudge")).status == 200


async def test_many_marks_at_once_cost_few_calls_and_one_failure_is_told_to_all(house, monkeypatch):
    liaison = await house.sign_in(bai)
    notices = [(await issued(house, liaison))["id"] for _ in range(40)]
    service = house.services.notices.receipts
    rows = service._store._receipts
    calls = []
    bulk = rows.bulk

    async def counted(writes, *, ordered=False):
        calls.append(len(writes))
        await bulk(writes, ordered=ordered)

    monkeypatch.setattr(rows, "bulk", counted)
    readers = [Person(id=p, name=p) for p in PUDONG]
    await asyncio.gather(
        *[service.mark([n], Mark.READ, by=who) for n in notices for who in readers]
    )
    assert sum(calls) == 160
    assert max(calls) <= 100
    assert len(calls) <= 4

    async def away(writes, *, ordered=False):
        raise UpstreamDown("数据库暂时不可用", upstream="mongodb")

    monkeypatch.setattr(rows, "bulk", away)
    answers = await asyncio.gather(
        *[service.mark([notices[0]], Mark.READ, by=who) for who in readers],
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [UpstreamDown] * 4


async def test_a_reader_who_goes_away_takes_nobody_elses_mark_along(house):
    liaison = await house.sign_in(bai)
    notice = await issued(house, liaison)
    service = house.services.notices.receipts
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(service.mark([notice["id"]], Mark.READ, by=Person(id=p, name=p)))
            for p in PUDONG
        ]
        await asyncio.sleep(0)
        tasks[0].cancel()
    read = {p for p, row in (await receipts(house, notice["id"])).items() if "read_at" in row}
    assert read >= set(PUDONG[1:])


# -- on record -------------------------------------------------------------------------------------


async def test_a_receipt_that_is_altered_afterwards_makes_its_digests_in_the_audit_false(house):
    liaison, deputy, auditor = [await house.sign_in(who) for who in (bai, wen, feng)]
    notice = await issued(house, liaison)
    chain, one = house.services.notices.chain, f"{NOTICES}/{notice['id']}"
    house.clock.advance(seconds=40)
    assert await chain.run() == 1
    first = house.clock.now - timedelta(seconds=30)
    await deputy.call("POST", f"{one}/read")
    house.clock.advance(seconds=20)
    assert await chain.run() == 0  # what was marked just now may still be on its way
    house.clock.advance(seconds=20)
    assert await chain.run() == 1
    assert await chain.run() == 0
    second = house.clock.now - timedelta(seconds=30)
    verify = f"{one}/receipts/verify"
    assert (await liaison.call("GET", verify)).status == 403
    assert (await auditor.call("GET", verify)).json == {"digests": 2, "broken_since": None}
    row = {"_id": f"{notice['id']}:{WEN}"}
    await house.db["receipt"].update_one(row, {"$set": {"read_at": second - timedelta(seconds=1)}})
    broken = (await auditor.call("GET", verify)).json["broken_since"]
    assert datetime.fromisoformat(broken) == second
    await house.db["receipt"].delete_one(row)
    broken = (await auditor.call("GET", verify)).json["broken_since"]
    assert datetime.fromisoformat(broken) == first


# -- live views ------------------------------------------------------------------------------------


def badge(state, event):
    """What a phone makes of its private channel."""
    ids = list(state["ids"])
    match event["type"]:
        case "notice.new" if event["notice_id"] not in ids:
            ids.insert(0, event["notice_id"])
        case "notice.recalled" | "notice.updated":
            ids = [it for it in ids if it != event["notice_id"]]
        case "unread":
            ids = [it for it in ids if it not in event["read"]]
            assert event["count"] == len(ids)
    return {**state, "ids": ids, "count": len(ids)}


async def test_the_badge_and_its_events_are_the_later_badge(house):
    liaison, phone = await house.sign_in(bai), await house.sign_in("闻予澄")
    early = await issued(house, liaison)
    async with connected(phone) as (client, ear):
        state = (await phone.call("GET", f"{NOTICES}/unread")).json
        assert (state["channel"], state["ids"]) == (f"user:#{WEN}", [early["id"]])
        position = state.pop("position")
        second = await issued(house, liaison)
        house.clock.advance(seconds=1)
        third = await issued(house, liaison)
        await rpc(client, "notice.read", ids=[second["id"]])
        await liaison.call("POST", f"{NOTICES}/{early['id']}/recall", {"reason": "误发"})
        await told(house, early["id"])
        for kind in ("notice.new", "notice.new", "unread", "notice.recalled"):
            _, event = await ear.hears()
            assert event["type"] == kind
            state = badge(state, event)
    later = (await phone.call("GET", f"{NOTICES}/unread")).json
    assert later.pop("position")["offset"] == position["offset"] + 4
    assert state == later
    assert later["ids"] == [third["id"]]


async def test_the_board_and_its_events_are_the_later_board(house):
    await meeting(house, *PUDONG)
    await enlist(house)
    staff = await house.sign_in("卓慕青")
    notice = await issued(house, staff, meeting_id="m1", audience={"meetings": ["m1"]})

    def board(state, event):
        if event["type"] != "receipt.count" or event["notice_id"] != notice["id"]:
            return state
        counts = {name: event.get(name, old) for name, old in state["counts"].items()}
        return {**state, "counts": counts}

    path = f"{NOTICES}/{notice['id']}/receipts/report"
    async with following(house, staff, path, board) as follower:
        for place, reader in enumerate(PUDONG):
            mark = (Mark.DELIVERED, Mark.READ)[place % 2]
            by = Person(id=reader, name=reader)
            await house.services.notices.receipts.mark([notice["id"]], mark, by=by)
        await house.services.notices.board.tell()
        async with asyncio.timeout(5):
            while follower.state["counts"]["read"] < 2:
                await asyncio.sleep(0.01)
        later, position = await follower.snapshot()
        await follower.reaches(position["offset"])
        assert follower.state["counts"] == later["counts"]
        assert follower.state["counts"]["delivered"] == 4


async def enlist(house):
    """Put the meeting's staff on the roster."""
    from domain.roster import Card, Kind
    from storage.people import PeopleStore

    await PeopleStore(house.db).put(Card(id=zhuo.id, name=zhuo.name, kind=Kind.STAFF))
    await house.services.identity.accounts.prepare(zhuo.id, by="system")
    await house.db["account"].update_one({"_id": zhuo.id}, {"$set": {"state": "active"}})
    await grant(house, zhuo.id, Role.MTG_STAFF, "mtg:m1")
