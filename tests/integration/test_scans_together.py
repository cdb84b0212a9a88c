"""Scans that arrive at the same moment go through the doors together; each has its own answer."""

from __future__ import annotations

import asyncio

import pytest

from domain.checkins.scan import Attempt
from domain.people import Grant, Person
from domain.permissions import Role
from server.checkins import build_checkins, build_passes
from server.hall import build_attendance, build_hall
from tests.integration.hall import MEETING, OTHER, elsewhere, member
from tests.integration.people import ulid
from tests.integration.test_scans import SCANS, device, doors, phone, said, scan, who

__all__ = ["doors"]


def gate(number):
    """A scanner as the doors see it."""
    device_id = ulid(700 + number)
    grants = (Grant(role=Role.SCANNER, scopes=frozenset({f"mtg:{MEETING}"})),)
    return Person(id=device_id, name=f"{number}号门", grants=grants, device_id=device_id)


def calls(monkeypatch, store, name):
    """How many each call of a store was about."""
    sizes, original = [], getattr(type(store), name)

    async def counted(self, some, *args, **more):
        sizes.append(len(some))
        return await original(self, some, *args, **more)

    monkeypatch.setattr(type(store), name, counted)
    return sizes


async def test_forty_people_at_six_gates_are_a_handful_of_calls(doors, monkeypatch):
    service = doors.services.checkins.doors
    sizes = calls(monkeypatch, service.scans, "add")
    codes = [await phone(doors, number) for number in range(1, 41)]
    seen = await asyncio.gather(
        *(
            service.scan(
                [Attempt(nonce=f"n{number}", code=code, meeting_id=MEETING)], by=gate(number % 6)
            )
            for number, code in enumerate(codes, 1)
        )
    )
    assert [(one.scan.result, one.scan.person_id, one.name) for (one,) in seen] == [
        ("ok", who(number), f"代表{number}") for number in range(1, 41)
    ]
    assert {one.scan.by for (one,) in seen} == {gate(number).id for number in range(6)}
    assert (sum(sizes), len(sizes) <= 3) == (40, True), sizes
    heard = await said(doors, f"mtgstaff:{MEETING}")
    assert len([it for it in heard if '"checkin.ok"' in it]) == 40
    rows = await doors.db["attendance"].find({"m": MEETING})
    assert {(row["p"], row["by"]) for row in rows} == {
        (who(number), gate(number % 6).id) for number in range(1, 41)
    }


async def test_a_bad_scan_in_a_crowd_spoils_nobody_elses(doors):
    one, _ = await device(doors)
    stranger = await doors.sign_in(elsewhere)
    deputy = await doors.sign_in(member(3))
    good = [await phone(doors, number) for number in range(1, 9)]
    other = await phone(doors, 9, meeting_id=OTHER)
    everybody = [
        *(scan(one, f"g{number}", code) for number, code in enumerate(good)),
        scan(one, "other", other),
        scan(one, "rubbish", "随便什么"),
        scan(one, "again", good[0]),
        # These three may not: another's staff, a deputy with another's code, no meeting named.
        stranger.call("POST", SCANS, {"nonce": "a", "code": good[1], "meeting_id": MEETING}),
        deputy.call("POST", SCANS, {"nonce": "b", "code": good[1]}),
        one.call("POST", SCANS, {"nonce": "c", "code": good[1]}),
    ]
    done = await asyncio.gather(*everybody)
    results = [it["result"] for it in done[:11]]
    assert sorted([*results[:8], results[10]]) == ["already_in", *["ok"] * 8]
    assert {results[0], results[10]} == {"ok", "already_in"}
    assert results[8:10] == ["wrong_meeting", "unknown"]
    assert [it.status for it in done[11:]] == [403, 403, 422]
    assert done[13].json["field"] == "meeting_id"
    assert await doors.db["attendance"].count({}) == 8
    assert await doors.db["checkin"].count({}) == 11


async def test_a_scan_that_breaks_the_work_is_the_only_one_that_fails(doors, monkeypatch):
    service = doors.services.checkins.doors
    original = type(service.scans).add

    async def chokes(self, scans):
        if any(it.person_id == who(5) for it in scans):
            raise ValueError("this one cannot be kept")
        return await original(self, scans)

    monkeypatch.setattr(type(service.scans), "add", chokes)
    codes = [await phone(doors, number) for number in range(1, 11)]
    seen = await asyncio.gather(
        *(
            service.scan([Attempt(nonce=f"n{at}", code=code, meeting_id=MEETING)], by=gate(1))
            for at, code in enumerate(codes)
        ),
        return_exceptions=True,
    )
    assert isinstance(seen.pop(4), ValueError)
    assert [one.scan.result for (one,) in seen] == ["ok"] * 9
    rows = await doors.db["attendance"].find({"m": MEETING})
    # What the failed one had marked stands, and the same scan completes it.
    assert {row["v"] for row in rows} == {1}
    assert len(rows) == 10
    monkeypatch.setattr(type(service.scans), "add", original)
    ((late,),) = [
        await service.scan([Attempt(nonce="n4", code=codes[4], meeting_id=MEETING)], by=gate(1))
    ]
    assert late.scan.result == "ok"


@pytest.mark.acceptance("F12-2")
async def test_two_processes_that_scan_a_crowd_at_once_let_each_in_once(doors):
    """F12-2: services that share nothing but the database, as processes do."""
    ground, rules = doors.hub.ground, doors.services.administration.rules
    rolls = [build_attendance(ground, rules, build_hall(ground, rules)) for _ in range(2)]
    two = [build_checkins(ground, rules, build_passes(ground, rules), roll).doors for roll in rolls]
    codes = {number: await phone(doors, number) for number in range(1, 31)}
    seen = await asyncio.gather(
        *(
            two[side].scan(
                [Attempt(nonce=f"n{number}", code=code, meeting_id=MEETING)], by=gate(side)
            )
            for number, code in codes.items()
            for side in (0, 1)
        )
    )
    for number in codes:
        (one,), (other,) = seen[2 * (number - 1) : 2 * number]
        assert sorted((one.scan.result, other.scan.result)) == ["already_in", "ok"]
        first, second = sorted((one.scan, other.scan), key=lambda it: it.first_at is not None)
        assert second.first_at == first.at
    rows = await doors.db["attendance"].find({"m": MEETING})
    assert [(row["v"], row["hist"]) for row in rows] == [(1, [])] * 30
    assert await doors.db["checkin"].count({"result": "ok"}) == 30
