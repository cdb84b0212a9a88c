"""A gate without a network: takes the list along, decides by itself, and hands its scans in."""

from __future__ import annotations

import base64
import random
from datetime import datetime, timedelta

import pytest

from domain.checkins.pass_list import SealedList, open_list
from tests.integration.hall import MEETING, OTHER, URL, convene, zhuo
from tests.integration.test_passes import KEYS, public
from tests.integration.test_scans import SCANS, device, doors, phone, scan, who

__all__ = ["doors"]

LIST = f"{URL}/pass-list"


def unpacked(view):
    """A list as it came."""
    raw = (base64.b64decode(view[name]) for name in ("nonce", "sealed"))
    nonce, sealed = raw
    signature = base64.b64decode(view["signature"])
    return SealedList(view["made_at"], nonce, sealed, view["key_no"], signature)


async def test_only_the_device_it_was_made_for_can_read_a_list_and_nobody_can_change_it(doors):
    staff = await doors.sign_in(zhuo)
    (badge,) = (await staff.call("POST", f"{URL}/badges", {"people": [who(1)]})).json["badges"]
    gone = f"{URL}/badges/{badge['id']}/revocation"
    await staff.call("POST", gone, {"reason": "遗失"})
    note = f"{URL}/doors/people/{who(2)}"
    await staff.call("PUT", note, {"blocked": True, "attention": "请到 2 号门"})
    one, device_id = await device(doors)
    two, _ = await device(doors)
    await scan(one, "a", await phone(doors, 3))
    reply = await one.call("GET", LIST)
    assert reply.status == 200, reply.body
    assert who(1) not in reply.body.decode()
    keys = public((await doors.anybody.call("GET", KEYS)).json)
    sealed = unpacked(reply.json)
    listed = open_list(sealed, meeting_id=MEETING, secret=one.token, keys=keys)
    assert (listed.device_id, listed.title, len(listed.people)) == (
        device_id, "第一次全体会议", 40,
    )  # fmt: skip
    people = {it.id: it for it in listed.people}
    assert (people[who(2)].blocked, people[who(2)].name) == (True, "代表2")
    assert (people[who(3)].presence, people[who(4)].presence) == ("present", "")
    assert [(it.id, it.holds) for it in listed.badges] == [(badge["id"], False)]
    assert {it.no for it in listed.keys} == set(keys)

    altered = sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1])
    for wrong, secret, meeting_id in (
        (sealed, two.token, MEETING),
        (sealed, one.token, OTHER),
        (sealed._replace(sealed=altered), one.token, MEETING),
        (sealed._replace(key_no=9), one.token, MEETING),
    ):
        with pytest.raises(ValueError, match="not ours"):
            open_list(wrong, meeting_id=meeting_id, secret=secret, keys=keys)
    for caller in (staff, (await device(doors, role="screen"))[0]):
        assert (await caller.call("GET", LIST)).status == 403
    assert (await one.call("GET", f"/api/v1/meetings/{OTHER}/pass-list")).status == 403


@pytest.mark.acceptance("F12-3")
async def test_three_hundred_scans_without_a_network_end_as_they_would_have_online(hub):
    """F12-3"""
    at = hub.clock()
    times = {"starts_at": at + timedelta(minutes=30), "ends_at": at + timedelta(hours=4)}
    await convene(hub.db, members=290, **times)
    await convene(hub.db, members=0, meeting_id=OTHER)
    staff = await hub.sign_in(zhuo)
    numbers = range(1, 281)
    made = await staff.call("POST", f"{URL}/badges", {})
    codes = {it["person_id"]: it for it in made.json["badges"]}
    scanner, _ = await device(hub)
    # Five badges on the list of the gate are voided while it has no network.
    assert (await scanner.call("GET", LIST)).status == 200
    for number in range(276, 281):
        path = f"{URL}/badges/{codes[who(number)]['id']}/revocation"
        assert (await staff.call("POST", path, {"reason": "遗失"})).status == 200
    chance = random.Random(3)
    queue = [*numbers, *chance.sample(range(1, 276), 20)]
    chance.shuffle(queue)
    rows = []
    for place, number in enumerate(queue):
        hub.clock.advance(seconds=2)
        rows.append(
            {
                "nonce": f"n{place}",
                "code": codes[who(number)]["code"],
                "meeting_id": MEETING,
                "at": hub.clock().isoformat(),
                "offline": True,
                "said": "ok",
            }
        )
    when = {}
    for number, row in zip(queue, rows, strict=True):
        when.setdefault(number, row["at"])
    hub.clock.advance(minutes=4)
    sent = rows[:]
    # The queue comes back in no order at all, and half of it twice.
    chance.shuffle(sent)
    reply = await scanner.call("POST", SCANS, {"scans": sent, "sent_at": hub.clock().isoformat()})
    assert reply.status == 200, reply.body
    again = await scanner.call("POST", SCANS, {"scans": sent[:150]})
    assert all(it["again"] for it in again.json["results"])
    results = [it["result"] for it in reply.json["results"]]
    assert {name: results.count(name) for name in set(results)} == {
        "ok": 275, "already_in": 20, "revoked": 5,
    }  # fmt: skip
    records = await hub.db["attendance"].find({"m": MEETING})
    # Exactly what would have been online: the first scan of each, at its own time.
    assert {row["p"]: row["at"] for row in records} == {
        who(number): datetime.fromisoformat(said) for number, said in when.items() if number < 276
    }
    assert {row["state"] for row in records} == {"present"}
    page = await staff.call("GET", f"{URL}/scans?conflicts=true&limit=50")
    assert len(page.json["items"]) == 25
    assert {it["result"] for it in page.json["items"]} == {"already_in", "revoked"}


async def test_a_clock_that_is_a_day_wrong_is_put_right_by_what_it_says_now(doors):
    scanner, _ = await device(doors)
    wrong = timedelta(days=1)
    code, at = await phone(doors, 1), doors.clock()
    doors.clock.advance(minutes=3)
    row = {
        "nonce": "a", "code": code, "meeting_id": MEETING, "offline": True,
        "at": (at + wrong).isoformat(),
    }  # fmt: skip
    body = {"scans": [row], "sent_at": (doors.clock() + wrong).isoformat()}
    (done,) = (await scanner.call("POST", SCANS, body)).json["results"]
    assert (done["result"], done["skew_ms"]) == ("ok", 86_400_000)
    record = await doors.db["attendance"].find_one({"_id": f"{MEETING}:{who(1)}"})
    assert record["at"] == at


async def test_a_clock_that_cannot_be_trusted_lets_in_and_is_flagged(doors):
    staff = await doors.sign_in(zhuo)
    (badge,) = (await staff.call("POST", f"{URL}/badges", {"people": [who(1)]})).json["badges"]
    scanner, _ = await device(doors)
    doors.clock.advance(minutes=1)
    row = {
        "nonce": "a", "code": badge["code"], "meeting_id": MEETING, "offline": True,
        "at": (doors.clock() + timedelta(hours=3)).isoformat(),
    }  # fmt: skip
    (done,) = (await scanner.call("POST", SCANS, {"scans": [row]})).json["results"]
    assert (done["result"], done["accepted"], done["conflict"]) == (
        "offline_unverified", True, True,
    )  # fmt: skip
    record = await doors.db["attendance"].find_one({"_id": f"{MEETING}:{who(1)}"})
    assert record["at"] == doors.clock()
    page = await staff.call("GET", f"{URL}/scans?conflicts=true")
    assert [it["result"] for it in page.json["items"]] == ["offline_unverified"]


async def test_whom_a_gate_sent_away_is_not_let_in_afterwards_and_it_is_listed(doors):
    staff = await doors.sign_in(zhuo)
    made = await staff.call("POST", f"{URL}/badges", {"people": [who(n) for n in range(1, 5)]})
    codes = {it["person_id"]: it["code"] for it in made.json["badges"]}
    scanner, _ = await device(doors)
    rows = [
        {
            "nonce": f"n{place}", "code": codes[who(number)], "meeting_id": MEETING,
            "at": doors.clock().isoformat(), "offline": True, "said": said,
        }
        for place, (number, said) in enumerate(
            [(1, "on_leave"), (2, "ok"), (2, "already_in"), (3, "already_in"), (4, "未知")]
        )
    ]  # fmt: skip
    reply = await scanner.call("POST", SCANS, {"scans": rows})
    told = [(it["said"], it["result"], it["conflict"]) for it in reply.json["results"]]
    assert told == [
        # Their list was old; they went away, and come again.
        ("on_leave", "on_leave", True),
        ("ok", "ok", False),
        ("already_in", "already_in", False),
        # Taken for being in already, they are.
        ("already_in", "ok", True),
        ("未知", "ok", False),
    ]
    records = await doors.db["attendance"].find({"m": MEETING})
    assert {row["p"] for row in records} == {who(2), who(3), who(4)}
    page = await staff.call("GET", f"{URL}/scans?conflicts=true")
    assert {it["person_id"] for it in page.json["items"]} == {who(1), who(3)}
    assert (await scan(scanner, "again", codes[who(1)]))["result"] == "ok"
