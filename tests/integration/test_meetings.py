"""Meetings over HTTP and on the wire: planning, announcing, states, participants, agenda."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.integration.meetings import (
    BASE,
    MEMBERS,
    URL,
    Planned,
    deputy,
    draft,
    fang,
    let_in,
    lu,
    plan,
    settle,
    zhuo,
)
from tests.integration.people import ulid
from tests.integration.test_realtime import connected, listen
from tests.snapshots import following


@pytest.fixture
async def house(hub):
    await settle(hub.db)
    await let_in(hub, MEMBERS[0])
    return hub


async def in_session(staff, **more) -> Planned:
    meeting = await plan(staff, **more)
    await meeting.call("POST", "/participants", {"npcsc": True}, status=201)
    await meeting.move("announced", "ready", "in_session")
    return meeting


async def call_the_roll(house, meeting, *, present: int) -> None:
    """Let some of the six members be in the hall, and count them."""
    marks = [{"person_id": it.id, "state": "present"} for it in MEMBERS[:present]]
    await meeting.call("POST", "/attendance", {"marks": marks})
    await house.services.hall.quorum.flush()


# -- planning and announcing -----------------------------------------------------------------------


async def test_a_meeting_is_planned_by_the_staff_of_its_body_and_seen_once_announced(house):
    staff, other, anybody = [await house.sign_in(it) for it in (zhuo, fang, deputy)]
    meeting = await plan(staff)
    assert (meeting.view["state"], meeting.view["allowed"]) == (
        "planned",
        ["announced", "cancelled"],
    )
    refused = await other.call("POST", URL, draft())
    assert (refused.status, refused.json["detail"]["permission"]) == (403, "meeting.manage")
    assert (await anybody.call("GET", meeting.url)).status == 404
    assert (await anybody.call("GET", URL)).json["items"] == []
    await meeting.move("announced")
    assert (await anybody.call("GET", meeting.url)).json["title"] == "常委会第十二次会议"
    assert [it["id"] for it in (await anybody.call("GET", URL)).json["items"]] == [meeting.id]


async def test_meetings_come_in_pages_the_latest_first_and_by_kind(house):
    staff, anybody = [await house.sign_in(it) for it in (zhuo, deputy)]
    for days in (20, 40, 30):
        begins = BASE + timedelta(days=days)
        made = await plan(staff, title=f"{days}", starts_at=begins.isoformat(), ends_at=None)
        await made.move("announced")
    first = (await anybody.call("GET", f"{URL}?limit=2")).json
    second = (await anybody.call("GET", f"{URL}?limit=2&cursor={first['next']}")).json
    assert [it["title"] for it in first["items"] + second["items"]] == ["40", "30", "20"]
    assert second["next"] is None
    assert (await anybody.call("GET", f"{URL}?kind=council")).json["items"] == []
    soon = (BASE + timedelta(days=25)).isoformat().replace("+", "%2B")
    found = (await anybody.call("GET", f"{URL}?until={soon}")).json["items"]
    assert [it["title"] for it in found] == ["20"]


@pytest.mark.acceptance("F05-1")
async def test_announcing_six_days_ahead_needs_a_reason_and_leaves_a_trace(house):
    """F05-1"""
    staff = await house.sign_in(zhuo)
    begins = BASE + timedelta(days=6)
    meeting = await plan(staff, starts_at=begins.isoformat(), ends_at=None)
    refused = await staff.call("POST", f"{meeting.url}/announce", {"v": 1})
    assert (refused.status, refused.code) == (422, "rule_violation")
    detail = refused.json["detail"]
    assert (detail["rule_param"], detail["value"], detail["latest"]) == (
        "npcsc.notice",
        7,
        "2026-01-31",
    )
    assert "常委会议事规则第5条" in detail["source"]
    assert (await meeting.refresh())["state"] == "planned"
    said = {"v": 1, "urgent": "防汛形势紧急，临时召集"}
    done = await staff.call("POST", f"{meeting.url}/announce", said)
    assert (done.status, done.json["state"], done.json["urgent"]) == (201, "announced", True)
    entry = await house.db["audit"].find_one({"action": "meeting.announce"})
    assert entry["detail"]["rule"] == "npcsc.notice"
    assert entry["detail"]["urgent"] == said["urgent"]


async def test_a_meeting_announced_in_time_is_not_brought_forward_without_a_reason(house):
    staff = await house.sign_in(zhuo)
    begins = BASE + timedelta(days=20)
    meeting = await plan(staff, starts_at=begins.isoformat(), ends_at=None)
    await staff.call("POST", f"{meeting.url}/announce", {"v": 1})
    sooner = {"v": 2, "starts_at": (BASE + timedelta(days=6)).isoformat()}
    refused = await staff.call("PATCH", meeting.url, sooner)
    assert (refused.status, refused.json["detail"]["rule_param"]) == (422, "npcsc.notice")
    later = {"v": 2, "starts_at": (BASE + timedelta(days=21)).isoformat()}
    assert (await staff.call("PATCH", meeting.url, later)).status == 200
    done = await staff.call("PATCH", meeting.url, sooner | {"v": 3, "urgent": "防汛形势紧急"})
    assert (done.status, done.json["urgent"]) == (200, True)
    entry = await house.db["audit"].find_one(
        {"action": "meeting.amend", "detail.rule": "npcsc.notice"}
    )
    assert entry["detail"]["urgent"] == "防汛形势紧急"


@pytest.mark.parametrize(("days", "status"), [(7, 201), (6, 422)])
async def test_seven_days_before_is_in_time(house, days, status):
    staff = await house.sign_in(zhuo)
    begins = BASE + timedelta(days=days)
    meeting = await plan(staff, starts_at=begins.isoformat(), ends_at=None)
    assert (await staff.call("POST", f"{meeting.url}/announce", {"v": 1})).status == status


async def test_the_congress_is_announced_a_month_before_its_opening_and_later_meetings_follow(
    house,
):
    staff = await house.sign_in(zhuo)
    npc = {"kind": "npc", "committee_id": None, "session_id": "s2", "ends_at": None}
    opening = await plan(staff, **npc, starts_at="2026-03-20T09:00:00+08:00")
    closing = await plan(staff, **npc, starts_at="2026-03-25T09:00:00+08:00")
    house.clock.advance(days=25)
    late = await staff.call("POST", f"{opening.url}/announce", {"v": 1})
    assert (late.status, late.json["detail"]["rule_param"]) == (422, "npc.notice")
    assert late.json["detail"]["latest"] == "2026-02-20"
    assert (await staff.call("POST", f"{closing.url}/announce", {"v": 1})).status == 201


async def test_a_stale_version_and_an_impossible_state_are_conflicts_that_say_what_is_so(house):
    staff, second = [await house.sign_in(it) for it in (zhuo, lu)]
    meeting = await plan(staff)
    bad = await staff.call("POST", f"{meeting.url}/transitions", {"v": 1, "to": "in_session"})
    assert (bad.status, bad.code) == (409, "bad_state")
    assert bad.json["detail"]["allowed"] == ["announced", "cancelled"]
    await meeting.move("announced")
    stale = await second.call("POST", f"{meeting.url}/transitions", {"v": 1, "to": "ready"})
    assert (stale.status, stale.code, stale.json["detail"]["v"]) == (409, "conflict", 2)
    both = await asyncio.gather(
        *(
            it.call("POST", f"{meeting.url}/transitions", {"v": 2, "to": "ready"})
            for it in (staff, second)
        )
    )
    assert sorted(it.status for it in both) == [200, 409]


async def test_a_meeting_goes_through_its_states_and_comes_back_from_none_that_is_last(house):
    staff = await house.sign_in(zhuo)
    meeting = await plan(staff)
    await meeting.move("announced", "registration", "ready", "in_session", "paused", "in_session")
    await meeting.move("closed")
    assert meeting.view["allowed"] == ["archived"]
    for to in ("in_session", "cancelled"):
        said = {"v": meeting.view["v"], "to": to, "reason": "x"}
        assert (await staff.call("POST", f"{meeting.url}/transitions", said)).status == 409
    changed = {"v": meeting.view["v"], "place": "另一处"}
    assert (await staff.call("PATCH", meeting.url, changed)).status == 409


async def test_a_known_meeting_is_cancelled_with_a_reason_only(house):
    staff = await house.sign_in(zhuo)
    meeting = await plan(staff)
    await meeting.move("announced")
    said = {"v": 2, "to": "cancelled"}
    refused = await staff.call("POST", f"{meeting.url}/transitions", said)
    assert (refused.status, refused.json["field"]) == (422, "reason")
    await meeting.move("cancelled")
    assert meeting.view["allowed"] == []


async def test_what_makes_no_sense_is_refused_by_name(house):
    staff = await house.sign_in(zhuo)
    for change, field in [
        ({"ends_at": BASE.isoformat()}, "ends_at"),
        ({"delegation_id": "atlantis"}, "delegation_id"),
        ({"title": ""}, "title"),
        ({"kind": "party"}, "kind"),
    ]:
        reply = await staff.call("POST", URL, draft(**change))
        assert (reply.status, reply.json["field"]) == (422, field)


# -- who sees what ---------------------------------------------------------------------------------


async def test_a_plan_that_was_dropped_stays_unknown_to_everybody_but_the_staff(house):
    staff, anybody = [await house.sign_in(it) for it in (zhuo, deputy)]
    meeting = await plan(staff)
    await meeting.move("cancelled")
    assert (await anybody.call("GET", meeting.url)).status == 404
    assert (await anybody.call("GET", URL)).json["items"] == []
    assert (await staff.call("GET", meeting.url)).json["state"] == "cancelled"


@pytest.mark.parametrize("kind", ["council", "committee"])
async def test_a_body_at_large_sees_no_hall_of_a_meeting_it_does_not_know_of(house, kind):
    fellow = MEMBERS[1].model_copy(update={"committee_ids": frozenset({"npcsc"})})
    staff, other = [await house.sign_in(it) for it in (zhuo, fellow)]
    meeting = await plan(staff, kind=kind, committee_id="npcsc")
    if kind == "council":
        await meeting.move("announced")
    for path in ("", "/state", "/seats"):
        assert (await other.call("GET", f"{meeting.url}{path}")).status == 404, path
    assert (await staff.call("GET", f"{meeting.url}/state")).status == 200


async def test_a_council_meeting_is_seen_by_its_members_and_staff_only(house):
    staff, member, other, anybody = [
        await house.sign_in(it) for it in (zhuo, MEMBERS[0], MEMBERS[1], deputy)
    ]
    meeting = await plan(staff, kind="council", title="第二十次主任会议", committee_id="npcsc")
    assert meeting.view["members_only"]
    said = {"people": [MEMBERS[0].id]}
    await meeting.call("POST", "/participants", said, status=201)
    await meeting.move("announced")
    assert (await member.call("GET", meeting.url)).json["capacity"] == "member"
    assert [it["id"] for it in (await member.call("GET", URL)).json["items"]] == [meeting.id]
    for caller in (other, anybody):
        for path in ("", "/agenda", "/participants"):
            assert (await caller.call("GET", f"{meeting.url}{path}")).status == 404, path
        assert (await caller.call("GET", URL)).json["items"] == []


async def upload(caller, content: bytes):
    sent = await caller.call(
        "POST", "/api/v1/files", body=content, headers={"X-File-Name": "paper.txt"}
    )
    assert sent.status == 201, sent.body
    return sent.json["id"]


async def test_who_attends_sees_the_papers_for_participants_but_not_those_for_members(house):
    staff, member, guest, anybody = [
        await house.sign_in(it) for it in (zhuo, MEMBERS[0], MEMBERS[1], deputy)
    ]
    meeting = await plan(staff)
    for who, capacity in ((MEMBERS[0], "member"), (MEMBERS[1], "attend")):
        said = {"people": [who.id], "capacity": capacity}
        await meeting.call("POST", "/participants", said, status=201)
    item = await meeting.call(
        "POST", "/agenda", {"title": "无障碍环境若干规定", "kind": "bill"}, status=201
    )
    files = {}
    for readers in ("everybody", "participants", "members"):
        files[readers] = await upload(staff, readers.encode())
        said = {"file_id": files[readers], "title": readers, "readers": readers}
        await meeting.call("POST", f"/agenda/{item['id']}/papers", said, status=201)
    files["named"] = await upload(staff, b"named")
    said = {
        "file_id": files["named"],
        "title": "named",
        "readers": "members",
        "also": [MEMBERS[1].id],
    }
    await meeting.call("POST", f"/agenda/{item['id']}/papers", said, status=201)
    await meeting.move("announced")

    async def readable(caller):
        shown = (await caller.call("GET", f"{meeting.url}/agenda")).json["items"]
        listed = {paper["title"] for it in shown for paper in it["papers"]}
        got = {
            name for name, key in files.items()
            if (await caller.call("GET", f"/api/v1/files/{key}/content")).status == 200
        }  # fmt: skip
        assert listed == got
        return listed

    for caller in (member, guest, anybody):
        assert await readable(caller) == set()
    await meeting.call("POST", "/agenda/publish", {"v": meeting.view["v"]})
    assert await readable(member) == {"everybody", "participants", "members", "named"}
    assert await readable(guest) == {"everybody", "participants", "named"}
    assert await readable(anybody) == {"everybody"}
    assert await readable(staff) == set(files)


async def test_a_removed_participant_loses_the_channel_and_the_papers_at_once(house):
    staff, member = [await house.sign_in(it) for it in (zhuo, "委员1")]
    meeting = await plan(staff, kind="council")
    await meeting.call("POST", "/participants", {"people": [MEMBERS[0].id]}, status=201)
    await meeting.move("announced")
    async with connected(member) as (client, _):
        _, ear = await listen(client, f"mtg:{meeting.id}")
        assert ear.subscribed.done()
        await meeting.move("ready")
        # What was announced before may still be on its way.
        wanted = {("mtg.state", "ready"), ("meeting.changed", "ready")}
        async with asyncio.timeout(5):
            while wanted:
                event = await ear.news.get()
                wanted.discard((event["type"], event["state"]))
        await meeting.call("DELETE", f"/participants/{MEMBERS[0].id}", status=204)
        async with asyncio.timeout(2):
            assert (await ear.unsubscribed).code == 2000
        assert (await member.call("GET", meeting.url)).status == 404
    async with connected(member) as (client, _):
        _, again = await listen(client, f"mtg:{meeting.id}")
        assert again.unsubscribed.done()


async def test_members_come_from_flags_committees_and_names(house):
    staff, member, anybody = [await house.sign_in(it) for it in (zhuo, MEMBERS[2], deputy)]
    meeting = await plan(staff)
    assert await meeting.call("POST", "/participants", {"npcsc": True}, status=201) == {"count": 6}
    assert await meeting.call("POST", "/participants", {"npcsc": True}, status=201) == {"count": 6}
    invited = {"people": [deputy.id], "capacity": "attend"}
    await meeting.call("POST", "/participants", invited, status=201)
    await meeting.move("announced")
    shown = await meeting.refresh()
    assert shown["participants"] == {"member": 6, "attend": 1}
    listed = (await member.call("GET", f"{meeting.url}/participants?limit=5")).json
    more = (
        await member.call("GET", f"{meeting.url}/participants?limit=5&cursor={listed['next']}")
    ).json
    assert len(listed["items"] + more["items"]) == 7
    assert more["items"][-1]["name"] == "委员6"
    assert (await anybody.call("GET", f"{meeting.url}/participants?capacity=attend")).status == 200
    nobody = await staff.call("POST", f"{meeting.url}/participants", {})
    stranger = await staff.call("POST", f"{meeting.url}/participants", {"people": [ulid(99)]})
    assert (nobody.status, stranger.status) == (422, 422)
    assert await house.services.meetings.participants.of(meeting.id) == frozenset(
        {deputy.id, *(it.id for it in MEMBERS)}
    )


# -- agenda ----------------------------------------------------------------------------------------


async def test_the_agenda_has_one_order_and_one_current_item(house):
    staff, member = [await house.sign_in(it) for it in (zhuo, MEMBERS[0])]
    meeting = await in_session(staff)
    items = [
        await meeting.call("POST", "/agenda", {"title": title, "reporter": "某局"}, status=201)
        for title in ("甲", "乙", "丙")
    ]
    assert (await member.call("GET", f"{meeting.url}/agenda")).json["items"] == []
    order = [items[2]["id"], items[0]["id"], items[1]["id"]]
    v = (await meeting.refresh())["v"]
    shown = await meeting.call("PUT", "/agenda/order", {"v": v, "items": order})
    assert [it["title"] for it in shown["items"]] == ["丙", "甲", "乙"]
    stale = await staff.call("PUT", f"{meeting.url}/agenda/order", {"v": v, "items": order})
    assert (stale.status, stale.json["detail"]["v"]) == (409, v + 1)
    part = await staff.call("PUT", f"{meeting.url}/agenda/order", {"v": v + 1, "items": order[:2]})
    assert part.status == 422
    await meeting.call("POST", "/agenda/publish", {"v": v + 1})

    for item_id, n in ((order[0], 0), (order[1], 1)):
        await meeting.call("POST", "/pointer", {"item_id": item_id, "v": n})
    states = [
        it["state"] for it in (await member.call("GET", f"{meeting.url}/agenda")).json["items"]
    ]
    assert states == ["pending", "current", "pending"]
    done = await meeting.call("POST", f"/agenda/{order[1]}/state", {"v": 1, "to": "done"})
    assert done["state"] == "done"
    again = await staff.call(
        "POST", f"{meeting.url}/agenda/{order[1]}/state", {"v": 2, "to": "pending"}
    )
    assert (again.status, again.code, again.json["detail"]["allowed"]) == (409, "bad_state", [])
    await meeting.call("POST", f"/agenda/{order[2]}/state", {"v": 1, "to": "postponed"})
    gone = await staff.call("DELETE", f"{meeting.url}/agenda/{order[2]}?v=2")
    assert (gone.status, gone.json["detail"]["allowed"]) == (409, ["postponed"])


async def test_an_item_is_changed_and_removed_before_the_agenda_is_published(house):
    staff = await house.sign_in(zhuo)
    meeting = await plan(staff)
    item = await meeting.call("POST", "/agenda", {"title": "甲"}, status=201)
    changed = await meeting.call("PATCH", f"/agenda/{item['id']}", {"v": 1, "reporter": "市司法局"})
    assert (changed["title"], changed["reporter"], changed["v"]) == ("甲", "市司法局", 2)
    stale = await staff.call("PATCH", f"{meeting.url}/agenda/{item['id']}", {"v": 1, "title": "乙"})
    assert (stale.status, stale.json["detail"]["v"]) == (409, 2)
    await meeting.call("DELETE", f"/agenda/{item['id']}?v=2", status=204)
    assert (await meeting.call("GET", "/agenda"))["items"] == []


async def test_an_item_with_a_result_and_one_of_a_meeting_that_is_over_are_not_removed(house):
    staff = await house.sign_in(zhuo)
    meeting = await in_session(staff)
    one, two = [
        await meeting.call("POST", "/agenda", {"title": it}, status=201) for it in ("甲", "乙")
    ]
    said = {"outcome": "passed", "override": "书面清点"}
    await meeting.call("PUT", f"/agenda/{one['id']}/result", said)
    refused = await staff.call("DELETE", f"{meeting.url}/agenda/{one['id']}?v=1")
    assert (refused.status, refused.code) == (409, "bad_state")
    await meeting.move("closed")
    late = await staff.call("DELETE", f"{meeting.url}/agenda/{two['id']}?v=1")
    assert (late.status, late.code) == (409, "bad_state")
    assert len((await meeting.call("GET", "/agenda"))["items"]) == 2


# -- declared results ------------------------------------------------------------------------------


async def test_a_result_is_typed_by_one_and_confirmed_by_another_and_says_it_is_no_vote(house):
    staff, second, member = [await house.sign_in(it) for it in (zhuo, lu, MEMBERS[0])]
    meeting = await in_session(staff)
    item = await meeting.call("POST", "/agenda", {"title": "决议"}, status=201)
    await meeting.call("POST", "/agenda/publish", {"v": meeting.view["v"]})
    await call_the_roll(house, meeting, present=4)
    where = f"/agenda/{item['id']}/result"
    passed = {"outcome": "passed", "tally": {"yes": 5, "no": 0, "abstain": 1}}
    too_many = {"outcome": "passed", "tally": {"yes": 7, "no": 0, "abstain": 0}}
    assert (await staff.call("PUT", f"{meeting.url}{where}", too_many)).status == 422
    typed = await meeting.call("PUT", where, passed)
    assert (typed["confirmed"], typed["v"]) == (False, 1)
    assert "非平台表决" in typed["label"]

    async def shown():
        (only,) = (await member.call("GET", f"{meeting.url}/agenda")).json["items"]
        return only["result"]

    assert await shown() is None
    own = await staff.call("POST", f"{meeting.url}{where}/confirm", {"v": 1})
    assert (own.status, own.json["detail"]["reason"]) == (403, "second_person")
    await meeting.call("PUT", where, {**passed, "v": 1, "outcome": "failed"})
    # The second person saw another result than the one that stands now.
    stale = await second.call("POST", f"{meeting.url}{where}/confirm", {"v": 1})
    assert (stale.status, stale.json["detail"]["v"]) == (409, 2)
    async with connected(await house.sign_in("委员1")) as (client, _):
        _, ear = await listen(client, f"mtg:{meeting.id}")
        done = await second.call("POST", f"{meeting.url}{where}/confirm", {"v": 2})
        assert (done.status, done.json["confirmed"]) == (200, True)
        async with asyncio.timeout(5):
            while (event := await ear.news.get())["type"] != "item.result":
                pass
        assert (event["outcome"], "非平台表决" in event["label"]) == ("failed", True)
    assert (await shown())["outcome"] == "failed"
    late = await staff.call("PUT", f"{meeting.url}{where}", {**passed, "v": 3})
    assert (late.status, late.code) == (409, "bad_state")


async def test_a_result_without_quorum_needs_a_note(house):
    staff = await house.sign_in(zhuo)
    meeting = await in_session(staff)
    item = await meeting.call("POST", "/agenda", {"title": "决议"}, status=201)
    await call_the_roll(house, meeting, present=3)
    where = f"/agenda/{item['id']}/result"
    refused = await staff.call("PUT", f"{meeting.url}{where}", {"outcome": "passed"})
    assert (refused.status, refused.json["detail"]["rule_param"]) == (422, "quorum.npcsc")
    assert refused.json["detail"]["source"]
    noted = {"outcome": "passed", "override": "签到设备故障，人工清点已达法定人数"}
    assert (await meeting.call("PUT", where, noted))["override"] == noted["override"]
    entry = await house.db["audit"].find_one({"action": "result.type"})
    assert entry["detail"]["override"] == noted["override"]


async def test_what_a_dead_process_kept_is_announced_by_the_next(house):
    staff, member = [await house.sign_in(it) for it in (zhuo, "委员1")]
    meeting = await in_session(staff)
    # Killed between keeping and telling: the pause is in the database and nowhere else.
    kept = {"state": "paused", "eid": ulid(501), "moved_eid": ulid(502), "untold": True}
    await house.db["meeting"].update_one({"_id": meeting.id}, {"$set": kept, "$inc": {"v": 1}})
    house.clock.advance(seconds=4)
    async with connected(member) as (client, _):
        _, ear = await listen(client, f"mtg:{meeting.id}")
        assert await house.services.meetings.desk.catch_up() == 1
        async with asyncio.timeout(5):
            while (event := await ear.news.get())["id"] != ulid(502):
                pass
    assert (event["type"], event["state"]) == ("mtg.state", "paused")
    assert event["v"] == meeting.view["v"] + 1
    assert await house.services.meetings.desk.catch_up() == 0


async def test_a_result_that_a_dead_process_confirmed_is_announced_by_the_next(house):
    staff, second = [await house.sign_in(it) for it in (zhuo, lu)]
    meeting = await in_session(staff)
    item = await meeting.call("POST", "/agenda", {"title": "决议"}, status=201)
    await call_the_roll(house, meeting, present=4)
    where = f"{meeting.url}/agenda/{item['id']}/result"
    await staff.call("PUT", where, {"outcome": "passed"})
    assert (await second.call("POST", f"{where}/confirm", {"v": 1})).status == 200
    results = house.services.meetings.results
    house.clock.advance(seconds=4)
    assert await results.catch_up() == 0
    kept = {"result.eid": ulid(504), "result.untold": True}
    await house.db["agenda_item"].update_one({"_id": item["id"]}, {"$set": kept})
    assert (await results.catch_up(), await results.catch_up()) == (1, 0)
    told = await house.db["outbox"].find({"body.id": ulid(504)})
    channels = {row["body"]["channel"].partition(":")[0] for row in told}
    assert channels == {"mtg", "mtgstaff", "mtgscreen"}


async def test_every_change_of_the_agenda_is_told_to_whoever_follows_it_from_its_position(house):
    staff, member = [await house.sign_in(it) for it in (zhuo, MEMBERS[0])]
    meeting = await in_session(staff)
    await meeting.call("POST", "/agenda/publish", {"v": meeting.view["v"]})
    hints = {"agenda.changed", "doc.added", "item.result", "agenda.pointer", "meeting.changed"}

    def note(state, event):
        return {**state, "stale": state.get("stale", 0) + (event["type"] in hints)}

    path = f"{meeting.url}/agenda"
    async with following(house, member, path, note) as phone:
        item = await meeting.call("POST", "/agenda", {"title": "甲"}, status=201)
        paper = {"file_id": await upload(staff, b"paper"), "title": "草案"}
        for n, act in enumerate(
            [
                ("POST", "/pointer", {"item_id": item["id"], "v": 0}, 200),
                ("POST", f"/agenda/{item['id']}/papers", paper, 201),
                ("PATCH", f"/agenda/{item['id']}", {"v": 2, "title": "乙"}, 200),
                ("POST", f"/agenda/{item['id']}/state", {"v": 3, "to": "done"}, 200),
            ],
            start=2,
        ):
            method, where, said, status = act
            await meeting.call(method, where, said, status=status)
            async with asyncio.timeout(5):
                while phone.state.get("stale", 0) < n:
                    phone._moved.clear()
                    await phone._moved.wait()
    (only,) = (await member.call("GET", path)).json["items"]
    assert (only["title"], only["state"], len(only["papers"])) == ("乙", "done", 1)
