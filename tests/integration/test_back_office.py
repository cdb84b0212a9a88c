"""What every list of the back office can do: order, pages, views, bulk, export, history."""

from __future__ import annotations

import io

import openpyxl
import pytest

from domain.permissions import Role
from domain.roster import Card, Kind
from storage.people import PeopleStore
from tests.integration.people import (
    BAI,
    FENG,
    LUO,
    SHAN,
    WEN,
    YIN,
    ZHANG,
    feng,
    person,
    settle,
    ulid,
    wen,
    yin,
)  # fmt: skip

QI = ulid(30)
qi = person(QI, "祁闻笛", Role.ADMIN)
ACCOUNTS = "/api/v1/admin/accounts"
BULK = "/api/v1/admin/bulk"
VIEWS = "/api/v1/me/views"


@pytest.fixture
async def house(hub):
    """The hub with people, two administrators in office, and accounts of several states."""
    await settle(hub.db, hub.hub.ground.vault)
    await PeopleStore(hub.db).put(Card(id=QI, name="祁闻笛", kind=Kind.STAFF))
    accounts = hub.services.identity.accounts
    for person_id in (WEN, BAI, YIN, FENG, QI, SHAN, ZHANG):
        await accounts.prepare(person_id, by="system")
    for person_id in (WEN, YIN, FENG, QI, SHAN):
        await hub.db["account"].update_one({"_id": person_id}, {"$set": {"state": "active"}})
    for person_id in (YIN, QI):
        await hub.services.administration.grants.install(
            person_id, Role.ADMIN, by="cli", reason="首任管理员"
        )
    return hub


async def walked(caller, path):
    """Every id of a list, page by page."""
    ids, cursor = [], ""
    while True:
        page = (await caller.call("GET", path + (f"&cursor={cursor}" if cursor else ""))).json
        ids += [row["id"] for row in page["items"]]
        if (cursor := page["next"]) is None:
            return ids


# -- lists -----------------------------------------------------------------------------------------


async def test_a_list_is_walked_in_any_of_its_orders_and_each_row_comes_once(house):
    admin = await house.sign_in(yin)
    await house.db["account"].update_one({"_id": WEN}, {"$set": {"last_login_at": house.clock()}})
    every = {row["_id"] for row in await house.db["account"].find({})}
    for sort in ("id", "-id", "state", "-state", "last_login", "-last_login"):
        ids = await walked(admin, f"{ACCOUNTS}?limit=2&sort={sort}")
        assert (len(ids), set(ids)) == (len(every), every), sort
    assert (await walked(admin, f"{ACCOUNTS}?limit=2&sort=-last_login"))[0] == WEN
    grants = "/api/v1/admin/grants?limit=1"
    assert await walked(admin, grants) == (await walked(admin, f"{grants}&sort=id"))[::-1]


async def test_an_unknown_order_and_a_cursor_of_another_are_refused(house):
    admin = await house.sign_in(yin)
    wrong = await admin.call("GET", f"{ACCOUNTS}?sort=password")
    assert (wrong.status, wrong.json["field"]) == (422, "sort")
    assert "last_login" in wrong.json["msg"]
    page = (await admin.call("GET", f"{ACCOUNTS}?limit=2&sort=state")).json
    stray = await admin.call("GET", f"{ACCOUNTS}?limit=2&sort=-state&cursor={page['next']}")
    assert (stray.status, stray.json["field"]) == (422, "cursor")


async def test_a_view_is_kept_if_the_list_takes_it_and_belongs_to_its_owner(house):
    admin, other = await house.sign_in(yin), await house.sign_in(qi)
    draft = {
        "list": "accounts",
        "name": "停用的账号",
        "query": {"state": "suspended", "sort": "-last_login", "limit": "5"},
    }
    saved = await admin.call("POST", VIEWS, draft)
    assert saved.status == 201
    assert saved.json["query"] == {"state": "suspended", "sort": "-last_login"}
    assert (await admin.call("POST", VIEWS, draft)).status == 409
    for wrong in (
        {"list": "no-such"},
        {"query": {"colour": "red"}},
        {"query": {"state": "asleep"}},
        {"query": {"sort": "password"}},
    ):
        assert (await admin.call("POST", VIEWS, {**draft, "name": "x", **wrong})).status == 422

    one = f"{VIEWS}/{saved.json['id']}"
    assert (await other.call("GET", f"{VIEWS}?list=accounts")).json == {"views": []}
    assert (await other.call("DELETE", one)).status == 404
    change = {"name": "锁定的账号", "query": {"state": "locked"}, "v": 1}
    assert (await admin.call("PUT", one, change)).json["v"] == 2
    assert (await admin.call("PUT", one, change)).status == 409
    (view,) = (await admin.call("GET", VIEWS)).json["views"]
    assert view["name"] == "锁定的账号"
    assert (await admin.call("DELETE", one)).status == 204


# -- bulk ------------------------------------------------------------------------------------------


async def test_suspending_many_is_shown_ordered_taken_back_and_done(house):
    admin = await house.sign_in(yin)
    draft = {
        "action": "accounts.suspend",
        "items": [WEN, SHAN, BAI, YIN],
        "reason": "暂停执行代表职务",
        "document": "沪人大〔2026〕1号",
    }
    shown = (await admin.call("POST", f"{BULK}/preview", draft)).json
    assert (shown["ready"], shown["refused"]) == (2, 2)
    assert {row["id"]: row["code"] for row in shown["items"] if row["code"]} == {
        BAI: "bad_state",
        YIN: "forbidden",
    }
    stale = await house.sign_in(yin.model_copy(update={"step_up_until": None}))
    assert (await stale.call("POST", BULK, draft)).code == "step_up_required"

    first = (await admin.call("POST", BULK, draft)).json
    undone = await admin.call("POST", f"{BULK}/{first['id']}/undo")
    assert undone.json["state"] == "undone"
    second = (await admin.call("POST", BULK, draft)).json
    house.clock.advance(seconds=10)
    late = await admin.call("POST", f"{BULK}/{second['id']}/undo")
    assert (late.status, late.code) == (409, "bad_state")
    bulk = house.services.administration.bulk
    while await bulk.run_next():
        pass
    done = (await admin.call("GET", f"{BULK}/{second['id']}")).json
    assert (done["state"], done["counts"]) == ("done", {"done": 2, "refused": 2})
    states = {row["_id"]: row["state"] for row in await house.db["account"].find({})}
    assert (states[WEN], states[SHAN], states[BAI]) == ("suspended", "suspended", "imported")
    assert await house.db["audit"].count({"action": "account.suspended"}) == 2
    assert len((await admin.call("GET", BULK)).json["orders"]) == 2
    other = await house.sign_in(qi)
    assert (await other.call("GET", f"{BULK}/{second['id']}")).status == 404


async def run_due(house):
    house.clock.advance(seconds=10)
    while await house.services.administration.bulk.run_next():
        pass


async def test_many_are_invited_and_who_has_no_number_is_named_before(house):
    admin = await house.sign_in(yin)
    draft = {"action": "accounts.invite", "items": [ZHANG, LUO], "reason": "开通"}
    shown = (await admin.call("POST", f"{BULK}/preview", draft)).json
    assert [(row["id"], row["state"]) for row in shown["items"]] == [
        (ZHANG, "ready"),
        (LUO, "refused"),
    ]
    assert (await admin.call("POST", BULK, draft)).status == 201
    await run_due(house)
    row = await house.db["account"].find_one({"_id": ZHANG})
    assert row is not None
    assert row["state"] == "invited"


async def test_a_role_for_many_still_takes_two_administrators(house):
    first, second = await house.sign_in(yin), await house.sign_in(qi)
    ask = {
        "action": "grants.ask",
        "items": [WEN, SHAN],
        "reason": "会务",
        "role": "editor",
    }
    assert (await first.call("POST", BULK, {**ask, "role": None})).status == 422
    assert (await first.call("POST", BULK, ask)).status == 201
    await run_due(house)
    asked = (await first.call("GET", "/api/v1/admin/grants?state=asked")).json["items"]
    assert {row["person_id"] for row in asked} == {WEN, SHAN}
    again = (await first.call("POST", f"{BULK}/preview", ask)).json
    assert {row["code"] for row in again["items"]} == {"conflict"}

    approve = {
        "action": "grants.approve",
        "items": [row["id"] for row in asked],
        "reason": "同意",
    }
    own = (await first.call("POST", f"{BULK}/preview", approve)).json
    assert (own["ready"], {row["code"] for row in own["items"]}) == (0, {"forbidden"})
    assert (await second.call("POST", BULK, approve)).status == 201
    await run_due(house)
    granted = (await first.call("GET", "/api/v1/admin/grants?state=granted&role=editor")).json
    assert {row["approved_by"] for row in granted["items"]} == {QI}
    auditor = await house.sign_in(feng)
    assert (await auditor.call("POST", f"{BULK}/preview", ask)).status == 403


# -- export and history ----------------------------------------------------------------------------


async def test_an_export_says_who_took_it_out_when_and_is_as_filtered_as_the_list(house):
    admin, auditor = await house.sign_in(yin), await house.sign_in(feng)
    path = f"{ACCOUNTS}/export"
    assert (await auditor.call("POST", path, {"reason": "看看"})).status == 403
    assert (await admin.call("POST", path, {"reason": " "})).status == 422
    reply = await admin.call("POST", path, {"reason": "换届核对", "state": "active"})
    assert reply.status == 200
    page = openpyxl.load_workbook(io.BytesIO(reply.body)).active
    rows = [[cell.value for cell in row] for row in page.iter_rows()]
    assert rows[0][0].startswith("尹川辞 2026-02-01 09:00 导出 ")
    assert page.oddFooter.center.text == rows[0][0]
    assert rows[1][:2] == ["姓名", "类别"]
    listed = await walked(admin, f"{ACCOUNTS}?state=active")
    assert len(rows) - 2 == len(listed)
    (entry,) = await house.db["audit"].find({"action": "account.export"})
    assert entry["detail"] == {
        "reason": "换届核对",
        "count": len(listed),
        "filter": {"state": "active"},
    }
    off = {"on": False, "reason": "排查", "v": 0}
    await admin.call("PUT", "/api/v1/admin/flags/directory.export", off)
    assert (await admin.call("POST", path, {"reason": "再来"})).code == "feature_off"


async def test_a_record_tells_how_it_came_to_be_what_it_is(house):
    admin, auditor, deputy = [await house.sign_in(who) for who in (yin, feng, wen)]
    await admin.call("PATCH", f"/api/v1/admin/people/{WEN}", {"v": 1, "post": "校长"})
    await admin.call(
        "PUT", f"/api/v1/admin/people/{WEN}/professions", {"v": 2, "professions": ["教育"]}
    )
    suspend = {"to": "suspended", "reason": "暂停", "document": "1号"}
    await admin.call("POST", f"{ACCOUNTS}/{WEN}/state", suspend)
    await house.services.administration.grants.install(WEN, Role.DEPUTY, by="cli", reason="名册")
    await house.hub.ground.audit.record("mobile.read", by=YIN, obj=f"person:{WEN}")
    await house.hub.ground.audit.record(
        "group.join", by=YIN, obj="group:pudong-1", detail={"person": WEN}
    )
    path = f"/api/v1/admin/people/{WEN}/history"
    first = (await auditor.call("GET", f"{path}?limit=3")).json
    rest = (await auditor.call("GET", f"{path}?limit=3&cursor={first['next']}")).json
    actions = [row["action"] for row in first["items"] + rest["items"]]
    assert actions[:5] == [
        "group.join",
        "role.install",
        "account.suspended",
        "professions.set",
        "person.correct",
    ]
    assert "mobile.read" not in actions
    assert first["items"][2]["detail"]["document"] == "1号"
    assert (await deputy.call("GET", path)).status == 403
