"""Archiving a meeting: one package with everything on record, and a list of checksums."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import zipfile

import orjson
import pytest

from domain.errors import NotFound
from domain.organisation import Org
from storage.organisation import OrganisationStore
from tests.integration.meetings import MEMBERS, deputy, lu, plan, settle, zhuo
from tests.integration.test_meetings import upload

LEAVE_REASON = "家人住院需要照料"


@pytest.fixture
async def house(hub):
    await settle(hub.db)
    await OrganisationStore(hub.db).put(Org(id="jtw", name="市交通委"))
    return hub


async def held(house, *, papers=(("草案", b"draft"), ("草案", b"another"))):
    """A meeting that was held, with something of everything."""
    staff, second = [await house.sign_in(it) for it in (zhuo, lu)]
    meeting = await plan(staff)
    await meeting.call("POST", "/participants", {"npcsc": True}, status=201)
    item = await meeting.call(
        "POST", "/agenda", {"title": "无障碍环境若干规定", "kind": "bill"}, status=201
    )
    for title, content in papers:
        file_id = await upload(staff, content)
        said = {"file_id": file_id, "title": title, "readers": "members"}
        await meeting.call("POST", f"/agenda/{item['id']}/papers", said, status=201)
    await meeting.move("announced", "ready")
    member = await house.sign_in(MEMBERS[4])
    asked = await member.call(
        "POST", f"{meeting.url}/leave", {"kind": "sick", "reason": LEAVE_REASON}
    )
    assert asked.status == 201, asked.body
    await meeting.move("in_session")
    marks = [{"person_id": it.id, "state": "present"} for it in MEMBERS[:4]]
    await meeting.call("POST", "/attendance", {"marks": marks})
    where = f"/agenda/{item['id']}/result"
    typed = {"outcome": "passed", "override": "人工清点已达法定人数"}
    await meeting.call("PUT", where, typed)
    await meeting.call(
        "POST", "/opinions", {"title": "线网", "body": "请研究。", "org_id": "jtw"}, status=201
    )
    return meeting, item, second


async def packed(house, meeting):
    assert await house.services.meetings.archive.make_next()
    package = await meeting.call("GET", "/archive")
    assert package["state"] == "done"
    staff = await house.sign_in(zhuo)
    got = await staff.call("GET", f"/api/v1/files/{package['file_id']}/content")
    assert (got.status, got.headers["Content-Type"]) == (200, "application/zip")
    assert hashlib.sha256(got.body).hexdigest() == package["sha256"]
    return package, zipfile.ZipFile(io.BytesIO(got.body))


def table(zipped, name):
    return list(csv.DictReader(io.StringIO(zipped.read(name).decode("utf-8-sig"))))


@pytest.mark.acceptance("M04-4")
async def test_the_package_has_agenda_papers_check_ins_leave_results_and_checksums(house):
    """M04-4"""
    meeting, item, second = await held(house)
    where = f"{meeting.url}/agenda/{item['id']}/result"
    assert (await second.call("POST", f"{where}/confirm", {"v": 1})).status == 200
    await meeting.move("closed")
    made = await meeting.call("POST", "/archive", {"v": meeting.view["v"]})
    assert made["state"] == "waiting"
    package, zipped = await packed(house, meeting)
    assert zipped.testzip() is None
    assert zipped.namelist() == [
        "meeting.json", "agenda.json", "results.json", "opinions.json", "participants.csv",
        "attendance.csv", "leave.csv", "papers/01-01-草案.txt", "papers/01-02-草案.txt",
        "SHA256SUMS",
    ]  # fmt: skip
    sums = dict(
        line.split("  ", 1)[::-1] for line in zipped.read("SHA256SUMS").decode().splitlines()
    )
    assert sums == {
        name: hashlib.sha256(zipped.read(name)).hexdigest()
        for name in zipped.namelist()
        if name != "SHA256SUMS"
    }
    assert [zipped.read(f"papers/01-0{n}-草案.txt") for n in (1, 2)] == [b"draft", b"another"]
    assert orjson.loads(zipped.read("meeting.json"))["state"] == "archived"
    assert orjson.loads(zipped.read("agenda.json"))[0]["title"] == "无障碍环境若干规定"
    results = orjson.loads(zipped.read("results.json"))
    assert ("非平台表决" in results["label"], results["results"][0]["outcome"]) == (True, "passed")
    assert orjson.loads(zipped.read("opinions.json"))[0]["title"] == "线网"
    assert len(table(zipped, "participants.csv")) == 6
    there = table(zipped, "attendance.csv")
    assert [(it["姓名"], it["状态"]) for it in there][:4] == [
        (f"委员{n}", "present") for n in range(1, 5)
    ]
    (leave,) = table(zipped, "leave.csv")
    assert leave["姓名"] == "委员5"
    whole = b"".join(zipped.read(name) for name in zipped.namelist()).decode(errors="replace")
    assert LEAVE_REASON not in whole
    assert "sick" not in whole
    assert package["entries"] == 9
    assert not await house.services.meetings.archive.make_next()


async def test_nothing_comes_back_from_the_archive(house):
    meeting, item, second = await held(house)
    await meeting.move("closed")
    staff = await house.sign_in(zhuo)
    v = meeting.view["v"]
    waits = await staff.call("POST", f"{meeting.url}/archive", {"v": v})
    assert (waits.status, waits.code, waits.json["detail"]["item"]) == (
        409,
        "unconfirmed",
        item["id"],
    )
    where = f"{meeting.url}/agenda/{item['id']}"
    await second.call("POST", f"{where}/result/confirm", {"v": 1})
    stale = await staff.call("POST", f"{meeting.url}/archive", {"v": v - 1})
    assert (stale.status, stale.json["detail"]["v"]) == (409, v)
    await meeting.call("POST", "/archive", {"v": v})
    v += 1
    for to in ("in_session", "paused", "closed", "ready", "cancelled"):
        said = {"v": v, "to": to, "reason": "重开"}
        again = await staff.call("POST", f"{meeting.url}/transitions", said)
        assert (again.status, again.json["detail"]["allowed"]) == (409, []), to
    paper = {"file_id": await upload(staff, b"late"), "title": "迟到"}
    for method, path, body in [
        ("PATCH", meeting.url, {"v": v, "title": "改"}),
        ("POST", f"{meeting.url}/archive", {"v": v}),
        ("POST", f"{meeting.url}/agenda", {"title": "新"}),
        ("PATCH", where, {"v": item["v"], "title": "改"}),
        ("POST", f"{where}/papers", paper),
        ("PUT", f"{where}/result", {"outcome": "failed", "v": 2}),
        ("POST", f"{meeting.url}/participants", {"npcsc": True}),
        ("POST", f"{meeting.url}/opinions", {"title": "迟", "body": "迟", "org_id": "jtw"}),
        ("POST", f"{meeting.url}/agenda/publish", {"v": v}),
    ]:
        reply = await staff.call(method, path, body)
        assert (reply.status, reply.code) == (409, "bad_state"), (path, reply.body)


async def test_the_package_is_for_the_staff_only(house):
    meeting, item, second = await held(house)
    await second.call("POST", f"{meeting.url}/agenda/{item['id']}/result/confirm", {"v": 1})
    await meeting.move("closed")
    await meeting.call("POST", "/archive", {"v": meeting.view["v"]})
    package, _ = await packed(house, meeting)
    for who in (MEMBERS[0], deputy):
        caller = await house.sign_in(who)
        got = await caller.call("GET", f"/api/v1/files/{package['file_id']}/content")
        assert got.status == 404
        assert (await caller.call("GET", f"{meeting.url}/archive")).status == 403


async def test_a_package_whose_maker_died_is_made_by_another(house):
    meeting, item, second = await held(house)
    await second.call("POST", f"{meeting.url}/agenda/{item['id']}/result/confirm", {"v": 1})
    await meeting.move("closed")
    await meeting.call("POST", "/archive", {"v": meeting.view["v"]})
    archive = house.services.meetings.archive
    store, now = archive._store, house.clock.now
    assert await store.claim(now, stuck_before=now) == meeting.id
    assert not await archive.make_next()
    assert (await meeting.call("GET", "/archive"))["state"] == "making"
    house.clock.advance(minutes=11)
    first, _ = await packed(house, meeting)
    # Killed after keeping and before noting: the same package again, in the same place.
    await house.db["meeting"].update_one({"_id": meeting.id}, {"$unset": {"package": ""}})
    second_time, _ = await packed(house, meeting)
    assert second_time["sha256"] == first["sha256"]
    assert await house.db["file"].count({"ref": f"archive:{meeting.id}"}) == 1


async def test_the_loop_stays_free_while_a_large_package_is_made(house):
    papers = [(f"材料{n}", bytes([65 + n]) * 8_000_000) for n in range(4)]
    meeting, item, second = await held(house, papers=papers)
    await second.call("POST", f"{meeting.url}/agenda/{item['id']}/result/confirm", {"v": 1})
    await meeting.move("closed")
    await meeting.call("POST", "/archive", {"v": meeting.view["v"]})
    loop = asyncio.get_running_loop()
    worst, done = 0.0, asyncio.Event()

    async def beat():
        nonlocal worst
        while not done.is_set():
            before = loop.time()
            await asyncio.sleep(0)
            worst = max(worst, loop.time() - before)

    watching = asyncio.create_task(beat())
    assert await house.services.meetings.archive.make_next()
    done.set()
    await watching
    assert worst < 0.25
    left = house.hub.settings.data_dir / "packages"
    assert list(left.iterdir()) == []


async def test_a_package_with_a_lost_paper_is_not_called_done(house):
    meeting, item, second = await held(house)
    await second.call("POST", f"{meeting.url}/agenda/{item['id']}/result/confirm", {"v": 1})
    await meeting.move("closed")
    await meeting.call("POST", "/archive", {"v": meeting.view["v"]})
    row = await house.db["file"].find_one({"ref": {"$regex": "^paper:"}})
    path = house.hub.settings.data_dir / "files" / row["sha256"][:2] / row["sha256"]
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(NotFound):
        await house.services.meetings.archive.make_next()
    assert (await meeting.call("GET", "/archive"))["state"] == "making"
    path.write_bytes(kept)
    house.clock.advance(minutes=11)
    await packed(house, meeting)
