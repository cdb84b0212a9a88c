"""Faces over HTTP: consent, assessment, enrolment, recognition, deletion (PRODUCT.md A1)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from domain.errors import UpstreamDown
from domain.identity.account import Account
from domain.people import AccountState
from domain.permissions import Role
from storage.identity import AccountStore
from tests.integration.faces import ASSESSMENT, FACE, VERSION, agree, enrol, paint, switch_on
from tests.integration.people import CEN, WEN, cen, feng, person, settle, ulid, wen, yin
from tests.painted import MODEL, burst, picture, pictures
from tests.snapshots import announced

YAN = ulid(30)
yan = person(YAN, "严执一", Role.ADMIN)


@pytest.fixture
async def engine(monkeypatch):
    return paint(monkeypatch)


@pytest.fixture
async def house(engine, hub):
    """The hub with people in it, and faces assessed and switched on."""
    await settle(hub.db, hub.hub.ground.vault)
    await switch_on(hub, await hub.sign_in(yin), await hub.sign_in(yan))
    hub.clock.advance(seconds=2)
    return hub


@pytest.fixture
async def phone(house):
    """闻予澄 on a real session of her own, freshly proven, enrolled."""
    caller = await real(house, WEN)
    await enrol(caller, "wen")
    return caller


async def real(hub, person_id, **fields):
    """Somebody with an account and a real session, freshly proven."""
    at = hub.clock()
    account = Account(
        id=person_id, state=AccountState.ACTIVE, login_name=f"u{person_id[-2:]}",
        created_at=at, created_by="t", updated_at=at, updated_by="t", **fields,
    )  # fmt: skip
    await AccountStore(hub.db).add(account)
    caller = await hub.sign_in(person_id)
    await hub.db["login_session"].update_many(
        {"person_id": person_id}, {"$set": {"step_up_until": at + timedelta(minutes=5)}}
    )
    return caller


async def challenge(caller):
    reply = await caller.call("POST", "/api/v1/face/challenges", {"purpose": "step_up"})
    assert reply.status == 201, reply.body
    return reply.json


async def claim(hub, **who):
    reply = await hub.anybody.call("POST", "/api/v1/session/face", who)
    assert reply.status == 201, reply.body
    return reply.json


async def verify(hub, drawn, who, *, at="now", frames=None, off=0.1):
    frames = burst(who, drawn["steps"], at=at, off=off) if frames is None else frames
    body = {"challenge": drawn["id"], "frames": frames}
    return await hub.anybody.call("POST", "/api/v1/face/verify", body)


# -- before anything -------------------------------------------------------------------------------


@pytest.mark.acceptance("A1-6")
async def test_without_an_approved_assessment_the_module_cannot_be_switched_on(engine, hub):
    """A1-6"""
    first, second = await hub.sign_in(yin), await hub.sign_in(yan)
    switch = {"on": True, "reason": "试点", "v": 0}
    refused = await first.call("PUT", "/api/v1/admin/flags/face", switch)
    assert (refused.status, refused.code) == (403, "assessment_required")

    until = (hub.clock() + timedelta(days=30)).isoformat()
    assessments = "/api/v1/admin/face/assessments"
    made = await first.call("POST", assessments, {**ASSESSMENT, "until": until})
    assert (made.status, made.json["holds"]) == (201, False)
    address = f"{assessments}/{made.json['id']}/approval"
    own = await first.call("POST", address)
    assert (own.status, own.json["detail"]["reason"]) == (403, "second_person")
    assert (await first.call("PUT", "/api/v1/admin/flags/face", switch)).status == 403
    assert (await second.call("POST", address)).json["holds"] is True
    assert (await second.call("POST", address)).code == "bad_state"
    assert (await first.call("PUT", "/api/v1/admin/flags/face", switch)).status == 200
    assert (await (await hub.sign_in(feng)).call("GET", assessments)).json[0]["holds"] is True


@pytest.mark.acceptance("A1-6")
async def test_when_the_last_assessment_is_over_faces_stop_and_are_let_go_of(house, phone):
    """A1-6"""
    keeper = house.services.faces.enrolment
    assert len(await keeper._ports.galleries.current()) == 1
    house.clock.advance(days=366)
    caller = await house.sign_in(wen)
    shown = (await caller.call("GET", FACE)).json
    assert (shown["available"], shown["reason"]) == (False, "assessment_required")
    refused = await caller.call("POST", "/api/v1/face/challenges", {})
    assert (refused.status, refused.code) == (403, "assessment_required")
    await keeper.refresh()
    assert len(keeper._ports.galleries._gallery) == 0


@pytest.mark.acceptance("A1-1")
async def test_who_has_not_agreed_can_neither_enrol_nor_be_recognised(house):
    """A1-1"""
    caller = await house.sign_in(cen)
    for method, path, body in (
        ("PUT", FACE, {"pictures": pictures("cen")}),
        ("POST", "/api/v1/face/challenges", {}),
    ):
        reply = await caller.call(method, path, body)
        assert (reply.status, reply.code) == (403, "consent_required"), path
        assert "scan" in reply.json["detail"]["alternatives"]
    shown = (await caller.call("GET", FACE)).json
    assert (shown["available"], shown["state"], shown["consent"]["given"]) == (True, "none", False)
    assert shown["consent"]["version"] == VERSION
    assert await house.db["face"].count({}) == 0


async def test_enrolling_needs_a_fresh_proof_by_another_way(house):
    caller = await house.sign_in(wen.model_copy(update={"step_up_until": None}))
    await agree(caller)
    reply = await caller.call("PUT", FACE, {"pictures": pictures("wen")})
    assert (reply.status, reply.code) == (403, "step_up_required")


async def test_where_it_is_switched_off_everything_says_so(engine, hub):
    await settle(hub.db, hub.hub.ground.vault)
    caller = await hub.sign_in(wen)
    assert (await caller.call("GET", FACE)).json["reason"] == "feature_off"
    assert (await caller.call("PUT", FACE, {"pictures": pictures("wen")})).code == "feature_off"
    assert (await hub.anybody.call("POST", "/api/v1/session/face", {"username": "u"})).code == (
        "feature_off"
    )


# -- enrolment -------------------------------------------------------------------------------------


async def test_three_pictures_become_one_sealed_template(house, phone):
    shown = (await phone.call("GET", FACE)).json
    assert (shown["state"], shown["samples"]) == ("active", 3)
    row = await house.db["face"].find_one({"_id": WEN})
    assert (row["model"], row["consent"], len(row["samples"])) == (MODEL, VERSION, 3)
    assert row["reference"] == b""
    await announced(house)
    told = await house.db["outbox"].find({"line": {"$regex": WEN}})
    assert "face.enrolled" in repr(told)


async def test_samples_that_were_moved_or_altered_in_the_database_do_not_open(house, phone, caplog):
    row = await house.db["face"].find_one({"_id": WEN})
    one, two, three = row["samples"]
    for bad in ([two, one, three], [one, two, three[:-1] + b"x"]):
        await house.db["face"].update_one({"_id": WEN}, {"$set": {"samples": bad}})
        await house.db["face_mark"].update_one({"_id": "gallery"}, {"$inc": {"n": 1}})
        drawn = await challenge(phone)
        refused = await verify(house, drawn, "wen", at=bad[2][-5:].hex())
        assert (refused.status, refused.code) == (401, "face_mismatch")
    assert "cannot be opened" in caplog.text
    caplog.clear()


@pytest.mark.parametrize(
    ("sent", "status", "code", "field"),
    [
        (lambda: pictures("wen", 2), 422, "invalid", "pictures"),
        (lambda: pictures("wen", 6), 422, "invalid", "pictures"),
        (lambda: [*pictures("wen"), picture("x", flaw="no_face")], 422, "no_face", "pictures.3"),
        (lambda: [picture("a", flaw="many_faces")] * 3, 422, "many_faces", "pictures.0"),
        (lambda: [picture("a", flaw="too_large")] * 3, 413, "too_large", "pictures.0"),
        (lambda: [picture("a", flaw="corrupt")] * 3, 400, "corrupt", "pictures.0"),
        (lambda: [picture("a", flaw="heic")] * 3, 415, "heic", "pictures.0"),
        (lambda: ["%%%"] * 3, 415, "not_an_image", "pictures.0"),
        (lambda: pictures("wen", 3, off=0.6), 422, "faces_differ", "pictures"),
        (lambda: [*pictures("wen", 2), picture("cen")], 422, "faces_differ", "pictures"),
        (list, 422, "invalid", "pictures"),
        (lambda: [1, 2, 3], 400, "bad_type", "pictures.0"),
        (lambda: ["x" * 15_000_000], 422, "invalid", "pictures.0"),
    ],
)  # fmt: skip
async def test_pictures_that_will_not_do_say_why_and_leave_nothing(
    house, sent, status, code, field
):
    caller = await house.sign_in(wen)
    await agree(caller)
    reply = await caller.call("PUT", FACE, {"pictures": sent()})
    assert (reply.status, reply.code, reply.json["field"]) == (status, code, field)
    assert await house.db["face"].count({}) == 0


async def test_pictures_of_twenty_megabytes_are_turned_away_before_they_are_read(house):
    caller = await house.sign_in(wen)
    await agree(caller)
    reply = await caller.call("PUT", FACE, {"pictures": ["x" * 6_700_000] * 3})
    assert (reply.status, reply.code) == (413, "too_large")


async def test_a_busy_engine_says_when_to_come_back(house, engine):
    caller = await house.sign_in(wen)
    await agree(caller)
    engine.busy = True
    reply = await caller.call("PUT", FACE, {"pictures": pictures("wen")})
    assert (reply.status, reply.headers["Retry-After"]) == (503, "2")


async def test_a_face_too_near_to_anothers_waits_for_a_person(house, phone):
    twin = await house.sign_in(cen)
    await agree(twin)
    near = [picture("wen", at=f"enrol-{n}", off=0.11) for n in range(3)]
    shown = (await twin.call("PUT", FACE, {"pictures": near})).json
    assert shown["state"] == "held"
    refused = await twin.call("POST", "/api/v1/face/challenges", {})
    assert (refused.status, refused.code) == (409, "template_held")
    held = (await (await house.sign_in(yan)).call("GET", "/api/v1/admin/face/held")).json
    assert [(it["person_id"], it["twins"]) for it in held] == [(CEN, [WEN])]
    admin = await house.sign_in(yan)
    decision = f"/api/v1/admin/face/held/{CEN}/decision"
    done = await admin.call("POST", decision, {"theirs": False, "reason": "非本人"})
    assert done.status == 204, done.body
    assert (await twin.call("GET", FACE)).json["state"] == "none"
    assert (await admin.call("POST", decision, {"theirs": True, "reason": "x"})).status == 404

    await twin.call("PUT", FACE, {"pictures": near})
    assert (
        await admin.call("POST", decision, {"theirs": True, "reason": "当面核对"})
    ).status == 204
    assert (await twin.call("GET", FACE)).json["state"] == "active"


async def test_of_two_enrolments_at_once_one_is_kept_whole(house):
    caller = await house.sign_in(wen)
    await agree(caller)
    sent = [
        caller.call("PUT", FACE, {"pictures": [picture("wen", at=f"{n}-{m}") for m in range(3)]})
        for n in range(4)
    ]
    replies = await asyncio.gather(*sent)
    assert {reply.status for reply in replies} <= {200, 409}
    assert 200 in {reply.status for reply in replies}
    assert await house.db["face"].count({}) == 1


# -- recognition -----------------------------------------------------------------------------------


async def test_a_step_up_by_face_opens_the_window_of_that_session(house, phone):
    await house.db["login_session"].update_many({}, {"$set": {"step_up_until": None}})
    house.clock.advance(seconds=2)
    assert (await phone.call("PUT", FACE, {"pictures": pictures("wen")})).code == "step_up_required"
    drawn = await challenge(phone)
    assert drawn["steps"][0] == "front"
    assert drawn["frames_min"] == 8
    done = await verify(house, drawn, "wen")
    assert done.status == 200, done.body
    assert (done.json["passed"], done.json["purpose"]) == (True, "step_up")
    assert (await phone.call("GET", "/api/v1/me")).json["step_up_until"]
    kept = await house.db["face_attempt"].find_one({"p": WEN})
    assert (kept["passed"], kept["purpose"], kept["steps"]) == (True, "step_up", drawn["steps"])
    assert kept["limits"]["distance"] == 0.5
    assert kept["distance"] < 0.3


async def test_a_challenge_is_good_once_and_for_half_a_minute(house, phone):
    drawn = await challenge(phone)
    assert (await verify(house, drawn, "wen")).status == 200
    again = await verify(house, drawn, "wen", at="again")
    assert (again.status, again.code) == (401, "challenge_dead")
    late = await challenge(phone)
    house.clock.advance(seconds=31)
    assert (await verify(house, late, "wen", at="late")).code == "challenge_dead"


async def test_frames_that_were_shown_before_are_no_answer(house, phone):
    first, second = await challenge(phone), None
    frames = burst("wen", ["front", "left", "right", "left"], at="x")
    while second is None or second["steps"] != first["steps"]:
        second = await challenge(phone)
    frames = burst("wen", first["steps"], at="x")
    assert (await verify(house, first, "wen", frames=frames)).status == 200
    replayed = await verify(house, second, "wen", frames=frames)
    assert (replayed.code, replayed.json["detail"]["reason"]) == ("liveness_failed", "replayed")


async def test_somebody_elses_face_is_refused_with_the_other_ways(house, phone):
    refused = await verify(house, await challenge(phone), "stranger")
    assert (refused.status, refused.code) == (401, "face_mismatch")
    detail = refused.json["detail"]
    assert (detail["reason"], detail["left"]) == ("face_mismatch", 2)
    assert detail["alternatives"][0] == "scan"
    assert "distance" not in json.dumps(refused.json)


def other_way(steps):
    return [{"left": "right", "right": "left"}.get(step, step) for step in steps]


def interrupted(frames):
    away = picture("x", flaw="no_face")
    return [*frames[:4], away, away, *frames[4:]][:15]


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (lambda steps: [picture("wen", at=n) for n in range(12)], "not_turned"),
        (lambda steps: burst("wen", steps)[:5], "too_few_frames"),
        (lambda steps: burst("wen", other_way(steps)), "wrong_order"),
        (lambda steps: interrupted(burst("wen", steps)), "face_lost"),
    ],
)
async def test_what_is_no_answer_to_the_challenge_is_refused(house, phone, frames, reason):
    drawn = await challenge(phone)
    refused = await verify(house, drawn, "wen", frames=frames(drawn["steps"]))
    assert (refused.status, refused.code) == (401, "liveness_failed")
    assert refused.json["detail"]["reason"] == reason


async def test_a_face_that_changes_in_the_middle_is_refused(house, phone):
    drawn = await challenge(phone)
    frames = burst("wen", drawn["steps"])
    frames[3] = burst("stranger", drawn["steps"])[3]
    refused = await verify(house, drawn, "wen", frames=frames)
    assert refused.json["detail"]["reason"] == "face_changed"


@pytest.mark.acceptance("A1-2")
async def test_after_three_failures_only_the_other_ways_are_open_and_they_are(house, phone):
    """A1-2"""
    for left in (2, 1):
        refused = await verify(house, await challenge(phone), "stranger", at=left)
        assert refused.json["detail"]["left"] == left
    third = await verify(house, await challenge(phone), "stranger", at="third")
    assert (third.status, third.code) == (429, "face_locked")
    assert third.json["detail"]["alternatives"][:2] == ["scan", "sms"]
    assert int(third.headers["Retry-After"]) > 0
    assert (await phone.call("POST", "/api/v1/face/challenges", {})).code == "face_locked"
    # The function stays reachable: everything else is as it was, and so is the face, later.
    assert (await phone.call("GET", "/api/v1/step-up")).status == 200
    house.clock.advance(minutes=16)
    assert (await verify(house, await challenge(phone), "wen", at="later")).status == 200


async def test_failures_at_the_same_moment_are_all_counted(house, phone):
    drawn = [await challenge(phone) for _ in range(8)]
    replies = await asyncio.gather(
        *(verify(house, it, "stranger", at=n) for n, it in enumerate(drawn))
    )
    codes = [reply.code for reply in replies]
    assert codes.count("face_mismatch") <= 2
    assert set(codes) == {"face_mismatch", "face_locked"}
    assert await house.db["face_attempt"].count({"p": WEN}) <= 3


async def test_a_busy_engine_leaves_the_challenge_good(house, phone, engine):
    drawn = await challenge(phone)
    engine.busy = True
    assert (await verify(house, drawn, "wen")).status == 503
    engine.busy = False
    assert (await verify(house, drawn, "wen")).status == 200


async def test_a_login_by_face_after_the_name_is_known(house, phone):
    drawn = await claim(house, username=" U01 ")
    done = await verify(house, drawn, "wen")
    assert done.status == 200, done.body
    assert (done.json["purpose"], done.json["entry"]["next"]) == ("sign_in", "done")
    assert done.json["entry"]["person"]["id"] == WEN
    opened = await house.db["login_session"].find_one({"method": "face"})
    assert opened["person_id"] == WEN
    # It is a login, and no fresh proof.
    assert opened.get("step_up_until") is None


async def test_names_that_nobody_has_are_treated_like_everybody(house, phone):
    enrolled = await real(house, CEN)
    assert enrolled
    for name in ("u01", f"u{CEN[-2:]}", "nobody"):
        drawn = await claim(house, username=name)
        assert set(drawn) == {"id", "purpose", "steps", "until", "frames_min", "frames_max"}
        refused = await verify(house, drawn, "stranger", at=name)
        assert (refused.status, refused.code) == (401, "face_mismatch"), name
        assert refused.json["detail"]["left"] == 2
    for _ in range(2):
        last = await verify(house, await claim(house, username="nobody"), "stranger", at=_)
    assert last.code == "face_locked"
    reply = await house.anybody.call("POST", "/api/v1/session/face", {"username": "nobody"})
    assert reply.code == "face_locked"


async def test_a_login_needs_a_name_or_a_code(house):
    for body in ({}, {"username": "a", "code": "b"}):
        reply = await house.anybody.call("POST", "/api/v1/session/face", body)
        assert (reply.status, reply.json["field"]) == (422, "username")
    drawn = await claim(house, code="RD1.P.x.y")
    assert (await verify(house, drawn, "wen")).code == "face_mismatch"


async def test_a_suspended_session_that_ended_opens_nothing(house, phone):
    drawn = await challenge(phone)
    await house.db["login_session"].delete_many({})
    house.clock.advance(seconds=2)
    done = await verify(house, drawn, "wen")
    assert (done.status, done.code) == (401, "unauthenticated")


# -- a vendor --------------------------------------------------------------------------------------


class Vendor:
    """A vendor who finds painted faces alike where they are of the same name."""

    vendor = "科大讯飞"

    def __init__(self):
        self.asked = 0
        self.down = False

    async def compare(self, reference, probe):
        self.asked += 1
        if self.down:
            raise UpstreamDown("对方无应答", upstream="iflytek")
        return 0.91 if reference == probe else 0.12


@pytest.fixture
async def vendor(monkeypatch):
    vendor = Vendor()
    paint(monkeypatch, comparer=vendor)
    return vendor


@pytest.fixture
async def asked(vendor, hub):
    """The hub with a vendor, and 闻予澄 enrolled, who has agreed to the vendor as well."""
    await settle(hub.db, hub.hub.ground.vault)
    await switch_on(hub, await hub.sign_in(yin), await hub.sign_in(yan))
    hub.clock.advance(seconds=2)
    caller = await real(hub, WEN)
    await agree(caller, "face_vendor")
    await enrol(caller, "wen")
    hub.caller = caller
    return hub


async def test_a_vendor_compares_for_whoever_has_agreed_to_that_too(asked, vendor):
    shown = (await asked.caller.call("GET", FACE)).json
    assert (shown["vendor"]["purpose"], shown["vendor"]["given"]) == ("face_vendor", True)
    assert "科大讯飞" in shown["vendor"]["text"]
    row = await asked.db["face"].find_one({"_id": WEN})
    assert row["reference"]
    assert b"chip of wen" not in row["reference"]
    assert (await verify(asked, await challenge(asked.caller), "wen")).status == 200
    stranger = await verify(asked, await challenge(asked.caller), "stranger")
    assert stranger.code == "face_mismatch"
    kept = await asked.db["face_attempt"].find({}, sort=[("_id", 1)])
    assert ([it["vendor_score"] for it in kept], vendor.asked) == ([0.91, 0.12], 2)


async def test_without_the_second_consent_nothing_goes_to_a_vendor(asked, vendor):
    other = await real(asked, CEN)
    await enrol(other, "cen")
    assert (await asked.db["face"].find_one({"_id": CEN}))["reference"] == b""
    assert (await verify(asked, await challenge(other), "cen")).status == 200
    assert vendor.asked == 0


async def test_withdrawing_the_second_consent_forgets_the_picture_and_nothing_else(asked, vendor):
    gone = await asked.caller.call("DELETE", "/api/v1/me/consents/face_vendor")
    assert gone.json["decision"] == "withdrawn"
    row = await asked.db["face"].find_one({"_id": WEN})
    assert (row["reference"], row["state"]) == (b"", "active")
    assert (await verify(asked, await challenge(asked.caller), "wen")).status == 200
    assert vendor.asked == 0


async def test_a_vendor_who_is_down_costs_nobody_a_try(asked, vendor):
    vendor.down = True
    drawn = await challenge(asked.caller)
    for at in range(4):
        reply = await verify(asked, drawn, "wen", at=at)
        assert (reply.status, reply.json["detail"]["upstream"]) == (503, "iflytek")
    vendor.down = False
    assert (await verify(asked, drawn, "wen", at="up")).status == 200


# -- the end of it ---------------------------------------------------------------------------------


async def test_withdrawing_the_consent_deletes_the_template_everywhere_at_once(house, phone):
    faces = house.services.faces
    assert WEN in await faces.enrolment._ports.galleries.current()
    drawn = await challenge(phone)
    gone = await phone.call("DELETE", "/api/v1/me/consents/face")
    assert gone.json["decision"] == "withdrawn"
    assert await house.db["face"].count({}) == 0
    assert WEN not in faces.enrolment._ports.galleries._gallery
    assert (await verify(house, drawn, "wen")).status in {401, 403}
    stones = await house.db["face_tombstone"].find({})
    assert [(it["p"], it["reason"]) for it in stones] == [(WEN, "withdrawn")]
    ledger = house.hub.settings.data_dir / "tombstones.jsonl"
    assert json.loads(ledger.read_text())["p"] == WEN


@pytest.mark.acceptance("F13-4")
async def test_another_process_lets_go_within_seconds(house, phone):
    """F13-4"""
    galleries = house.services.faces.enrolment._ports.galleries
    await galleries.current()
    # As another process would, past this one's back.
    await house.db["face"].delete_many({"_id": WEN})
    await house.db["face_mark"].update_one({"_id": "gallery"}, {"$inc": {"n": 1}})
    house.clock.advance(seconds=2)
    assert WEN not in await galleries.current()


async def test_one_can_delete_the_template_and_keep_the_consent(house, phone):
    assert (await phone.call("DELETE", FACE)).status == 204
    assert (await phone.call("DELETE", FACE)).status == 204
    shown = (await phone.call("GET", FACE)).json
    assert (shown["state"], shown["consent"]["given"]) == ("none", True)
    reply = await phone.call("POST", "/api/v1/face/challenges", {})
    assert (reply.status, reply.code) == (409, "not_enrolled")


async def test_templates_end_with_their_time_with_the_account_and_with_the_engine(
    house, phone, engine
):
    sweep = house.services.faces.enrolment.sweep
    assert await sweep() == 0
    engine.model = "painted-2"
    assert (await phone.call("GET", FACE)).json["outdated"] is True
    refused = await phone.call("POST", "/api/v1/face/challenges", {})
    assert (refused.status, refused.code) == (409, "template_outdated")
    assert await sweep() == 0  # another host may be of the new version already
    house.clock.advance(days=1)
    assert await sweep() == 1
    assert [it["reason"] for it in await house.db["face_tombstone"].find({})] == ["expired"]

    await enrol(await house.sign_in(wen), "wen")
    await house.db["account"].update_one({"_id": WEN}, {"$set": {"state": "ended"}})
    assert await sweep() == 1
    await house.db["account"].update_one({"_id": WEN}, {"$set": {"state": "active"}})
    await enrol(await house.sign_in(wen), "wen")
    house.clock.advance(days=731)
    assert await sweep() == 1


@pytest.mark.acceptance("A1-5")
async def test_after_enrolment_no_picture_is_left_in_the_database_or_on_disk(house, phone):
    """A1-5"""
    needles = [
        json.dumps({"who": "wen"})[1:-1].encode(),
        b'"who":"wen"',
        pictures("wen")[0].encode(),
    ]
    for name in await house.db.collections():
        for row in await house.db[name].find({}):
            text = repr(row).encode()
            assert not any(needle in text for needle in needles), name
    for path in house.hub.settings.data_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(needle in content for needle in needles), path


@pytest.mark.acceptance("A1-3")
async def test_a_threshold_changes_by_two_persons_and_with_a_trace(house, phone):
    """A1-3: the second half, that a change is audited."""
    assert (await verify(house, await challenge(phone), "wen", off=0.3)).status == 200
    changes, day = "/api/v1/admin/rule-changes", "2026-02-01"
    first, second = await house.sign_in(yin), await house.sign_in(yan)
    asked = await first.call("POST", changes, {
        "key": "face.verify.alone", "value": "0.20", "valid_from": day,
        "source": "本地校准", "reason": "按代表本人照片校准",
    })  # fmt: skip
    assert asked.status == 201, asked.body
    change = f"{changes}/{asked.json['id']}"
    approved = await second.call("POST", f"{change}/approve")
    assert approved.status == 200, approved.body
    house.clock.advance(seconds=2)
    refused = await verify(house, await challenge(phone), "wen", off=0.3, at="later")
    assert refused.code == "face_mismatch"
    kept = await house.db["face_attempt"].find({"p": WEN}, sort=[("_id", 1)])
    assert [it["limits"]["alone"] for it in kept] == [0.4, 0.2]
    audited = await house.db["audit"].find({"action": {"$regex": "^rule"}})
    assert [it["by"] for it in audited][-1] == YAN
