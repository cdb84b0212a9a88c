"""Faces at the gates: code and face, proposed names, and the same doors behind them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.identity.account import Account
from domain.passes.code import Form, Personal
from domain.people import AccountState
from domain.permissions import Role
from domain.roster import Card, Kind
from storage.identity import AccountStore
from storage.people import PeopleStore
from tests.integration.conftest import Caller
from tests.integration.faces import enrol, identify, paint, switch_on
from tests.integration.hall import MEETING, OTHER, URL, convene, elsewhere, member, zhuo
from tests.integration.people import person, ulid
from tests.painted import burst, picture

GATE = "/api/v1/gates/g1/face"
CONFIRM = f"{GATE}/confirmation"


def who(number):
    return ulid(800 + number)


@pytest.fixture
async def engine(monkeypatch):
    return paint(monkeypatch)


@pytest.fixture
async def gate(engine, hub):
    """A meeting with five members, of whom the first three have enrolled, and a scanner."""
    at = hub.clock()
    await convene(hub.db, members=5, starts_at=at + timedelta(minutes=30))
    await convene(hub.db, members=0, meeting_id=OTHER)
    await PeopleStore(hub.db).add_many(
        [
            Card(id=who(n), name=f"代表{n}", kind=Kind.DEPUTY, deputy_no=f"N{n:03}")
            for n in range(1, 8)
        ]
    )
    admins = [person(ulid(40 + n), f"管理员{n}", Role.ADMIN) for n in range(2)]
    await switch_on(hub, *[await hub.sign_in(it) for it in admins])
    hub.clock.advance(seconds=2)
    for number in (1, 2, 3, 7):
        await enrol(await hub.sign_in(member(number)), f"face-{number}")
    staff = await hub.sign_in(zhuo)
    made = await staff.call("POST", f"{URL}/devices", {"name": "一号门", "role": "scanner"})
    hub.scanner = Caller(hub.url, hub.client, made.json["token"])
    return hub


async def code_of(hub, number, *, meeting_id=MEETING):
    now = hub.clock()
    claims = Personal(who(number), meeting_id, now, now + timedelta(seconds=15), Form.PHONE)
    return await hub.services.passes.keys.sign(claims)


async def show(hub, nonce, *frames, caller=None, gate=GATE, **more):
    body = {"meeting_id": MEETING, "nonce": nonce, "frames": list(frames), **more}
    return await (caller or hub.scanner).call("POST", gate, body)


async def test_code_and_face_together_check_somebody_in_by_the_same_doors(gate):
    reply = await show(gate, "a", picture("face-1", at="gate"), code=await code_of(gate, 1))
    assert reply.status == 200, reply.body
    scan = reply.json["scan"]
    assert (scan["result"], scan["way"], scan["person_id"], scan["name"]) == (
        "ok", "face", who(1), "代表1",
    )  # fmt: skip
    record = await gate.db["attendance"].find_one({"_id": f"{MEETING}:{who(1)}"})
    assert (record["state"], record["how"], record["gate"]) == ("present", "face", "g1")
    # The same number again is the same scan, whatever is shown with it.
    again = await show(gate, "a", picture("stranger"), code=await code_of(gate, 1))
    assert (again.json["scan"]["result"], again.json["scan"]["again"]) == ("ok", True)
    # Another way in meets the same record.
    scanned = await gate.scanner.call(
        "POST", "/api/v1/scans",
        {"nonce": "b", "code": await code_of(gate, 1), "meeting_id": MEETING, "gate": "g1"},
    )  # fmt: skip
    assert scanned.json["result"] == "already_in"


async def test_where_no_gates_were_set_up_none_is_written_down(gate):
    shown = picture("face-1", at="gate")
    reply = await show(gate, "a", shown, code=await code_of(gate, 1), gate="/api/v1/gates/-/face")
    assert (reply.json["scan"]["result"], reply.json["scan"]["gate"]) == ("ok", "")


async def test_a_borrowed_code_is_refused_and_kept(gate):
    reply = await show(gate, "a", picture("face-2", at="gate"), code=await code_of(gate, 1))
    scan = reply.json["scan"]
    assert (scan["result"], scan["accepted"]) == ("face_mismatch", False)
    assert await gate.db["attendance"].count({}) == 0
    kept = await gate.db["checkin"].find_one({})
    assert (kept["result"], kept["way"], kept["p"]) == ("face_mismatch", "face", who(1))
    tried = await gate.db["face_attempt"].find_one({"purpose": "gate"})
    assert (tried["passed"], tried["p"], tried["steps"]) == (False, who(1), [])


async def test_a_code_that_is_not_good_is_judged_like_at_any_door(gate):
    for nonce, code, result in (
        ("a", "随便", "unknown"),
        ("b", (await code_of(gate, 1))[:-4] + "AAAA", "bad_signature"),
        ("c", await code_of(gate, 1, meeting_id=OTHER), "wrong_meeting"),
    ):
        reply = await show(gate, nonce, picture("face-1", at=nonce), code=code)
        assert reply.json["scan"]["result"] == result
    late = await code_of(gate, 1)
    gate.clock.advance(seconds=20)
    reply = await show(gate, "d", picture("face-1", at="d"), code=late)
    assert reply.json["scan"]["result"] == "expired_window"


async def test_who_has_not_agreed_or_enrolled_is_sent_to_the_other_doors(gate):
    reply = await show(gate, "a", picture("face-4"), code=await code_of(gate, 4))
    assert (reply.status, reply.code) == (403, "consent_required")
    assert await gate.db["checkin"].count({}) == 0
    scanned = await gate.scanner.call(
        "POST", "/api/v1/scans",
        {"nonce": "a", "code": await code_of(gate, 4), "meeting_id": MEETING, "gate": "g1"},
    )  # fmt: skip
    assert scanned.json["result"] == "ok"


async def test_faces_propose_names_only_where_the_rule_says_so(gate):
    reply = await show(gate, "a", picture("face-1", at="gate"))
    assert (reply.status, reply.code) == (403, "identify_off")
    await identify(gate)
    reply = await show(gate, "a", picture("face-1", at="gate"))
    assert [it["person_id"] for it in reply.json["people"]] == [who(1)]
    assert reply.json["people"][0]["name"] == "代表1"
    # A name is proposed; nobody is in.
    assert await gate.db["attendance"].count({}) == 0


async def test_a_gate_is_told_beforehand_what_it_may_offer(gate):
    async def here(caller=gate.scanner):
        return await caller.call("GET", f"{GATE}?meeting_id={MEETING}")

    assert (await here()).json == {"available": True, "reason": "", "identify": False}
    await identify(gate)
    assert (await here()).json == {"available": True, "reason": "", "identify": True}
    admin = await gate.sign_in(person(ulid(42), "管理员", Role.ADMIN))
    off = {"on": False, "reason": "试点结束", "v": 1}
    assert (await admin.call("PUT", "/api/v1/admin/flags/face", off)).status == 200
    gate.clock.advance(seconds=2)
    said = (await here()).json
    assert said == {"available": False, "reason": "feature_off", "identify": False}
    assert (await here(await gate.sign_in(elsewhere))).status == 403
    assert (await here(await gate.sign_in(member(1)))).status == 403


async def test_a_proposed_name_that_a_person_confirms_goes_through_the_doors_once(gate):
    await identify(gate)
    proposal = (await show(gate, "a", picture("face-2", at="gate"))).json["proposal"]
    said = {
        "meeting_id": MEETING, "nonce": "b", "proposal": proposal, "person_id": who(2),
        "confirmed_by": "person",
    }  # fmt: skip
    stranger = await gate.scanner.call("POST", CONFIRM, {**said, "person_id": who(3)})
    assert stranger.status == 404
    elsewhere_ = await gate.scanner.call("POST", "/api/v1/gates/g2/face/confirmation", said)
    assert (elsewhere_.status, elsewhere_.code) == (401, "proposal_dead")
    done = await gate.scanner.call("POST", CONFIRM, said)
    assert (done.json["result"], done.json["way"]) == ("ok", "face")
    assert (await gate.scanner.call("POST", CONFIRM, said)).json["again"] is True
    used = await gate.scanner.call("POST", CONFIRM, {**said, "nonce": "c"})
    assert used.code == "proposal_dead"
    kept = await gate.db["checkin"].find_one({"p": who(2)})
    assert kept["reason"] == "人脸提名，本人确认"


async def test_nobody_is_proposed_who_does_not_take_part_or_is_a_stranger(gate):
    await identify(gate)
    for nonce, face in (("a", "face-7"), ("b", "nobody"), ("c", "face-4")):
        reply = await show(gate, nonce, picture(face, at=nonce))
        assert reply.json == {"scan": None, "people": [], "proposal": None, "until": None}


async def test_a_proposal_is_over_after_a_minute_and_a_picture_proposes_once(gate):
    await identify(gate)
    shown = (await show(gate, "a", picture("face-2", at="gate"))).json
    again = (await show(gate, "b", picture("face-2", at="gate"))).json
    assert again["people"] == []
    gate.clock.advance(seconds=61)
    said = {
        "meeting_id": MEETING, "nonce": "b", "proposal": shown["proposal"],
        "person_id": who(2), "confirmed_by": "staff",
    }  # fmt: skip
    assert (await gate.scanner.call("POST", CONFIRM, said)).code == "proposal_dead"


async def test_whoever_withdraws_between_proposal_and_confirmation_is_not_let_in_by_face(gate):
    await identify(gate)
    proposal = (await show(gate, "a", picture("face-2", at="gate"))).json["proposal"]
    await (await gate.sign_in(member(2))).call("DELETE", "/api/v1/me/consents/face")
    done = await gate.scanner.call("POST", CONFIRM, {
        "meeting_id": MEETING, "nonce": "b", "proposal": proposal, "person_id": who(2),
        "confirmed_by": "staff",
    })  # fmt: skip
    assert (done.status, done.code) == (403, "consent_required")
    assert (await show(gate, "c", picture("face-2", at="c"))).json["people"] == []


@pytest.mark.parametrize(
    ("frames", "status", "code"),
    [
        ([], 422, "invalid"),
        ([picture("x", flaw="no_face")], 422, "no_face"),
        ([picture("x", flaw="blurred"), picture("x", flaw="too_dark")], 422, "too_dark"),
        ([picture("x", flaw="heic")], 415, "heic"),
        ([picture("x")] * 6, 422, "invalid"),
    ],
)
async def test_a_picture_that_will_not_do_says_why(gate, frames, status, code):
    reply = await show(gate, "a", *frames, code=await code_of(gate, 1))
    assert (reply.status, reply.code) == (status, code)


async def test_only_those_who_scan_for_this_meeting_may_ask(gate):
    deputy = await gate.sign_in(member(1))
    assert (await show(gate, "a", picture("x"), caller=deputy)).status == 403
    other = await gate.sign_in(elsewhere)
    assert (await show(gate, "a", picture("x"), caller=other)).status == 403
    assert (await show(gate, "a", picture("x"), caller=gate.anybody)).status == 401


async def test_somebody_logs_in_by_their_badge_and_their_face(gate):
    at = gate.clock()
    await AccountStore(gate.db).add(
        Account(
            id=who(1),
            state=AccountState.ACTIVE,
            created_at=at,
            created_by="t",
            updated_at=at,
            updated_by="t",
        )
    )
    staff = await gate.sign_in(zhuo)
    badge = await staff.call("POST", f"{URL}/badges", {"people": [who(1)]})
    code = badge.json["badges"][0]["code"]
    for face, status in (("face-2", 401), ("face-1", 200)):
        drawn = (await gate.anybody.call("POST", "/api/v1/session/face", {"code": code})).json
        frames = burst(face, drawn["steps"], at=face)
        done = await gate.anybody.call(
            "POST", "/api/v1/face/verify", {"challenge": drawn["id"], "frames": frames}
        )
        assert done.status == status, done.body
    assert done.json["entry"]["person"]["id"] == who(1)
