"""Faces over HTTP: consent, assessment, enrolment, deletion (PRODUCT.md A1)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from tests.integration.faces import (
    ASSESSMENT,
    FACE,
    VERSION,
    YAN,
    agree,
    challenge,
    engine,
    enrol,
    house,
    phone,
    verify,
    yan,
)
from tests.integration.people import CEN, WEN, cen, feng, settle, wen, yin
from tests.painted import MODEL, picture, pictures
from tests.snapshots import announced

__all__ = ["engine", "house", "phone"]  # fixtures of these tests, too


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
