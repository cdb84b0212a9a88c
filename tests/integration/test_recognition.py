"""Faces over HTTP: step-up and login, challenges, failures, and a vendor (PRODUCT.md A1)."""

from __future__ import annotations

import asyncio
import json

import pytest

from domain.errors import UpstreamDown
from tests.integration.faces import (
    FACE,
    agree,
    challenge,
    claim,
    engine,
    enrol,
    house,
    paint,
    phone,
    real,
    switch_on,
    verify,
    yan,
)
from tests.integration.people import CEN, WEN, settle, yin
from tests.painted import burst, picture, pictures

__all__ = ["engine", "house", "phone"]  # fixtures of these tests, too


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
