"""The privacy centre (F13): consents, copies of everything personal, erasure."""

import io
import zipfile
from datetime import timedelta

import orjson
import pytest

from domain.consents import PURPOSES
from domain.people import AccountState
from domain.permissions import Role
from storage.people import PeopleStore
from tests.architecture.test_personal_data import OF_NOBODY
from tests.integration.people import (
    BAI,
    CEN,
    MOBILES,
    SHAN,
    WEN,
    YIN,
    ZHANG,
    Ears,
    bai,
    cen,
    feng,
    settle,
    suspended,
    wen,
    yin,
)

VERSIONS = {purpose.key: purpose.version for purpose in PURPOSES}


@pytest.fixture
async def house(hub, monkeypatch):
    """The hub with people in it, and somebody who hears what it announces."""
    await settle(hub.db, hub.hub.ground.vault)
    hub.ears = Ears()
    for name in ("publish", "recheck"):
        monkeypatch.setattr(hub.hub.ground.bus, name, getattr(hub.ears, name))
    return hub


async def say(caller, purpose: str, *, given: bool = True, version: str = ""):
    return await caller.call(
        "PUT",
        f"/api/v1/me/consents/{purpose}",
        {"given": given, "version": version or VERSIONS.get(purpose, "2026-01-01")},
    )


async def withdraw(caller, purpose: str):
    return await caller.call("DELETE", f"/api/v1/me/consents/{purpose}")


def unpacked(archive: bytes) -> dict[str, list[dict]]:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert files.testzip() is None
        return {
            name.removesuffix(".json"): orjson.loads(files.read(name))
            for name in files.namelist()
            if name.endswith(".json")
        }


async def upload(caller, text: str) -> str:
    """Send a file and answer its id."""
    headers = {"X-File-Name": "note.txt"}
    sent = await caller.call("POST", "/api/v1/files", body=text.encode(), headers=headers)
    assert sent.status == 201, sent.json
    return sent.json["id"]


async def copied(house, caller) -> bytes:
    """Ask for a copy, have it made, fetch it."""
    asked = await caller.call("POST", "/api/v1/me/exports")
    assert asked.status == 201
    assert await house.services.house.exports.run_next()
    got = await caller.call("GET", f"/api/v1/me/exports/{asked.json['id']}/file")
    assert got.status == 200, got.json
    return got.body


# -- consents ------------------------------------------------------------------------------------


async def test_a_consent_names_the_text_that_was_read_and_can_be_taken_back(house):
    caller = await house.sign_in(wen)
    purposes = {
        row["purpose"]: row for row in (await caller.call("GET", "/api/v1/me/consents")).json
    }
    assert purposes["face"]["sensitive"]
    assert purposes["face"]["decision"] is None
    old = await say(caller, "face", version="2020-01-01")
    assert (old.status, old.json["detail"]["version"]) == (409, VERSIONS["face"])
    given = await say(caller, "face")
    assert given.json["decision"] == "given"
    consents = house.services.house.consents
    assert await consents.holds(WEN, "face")
    assert not await consents.holds(CEN, "face")
    assert (await say(caller, "face", given=False)).json["detail"]["allowed"] == ["withdraw"]
    house.clock.advance(days=1)
    back = (await withdraw(caller, "face")).json
    assert (back["decision"], back["given_at"] < back["withdrawn_at"]) == ("withdrawn", True)
    assert not await consents.holds(WEN, "face")
    stored = await house.db["consent"].find_one({"_id": f"{WEN}:face"})
    assert [turn["decision"] for turn in stored["history"]] == ["given", "withdrawn"]
    actions = [row["action"] for row in await house.db["audit"].find({}, sort=[("_id", 1)])]
    assert actions == ["consent.given", "consent.withdrawn"]


@pytest.mark.parametrize("purpose", ["duty", "log"])
async def test_what_the_law_demands_cannot_be_withdrawn_and_the_article_is_named(house, purpose):
    caller = await house.sign_in(wen)
    for reply in (await withdraw(caller, purpose), await say(caller, purpose, given=False)):
        assert (reply.status, reply.code) == (422, "rule_violation")
        assert "法第" in reply.json["detail"]["source"]
        assert reply.json["detail"]["source"] in reply.json["msg"]
    assert await house.services.house.consents.holds(WEN, purpose)


async def test_what_was_kept_for_a_consent_is_deleted_at_once_or_as_soon_as_possible(house):
    consents = house.services.house.consents
    templates, broken = {WEN, CEN}, [True]

    async def forget(person_id: str) -> None:
        if broken[0]:
            raise ConnectionError
        templates.discard(person_id)

    consents.on_withdraw("face", forget)
    caller = await house.sign_in(wen)
    await say(caller, "face")
    assert (await withdraw(caller, "face")).json["decision"] == "withdrawn"
    assert templates == {WEN, CEN}
    assert await consents.finish_withdrawals() == 1
    broken[0] = False
    assert await consents.finish_withdrawals() == 0
    assert templates == {CEN}


async def test_nothing_to_withdraw_and_unknown_purposes_are_not_found(house):
    caller = await house.sign_in(wen)
    assert (await withdraw(caller, "voice")).status == 404
    assert (await say(caller, "moon")).status == 404


# -- copies --------------------------------------------------------------------------------------


@pytest.mark.acceptance("F13-3")
async def test_a_copy_holds_every_object_of_the_person_and_nobody_elses(house):
    """F13-3: scan the whole database by id; a collection without a keeper would be found here."""
    callers = {one.id: await house.sign_in(one) for one in (wen, cen, bai)}
    for person_id, caller in callers.items():
        await house.services.identity.accounts.prepare(person_id, by=YIN)
        await house.services.administration.grants.install(
            person_id, Role.DEPUTY, by="cli", reason="名册"
        )
        await upload(caller, f"笔记 {person_id}")
        await say(caller, "voice")
        await say(caller, "face", given=False)
        await caller.call("PATCH", "/api/v1/me/preferences", {"v": 0, "digest": True})
        for field, value in (("post", "顾问"), ("work_unit", "某研究所")):
            await caller.call(
                "POST", "/api/v1/me/profile-changes", {"field": field, "value": value}
            )
        await caller.call("PUT", f"/api/v1/people/{ZHANG}/favourite")
        await caller.call("POST", "/api/v1/me/erasures", {"note": "届满后删除"})
    (change,) = await house.db["profile_change"].find({"person_id": WEN, "field": "post"})
    await callers[BAI].call(
        "POST", f"/api/v1/profile-changes/{change['_id']}/decision", {"accept": True, "v": 1}
    )

    archive = await copied(house, callers[WEN])
    files = unpacked(archive)
    ids = {row["id"] for rows in files.values() for row in rows}
    mine, others = set(), set()
    scanned = set(await house.db.collections()) - set(OF_NOBODY) - {"favourite", "role_guard"}
    assert {"account", "file", "person", "role_grant"} <= scanned
    for name in scanned:
        for doc in await house.db[name].find({}):
            owner = doc.get("person_id") or doc.get("owner") or doc["_id"]
            (mine if owner == WEN else others).add(doc["_id"])
    assert mine <= ids
    assert not others & ids
    text = b"".join(orjson.dumps(rows) for rows in files.values()).decode()
    assert not [other for other in others if other in text]
    assert MOBILES[WEN] in text
    assert not [number for number in MOBILES.values() if number != MOBILES[WEN] and number in text]
    assert {row["name"] for row in files["常用联系人"]} == {"章清"}
    assert "mobile_enc" not in text
    assert "value_enc" not in text


async def test_one_copy_at_a_time_and_only_its_owner_fetches_it_with_a_fresh_proof(house):
    caller, other = await house.sign_in(wen), await house.sign_in(cen)
    asked = await caller.call("POST", "/api/v1/me/exports")
    again = await caller.call("POST", "/api/v1/me/exports")
    assert (again.status, again.code) == (409, "conflict")
    path = f"/api/v1/me/exports/{asked.json['id']}"
    early = await caller.call("GET", f"{path}/file")
    assert (early.status, early.code) == (409, "bad_state")

    exports = house.services.house.exports
    assert await exports.run_next()
    assert not await exports.run_next()
    assert house.ears.types(f"user:#{WEN}") == ["export.ready"]
    done = (await caller.call("GET", path)).json
    assert (done["state"], done["size"] > 0) == ("done", True)

    stale = await house.sign_in(wen.model_copy(update={"step_up_until": None}))
    assert (await stale.call("GET", f"{path}/file")).code == "step_up_required"
    assert (await other.call("GET", path)).status == 404
    assert (await other.call("GET", f"{path}/file")).status == 404
    got = await caller.call("GET", f"{path}/file")
    assert got.headers["Content-Type"] == "application/zip"
    assert got.headers["Cache-Control"] == "no-store"
    assert (await caller.call("POST", "/api/v1/me/exports")).status == 201


async def test_a_copy_is_sealed_on_disk_and_gone_after_a_day(house):
    caller = await house.sign_in(wen)
    await copied(house, caller)
    (file,) = (house.hub.settings.data_dir / "exports").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes()[:2] != b"PK"
    assert MOBILES[WEN].encode() not in file.read_bytes()
    house.clock.advance(hours=25)
    (job,) = (await caller.call("GET", "/api/v1/me/exports")).json
    assert (await caller.call("GET", f"/api/v1/me/exports/{job['id']}/file")).status == 409
    assert await house.services.house.exports.expire() == 1
    assert not file.exists()
    (job,) = (await caller.call("GET", "/api/v1/me/exports")).json
    assert job["state"] == "expired"


async def test_a_copy_whose_maker_died_is_made_by_another(house):
    caller = await house.sign_in(wen)
    await caller.call("POST", "/api/v1/me/exports")
    now = house.clock()
    await house.db["export_job"].update_one({}, {"$set": {"state": "running", "claimed_at": now}})
    assert not await house.services.house.exports.run_next()
    house.clock.advance(minutes=6)
    assert await house.services.house.exports.run_next()


# -- erasure -------------------------------------------------------------------------------------


async def decide(caller, request: dict, *, erase: bool, reason: str = ""):
    return await caller.call(
        "POST",
        f"/api/v1/admin/erasures/{request['id']}/decision",
        {"erase": erase, "reason": reason, "v": request["v"]},
    )


async def test_a_request_is_due_after_the_days_of_the_rule_and_shows_at_the_desk(house):
    caller, desk = await house.sign_in(wen), await house.sign_in(yin)
    asked = await caller.call("POST", "/api/v1/me/erasures", {"note": "届满"})
    assert asked.status == 201
    request = (await house.services.house.erasure.mine(by=wen))[0]
    assert request.due_at - request.asked_at == timedelta(days=15)
    assert (await caller.call("POST", "/api/v1/me/erasures", {})).status == 409
    (shown,) = (await desk.call("GET", "/api/v1/admin/erasures?state=received")).json["items"]
    assert (shown["person_name"], shown["overdue"]) == ("闻予澄", False)
    todo = (await desk.call("GET", "/api/v1/me/todo")).json["items"]
    assert [item["kind"] for item in todo] == ["privacy.handle"]
    house.clock.advance(days=15, seconds=1)
    (shown,) = (await desk.call("GET", "/api/v1/admin/erasures")).json["items"]
    assert shown["overdue"]


async def test_a_refusal_says_why_and_the_auditor_only_looks(house):
    caller, desk, auditor = [await house.sign_in(one) for one in (wen, yin, feng)]
    asked = (await caller.call("POST", "/api/v1/me/erasures", {})).json
    assert (await auditor.call("GET", "/api/v1/admin/erasures")).status == 200
    auditor_tries = await decide(
        await house.sign_in(feng.model_copy(update={"id": SHAN})), asked, erase=True
    )
    assert auditor_tries.status == 403
    assert (await decide(caller, asked, erase=True)).status == 403
    assert (await decide(desk, asked, erase=False)).status == 422
    refused = await decide(desk, asked, erase=False, reason="任期内履职所必需")
    assert refused.json["state"] == "refused"
    (mine,) = (await caller.call("GET", "/api/v1/me/erasures")).json
    assert (mine["state"], mine["reason"]) == ("refused", "任期内履职所必需")
    assert (await decide(desk, asked | {"v": 2}, erase=True)).code == "bad_state"


async def test_an_administrator_does_not_decide_the_own_case(house):
    desk = await house.sign_in(yin)
    asked = (await desk.call("POST", "/api/v1/me/erasures", {})).json
    assert (await decide(desk, asked, erase=True)).status == 403


async def test_somebody_suspended_still_looks_after_their_own_data(house):
    caller = await house.sign_in(suspended)
    await say(caller, "voice")
    assert (await withdraw(caller, "voice")).status == 200
    assert (await caller.call("POST", "/api/v1/me/exports")).status == 201
    assert (await caller.call("POST", "/api/v1/me/erasures", {})).status == 201


async def test_scene_6_a_deputy_who_wants_no_face_recognition_leaves_nothing_behind(house):
    """Scene 6 (PRODUCT.md §10.8): 岑以宁 refuses face, withdraws the rest, copies and erases."""
    identity = house.services.identity.accounts
    await identity.prepare(CEN, by=YIN)
    cen_here, desk, other = [await house.sign_in(one) for one in (cen, yin, wen)]

    assert (await say(cen_here, "face", given=False)).json["decision"] == "refused"
    assert (await say(cen_here, "voice")).json["decision"] == "given"
    assert (await say(cen_here, "story")).json["decision"] == "given"
    assert (await cen_here.call("GET", "/api/v1/people?q=章清")).status == 200
    assert (await cen_here.call("GET", "/api/v1/organisation")).status == 200
    for purpose in ("voice", "story"):
        assert (await withdraw(cen_here, purpose)).json["decision"] == "withdrawn"
    await other.call("PUT", f"/api/v1/people/{CEN}/favourite")
    await cen_here.call("PATCH", "/api/v1/me/preferences", {"v": 0, "large_text": True})
    files = unpacked(await copied(house, cen_here))
    assert files["名册"][0]["mobile"] == MOBILES[CEN]

    asked = (await cen_here.call("POST", "/api/v1/me/erasures", {"note": "辞去职务"})).json
    done = await decide(desk, asked, erase=True)
    assert done.status == 200, done.json
    assert done.json["state"] == "done"
    assert any("姓名" in line for line in done.json["kept"])

    account = await identity.get(CEN)
    assert account.state is AccountState.ENDED
    assert (account.phone_h, account.openid_h, account.login_name) == (None, None, None)
    assert any("自动注销" in line for line in done.json["kept"])
    house.clock.advance(days=91)
    await identity.apply_due()
    assert (await identity.get(CEN)).state is AccountState.ERASED
    card = await PeopleStore(house.db).get(CEN)
    assert (card.name, card.mobile_enc, card.mobile_h, card.email) == ("岑以宁", None, None, "")
    assert await house.db["preference"].find_one({"_id": CEN}) is None
    assert await house.db["profile_change"].count({"person_id": CEN}) == 0
    assert await house.db["favourite"].count({"card_id": CEN}) == 0
    assert list((house.hub.settings.data_dir / "exports").iterdir()) == []
    found = (await other.call("GET", "/api/v1/people?q=岑以宁")).json["items"]
    assert found == []
    assert (await other.call("GET", f"/api/v1/people/{CEN}")).json["name"] == "岑以宁"
    actions = {row["action"] for row in await house.db["audit"].find({"by": YIN})}
    assert "erasure.done" in actions


async def test_erasure_ends_roles_and_drops_files_that_were_never_used(house):
    grants = house.services.administration.grants
    await house.services.identity.accounts.prepare(WEN, by=YIN)
    await grants.install(WEN, Role.DEPUTY, by="cli", reason="名册")
    caller, desk = await house.sign_in(wen), await house.sign_in(yin)
    files = [await upload(caller, text) for text in ("用过", "没用过")]
    await house.db["file"].update_one({"_id": files[0]}, {"$set": {"ref": "notice:n1"}})
    asked = (await caller.call("POST", "/api/v1/me/erasures", {})).json
    done = (await decide(desk, asked, erase=True)).json
    assert (done["removed"]["上传文件"], done["removed"]["角色授予"]) == (1, 0)
    assert any(line.startswith("角色授予记录") for line in done["kept"])
    assert any("文件 1 个" in line for line in done["kept"])
    assert [doc["_id"] for doc in await house.db["file"].find({})] == [files[0]]
    assert [grant.state.value for grant in await grants.of(WEN, by=yin)] == ["ended"]


async def test_an_erasure_that_broke_in_the_middle_is_finished_by_deciding_again(
    house, monkeypatch
):
    await house.services.identity.accounts.prepare(WEN, by=YIN)
    desk = await house.sign_in(yin)
    asked = (await (await house.sign_in(wen)).call("POST", "/api/v1/me/erasures", {})).json
    with monkeypatch.context() as patch:

        async def down(*_: object) -> None:
            raise ConnectionError

        patch.setattr("storage.personal.PreferenceData.erase", down)
        assert (await decide(desk, asked, erase=True)).status == 500
    (waiting,) = (await desk.call("GET", "/api/v1/admin/erasures")).json["items"]
    assert waiting["state"] == "received"
    assert (await decide(desk, waiting, erase=True)).json["state"] == "done"
