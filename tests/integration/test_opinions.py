"""Review opinions: sent with a clock, reminded of, and on the dashboard once overdue."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.organisation import Org
from domain.permissions import Role
from storage.organisation import OrganisationStore
from tests.integration.meetings import MEMBERS, deputy, fang, lu, plan, settle, zhuo
from tests.integration.people import person, ulid
from tests.integration.test_realtime import connected, listen

OPINIONS = "/api/v1/opinions"
wu = person(ulid(951), "邬嘉树", Role.UNIT, "unit:jtw", org_id="jtw")
other_unit = person(ulid(952), "别家", Role.UNIT, "unit:other", org_id="other")
DRAFT = {"title": "关于公交线网优化", "body": "请研究提出改进措施。", "org_id": "jtw"}


@pytest.fixture
async def house(hub):
    await settle(hub.db)
    for key in ("jtw", "other"):
        await OrganisationStore(hub.db).put(Org(id=key, name=key))
    return hub


async def collected(house):
    staff = await house.sign_in(zhuo)
    meeting = await plan(staff)
    await meeting.call("POST", "/participants", {"npcsc": True}, status=201)
    await meeting.move("announced", "ready", "in_session")
    opinion = await meeting.call("POST", "/opinions", DRAFT, status=201)
    return meeting, opinion


async def step(caller, opinion, to, text="", *, status=200):
    said = {"v": opinion["v"], "to": to, "text": text}
    reply = await caller.call("POST", f"{OPINIONS}/{opinion['id']}/steps", said)
    assert reply.status == status, reply.body
    return reply.json


async def test_an_opinion_goes_from_the_staff_to_the_unit_and_back(house):
    staff, unit, member = [await house.sign_in(it) for it in (zhuo, wu, MEMBERS[0])]
    meeting, opinion = await collected(house)
    assert (opinion["state"], opinion["due"], opinion["allowed"]) == ("collected", None, ["sent"])
    assert (await unit.call("GET", f"{OPINIONS}/{opinion['id']}")).status == 404
    sent = await step(staff, opinion, "sent")
    assert (sent["due"]["day"], sent["due"]["rule"]) == ("2026-05-01", "npcsc.opinion")
    assert "常委会议事规则" in sent["due"]["source"]
    (todo,) = (await unit.call("GET", "/api/v1/me/todo")).json["items"]
    assert (todo["kind"], todo["obj"]) == ("opinion.handle", f"opinion:{opinion['id']}")
    taken = await step(unit, sent, "handling")
    await step(unit, taken, "reported", status=422)
    done = await step(unit, taken, "reported", "已调整三条线路。")
    assert (await unit.call("GET", "/api/v1/me/todo")).json["items"] == []
    await step(unit, done, "reviewed", "满意", status=403)
    reviewed = await step(staff, done, "reviewed", "同意办理报告。")
    assert [it["to"] for it in reviewed["steps"]] == ["sent", "handling", "reported", "reviewed"]
    assert reviewed["allowed"] == []
    shown = (await member.call("GET", f"{meeting.url}/opinions")).json["items"]
    assert [it["id"] for it in shown] == [opinion["id"]]


async def test_who_has_nothing_to_do_with_it_sees_nothing(house):
    _, opinion = await collected(house)
    staff = await house.sign_in(zhuo)
    await step(staff, opinion, "sent")
    for who in (deputy, fang, other_unit):
        caller = await house.sign_in(who)
        assert (await caller.call("GET", f"{OPINIONS}/{opinion['id']}")).status == 404
        assert (await caller.call("GET", OPINIONS)).json["items"] == []
        await step(caller, {**opinion, "v": 2}, "handling", status=404)


async def test_steps_are_taken_in_order_once_and_by_who_saw_the_newest(house):
    staff, second = [await house.sign_in(it) for it in (zhuo, lu)]
    _, opinion = await collected(house)
    path = f"{OPINIONS}/{opinion['id']}"
    skipped = await staff.call("POST", f"{path}/steps", {"v": 1, "to": "reported", "text": "x"})
    assert (skipped.status, skipped.json["detail"]["allowed"]) == (409, ["sent"])
    changed = await staff.call("PATCH", path, {"v": 1, "title": "改"})
    assert (changed.json["title"], changed.json["v"]) == ("改", 2)
    assert (await staff.call("PATCH", path, {"v": 2, "org_id": "atlantis"})).status == 422
    said = {"v": 2, "to": "sent"}
    replies = await asyncio.gather(
        *(it.call("POST", f"{path}/steps", said) for it in (staff, second))
    )
    assert sorted(it.status for it in replies) == [200, 409]
    late = await staff.call("PATCH", path, {"v": 3, "title": "再改"})
    assert (late.status, late.code) == (409, "bad_state")


@pytest.mark.acceptance("F05-5")
async def test_an_opinion_is_reminded_of_and_overdue_after_three_months_shows_on_dash(house):
    """F05-5"""
    staff = await house.sign_in(zhuo)
    meeting, opinion = await collected(house)
    sent = await step(staff, opinion, "sent")
    # Sent on 1 February; reminders 30, 7 and 1 days before 1 May at nine in Shanghai.
    assert [it[:16] for it in sent["reminders"]] == [
        "2026-04-01T01:00", "2026-04-24T01:00", "2026-04-30T01:00",
    ]  # fmt: skip
    remind = house.services.meetings.opinion_clock.remind
    assert await remind() == 0

    async def said(kind):
        rows = await house.db["outbox"].find({"body.data": {"$regex": f'"type":"{kind}"'}})
        return sorted(row["body"]["channel"] for row in rows)

    queue, desk = "queue:jtw", f"mtgstaff:{meeting.id}"
    house.clock.advance(days=60)
    assert (await remind(), await remind()) == (1, 0)
    assert await said("opinion.due") == [desk, queue]
    # After a long stop the last reminder is told, and not all that were missed.
    house.clock.advance(days=28)
    assert (await remind(), await remind()) == (1, 0)
    assert await said("opinion.due") == [desk, desk, queue, queue]
    assert (await staff.call("GET", f"{OPINIONS}?overdue=true")).json["items"] == []

    house.clock.now = house.clock.now.replace(year=2026, month=5, day=1, hour=15, minute=59)
    assert await remind() == 0
    house.clock.advance(minutes=1)
    assert (await remind(), await remind()) == (1, 0)
    assert await said("opinion.overdue") == ["dash", desk, queue]
    (late,) = (await staff.call("GET", f"{OPINIONS}?overdue=true")).json["items"]
    assert (late["id"], late["overdue"], late["due"]["days_left"]) == (opinion["id"], True, -1)
    entry = await house.db["audit"].find_one({"action": "opinion.overdue"})
    assert entry["detail"]["due"] == "2026-05-01"


async def test_the_dashboard_hears_of_it_while_it_looks(house):
    staff = await house.sign_in(zhuo)
    _, opinion = await collected(house)
    await step(staff, opinion, "sent")
    watcher = await auditor(house)
    house.clock.advance(days=90)
    async with connected(await house.sign_in(watcher)) as (client, _):
        _, ear = await listen(client, "dash")
        await house.services.meetings.opinion_clock.remind()
        async with asyncio.timeout(2):
            event = await ear.news.get()
    assert (event["type"], event["opinion_id"]) == ("opinion.overdue", opinion["id"])
    assert (event["org_id"], event["due"]) == ("jtw", "2026-05-01")


async def auditor(house) -> str:
    """Somebody of the roster who may watch the dashboard."""
    person_id = MEMBERS[5].id
    await house.services.identity.accounts.prepare(person_id, by="system")
    await house.db["account"].update_one({"_id": person_id}, {"$set": {"state": "active"}})
    await house.services.administration.grants.install(
        person_id, Role.AUDITOR, by="cli", reason="测试"
    )
    return person_id


async def test_a_reported_opinion_is_not_reminded_of(house):
    staff, unit = [await house.sign_in(it) for it in (zhuo, wu)]
    _, opinion = await collected(house)
    sent = await step(staff, opinion, "sent")
    taken = await step(unit, sent, "handling")
    await step(unit, taken, "reported", "已办。")
    house.clock.advance(days=100)
    assert await house.services.meetings.opinion_clock.remind() == 0


async def test_a_crash_between_telling_and_noting_tells_under_the_same_id(house):
    staff = await house.sign_in(zhuo)
    _, opinion = await collected(house)
    await step(staff, opinion, "sent")
    house.clock.advance(days=60)
    timer = house.services.meetings.opinion_clock
    before = await house.db["opinion"].find_one({"_id": opinion["id"]})
    await timer.remind()
    await house.db["opinion"].replace_one({"_id": opinion["id"]}, before)
    await timer.remind()
    rows = await house.db["outbox"].find({"body.data": {"$regex": '"type":"opinion.due"'}})
    assert len({row["body"]["id"] for row in rows}) == 1


async def test_opinions_come_from_a_meeting_that_has_begun(house):
    staff = await house.sign_in(zhuo)
    meeting = await plan(
        staff, starts_at=(house.clock.now + timedelta(days=30)).isoformat(), ends_at=None
    )
    early = await staff.call("POST", f"{meeting.url}/opinions", DRAFT)
    assert (early.status, early.code) == (409, "bad_state")


async def test_a_step_that_a_dead_process_kept_is_announced_by_the_next(house):
    staff = await house.sign_in(zhuo)
    _, opinion = await collected(house)
    await step(staff, opinion, "sent")
    # Killed between keeping and telling.
    step_eid = {"moved_eid": ulid(503), "untold": True}
    await house.db["opinion"].update_one({"_id": opinion["id"]}, {"$set": step_eid})
    desk = house.services.meetings.opinions
    assert (await desk.catch_up(), await desk.catch_up()) == (1, 0)
    told = await house.db["outbox"].find({"body.id": ulid(503)})
    assert {row["body"]["channel"].partition(":")[0] for row in told} == {"mtgstaff", "queue"}
