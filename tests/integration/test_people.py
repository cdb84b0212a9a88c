"""The directory (F15) and the parts of the house, asked over HTTP."""

import io

import pytest
from openpyxl import load_workbook

from storage.people import PeopleStore
from tests.integration.people import (
    BAI,
    CEN,
    FENG,
    GONE,
    LUO,
    MOBILES,
    SHAN,
    WEN,
    WU,
    XI,
    YIN,
    ZHANG,
    Ears,
    bai,
    cen,
    feng,
    settle,
    suspended,
    ulid,
    wen,
    wu,
    xi,
    yin,
)


@pytest.fixture
async def house(hub, monkeypatch):
    """The hub with people in it, and somebody who hears what it announces."""
    await settle(hub.db, hub.hub.ground.vault)
    hub.ears = Ears()
    for name in ("publish", "recheck"):
        monkeypatch.setattr(hub.hub.ground.bus, name, getattr(hub.ears, name))
    return hub


async def found(caller, query: str) -> list[str]:
    reply = await caller.call("GET", f"/api/v1/people?{query}")
    assert reply.status == 200, reply.json
    return [card["name"] for card in reply.json["items"]]


async def audited(hub, action: str) -> list[dict]:
    return await hub.db["audit"].find({"action": action})


@pytest.mark.acceptance("F15-1")
@pytest.mark.parametrize(
    ("q", "name"),
    [
        ("zhq", "章清"), ("章清", "章清"), ("章", "章清"), ("zhangqing", "章清"),
        ("shan", "单怀瑾"), ("dan", "单怀瑾"), ("shj", "单怀瑾"), ("wyc", "闻予澄"),
    ],
)  # fmt: skip
async def test_a_card_is_found_by_name_pinyin_and_initials(house, q, name):
    caller = await house.sign_in(wen)
    assert await found(caller, f"q={q}") == [name]


async def test_people_are_found_by_where_they_belong_and_pages_follow_each_other(house):
    caller = await house.sign_in(wen)
    assert await found(caller, "delegation=chongming") == ["岑以宁"]
    assert await found(caller, "committee=shehui") == ["闻予澄"]
    assert await found(caller, "org=jtw") == ["邬嘉树"]
    seen, cursor = [], ""
    while cursor is not None:
        reply = await caller.call("GET", f"/api/v1/people?limit=3{cursor and '&cursor=' + cursor}")
        seen += [card["name"] for card in reply.json["items"]]
        cursor = reply.json["next"]
    assert seen == [
        "柏令仪", "岑以宁", "冯砚秋", "骆叙白", "单怀瑾", "闻予澄", "邬嘉树", "席知微", "尹川辞",
        "章清",
    ]  # fmt: skip


@pytest.mark.parametrize("q", ["*", "%25", "....", "%3F%3F", "_*", "·"])
async def test_looking_for_nothing_but_wildcards_is_refused(house, q):
    caller = await house.sign_in(wen)
    reply = await caller.call("GET", f"/api/v1/people?q={q}")
    assert (reply.status, reply.code, reply.json["field"]) == (422, "invalid", "q")


async def test_a_page_of_more_than_fifty_is_refused(house):
    caller = await house.sign_in(wen)
    reply = await caller.call("GET", "/api/v1/people?limit=51")
    assert (reply.status, reply.json["field"]) == (422, "limit")


@pytest.mark.acceptance("F15-2")
async def test_a_hidden_phone_is_in_no_list_card_index_or_export(house):
    """F15-2; the assistant has its own check with F14."""
    deputy, admin = await house.sign_in(wen), await house.sign_in(yin)
    hidden = MOBILES[ZHANG]

    listed = await deputy.call("GET", "/api/v1/people?q=zhangqing")
    opened = await deputy.call("GET", f"/api/v1/people/{ZHANG}")
    assert opened.json["mobile"] is None
    assert opened.json["office_phone"] == "021-10000003"
    assert hidden.encode() not in listed.body + opened.body
    assert await found(deputy, f"q={hidden}") == []
    assert await found(deputy, f"q={hidden[-4:]}") == []

    stored = await house.db["person"].find_one({"_id": ZHANG})
    assert hidden not in repr(stored)

    sheet = await admin.call("POST", "/api/v1/people/export", {"reason": "换届核对通讯录"})
    assert sheet.status == 200
    cells = [
        cell
        for row in load_workbook(io.BytesIO(sheet.body)).active.iter_rows(values_only=True)
        for cell in row
    ]
    assert "章清" in cells
    assert hidden not in cells
    assert MOBILES[SHAN] in cells  # 单怀瑾 shows it to everybody


async def test_a_deputy_decides_whether_other_deputies_see_the_number(house):
    deputy, other = await house.sign_in(wen), await house.sign_in(cen)
    shown = await deputy.call("GET", f"/api/v1/people/{SHAN}")
    assert shown.json["mobile"] == MOBILES[SHAN]
    assert (await other.call("GET", f"/api/v1/people/{WEN}")).json["mobile"] is None
    settings = (await deputy.call("GET", "/api/v1/me/preferences")).json
    await deputy.call("PATCH", "/api/v1/me/preferences", {"v": settings["v"], "show_mobile": True})
    assert (await other.call("GET", f"/api/v1/people/{WEN}")).json["mobile"] == MOBILES[WEN]


async def test_staff_see_numbers_by_duty_and_an_admin_is_written_down(house):
    async def mobile(who, person_id):
        reply = await (await house.sign_in(who)).call("GET", f"/api/v1/people/{person_id}")
        return reply.json["mobile"]

    assert await mobile(wen, WEN) == MOBILES[WEN]
    assert await mobile(bai, ZHANG) == MOBILES[ZHANG]  # liaison of the delegation
    assert await mobile(bai, CEN) is None
    assert await mobile(xi, WEN) == MOBILES[WEN]  # staff of the committee
    assert await mobile(xi, ZHANG) is None
    assert await audited(house, "mobile.read") == []
    assert await mobile(yin, CEN) == MOBILES[CEN]
    (entry,) = await audited(house, "mobile.read")
    assert (entry["by"], entry["obj"]) == (YIN, f"person:{CEN}")


async def test_a_unit_sees_its_own_people_and_no_deputy(house):
    """Contacts come with the items a unit handles; see ``domain.directory.Duties``."""
    unit = await house.sign_in(wu)
    assert await found(unit, "") == ["邬嘉树"]
    reply = await unit.call("GET", f"/api/v1/people/{WEN}")
    missing = await unit.call("GET", f"/api/v1/people/{ulid(99)}")
    assert (reply.status, missing.status) == (404, 404)
    assert reply.json | {"request_id": ""} == missing.json | {"request_id": ""}


async def test_the_directory_is_not_for_the_auditor_nor_for_strangers(house):
    assert (await (await house.sign_in(feng)).call("GET", "/api/v1/people")).status == 403
    assert (await house.anybody.call("GET", "/api/v1/people")).status == 401


async def test_a_suspended_deputy_finds_only_the_own_card(house):
    assert await found(await house.sign_in(suspended), "") == ["闻予澄"]


@pytest.mark.acceptance("F15-3")
async def test_the_61st_card_in_a_minute_is_refused_and_operations_hear_of_it(house):
    caller = await house.sign_in(wen)
    for _ in range(60):
        assert (await caller.call("GET", f"/api/v1/people/{ZHANG}")).status == 200
    assert house.ears.types("ops") == []
    refused = [await caller.call("GET", f"/api/v1/people/{ZHANG}") for _ in range(3)]
    assert [(reply.status, reply.code) for reply in refused] == [(429, "rate_limited")] * 3
    assert int(refused[0].headers["Retry-After"]) > 0
    assert house.ears.types("ops") == ["directory.scraping"]  # one alarm, not three
    assert len(await audited(house, "directory.scraping")) == 1
    other = await house.sign_in(cen)
    assert (await other.call("GET", f"/api/v1/people/{ZHANG}")).status == 200
    house.clock.advance(seconds=61)
    assert (await caller.call("GET", f"/api/v1/people/{ZHANG}")).status == 200


@pytest.mark.acceptance("F15-5")
async def test_who_left_is_not_found_but_old_items_still_show_the_name(house):
    caller = await house.sign_in(wen)
    assert await found(caller, "q=乔望岳") == []
    assert "乔望岳" not in await found(caller, "limit=50")
    reply = await caller.call("GET", f"/api/v1/people/{GONE}")
    assert (reply.status, reply.json["name"], reply.json["state"]) == (200, "乔望岳", "left")
    assert reply.json["post"] == ""
    assert reply.json["delegation_id"] is None


async def test_favourites_are_kept_once_and_their_owner_hears_of_changes(house):
    caller, admin = await house.sign_in(wen), await house.sign_in(yin)
    for person_id in (ZHANG, CEN, ZHANG):
        assert (await caller.call("PUT", f"/api/v1/people/{person_id}/favourite")).status == 204
    kept = (await caller.call("GET", "/api/v1/favourites")).json
    assert [card["name"] for card in kept] == ["岑以宁", "章清"]
    assert (await caller.call("GET", f"/api/v1/people/{ZHANG}")).json["favourite"]
    assert (await caller.call("PUT", f"/api/v1/people/{GONE}/favourite")).status == 404

    card = await house.db["person"].find_one({"_id": ZHANG})
    reply = await admin.call(
        "PUT", f"/api/v1/admin/committees/shehui/members/{ZHANG}", {"v": card["v"]}
    )
    assert reply.status == 200, reply.json
    assert house.ears.types(f"user:#{WEN}") == ["card.changed"]
    await caller.call("DELETE", f"/api/v1/people/{ZHANG}/favourite")
    assert len((await caller.call("GET", "/api/v1/favourites")).json) == 1


async def test_an_export_needs_an_admin_a_reason_and_a_fresh_proof_and_leaves_a_trace(house):
    draft = {"reason": "换届核对", "delegation": "pudong"}
    deputy, admin = await house.sign_in(wen), await house.sign_in(yin)
    stale = await house.sign_in(yin.model_copy(update={"step_up_until": None}))
    path = "/api/v1/people/export"
    assert (await deputy.call("POST", path, draft)).status == 403
    refused = await stale.call("POST", path, draft)
    assert refused.code == "step_up_required"
    assert (await admin.call("POST", path, {"reason": " "})).status == 422
    assert await audited(house, "directory.export") == []

    reply = await admin.call("POST", path, draft)
    page = load_workbook(io.BytesIO(reply.body)).active
    rows = list(page.iter_rows(values_only=True))
    assert "尹川辞" in rows[0][0]
    assert "尹川辞" in page.oddFooter.center.text
    assert [row[0] for row in rows[2:]] == ["骆叙白", "单怀瑾", "闻予澄", "章清"]
    (entry,) = await audited(house, "directory.export")
    assert entry["detail"]["reason"] == "换届核对"
    assert house.ears.types("dash") == ["list.exported"]


async def test_a_formula_in_a_profile_does_not_run_in_the_spreadsheet(house):
    people = PeopleStore(house.db)
    card = await people.get(LUO)
    await people.put(card.model_copy(update={"post": "=HYPERLINK(1)"}))
    admin = await house.sign_in(yin)
    reply = await admin.call("POST", "/api/v1/people/export", {"reason": "核对"})
    cells = [
        cell.value
        for row in load_workbook(io.BytesIO(reply.body)).active.iter_rows()
        for cell in row
    ]
    assert "'=HYPERLINK(1)" in cells


# -- the parts of the house ----------------------------------------------------------------------


async def test_the_tree_shows_the_parts_with_their_people(house):
    tree = (await (await house.sign_in(wen)).call("GET", "/api/v1/organisation")).json
    assert tree["congress"]["no"] == 20
    pudong, chongming = tree["delegations"]
    assert (pudong["people"], chongming["people"]) == (4, 1)
    assert [(group["name"], group["people"]) for group in pudong["groups"]] == [
        ("浦东第一代表小组", 1), ("浦东第二代表小组", 0),
    ]  # fmt: skip
    assert [(one["name"], one["people"]) for one in tree["committees"]] == [("社会建设委员会", 1)]
    assert [(one["name"], one["people"]) for one in tree["orgs"]] == [("市交通委", 1)]


async def test_admins_found_and_change_parts_and_the_slower_one_is_told(house):
    admin, deputy = await house.sign_in(yin), await house.sign_in(wen)
    draft = {"name": "浦东第三代表小组", "delegation_id": "pudong"}
    assert (await deputy.call("POST", "/api/v1/admin/groups", draft)).status == 403
    made = await admin.call("POST", "/api/v1/admin/groups", draft)
    assert (made.status, made.json["v"]) == (201, 1)
    again = await admin.call("POST", "/api/v1/admin/groups", draft)
    assert (again.status, again.json["field"]) == (409, "name")
    lost = await admin.call("POST", "/api/v1/admin/groups", draft | {"delegation_id": "x"})
    assert (lost.status, lost.json["field"]) == (422, "delegation_id")

    path = f"/api/v1/admin/groups/{made.json['id']}"
    changed = await admin.call("PATCH", path, {"v": 1, "name": "浦东三组"})
    assert (changed.json["name"], changed.json["v"]) == ("浦东三组", 2)
    stale = await admin.call("PATCH", path, {"v": 1, "active": False})
    assert (stale.status, stale.code, stale.json["detail"]["v"]) == (409, "conflict", 2)
    await admin.call("PATCH", path, {"v": 2, "active": False})
    shown = (await deputy.call("GET", "/api/v1/delegations/pudong")).json
    assert [group["name"] for group in shown["groups"]] == ["浦东第一代表小组", "浦东第二代表小组"]
    actions = [entry["action"] for entry in await house.db["audit"].find({}, sort=[("_id", 1)])]
    assert actions == ["group.create", "group.update", "group.update"]


async def _put(house, path: str, person_id: str, **more):
    admin = await house.sign_in(yin)
    card = await house.db["person"].find_one({"_id": person_id})
    return await admin.call(
        "PUT", f"/api/v1/admin/{path}/members/{person_id}", {"v": card["v"], **more}
    )


async def test_a_deputy_is_in_one_group_and_a_move_says_so(house):
    refused = await _put(house, "groups/pudong-2", WEN)
    assert (refused.status, refused.code) == (422, "rule_violation")
    assert refused.json["detail"]["rule_param"] == "group.single"
    moved = await _put(house, "groups/pudong-2", WEN, leaving="pudong-1")
    assert (moved.status, moved.json["group_id"]) == (200, "pudong-2")
    assert house.ears.rechecked == [WEN]
    (entry,) = await audited(house, "group.join")
    assert "group:pudong-1" in entry["detail"]["before"]
    assert "group:pudong-2" in entry["detail"]["after"]
    foreign = await _put(house, "groups/chongming-1", WEN, leaving="pudong-2")
    assert foreign.json["detail"]["rule_param"] == "group.delegation"


@pytest.mark.parametrize("who", [BAI, WU, GONE])
async def test_only_deputies_in_office_join_groups_and_committees(house, who):
    for path in ("groups/pudong-1", "committees/shehui"):
        reply = await _put(house, path, who)
        assert (reply.status, reply.json["detail"]["rule_param"]) == (422, "member.deputy")


async def test_a_delegation_has_one_head_and_a_group_three_conveners_at_most(house):
    admin = await house.sign_in(yin)

    async def set_flags(person_id, *flags):
        card = await house.db["person"].find_one({"_id": person_id})
        return await admin.call(
            "PUT",
            f"/api/v1/admin/people/{person_id}/flags",
            {"v": card["v"], "flags": list(flags)},
        )

    assert (await set_flags(WEN, "delegation_head")).status == 200
    assert (await set_flags(ZHANG, "delegation_head")).status == 422
    assert (await set_flags(LUO, "group_convener")).status == 422  # in no group
    for person_id in (ZHANG, SHAN, LUO):
        await _put(house, "groups/pudong-1", person_id)
        assert (await set_flags(person_id, "group_convener")).status == 200
    assert (await set_flags(WEN, "group_convener")).json["detail"]["source"] == "SH-办法 22"
    assert (await set_flags(XI, "npcsc_member")).status == 422


async def test_a_stale_card_is_not_overwritten(house):
    admin = await house.sign_in(yin)
    path = f"/api/v1/admin/committees/shehui/members/{ZHANG}"
    assert (await admin.call("PUT", path, {"v": 1})).status == 200
    stale = await admin.call("DELETE", f"{path}?v=1")
    assert (stale.status, stale.code) == (409, "conflict")
    assert (await admin.call("DELETE", f"{path}?v=2")).status == 200
    assert FENG not in house.ears.rechecked


async def test_an_admin_corrects_a_card_and_who_left_can_come_back(house):
    admin, deputy = await house.sign_in(yin), await house.sign_in(wen)
    path = f"/api/v1/admin/people/{CEN}"
    assert (await deputy.call("PATCH", path, {"v": 1, "post": "校长"})).status == 403
    fixed = await admin.call("PATCH", path, {"v": 1, "name": "岑以凝", "post": "医生"})
    assert (fixed.status, fixed.json["py"], fixed.json["v"]) == (200, "cenyining", 2)
    assert await found(deputy, "q=岑以凝") == ["岑以凝"]
    (entry,) = await audited(house, "person.correct")
    assert {"name", "post"} <= set(entry["detail"]["fields"])

    gone = await admin.call("PATCH", path, {"v": 2, "state": "left"})
    assert gone.json["state"] == "left"
    assert await found(deputy, "q=岑以凝") == []
    people, vault = PeopleStore(house.db), house.hub.ground.vault
    number = vault.blind(MOBILES[CEN], domain="phone")
    assert await people.by_mobile(number) is None  # free for the next owner
    back = await admin.call("PATCH", path, {"v": 3, "state": "active"})
    assert back.json["state"] == "active"
    assert (await people.by_mobile(number)).id == CEN

    await admin.call("PATCH", path, {"v": 4, "state": "left"})
    luo = await people.get(LUO)
    await people.put(luo.model_copy(update={"mobile_h": number}))
    taken = await admin.call("PATCH", path, {"v": 5, "state": "active"})
    assert (taken.status, taken.json["field"]) == (409, "mobile")
