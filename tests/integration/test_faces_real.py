"""Real pictures through the whole hub: enrolled, recognised, refused (PRODUCT.md A1).

The pictures are an easy set; that strangers are told apart here says nothing of a threshold.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.identity.account import Account
from domain.passes.code import Form, Personal
from domain.people import AccountState
from domain.permissions import Role
from domain.roster import Card, Kind
from storage.identity import AccountStore
from storage.people import PeopleStore
from tests import faces
from tests.integration.conftest import Caller
from tests.integration.faces import FACE, agree, switch_on
from tests.integration.hall import MEETING, URL, convene, member, zhuo
from tests.integration.people import person, ulid

pytestmark = pytest.mark.timeout(180)

ONE, OTHER, *_ = faces.TURNS_WELL
LEFT, RIGHT = (16, 33, 33, 8), (-16, -33, -33, -8)


def turns(path, steps):
    """Frames of a head that turns as the steps say; no two alike."""
    degrees = [0.0, 1.0]
    for step in steps[1:]:
        degrees += [it + len(degrees) / 10 for it in (LEFT if step == "left" else RIGHT)]
    return [faces.text(faces.turned(path, yaw)) for yaw in degrees]


@pytest.fixture
async def house(hub):
    """Somebody who may enrol, with an account and a session of their own, and a meeting."""
    faces.folder()
    at = hub.clock()
    await convene(hub.db, members=2, starts_at=at + timedelta(minutes=30))
    who = ulid(801)
    await PeopleStore(hub.db).add_many(
        [Card(id=who, name="代表1", kind=Kind.DEPUTY, deputy_no="N001")]
    )
    await AccountStore(hub.db).add(
        Account(
            id=who, state=AccountState.ACTIVE, login_name="daibiao1",
            created_at=at, created_by="t", updated_at=at, updated_by="t",
        )
    )  # fmt: skip
    admins = [person(ulid(40 + n), f"管理员{n}", Role.ADMIN) for n in range(2)]
    await switch_on(hub, *[await hub.sign_in(it) for it in admins])
    caller = await hub.sign_in(who)
    await hub.db["login_session"].update_many(
        {}, {"$set": {"step_up_until": at + timedelta(minutes=5)}}
    )
    hub.clock.advance(seconds=2)
    hub.caller = caller
    return hub


async def enrol(house, name):
    """Enrol three pictures of one sitting: as it is, and turned a little to either side."""
    path = faces.photo(name, "b")
    sent = [faces.text(path), *(faces.text(faces.turned(path, yaw)) for yaw in (-6, 6))]
    await agree(house.caller)
    return await house.caller.call("PUT", FACE, {"pictures": sent})


async def verify(house, frames_of):
    drawn = (await house.caller.call("POST", "/api/v1/face/challenges", {})).json
    frames = frames_of(drawn["steps"])[:15]
    body = {"challenge": drawn["id"], "frames": frames}
    return await house.anybody.call("POST", "/api/v1/face/verify", body)


async def test_real_pictures_enrol_recognise_their_owner_and_nobody_else(house):
    enrolled = await enrol(house, ONE)
    assert enrolled.status == 200, enrolled.body
    assert (enrolled.json["state"], enrolled.json["samples"]) == ("active", 3)

    path = faces.photo(ONE, "b")
    passed = await verify(house, lambda steps: turns(path, steps))
    assert passed.status == 200, passed.body

    stranger = await verify(house, lambda steps: turns(faces.photo(OTHER, "b"), steps))
    assert (stranger.status, stranger.code) == (401, "face_mismatch")
    flat = await verify(
        house,
        lambda steps: [
            faces.text(faces.flat_print_turned(path, degrees))
            for degrees in (0, 10, 20, 30, 30, 15, 0, -10, -20, -30, -30, -15)
        ],
    )
    assert (flat.status, flat.code) in {(401, "liveness_failed"), (429, "face_locked")}
    kept = await house.db["face_attempt"].find({}, sort=[("_id", 1)])
    assert [it["passed"] for it in kept] == [True, False, False]


async def test_a_still_picture_held_up_is_no_answer(house):
    await enrol(house, ONE)
    still = faces.text(faces.photo(ONE, "a"))
    refused = await verify(house, lambda steps: [still] * 12)
    assert (refused.status, refused.code) == (401, "liveness_failed")
    assert refused.json["detail"]["reason"] == "not_turned"


async def test_what_is_no_picture_of_one_face_says_why(house):
    good = faces.text(faces.photo(ONE, "b"))
    await agree(house.caller)
    for bad, status, code in (
        (faces.text(faces.special("two-faces")), 422, "many_faces"),
        (faces.text(faces.blurred(faces.photo(ONE, "b"), 4)), 422, "blurred"),
        (faces.text(faces.lit(faces.photo(ONE, "b"), 0.25)), 422, "too_dark"),
        (faces.text(faces.photo(ONE, "b").read_bytes()[:9000]), 400, "corrupt"),
        (faces.text(b"not a picture"), 415, "not_an_image"),
    ):
        reply = await house.caller.call("PUT", FACE, {"pictures": [good, good, bad]})
        assert (reply.status, reply.code, reply.json["field"]) == (status, code, "pictures.2")
    assert await house.db["face"].count({}) == 0


async def test_badge_and_face_at_a_gate_while_others_scan(house):
    await enrol(house, ONE)
    staff = await house.sign_in(zhuo)
    made = await staff.call("POST", f"{URL}/devices", {"name": "一号门", "role": "scanner"})
    scanner = Caller(house.url, house.client, made.json["token"])
    now = house.clock()
    claims = Personal(ulid(801), MEETING, now, now + timedelta(seconds=15), Form.PHONE)
    code = await house.services.passes.keys.sign(claims)

    async def gate(nonce, picture):
        body = {"meeting_id": MEETING, "nonce": nonce, "frames": [picture], "code": code}
        return await scanner.call("POST", "/api/v1/gates/g1/face", body)

    borrowed, mine, seen = await asyncio.gather(
        gate("a", faces.text(faces.photo(OTHER, "b"))),
        gate("b", faces.text(faces.turned(faces.photo(ONE, "b"), 3))),
        (await house.sign_in(member(2))).call("GET", "/api/v1/me"),
    )
    assert borrowed.json["scan"]["result"] == "face_mismatch"
    assert mine.json["scan"]["result"] == "ok"
    assert seen.status == 200
    record = await house.db["attendance"].find_one({})
    assert (record["p"], record["how"]) == (ulid(801), "face")


@pytest.mark.acceptance("A1-5")
async def test_no_picture_is_left_anywhere_after_enrolling(house):
    """A1-5"""
    enrolled = await enrol(house, ONE)
    assert enrolled.status == 200
    marks = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
    for name in await house.db.collections():
        for row in await house.db[name].find({}):
            for value in _values(row):
                assert not (isinstance(value, bytes) and any(mark in value for mark in marks)), name
                assert not (isinstance(value, str) and value.startswith("/9j/")), name
    for path in house.hub.settings.data_dir.rglob("*"):
        assert not (path.is_file() and path.read_bytes()[:3] == marks[0]), path


def _values(value):
    if isinstance(value, dict):
        for each in value.values():
            yield from _values(each)
    elif isinstance(value, list):
        for each in value:
            yield from _values(each)
    else:
        yield value
