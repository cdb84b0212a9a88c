"""Scanning at the doors of the real hub: hall code, personal code, badge, and by hand."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.passes.code import Form, Hall, Personal
from domain.roster import Card, Kind
from storage.people import PeopleStore
from tests.integration.conftest import Caller
from tests.integration.hall import (
    MEETING,
    OTHER,
    URL,
    convene,
    elsewhere,
    enrol,
    member,
    stranger,
    zhuo,
)
from tests.integration.people import ulid
from tests.snapshots import announced

SCANS = "/api/v1/scans"
ROLL = f"{URL}/attendance"


def who(number):
    return ulid(800 + number)


@pytest.fixture
async def doors(hub):
    """A meeting that begins in half an hour, with forty members on the roster."""
    at = hub.clock()
    await convene(
        hub.db,
        members=40,
        starts_at=at + timedelta(minutes=30),
        ends_at=at + timedelta(hours=4),
    )
    await convene(hub.db, members=0, meeting_id=OTHER)
    await PeopleStore(hub.db).add_many(
        [
            Card(id=who(n), name=f"代表{n}", kind=Kind.DEPUTY, deputy_no=f"N{n:03}")
            for n in range(1, 41)
        ]
    )
    return hub


async def device(hub, *, role="scanner"):
    staff = await hub.sign_in(zhuo)
    reply = await staff.call("POST", f"{URL}/devices", {"name": "一号门", "role": role})
    assert reply.status == 201, reply.body
    return Caller(hub.url, hub.client, reply.json["token"]), reply.json["device"]["device_id"]


async def phone(hub, number, *, meeting_id=MEETING):
    """The code of somebody's phone, now."""
    now = hub.clock()
    claims = Personal(who(number), meeting_id, now, now + timedelta(seconds=15), Form.PHONE)
    return await hub.services.passes.keys.sign(claims)


async def scan(caller, nonce, code, **more):
    body = {"nonce": nonce, "code": code, "meeting_id": MEETING, **more}
    reply = await caller.call("POST", SCANS, body)
    assert reply.status == 200, reply.body
    return reply.json


async def hall_code(hub, **query):
    screen, _ = await device(hub, role="screen")
    rest = "&".join(f"{name}={value}" for name, value in query.items())
    reply = await screen.call("GET", f"{URL}/hall-code?{rest}")
    assert reply.status == 200, reply.body
    return reply.json


async def said(hub, channel):
    """The types of the events that were announced on a channel."""
    await announced(hub)
    rows = await hub.db["outbox"].find({"line": channel}, sort=[("created_at", 1), ("_id", 1)])
    return [row["body"]["data"] for row in rows]


@pytest.mark.acceptance("F12-1")
@pytest.mark.parametrize(
    ("age", "result"), [(0, "ok"), (10, "ok"), (25, "ok"), (40, "expired_window")]
)
async def test_a_hall_code_is_good_for_its_window_and_two_more(doors, age, result):
    """F12-1"""
    code = (await hall_code(doors))["code"]
    doors.clock.advance(seconds=age)
    deputy = await doors.sign_in(member(1))
    done = await scan(deputy, "a", code, meeting_id=None)
    assert (done["result"], done["person_id"]) == (result, who(1))
    record = await doors.db["attendance"].find_one({"_id": f"{MEETING}:{who(1)}"})
    assert (record is not None) == (result == "ok")
    if record:
        assert (record["state"], record["how"]) == ("present", "hall")


@pytest.mark.acceptance("F12-1")
async def test_a_forged_hall_code_is_refused_and_kept_with_what_was_shown(doors):
    """F12-1"""
    code = (await hall_code(doors))["code"]
    forged = code[:-5] + ("A" if code[-5] != "A" else "B") + code[-4:]
    scanner, _ = await device(doors)
    for nonce, text, result in (
        ("a", forged, "bad_signature"),
        ("b", "随便什么", "unknown"),
        ("c", "https://example.com/h5/#/scan?code=" + code, "unknown"),
        ("d", "x" * 4096, "unknown"),
        ("e", code, "unknown"),  # a device is nobody: it does not check in
    ):
        done = await scan(scanner, nonce, text)
        assert (done["result"], done["accepted"]) == (result, False), nonce
    rows = await doors.db["checkin"].find({}, sort=[("_id", 1)])
    assert [row["raw"][:40] for row in rows[:2]] == [forged[:40], "随便什么"]
    assert await doors.db["attendance"].count({}) == 0


async def test_the_code_on_the_screen_stays_for_its_window_and_then_changes(doors):
    one = await hall_code(doors)
    doors.clock.advance(seconds=9)
    two = await hall_code(doors)
    doors.clock.advance(seconds=1)
    three = await hall_code(doors)
    assert one["code"] == two["code"] != three["code"]
    assert one["window_s"] == 10
    assert three["svg"].startswith("<svg")
    assert one["code"] in one["link"]
    for person, status in ((member(1), 403), (elsewhere, 403), (zhuo, 200)):
        caller = await doors.sign_in(person)
        assert (await caller.call("GET", f"{URL}/hall-code")).status == status
    screen, _ = await device(doors, role="screen")
    other = await screen.call("GET", f"/api/v1/meetings/{OTHER}/hall-code")
    assert other.status == 403


@pytest.mark.acceptance("F12-2")
@pytest.mark.acceptance("F07-1")
async def test_one_person_at_two_gates_at_once_is_let_in_once(doors):
    """F12-2, F07-1: the record that duty is counted from."""
    one, _ = await device(doors)
    two, _ = await device(doors)
    for number in range(1, 11):
        code = await phone(doors, number)
        replies = await asyncio.gather(scan(one, f"a{number}", code), scan(two, f"b{number}", code))
        assert sorted(it["result"] for it in replies) == ["already_in", "ok"]
        first = next(it for it in replies if it["result"] == "ok")
        second = next(it for it in replies if it["result"] == "already_in")
        assert second["first_at"] == first["at"]
        assert second["name"] == f"代表{number}"
    assert await doors.db["attendance"].count({"m": MEETING}) == 10
    rows = await doors.db["attendance"].find({"m": MEETING})
    assert {row["v"] for row in rows} == {1}
    await doors.services.duty.book.follow()
    assert await doors.db["duty_record"].count({"m": MEETING}) == 10
    for number in range(1, 11):
        heard = await said(doors, f"user:#{who(number)}")
        assert len([it for it in heard if '"duty.new"' in it]) == 1


@pytest.mark.acceptance("F07-1")
async def test_scanned_again_synced_late_reversed_and_redone_it_is_one_duty_record(doors):
    """F07-1"""
    scanner, _ = await device(doors)
    staff, book = await doors.sign_in(zhuo), doors.services.duty.book
    code = await phone(doors, 1)
    await asyncio.gather(*(scan(scanner, f"a{n % 3}", code) for n in range(9)))
    await book.follow()
    doors.clock.advance(minutes=5)
    late = {"at": (doors.clock() - timedelta(minutes=4)).isoformat(), "offline": True}
    sent = {"sent_at": doors.clock().isoformat()}
    row = {"nonce": "off", "code": code, "meeting_id": MEETING, "said": "ok", **late}
    for _ in range(2):
        await scanner.call("POST", SCANS, sent | {"scans": [row, row | {"nonce": "off2"}]})
        await book.follow()
    for nonce in ("again", "and-again"):
        reversal = {"reason": "误刷"}
        gone = await staff.call("POST", f"{ROLL}/{who(1)}/reverse", reversal)
        assert gone.status == 200, gone.body
        doors.clock.advance(minutes=1)
        assert (await scan(scanner, nonce, await phone(doors, 1)))["result"] == "ok"
        await asyncio.gather(book.follow(), book.follow())
    (record,) = await doors.db["duty_record"].find({})
    assert (record["_id"], record["state"]) == (f"{MEETING}-{who(1)}", "auto")
    assert record["evidence"].startswith("checkin:")
    heard = await said(doors, f"user:#{who(1)}")
    assert len([it for it in heard if '"duty.new"' in it]) == 1


@pytest.mark.acceptance("F12-4")
async def test_the_same_number_ten_times_is_one_scan(doors):
    """F12-4"""
    scanner, _ = await device(doors)
    code = await phone(doors, 1)
    replies = await asyncio.gather(*(scan(scanner, "same", code) for _ in range(10)))
    assert {it["result"] for it in replies} == {"ok"}
    later = await scan(scanner, "same", code)
    assert (later["result"], later["again"]) == ("ok", True)
    assert await doors.db["checkin"].count({}) == 1
    heard = await said(doors, f"mtgstaff:{MEETING}")
    assert len([it for it in heard if '"checkin.ok"' in it]) == 1
    assert len([it for it in await said(doors, f"user:#{who(1)}") if '"checkin.ok"' in it]) == 1


@pytest.mark.acceptance("F12-4")
async def test_of_five_hundred_one_corrupt_row_is_reported_and_the_rest_kept(doors):
    """F12-4"""
    scanner, _ = await device(doors)
    codes = {number: await phone(doors, number) for number in range(1, 41)}
    rows = [
        {"nonce": f"n{at}", "code": codes[at % 40 + 1], "meeting_id": MEETING} for at in range(500)
    ]
    rows[77] = {"nonce": "bad nonce!", "code": 7}
    reply = await scanner.call("POST", SCANS, {"scans": rows})
    assert reply.status == 200, reply.body
    assert len(reply.json["results"]) == 499
    assert [it["index"] for it in reply.json["faults"]] == [77]
    assert await doors.db["checkin"].count({}) == 499
    results = [it["result"] for it in reply.json["results"]]
    assert (results.count("ok"), results.count("already_in")) == (40, 459)


@pytest.mark.acceptance("F12-5")
async def test_a_ticket_survives_a_slow_login_and_is_good_once(doors):
    """F12-5"""
    code = (await hall_code(doors))["code"]
    doors.clock.advance(seconds=20)
    claimed = await doors.anybody.call("POST", f"{SCANS}/claims", {"code": code})
    assert claimed.status == 200, claimed.body
    ticket = claimed.json["claim"]
    assert await doors.db["checkin_claim"].count({}) == 0
    doors.clock.advance(seconds=90)
    one, two = await doors.sign_in(member(1)), await doors.sign_in(member(2))
    done = await scan(one, "a", ticket, meeting_id=None)
    assert done["result"] == "ok"
    # Present from when it was scanned, not from when the login was done.
    assert done["at"] < doors.clock().isoformat()
    assert (await scan(one, "a", ticket, meeting_id=None))["result"] == "ok"
    assert (await scan(one, "b", ticket, meeting_id=None))["result"] != "ok"
    assert (await scan(two, "a", ticket, meeting_id=None))["result"] == "claim_used"
    assert await doors.db["attendance"].count({}) == 1
    late = await doors.anybody.call("POST", f"{SCANS}/claims", {"code": code})
    assert (late.status, late.json["detail"]["result"]) == (422, "expired_window")
    fresh = (await hall_code(doors))["code"]
    ticket = (await doors.anybody.call("POST", f"{SCANS}/claims", {"code": fresh})).json["claim"]
    doors.clock.advance(minutes=5)
    assert (await scan(two, "c", ticket, meeting_id=None))["result"] == "expired_window"


async def test_ones_own_code_is_scanned_within_seconds_and_only_by_the_staff(doors):
    deputy = await doors.sign_in(member(1))
    shown = (await deputy.call("GET", f"/api/v1/me/pass?meeting={MEETING}")).json
    for person in (member(2), stranger):
        refused = await (await doors.sign_in(person)).call(
            "POST", SCANS, {"nonce": "x", "code": shown["code"], "meeting_id": MEETING}
        )
        assert refused.status == 403
    other = await doors.sign_in(elsewhere)
    body = {"nonce": "x", "code": shown["code"]}
    assert (await other.call("POST", SCANS, body)).status == 422
    assert (await other.call("POST", SCANS, body | {"meeting_id": MEETING})).status == 403
    assert (await scan(other, "y", shown["code"], meeting_id=OTHER))["result"] == "wrong_meeting"
    scanner, _ = await device(doors)
    doors.clock.advance(seconds=15)
    assert (await scan(scanner, "a", shown["code"]))["result"] == "expired_window"
    again = (await deputy.call("GET", f"/api/v1/me/pass?meeting={MEETING}")).json
    assert (await scan(scanner, "b", again["code"]))["result"] == "ok"
    nobody = await doors.sign_in(stranger)
    assert (await nobody.call("GET", f"/api/v1/me/pass?meeting={MEETING}")).status == 404


async def test_a_badge_holds_for_the_meeting_until_it_is_voided(doors):
    staff = await doors.sign_in(zhuo)
    badges = f"{URL}/badges"
    made = await staff.call("POST", badges, {})
    assert (made.status, len(made.json["badges"])) == (201, 40)
    assert [it["serial"] for it in made.json["badges"]] == list(range(1, 41))
    again = await staff.call("POST", badges, {"people": [who(3)]})
    (third,) = again.json["badges"]
    assert third in made.json["badges"]
    assert (third["name"], third["person_id"]) == ("代表3", who(3))
    scanner, _ = await device(doors)
    doors.clock.advance(minutes=20)
    assert (await scan(scanner, "a", third["code"]))["result"] == "ok"
    record = await doors.db["attendance"].find_one({"_id": f"{MEETING}:{who(3)}"})
    assert record["how"] == "badge"

    (fourth,) = (await staff.call("POST", badges, {"people": [who(4)]})).json["badges"]
    gone = f"{badges}/{fourth['id']}/revocation"
    assert (await staff.call("POST", gone, {"reason": ""})).status == 422
    assert (await staff.call("POST", gone, {"reason": "遗失"})).json["state"] == "revoked"
    assert (await staff.call("POST", gone, {"reason": "遗失"})).status == 409
    assert (await scan(scanner, "b", fourth["code"]))["result"] == "revoked"
    (new,) = (await staff.call("POST", badges, {"people": [who(4)]})).json["badges"]
    assert new["id"] != fourth["id"]
    assert (await scan(scanner, "c", new["code"]))["result"] == "ok"
    deputy = await doors.sign_in(member(1))
    assert (await deputy.call("GET", badges)).status == 403


async def test_entry_and_exit_follow_each_other(doors):
    scanner, _ = await device(doors)
    steps = [
        ("out", "already_out"), ("in", "ok"), ("in", "already_in"), ("out", "ok"),
        ("out", "already_out"), ("in", "ok"),
    ]  # fmt: skip
    for at, (way, result) in enumerate(steps):
        doors.clock.advance(minutes=7)
        done = await scan(scanner, f"n{at}", await phone(doors, 1), dir=way)
        assert done["result"] == result, at
    # The last one was after the beginning: who was in and comes back is not late.
    record = await doors.db["attendance"].find_one({"_id": f"{MEETING}:{who(1)}"})
    assert (record["state"], [it["state"] for it in record["hist"]]) == (
        "present", ["present", "left"],
    )  # fmt: skip
    assert (await scan(scanner, "late", await phone(doors, 2)))["result"] == "ok"
    late = await doors.db["attendance"].find_one({"_id": f"{MEETING}:{who(2)}"})
    assert late["state"] == "late"


async def test_gates_times_and_people_are_judged_with_the_reason(doors):
    staff = await doors.sign_in(zhuo)
    scanner, device_id = await device(doors)
    _, other_id = await device(doors)
    await enrol(doors.db, [61], capacity="attend")
    at = doors.clock()
    plan = {
        "v": 0,
        "opens_at": (at + timedelta(minutes=1)).isoformat(),
        "closes_at": (at + timedelta(hours=3)).isoformat(),
        "gates": [
            {"id": "1", "name": "一号门", "devices": [device_id]},
            {"id": "2", "name": "二号门", "devices": [other_id]},
            {"id": "3", "name": "列席门", "capacities": ["attend"]},
        ],
    }
    kept = await staff.call("PUT", f"{URL}/doors", plan)
    assert (kept.status, kept.json["v"]) == (200, 1)
    assert (await staff.call("PUT", f"{URL}/doors", plan)).status == 409
    twice = plan | {"v": 1, "gates": [plan["gates"][0]] * 2}
    assert (await staff.call("PUT", f"{URL}/doors", twice)).status == 422

    async def tried(number, gate="1"):
        nonce = f"{number}-{gate}-{doors.clock().timestamp():.0f}"
        return (await scan(scanner, nonce, await phone(doors, number), gate=gate))["result"]

    assert await tried(1) == "not_yet"
    doors.clock.advance(minutes=2)
    assert await tried(1, "") == "wrong_gate"
    assert await tried(1, "2") == "wrong_gate"
    assert await tried(1, "3") == "wrong_gate"
    assert await tried(61, "3") == "ok"
    assert await tried(1) == "ok"
    assert await tried(99) == "not_invited"

    note = f"{URL}/doors/people/{who(2)}"
    assert (await staff.call("PUT", note, {"blocked": True, "reason": "待核实"})).status == 200
    assert await tried(2) == "blocked"
    note = f"{URL}/doors/people/{who(3)}"
    await staff.call("PUT", note, {"attention": "请到 2 号门领取材料"})
    told = await scan(scanner, "told", await phone(doors, 3), gate="1")
    assert (told["result"], told["accepted"], told["note"]) == (
        "needs_attention", True, "请到 2 号门领取材料",
    )  # fmt: skip
    await doors.db["account"].insert_one({"_id": who(4), "state": "suspended"})
    assert await tried(4) == "suspended"
    await doors.db["leave"].insert_one(
        {
            "_id": ulid(9_001), "m": MEETING, "p": who(5), "state": "approved",
            "since": None, "until": None, "open": f"{MEETING}:{who(5)}",
        }
    )  # fmt: skip
    assert await tried(5) == "on_leave"
    doors.clock.advance(hours=3)
    assert await tried(6) == "too_late"
    await doors.db["meeting"].update_one({"_id": MEETING}, {"$set": {"state": "closed"}})
    assert await tried(7) == "too_late"
    heard = await said(doors, f"mtgstaff:{MEETING}")
    assert len([it for it in heard if '"checkin.fail"' in it]) == 10
    assert not [it for it in heard if "2 号门" in it or "待核实" in it]


@pytest.mark.acceptance("F07-1")
async def test_a_check_in_taken_back_and_done_again_is_still_one_record(doors):
    """F07-1: repeated, reversed and redone."""
    scanner, _ = await device(doors)
    staff = await doors.sign_in(zhuo)
    code = await phone(doors, 1)
    for nonce, result in (("a", "ok"), ("a", "ok"), ("b", "already_in")):
        assert (await scan(scanner, nonce, code))["result"] == result
    taken = await staff.call("POST", f"{ROLL}/{who(1)}/reverse", {"reason": "认错了人"})
    assert taken.json["state"] == "void"
    # The scan that was taken back does not count again; a new one does.
    assert (await scan(scanner, "a", code))["again"] is True
    record = await doors.db["attendance"].find_one({"_id": f"{MEETING}:{who(1)}"})
    assert record["state"] == "void"
    assert (await scan(scanner, "c", await phone(doors, 1)))["result"] == "ok"
    assert await doors.db["attendance"].count({"p": who(1)}) == 1


async def test_staff_check_in_by_hand_one_or_many_with_a_reason(doors):
    staff = await doors.sign_in(zhuo)
    path = f"{URL}/check-ins"
    people = [who(1), who(2), who(99)]
    body = {"nonce": "h1", "people": people, "reason": "未带手机"}
    done = await staff.call("POST", path, body)
    assert done.status == 200, done.body
    assert [(it["result"], it["way"]) for it in done.json["results"]] == [
        ("ok", "manual"), ("ok", "manual"), ("not_invited", "manual"),
    ]  # fmt: skip
    again = await staff.call("POST", path, body)
    assert all(it["again"] for it in again.json["results"])
    assert (await staff.call("POST", path, body | {"reason": ""})).status == 422
    for person in (elsewhere, member(1)):
        assert (await (await doors.sign_in(person)).call("POST", path, body)).status == 403
    row = await doors.db["checkin"].find_one({"p": who(1)})
    assert (row["reason"], row["by"]) == ("未带手机", zhuo.id)


async def test_a_process_that_dies_before_it_tells_is_made_good(doors, monkeypatch):
    service = doors.services.checkins.doors
    scanner, _ = await device(doors)

    async def dies(*_):
        raise ConnectionError("killed")

    code = await phone(doors, 1)
    with monkeypatch.context() as patch:
        patch.setattr(service, "_announce", dies)
        body = {"nonce": "a", "code": code, "meeting_id": MEETING}
        assert (await scanner.call("POST", SCANS, body)).status == 500
    with monkeypatch.context() as patch:
        # Died between the record and the scan: the record knows which scan made it.
        patch.setattr(type(service.scans), "add", dies)
        body = {"nonce": "b", "code": await phone(doors, 2), "meeting_id": MEETING}
        assert (await scanner.call("POST", SCANS, body)).status == 500
    assert (await scan(scanner, "a", code))["result"] == "ok"
    assert (await scan(scanner, "b", await phone(doors, 2)))["result"] == "ok"
    doors.clock.advance(seconds=5)
    await service.catch_up()
    heard = await said(doors, f"mtgstaff:{MEETING}")
    assert len([it for it in heard if '"checkin.ok"' in it]) == 2


async def test_hall_codes_of_another_meeting_check_in_there(doors):
    await enrol(doors.db, [1], meeting_id=OTHER)
    code = await doors.services.passes.keys.sign(Hall(OTHER, doors.clock()))
    deputy = await doors.sign_in(member(1))
    assert (await scan(deputy, "a", code))["result"] == "wrong_meeting"
    assert (await scan(deputy, "b", code, meeting_id=None))["result"] == "ok"
    assert await doors.db["attendance"].count({"m": OTHER}) == 1
    assert await doors.db["attendance"].count({"m": MEETING}) == 0


async def test_the_staff_see_who_is_there_late_on_leave_and_missing_by_delegation(doors):
    staff = await doors.sign_in(zhuo)
    scanner, _ = await device(doors)
    await doors.db["person"].update_many(
        {"_id": {"$in": [who(1), who(2), who(3)]}}, {"$set": {"delegation_id": "pudong"}}
    )
    await doors.db["leave"].insert_one(
        {
            "_id": ulid(9_002), "m": MEETING, "p": who(3), "state": "effective",
            "since": None, "until": None, "open": f"{MEETING}:{who(3)}",
        }
    )  # fmt: skip
    await scan(scanner, "a", await phone(doors, 1))
    doors.clock.advance(minutes=40)
    await scan(scanner, "b", await phone(doors, 4))
    shown = await staff.call("GET", f"{ROLL}/overview")
    assert shown.status == 200, shown.body
    assert shown.json["counts"] == {
        "": {"late": 1, "missing": 36},
        "pudong": {"present": 1, "missing": 1, "on_leave": 1},
    }
    status = {it["person_id"]: (it["name"], it["status"]) for it in shown.json["people"]}
    assert (status[who(3)], status[who(4)]) == (("代表3", "on_leave"), ("代表4", "late"))
    deputy = await doors.sign_in(member(1))
    assert (await deputy.call("GET", f"{ROLL}/overview")).status == 403
