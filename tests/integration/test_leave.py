"""Leave at the real hub: who decides in which phase, who reads why, and what absences lead to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.people import Flag
from domain.permissions import Role
from domain.roster import Card, Kind
from storage.people import PeopleStore
from tests.integration.hall import MEETING, OTHER, REDUCE, URL, convene, zhuo
from tests.integration.people import person, ulid
from tests.snapshots import announced, following

LEAVE = f"{URL}/leave"
WISH = {"kind": "sick", "reason": "住院手术"}
SESSION = "s2"

wen = person(ulid(801), "闻予澄", Role.DEPUTY, delegation_id="pudong")
lin = person(ulid(802), "蔺书航", Role.DEPUTY, delegation_id="pudong", flags={Flag.DELEGATION_HEAD})
guan = person(ulid(803), "管团长", Role.DEPUTY, delegation_id="xuhui", flags={Flag.DELEGATION_HEAD})
zhu = person(ulid(804), "祝副主任", Role.DEPUTY, delegation_id="xuhui", flags={Flag.NPCSC_MEMBER})
other = person(ulid(805), "另一代表", Role.DEPUTY, delegation_id="pudong")
bai = person(ulid(806), "柏令仪", Role.LIAISON, "deleg:pudong")
far = person(ulid(807), "外团联络员", Role.LIAISON, "deleg:xuhui")
xi = person(ulid(808), "席知微", Role.CMTE_STAFF, "cmte:standing")


@pytest.fixture
async def congress(hub):
    """A plenary meeting of a session that opens tomorrow; everybody is on the roster."""
    await hub.db["session"].insert_one({"_id": SESSION, "starts_on": "2026-02-02"})
    await convene(
        hub.db,
        members=5,
        kind="npc",
        session_id=SESSION,
        starts_at=datetime(2026, 2, 2, 1, tzinfo=UTC),
    )
    await hub.db["meeting"].update_one({"_id": MEETING}, {"$set": {"state": "announced"}})
    cards = [
        Card(
            id=it.id, name=it.name, kind=Kind.DEPUTY, delegation_id=it.delegation_id, flags=it.flags
        )
        for it in (wen, lin, guan, zhu, other)
    ]
    await PeopleStore(hub.db).add_many(cards)
    staff = await hub.sign_in(zhuo)
    named = await staff.call(
        "PUT", f"{URL}/leave-approvers", {"people": [zhu.id], "document": "主任会议〔2026〕3号"}
    )
    assert named.status == 200, named.body
    return hub


async def ask(hub, who, **more):
    caller = await hub.sign_in(who)
    reply = await caller.call("POST", LEAVE, {**WISH, **more})
    assert reply.status == 201, reply.body
    return reply.json


async def decide(hub, who, leave, approve=True):
    caller = await hub.sign_in(who)
    return await caller.call(
        "POST", f"/api/v1/leave/{leave['leave_id']}/decide", {"approve": approve, "note": "知悉"}
    )


@pytest.mark.acceptance("F07-3")
async def test_before_the_session_the_delegated_leader_decides_and_nobody_else(congress):
    """F07-3"""
    leave = await ask(congress, wen)
    assert (leave["state"], leave["route"], leave["decides"]) == ("submitted", "standing", False)
    for wrong in (lin, guan):
        refused = await decide(congress, wrong, leave)
        assert (refused.status, refused.json["detail"]["route"]) == (403, "standing")
    for wrong in (zhuo, bai, wen):
        assert (await decide(congress, wrong, leave)).status == 403
    assert (await decide(congress, other, leave)).status == 404
    done = await decide(congress, zhu, leave)
    assert (done.status, done.json["state"], done.json["decided_by"]) == (200, "approved", zhu.id)
    assert (await decide(congress, zhu, leave, approve=False)).code == "bad_state"


@pytest.mark.acceptance("F07-3")
async def test_in_session_the_head_of_ones_own_delegation_decides(congress):
    """F07-3"""
    leave = await ask(congress, wen)
    congress.clock.advance(days=1)  # what was not decided before goes to the head now
    for wrong in (zhu, guan):
        refused = await decide(congress, wrong, leave)
        assert (refused.status, refused.json["detail"]["route"]) == (403, "head")
    done = await decide(congress, lin, leave, approve=False)
    assert (done.status, done.json["state"]) == (200, "refused")
    # After a refusal one may ask again.
    assert (await ask(congress, wen))["route"] == "head"


@pytest.mark.acceptance("F07-3")
async def test_a_heads_own_leave_goes_to_the_standing_committee_in_session_too(congress):
    """F07-3"""
    congress.clock.advance(days=1)
    leave = await ask(congress, lin)
    assert leave["route"] == "standing"
    assert (await decide(congress, lin, leave)).status == 403
    assert (await decide(congress, guan, leave)).status == 403
    assert (await decide(congress, zhu, leave)).status == 200


async def test_the_staff_of_a_committee_decide_about_its_meetings(congress):
    await convene(congress.db, meeting_id=OTHER, kind="npcsc", members=5, committee_id="standing")
    caller = await congress.sign_in(wen)
    leave = await caller.call("POST", f"/api/v1/meetings/{OTHER}/leave", WISH)
    assert (leave.status, leave.json["route"]) == (201, "staff")
    elsewhere = person(ulid(809), "别处", Role.CMTE_STAFF, "cmte:else")
    assert (await decide(congress, elsewhere, leave.json)).status == 404
    assert (await decide(congress, lin, leave.json)).status == 403
    assert (await decide(congress, xi, leave.json)).status == 200


async def test_the_reason_is_for_whoever_decides_the_liaison_and_the_person_alone(congress):
    leave = await ask(congress, wen)
    path = f"/api/v1/leave/{leave['leave_id']}"

    async def reads(who):
        reply = await (await congress.sign_in(who)).call("GET", path)
        return reply.json["reason"] if reply.status == 200 else reply.status

    assert [await reads(who) for who in (wen, zhu, bai)] == ["住院手术"] * 3
    assert await reads(zhuo) is None
    assert [await reads(who) for who in (lin, other, far)] == [404] * 3
    listed = await (await congress.sign_in(zhuo)).call("GET", LEAVE)
    assert [(it["state"], it["reason"]) for it in listed.json["leaves"]] == [("submitted", None)]
    assert (await (await congress.sign_in(other)).call("GET", LEAVE)).json["leaves"] == []
    assert "住院" not in str(await congress.db["leave"].find({}))
    await announced(congress)
    assert "住院" not in str(await congress.db["outbox"].find({}))
    assert "住院" not in str(await congress.db["audit"].find({}))


async def test_a_liaison_asks_on_behalf_of_their_own_delegation_only(congress):
    behalf = await ask(congress, bai, person_id=wen.id)
    assert (behalf["person_id"], behalf["asked_by"]) == (wen.id, bai.id)
    refused = await (await congress.sign_in(far)).call(
        "POST", LEAVE, {**WISH, "person_id": other.id}
    )
    assert refused.status == 403
    twice = await (await congress.sign_in(wen)).call("POST", LEAVE, WISH)
    assert (twice.status, twice.code) == (409, "conflict")
    mine = await (await congress.sign_in(wen)).call("GET", "/api/v1/me/leave")
    assert [it["reason"] for it in mine.json["leaves"]] == ["住院手术"]


async def test_whoever_is_in_the_hall_cannot_ask_nor_be_given_leave(congress):
    staff = await congress.sign_in(zhuo)
    leave = await ask(congress, other)
    marks = [{"person_id": it.id, "state": "present"} for it in (wen, other)]
    await staff.call("POST", f"{URL}/attendance", {"marks": marks})
    refused = await (await congress.sign_in(wen)).call("POST", LEAVE, WISH)
    assert (refused.status, refused.code) == (409, "bad_state")
    assert (await decide(congress, zhu, leave)).code == "bad_state"
    assert (await decide(congress, zhu, leave, approve=False)).status == 200
    stranger = person(ulid(899), "未参会", Role.DEPUTY)
    assert (await (await congress.sign_in(stranger)).call("POST", LEAVE, WISH)).status == 404
    empty = {**WISH, "until": "2026-02-01T09:00:00+08:00"}
    caller = await congress.sign_in(lin)
    assert (await caller.call("POST", LEAVE, empty)).json["field"] == "until"
    assert (await caller.call("POST", LEAVE, {"kind": "sick"})).status == 422


async def test_a_draft_is_handed_in_leave_begins_and_ends_and_staff_see_it_live(congress):
    staff, caller = await congress.sign_in(zhuo), await congress.sign_in(wen)

    def board(state, event):
        if event["type"] not in {"leave.request", "leave.decided"}:
            return state
        leaves = {it["leave_id"]: it for it in state["leaves"]}
        known = leaves.get(event["leave_id"], {"v": 0})
        if event["v"] > known["v"]:
            leaves[event["leave_id"]] = known | {
                key: event[key]
                for key in ("leave_id", "meeting_id", "person_id", "kind", "state", "v")
            }
        return {**state, "leaves": [leaves[key] for key in sorted(leaves)]}

    def core(state):
        return [(it["leave_id"], it["state"], it["v"]) for it in state["leaves"]]

    async with following(congress, staff, LEAVE, board) as desk:
        draft = await ask(congress, wen, draft=True, until="2026-02-02T18:00:00+08:00")
        path = f"/api/v1/leave/{draft['leave_id']}"
        assert (await staff.call("GET", LEAVE)).json["leaves"] == []
        assert (await caller.call("POST", f"{path}/submit")).json["state"] == "submitted"
        assert (await caller.call("POST", f"{path}/return")).code == "bad_state"
        assert (await decide(congress, zhu, draft)).status == 200
        assert (await caller.call("POST", f"{path}/withdraw")).code == "bad_state"
        congress.clock.advance(days=1)
        await congress.services.leave.turn()
        assert (await caller.call("GET", path)).json["state"] == "effective"
        congress.clock.advance(hours=10)
        await congress.services.leave.turn()
        assert (await caller.call("GET", path)).json["state"] == "returned"
        await announced(congress)
        later, position = await desk.snapshot()
        await desk.reaches(position["offset"])
        assert core(desk.state) == core(later)
        assert [it["state"] for it in desk.events] == [
            "submitted", "approved", "effective", "returned",
        ]  # fmt: skip


async def test_a_request_can_be_taken_back_and_only_by_those_it_belongs_to(congress):
    leave = await ask(congress, wen)
    path = f"/api/v1/leave/{leave['leave_id']}/withdraw"
    assert (await (await congress.sign_in(other)).call("POST", path)).status == 404
    assert (await (await congress.sign_in(wen)).call("POST", path)).json["state"] == "withdrawn"
    assert (await decide(congress, zhu, leave)).code == "bad_state"


async def test_what_waits_for_a_decision_is_on_the_list_of_whoever_decides(congress):
    leave = await ask(congress, wen)
    todo = congress.services.leave.todo
    assert [it.obj for it in await todo(zhu)] == [f"leave:{leave['leave_id']}"]
    assert list(await todo(lin)) == []
    congress.clock.advance(days=1)
    assert list(await todo(zhu)) == []
    assert [it.obj for it in await todo(lin)] == [f"leave:{leave['leave_id']}"]


async def test_only_the_staff_name_delegates_and_only_from_the_standing_committee(congress):
    path, body = f"{URL}/leave-approvers", {"people": [wen.id]}
    assert (await (await congress.sign_in(wen)).call("PUT", path, body)).status == 403
    wrong = await (await congress.sign_in(zhuo)).call("PUT", path, body)
    assert (wrong.status, wrong.json["detail"]["people"]) == (422, [wen.id])


@pytest.mark.acceptance("F07-4")
async def test_two_sessions_missed_without_leave_alert_the_staff_once_and_change_nothing(congress):
    """F07-4"""
    third = ulid(7101)
    before = {"_id": "s1", "name": "第一次会议", "starts_on": "2026-01-02"}
    await congress.db["session"].insert_one(before)
    await convene(congress.db, meeting_id=third, kind="npc", session_id="s1", members=5)
    again = ulid(7200)  # a second meeting of the same session is no second absence
    await convene(congress.db, meeting_id=again, kind="npc", session_id=SESSION, members=5)
    console = person(
        ulid(730), "卓慕青", Role.MTG_STAFF, *(f"mtg:{it}" for it in (MEETING, third, again))
    )
    desk = await congress.sign_in(console)

    async def miss(meeting, *people):
        marks = [{"person_id": it.id, "state": "absent"} for it in people]
        reply = await desk.call("POST", f"/api/v1/meetings/{meeting}/attendance", {"marks": marks})
        assert {it["outcome"] for it in reply.json["results"]} == {"marked"}

    excused = await ask(congress, other)
    assert (await decide(congress, zhu, excused)).status == 200
    accounts = await congress.db["account"].find({})
    cards = await congress.db["person"].find({}, sort=[("_id", 1)])
    path = f"/api/v1/meetings/{third}/state?channel=mtgstaff"
    async with following(congress, desk, path, REDUCE) as alerts:
        await miss(MEETING, wen, other)
        await miss(again, wen)
        assert await congress.db["absence_alert"].count({}) == 0
        await miss(third, wen, other)
        heard = await alerts.hears("absence.alert")
        assert (heard["person_id"], heard["sessions"]) == (wen.id, 2)
        # Marked, taken back and marked again: still one alert.
        reverse = f"/api/v1/meetings/{third}/attendance/{wen.id}/reverse"
        assert (await desk.call("POST", reverse, {"reason": "误记"})).status == 200
        await miss(third, wen)
        await announced(congress)
        assert [it["type"] for it in alerts.events].count("absence.alert") == 1
    assert await congress.db["absence_alert"].count({}) == 1
    assert await congress.db["account"].find({}) == accounts
    assert await congress.db["person"].find({}, sort=[("_id", 1)]) == cards
