"""Duty records at the real hub: from the check-in to the confirmation, and the objection."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from domain.duty.book import BookPorts, DutyBook
from domain.organisation import Committee, CommitteeKind
from domain.permissions import Role
from domain.roster import Card, Kind
from server.duty import build_duty
from storage.attendance import AttendanceStore
from storage.duty import DutyStore, OccasionStore
from storage.organisation import OrganisationStore
from storage.people import PeopleStore
from tests.integration.hall import MEETING, OTHER, URL, convene, enrol, member, zhuo
from tests.integration.people import person, ulid
from tests.snapshots import announced

MINE = "/api/v1/me/duty-records"
RECORDS = f"{URL}/duty-records"
ROLL = f"{URL}/attendance"

bai = person(ulid(731), "柏令仪", Role.LIAISON, "deleg:pudong")
guan = person(ulid(732), "管星野", Role.LIAISON, "deleg:xuhui")
feng = person(ulid(733), "冯砚秋", Role.AUDITOR)
JOBS = ("duty.announce", "duty.close", "duty.follow")


def who(number):
    return ulid(800 + number)


def record_of(number, meeting_id=MEETING):
    return f"{meeting_id}-{who(number)}"


async def hold_jobs(db):
    """Tests do this work themselves, so that they know when."""
    for job in JOBS:
        mine = {"owner": "test", "until": datetime(2100, 1, 1, tzinfo=UTC), "token": 1}
        await db["lease"].replace_one(
            {"_id": f"job:{job}"}, {"_id": f"job:{job}", **mine}, upsert=True
        )


@pytest.fixture
async def hall(hub):
    """A meeting of the congress that began half an hour ago, with members of two delegations."""
    await hold_jobs(hub.db)
    at = hub.clock()
    await OrganisationStore(hub.db).put(
        Committee(id="npcsc", name="常务委员会", congress_id="sh20", kind=CommitteeKind.STANDING)
    )
    await convene(
        hub.db,
        members=6,
        kind="npc",
        committee_id="npcsc",
        place="世博中心",
        starts_at=at - timedelta(minutes=30),
        ends_at=at + timedelta(hours=3, minutes=30),
    )
    await enrol(hub.db, [7], capacity="attend")
    await enrol(hub.db, [8], capacity="staff")
    await enrol(hub.db, [9])
    await PeopleStore(hub.db).add_many(
        [
            Card(
                id=who(n),
                name=f"代表{n}",
                kind=Kind.DEPUTY if n < 9 else Kind.GUEST,
                deputy_no=f"N{n:03}" if n < 9 else None,
                delegation_id="pudong" if n < 5 else "xuhui",
            )
            for n in range(1, 10)
        ]
    )
    return hub


async def call(caller, state, *numbers):
    marks = [{"person_id": who(number), "state": state} for number in numbers]
    reply = await caller.call("POST", ROLL, {"marks": marks})
    assert {it["outcome"] for it in reply.json["results"]} == {"marked"}, reply.body


async def mine(caller, query=""):
    reply = await caller.call("GET", f"{MINE}{query}")
    assert reply.status == 200, reply.body
    return reply.json["items"]


async def close(hub, *, minutes=0):
    """End the meeting, and let the book see it."""
    hub.clock.advance(minutes=minutes)
    await hub.db["meeting"].update_one(
        {"_id": MEETING}, {"$set": {"state": "closed", "closed_at": hub.clock()}}
    )
    await hub.services.duty.book.follow()
    await hub.services.duty.book.close()


async def told(hub, number):
    await announced(hub)
    rows = await hub.db["outbox"].find({"line": f"user:#{who(number)}"})
    return [row["_id"] for row in rows if '"duty.new"' in row["body"]["data"]]


async def said(caller, record_id, what, body=None, *, status=200):
    reply = await caller.call("POST", f"/api/v1/duty-records/{record_id}/{what}", body or {})
    assert reply.status == status, reply.body
    return reply.json


@pytest.mark.acceptance("F06-4")
async def test_who_was_there_has_a_record_and_who_stayed_away_has_none(hall):
    """F06-4, as far as there are meetings."""
    staff, book = await hall.sign_in(zhuo), hall.services.duty.book
    await call(staff, "present", 1, 7, 8, 9)
    await call(staff, "late", 2)
    await call(staff, "absent", 3)
    assert await book.follow() == 6
    assert await book.follow() == 0
    (one,) = await mine(await hall.sign_in(member(1)))
    assert {name: one[name] for name in ("id", "state", "kind", "level", "title", "place")} == {
        "id": record_of(1), "state": "auto", "kind": "出席大会", "level": "市",
        "title": "第一次全体会议", "place": "世博中心",
    }  # fmt: skip
    assert (one["organiser"], one["end"], one["hours"]) == ("常务委员会", None, None)
    assert one["evidence"] == f"attendance:{MEETING}:{who(1)}"
    (guest,) = await mine(await hall.sign_in(member(7)))
    assert guest["kind"] == "列席"
    # Nobody for staying away, for working there, or who is no deputy.
    assert sorted(await hall.db["duty_record"].distinct("p", {})) == [who(1), who(2), who(7)]

    hall.clock.advance(minutes=90)
    await call(staff, "left", 2)
    await close(hall, minutes=30)
    (one,) = await mine(await hall.sign_in(member(1)))
    assert (one["state"], one["hours"]) == ("pending_confirm", 2.0)
    (two,) = await mine(await hall.sign_in(member(2)))
    assert (two["state"], two["hours"]) == ("pending_confirm", 1.5)
    assert await mine(await hall.sign_in(member(3))) == []


@pytest.mark.acceptance("F07-1")
async def test_reversed_and_redone_it_is_the_same_record_and_told_once(hall):
    """F07-1"""
    staff, book = await hall.sign_in(zhuo), hall.services.duty.book
    deputy = await hall.sign_in(member(1))
    await call(staff, "present", 1)
    await book.follow()
    hall.clock.advance(minutes=1)
    await staff.call("POST", f"{ROLL}/{who(1)}/reverse", {"reason": "认错人"})
    await book.follow()
    (void,) = await mine(deputy)
    assert (void["state"], void["history"][-1]["reason"]) == ("void", "签到已撤销")
    hall.clock.advance(minutes=1)
    await call(staff, "late", 1)
    await book.follow()
    (again,) = await mine(deputy)
    assert (again["id"], again["state"]) == (void["id"], "auto")
    assert again["start"] == hall.clock().isoformat().replace("+00:00", "Z")
    assert [it["state"] for it in again["history"]] == ["auto", "void"]
    assert len(await told(hall, 1)) == 1


@pytest.mark.acceptance("F07-1")
async def test_four_at_once_and_whatever_was_lost_make_one_record_and_one_event(hall):
    """F07-1: nothing is lost where a process dies, and nothing is twice where several work."""
    staff = await hall.sign_in(zhuo)
    lists = hall.services.administration.dictionaries
    books = [build_duty(hall.hub.ground, lists).book for _ in range(4)]
    await call(staff, "present", 1, 2, 3, 4)
    # Nobody has followed: the marks are still there, as after a crash.
    assert await hall.db["attendance"].count({"unbooked": True}) == 4
    await asyncio.gather(*(book.follow() for book in books for _ in range(3)))
    assert await hall.db["duty_record"].count({}) == 4
    assert await hall.db["attendance"].count({"unbooked": True}) == 0
    # One that died after the record, before telling anybody.
    await hall.db["duty_record"].update_one({"_id": record_of(1)}, {"$set": {"untold": True}})
    hall.clock.advance(seconds=4)
    await asyncio.gather(*(book.catch_up() for book in books))
    assert await hall.db["duty_record"].count({"untold": True}) == 0
    for number in range(1, 5):
        assert len(await told(hall, number)) == 1
    # And one that died between the attendance and the taking away of its mark.
    await hall.db["attendance"].update_many({}, {"$set": {"unbooked": True}})
    await asyncio.gather(*(book.follow() for book in books))
    rows = await hall.db["duty_record"].find({})
    assert {row["v"] for row in rows} == {1}


class Slow(AttendanceStore):
    """What a process saw that then stood still for a while."""

    def __init__(self, db, seen):
        super().__init__(db)
        self._seen = seen

    async def unbooked(self):
        return self._seen


@pytest.mark.acceptance("F07-1")
async def test_a_process_that_saw_less_leaves_no_record_of_somebody_who_was_not_there(hall):
    """F07-1"""
    staff = await hall.sign_in(zhuo)
    await call(staff, "present", 1, 2)
    seen = await AttendanceStore(hall.db).unbooked()
    await staff.call("POST", f"{ROLL}/{who(1)}/reverse", {"reason": "认错人"})
    await hall.services.duty.book.follow()
    assert await hall.db["duty_record"].distinct("p", {}) == [who(2)]
    db, ground = hall.db, hall.hub.ground
    ports = BookPorts(DutyStore(db), Slow(db, seen), OccasionStore(db), PeopleStore(db))
    slow = DutyBook(ports, bus=ground.bus, clock=ground.clock, new_id=ground.new_id)
    await slow.follow()
    rows = await db["duty_record"].find({}, sort=[("_id", 1)])
    assert [row["state"] for row in rows] == ["void", "auto"]


async def test_what_happens_after_the_end_is_on_record_too(hall):
    staff = await hall.sign_in(zhuo)
    await call(staff, "present", 1)
    await close(hall, minutes=60)
    assert await hall.db["duty_record"].count({"open": True}) == 0
    # A gate without a network hands in who came; the book follows at once with the hours.
    await call(staff, "present", 2)
    await hall.services.duty.book.follow()
    (late,) = await mine(await hall.sign_in(member(2)))
    assert (late["state"], late["hours"]) == ("pending_confirm", 0.0)


@pytest.mark.acceptance("F07-2")
async def test_an_objection_is_verified_and_corrected_and_the_auditor_sees_both_values(hall):
    """F07-2"""
    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    await call(staff, "present", 1)
    await hall.services.duty.book.follow()
    await said(deputy, record_of(1), "confirmation", status=409)
    await close(hall, minutes=120)
    year = hall.clock().year
    sums = f"{MINE}/summary?year={year}"
    before = (await deputy.call("GET", sums)).json
    assert (before["count"], before["hours"]) == (1, 2.0)
    assert before["sums"] == [
        {"kind": "出席大会", "state": "pending_confirm", "count": 1, "hours": 2.0}
    ]

    await said(deputy, record_of(1), "objection", {"reason": ""}, status=422)
    objected = await said(deputy, record_of(1), "objection", {"reason": "当天还参加了视察"})
    assert objected["state"] == "objected"
    await said(deputy, record_of(1), "objection", {"reason": "再说一次"}, status=409)
    decision = {
        "outcome": "corrected", "reason": "核对签到与派车单", "kind": "视察", "hours": 1.5,
    }  # fmt: skip
    await said(staff, record_of(1), "decision", decision, status=409)
    assert (await said(staff, record_of(1), "verification"))["state"] == "verifying"
    same = {"outcome": "corrected", "reason": "无", "kind": "出席大会"}
    await said(staff, record_of(1), "decision", same, status=422)
    wrong = decision | {"kind": "开会"}
    await said(staff, record_of(1), "decision", wrong, status=422)
    corrected = await said(staff, record_of(1), "decision", decision)
    assert (corrected["state"], corrected["kind"], corrected["hours"]) == ("corrected", "视察", 1.5)
    await said(staff, record_of(1), "decision", decision, status=409)

    after = (await deputy.call("GET", sums)).json
    assert (after["count"], after["hours"]) == (1, 1.5)
    assert [(it["kind"], it["state"]) for it in after["sums"]] == [("视察", "corrected")]
    auditor = await hall.sign_in(feng)
    seen = (await auditor.call("GET", f"/api/v1/duty-records/{record_of(1)}")).json
    assert (seen["kind"], seen["hours"], seen["handles"]) == ("视察", 1.5, False)
    assert [it["state"] for it in seen["history"]] == [
        "auto", "pending_confirm", "objected", "verifying",
    ]  # fmt: skip
    old = seen["history"][-1]
    assert (old["facts"]["kind"], old["facts"]["hours"]) == ("出席大会", 2.0)
    assert (old["by"], old["reason"]) == (zhuo.id, "核对签到与派车单")
    await said(auditor, record_of(1), "verification", status=403)

    confirmed = await said(deputy, record_of(1), "confirmation")
    assert confirmed["state"] == "confirmed"
    assert (await said(deputy, record_of(1), "confirmation"))["v"] == confirmed["v"]
    rows = await hall.db["audit"].find({"obj": f"duty:{record_of(1)}"}, sort=[("_id", 1)])
    assert [row["action"] for row in rows] == [
        "duty.objected", "duty.verifying", "duty.corrected", "duty.confirmed",
    ]  # fmt: skip
    assert "视察" not in str([row["detail"] for row in rows])


async def test_a_record_that_is_kept_says_why_and_attendance_no_longer_changes_what_was_said(hall):
    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    await call(staff, "present", 1)
    await close(hall, minutes=60)
    await said(deputy, record_of(1), "objection", {"reason": "时长不对"})
    liaison, other = await hall.sign_in(bai), await hall.sign_in(guan)
    await said(other, record_of(1), "verification", status=404)
    await said(liaison, record_of(1), "verification")
    kept = await said(
        liaison, record_of(1), "decision", {"outcome": "kept", "reason": "与签到一致"}
    )
    assert (kept["state"], kept["history"][-1]["reason"]) == ("kept", "与签到一致")
    await call(staff, "left", 1)
    await hall.services.duty.book.follow()
    (still,) = await mine(deputy)
    assert (still["state"], still["hours"]) == ("kept", kept["hours"])
    assert still["history"] == kept["history"]
    # Where the check-in falls, the record falls; what it was is in the history.
    await staff.call("POST", f"{ROLL}/{who(1)}/reverse", {"reason": "代签"})
    await hall.services.duty.book.follow()
    (void,) = await mine(deputy)
    assert (void["state"], void["history"][-1]["state"]) == ("void", "kept")


async def test_a_locked_record_does_not_change_any_more(hall):
    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    await call(staff, "present", 1)
    await close(hall, minutes=60)
    await hall.db["duty_record"].update_one({"_id": record_of(1)}, {"$set": {"state": "locked"}})
    for caller, what, body in (
        (deputy, "confirmation", {}),
        (deputy, "objection", {"reason": "有误"}),
        (staff, "verification", {}),
        (staff, "decision", {"outcome": "kept", "reason": "无误"}),
        (staff, "decision", {"outcome": "corrected", "reason": "改", "kind": "视察"}),
    ):
        refused = await caller.call("POST", f"/api/v1/duty-records/{record_of(1)}/{what}", body)
        assert (refused.status, refused.code) == (409, "bad_state"), what
    await staff.call("POST", f"{ROLL}/{who(1)}/reverse", {"reason": "撤销"})
    await hall.services.duty.book.follow()
    (still,) = await mine(deputy)
    assert (still["state"], still["v"]) == ("locked", 1)
    assert await hall.db["attendance"].count({"unbooked": True}) == 0


async def test_everybody_sees_what_is_theirs(hall):
    staff = await hall.sign_in(zhuo)
    await call(staff, "present", 1, 2, 5, 6, 7)
    await hall.services.duty.book.follow()
    reply = (await staff.call("GET", RECORDS)).json
    assert [it["name"] for it in reply["items"]] == ["代表1", "代表2", "代表5", "代表6", "代表7"]
    assert {it["handles"] for it in reply["items"]} == {True}
    page = (await staff.call("GET", f"{RECORDS}?limit=3")).json
    rest = (await staff.call("GET", f"{RECORDS}?limit=3&cursor={page['next']}")).json
    assert [it["name"] for it in page["items"] + rest["items"]] == [
        it["name"] for it in reply["items"]
    ]
    liaison = (await (await hall.sign_in(bai)).call("GET", RECORDS)).json
    assert [it["name"] for it in liaison["items"]] == ["代表1", "代表2"]
    sums = (await (await hall.sign_in(bai)).call("GET", f"{RECORDS}/summary")).json
    assert (sums["count"], sums["sums"][0]["state"]) == (2, "auto")
    auditor = await hall.sign_in(feng)
    assert len((await auditor.call("GET", RECORDS)).json["items"]) == 5
    assert (await auditor.call("GET", f"/api/v1/meetings/{OTHER}/duty-records")).status == 404
    elsewhere = await hall.sign_in(person(ulid(734), "方既白", Role.MTG_STAFF, f"mtg:{OTHER}"))
    assert (await elsewhere.call("GET", RECORDS)).status == 403
    two = await hall.sign_in(member(2))
    assert (await two.call("GET", RECORDS)).status == 403
    assert (await two.call("GET", f"/api/v1/duty-records/{record_of(1)}")).status == 404
    await said(two, record_of(1), "confirmation", status=404)
    assert [it["person_id"] for it in await mine(two)] == [who(2)]


async def test_one_finds_ones_records_by_year_and_kind_in_pages_the_last_first(hall):
    deputy = await hall.sign_in(member(1))
    staff = await hall.sign_in(zhuo)
    at = hall.clock()
    for days, meeting_id in ((1, ulid(741)), (40, ulid(742)), (400, ulid(743))):
        await convene(
            hall.db, members=1, meeting_id=meeting_id, kind="npcsc", starts_at=at,
            committee_id="npcsc",
        )  # fmt: skip
        await hall.db["meeting"].update_one({"_id": meeting_id}, {"$set": {"state": "closed"}})
        body = {
            "people": [who(1)], "kind": "视察" if days == 40 else "培训",
            "start": (at - timedelta(days=days)).isoformat(),
            "end": (at - timedelta(days=days, hours=-2)).isoformat(),
        }  # fmt: skip
        desk = person(ulid(735), "席知微", Role.CMTE_STAFF, "cmte:npcsc")
        reply = await (await hall.sign_in(desk)).call(
            "POST", f"/api/v1/meetings/{meeting_id}/duty-records", body
        )
        assert reply.json["results"][0]["outcome"] == "registered", reply.body
    assert [it["meeting_id"] for it in await mine(deputy)] == [ulid(741), ulid(742), ulid(743)]
    first = (await deputy.call("GET", f"{MINE}?limit=2")).json
    rest = (await deputy.call("GET", f"{MINE}?limit=2&cursor={first['next']}")).json
    assert [it["meeting_id"] for it in first["items"] + rest["items"]] == [
        ulid(741), ulid(742), ulid(743),
    ]  # fmt: skip
    assert rest["next"] is None
    year = (at - timedelta(days=400)).year
    assert [it["meeting_id"] for it in await mine(deputy, f"?year={year}")] == [ulid(743)]
    inspection = "%E8%A7%86%E5%AF%9F"
    assert [it["meeting_id"] for it in await mine(deputy, f"?kind={inspection}")] == [ulid(742)]
    todo = (await deputy.call("GET", "/api/v1/me/todo")).json
    assert todo["counts"]["duty.confirm"] == 3
    assert (await staff.call("GET", f"{MINE}?year=1")).status == 422


async def test_an_organiser_registers_by_hand_and_never_for_themselves(hall):
    staff = await hall.sign_in(zhuo)
    await call(staff, "present", 1)
    await hall.services.duty.book.follow()
    people = [who(n) for n in (1, 2, 7, 9, 99)]
    reply = await staff.call("POST", RECORDS, {"people": people, "evidence": "签到表"})
    assert reply.status == 200, reply.body
    done = [(it["outcome"], it["state"]) for it in reply.json["results"]]
    assert done == [
        ("already", "auto"), ("registered", "registered"), ("registered", "registered"),
        ("no_deputy", None), ("no_deputy", None),
    ]  # fmt: skip
    again = (await staff.call("POST", RECORDS, {"people": people})).json["results"]
    assert [it["outcome"] for it in again][:3] == ["already"] * 3
    assert len(await told(hall, 2)) == 1
    (by_hand,) = await mine(await hall.sign_in(member(7)))
    assert (by_hand["kind"], by_hand["origin"], by_hand["evidence"]) == ("列席", "hand", "签到表")
    # A scan that comes later makes no second record.
    await call(staff, "present", 2)
    await close(hall, minutes=60)
    (one,) = await mine(await hall.sign_in(member(2)))
    assert (one["origin"], one["state"], one["hours"]) == ("hand", "pending_confirm", 1.5)

    both = zhuo.model_copy(update={"id": who(3)})
    refused = await (await hall.sign_in(both)).call("POST", RECORDS, {"people": [who(3)]})
    assert (refused.status, refused.json["detail"]["reason"]) == (403, "second_person")
    liaison = await hall.sign_in(bai)
    assert (await liaison.call("POST", RECORDS, {"people": [who(3), who(5)]})).status == 403
    assert (await liaison.call("POST", RECORDS, {"people": [who(3)]})).status == 200
    auditor = await hall.sign_in(feng)
    assert (await auditor.call("POST", RECORDS, {"people": [who(4)]})).status == 403
    # What was written by hand and never was is struck; a check-in is taken back at the roll.
    desk = f"/api/v1/duty-records/{record_of(3)}/decision"
    owner = await hall.sign_in(member(3))
    await said(owner, record_of(3), "objection", {"reason": "未参加"})
    void = {"outcome": "void", "reason": "未参加"}
    assert (await staff.call("POST", desk, void)).status == 409
    await said(staff, record_of(3), "verification")
    assert (await said(staff, record_of(3), "decision", void))["state"] == "void"
    await said(staff, record_of(1), "decision", void, status=409)


async def test_times_that_cannot_be_are_refused_and_an_overlap_is_a_warning(hall):
    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    await call(staff, "present", 1)
    await close(hall, minutes=120)
    await said(deputy, record_of(1), "confirmation")
    await convene(hall.db, members=2, meeting_id=OTHER, starts_at=hall.clock())
    await hall.db["meeting"].update_one({"_id": OTHER}, {"$set": {"state": "closed"}})
    desk = await hall.sign_in(person(ulid(736), "陆行之", Role.MTG_STAFF, f"mtg:{OTHER}"))
    now = hall.clock()

    async def tried(**said):
        times = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in said.items()
        }
        return await desk.call(
            "POST", f"/api/v1/meetings/{OTHER}/duty-records",
            {"people": [who(1)], "kind": "视察", "title": "视察"} | times,
        )  # fmt: skip

    hour = timedelta(hours=1)
    for field, wrong in (
        ("end", {"start": now - hour, "end": now - 2 * hour}),
        ("end", {"start": now - hour, "end": now + hour}),
        ("start", {"start": now + hour, "end": now + 2 * hour}),
        ("hours", {"start": now - 26 * hour, "end": now - hour}),
        ("hours", {"start": now - 2 * hour, "end": now - hour, "hours": 1.5}),
        ("hours", {"start": now - 30 * hour, "end": now - hour, "hours": 49}),
        ("hours", {"start": now - 2 * hour, "end": now - hour, "hours": -1}),
        ("end", {"start": now - hour}),
        ("kind", {"start": now - 2 * hour, "end": now - hour, "kind": "散步"}),
    ):
        refused = await tried(**wrong)
        assert (refused.status, refused.json["field"]) == (422, field), (wrong, refused.body)
    assert await hall.db["duty_record"].count({"m": OTHER}) == 0
    # A day has no more than 24 hours, counting what is on record of it.
    midnight = now.replace(hour=16, minute=0, second=0) - timedelta(days=1)
    full = await tried(start=midnight, end=midnight + 24 * hour - timedelta(seconds=1))
    assert full.status == 422, full.body

    done = await tried(start=now - 2 * hour, end=now - hour)
    assert done.status == 200, done.body
    (result,) = done.json["results"]
    assert result["outcome"] == "registered"
    assert [it["record_id"] for it in result["overlaps"]] == [record_of(1)]


async def test_a_copy_of_ones_data_has_the_records_and_erasure_forgets_only_what_one_wrote(hall):
    from storage.personal_duty import DutyData

    staff, deputy = await hall.sign_in(zhuo), await hall.sign_in(member(1))
    await call(staff, "present", 1)
    await close(hall, minutes=60)
    await said(deputy, record_of(1), "objection", {"reason": "我的私事"})
    data = DutyData(hall.db)
    (copy,) = await data.export(who(1))
    assert (copy["id"], copy["state"], copy["minutes"]) == (record_of(1), "objected", 60)
    assert "我的私事" in str(copy["history"])
    assert zhuo.id not in str(copy)
    for removed in (1, 0):
        erased = await data.erase(who(1))
        assert (erased.removed, len(erased.kept)) == (removed, 1)
    assert "我的私事" not in str(await hall.db["duty_record"].find({}))
    assert await data.export(who(2)) == []
