"""Administration over the API: rules, calendar, roles, accounts, roster, audit, broken glass."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Conflict
from domain.people import AccountState
from domain.permissions import Role
from server.first_admin import create_admin
from server.roster import import_roster, told
from storage.grants import GrantStore
from storage.people import PeopleStore
from tests.integration.people import (
    BAI,
    FENG,
    WEN,
    WU,
    YIN,
    bai,
    feng,
    person,
    settle,
    ulid,
    wen,
    yin,
)  # fmt: skip
from tests.integration.test_realtime import connected, listen

GRANTS = "/api/v1/admin/grants"
QI = ulid(30)
qi = person(QI, "祁闻笛", Role.ADMIN)
fan = person(ulid(31), "樊则安", Role.MOTION_CLERK)

RULE = {
    "key": "sugg.reject",
    "value": 9,
    "valid_from": "2026-03-01",
    "source": "新文本第14条",
    "reason": "法规修改",
}
REASON = {"reason": "工作需要"}


@pytest.fixture
async def house(hub):
    """The hub with people in it, two administrators in office, and their accounts open."""
    await settle(hub.db, hub.hub.ground.vault)
    accounts = hub.services.identity.accounts
    for person_id in (WEN, BAI, YIN, FENG, WU, QI):
        await accounts.prepare(person_id, by="system")
        await hub.db["account"].update_one({"_id": person_id}, {"$set": {"state": "active"}})
    for person_id in (YIN, QI):
        await hub.services.administration.grants.install(
            person_id, Role.ADMIN, by="cli", reason="首任管理员"
        )
    await hub.services.administration.grants.install(WEN, Role.DEPUTY, by="cli", reason="名册")
    return hub


async def sign_in(house, *people):
    return [await house.sign_in(who) for who in people]


# -- rules and calendar ----------------------------------------------------------------------------


async def test_everybody_who_is_signed_in_reads_the_rules_with_their_sources(house):
    (deputy,) = await sign_in(house, wen)
    found = (await deputy.call("GET", "/api/v1/rules")).json["rules"]
    answer = next(row for row in found if row["key"] == "sugg.answer")
    assert (answer["value"], answer["unit"]) == (3, "months")
    assert "2015 文本" in answer["source"]
    history = await deputy.call("GET", "/api/v1/rules/sugg.extend.hard")
    assert history.json["rows"][0]["valid_from"] == "2025-03-11"
    assert (await deputy.call("GET", "/api/v1/rules/no.such")).status == 404
    assert (await house.anybody.call("GET", "/api/v1/rules")).status == 401


@pytest.mark.acceptance("M10-2")
async def test_a_rule_change_by_two_applies_only_from_its_day(house):
    """M10-2"""
    first, second, clerk, deputy = await sign_in(house, yin, qi, fan, wen)
    proposed = await clerk.call("POST", "/api/v1/admin/rule-changes", RULE)
    assert (proposed.status, proposed.json["state"]) == (201, "proposed")
    change = f"/api/v1/admin/rule-changes/{proposed.json['id']}"
    assert (await clerk.call("POST", f"{change}/ask")).status == 403
    assert (await first.call("POST", f"{change}/approve")).status == 409
    assert (await first.call("POST", f"{change}/ask")).json["state"] == "asked"
    assert (await first.call("POST", f"{change}/approve")).status == 403
    assert (await second.call("POST", f"{change}/approve")).json["state"] == "approved"

    async def value(at: str) -> int:
        rows = (await deputy.call("GET", f"/api/v1/rules?at={at}")).json["rules"]
        return next(row["value"] for row in rows if row["key"] == "sugg.reject")

    # What was decided before the day is judged by the rule of that time, also afterwards.
    assert await value("2026-02-28T23:59:59%2B08:00") == 7
    assert await value("2026-03-01T00:00:00%2B08:00") == 9
    house.clock.advance(days=40)
    assert await value("2026-02-28T23:59:59%2B08:00") == 7


async def test_a_past_day_a_wrong_value_and_an_unknown_rule_are_refused(house):
    (admin,) = await sign_in(house, yin)
    refused = [
        ({"valid_from": "2026-01-31"}, 422, "valid_from"),
        ({"value": "nine"}, 422, "value"),
        ({"value": True}, 422, "value"),
        ({"value": 1.5}, 400, "value"),
        ({"key": "no.such"}, 404, None),
        ({"key": "poll.binding", "value": True}, 403, None),
    ]
    for change, status, field in refused:
        reply = await admin.call("POST", "/api/v1/admin/rule-changes", {**RULE, **change})
        assert reply.status == status, change
        assert field is None or reply.json["field"].startswith(field)


async def test_the_calendar_counts_over_the_holiday_and_says_when_it_is_provisional(house):
    deputy, admin, second = await sign_in(house, wen, yin, qi)
    due = await deputy.call("GET", "/api/v1/workdays/due?start=2026-09-28&n=7")
    assert due.json == {"due": "2026-10-13", "provisional": False}
    due = await deputy.call("GET", "/api/v1/workdays/due?start=2026-12-29&n=7")
    assert due.json["provisional"] is True
    beyond = await deputy.call("GET", "/api/v1/workdays/due?start=2029-01-01&n=7")
    assert (beyond.status, beyond.json["detail"]["rule_param"]) == (422, "workday")

    told = {"working": False, "name": "停工", "source": "沪府令1号"}
    day = "/api/v1/admin/workdays/2026-10-12"
    assert (await deputy.call("PUT", day, told)).status == 403
    assert (await admin.call("PUT", day, told)).json["overridden"] is True
    due = await deputy.call("GET", "/api/v1/workdays/due?start=2026-09-28&n=7")
    assert due.json["due"] == "2026-10-14"
    days = await deputy.call("GET", "/api/v1/workdays?first=2026-10-10&last=2026-10-12")
    assert [row["kind"] for row in days.json["days"]] == ["shifted", "weekend", "holiday"]
    year = await second.call(
        "PUT",
        "/api/v1/admin/workdays/years/2027",
        {"holidays": [{"day": "2027-01-01", "name": "元旦"}], "source": "国办通知"},
    )
    assert year.json == {"year": 2027, "days": 365}
    due = await deputy.call("GET", "/api/v1/workdays/due?start=2026-12-29&n=7")
    assert due.json["provisional"] is False


# -- roles -----------------------------------------------------------------------------------------


@pytest.mark.acceptance("M10-1")
async def test_removing_the_last_administrator_is_a_conflict(house):
    """M10-1"""
    first, second = await sign_in(house, yin, qi)
    found = (await first.call("GET", f"/api/v1/admin/people/{QI}/grants")).json["grants"]
    theirs = f"/api/v1/admin/grants/{found[0]['id']}/end"
    # One administrator alone does not remove another; the second call is the other's own.
    assert (await first.call("POST", theirs, REASON)).json["state"] == "granted"
    assert (await second.call("POST", theirs, REASON)).json["state"] == "ended"

    mine = (await first.call("GET", f"/api/v1/admin/people/{YIN}/grants")).json["grants"]
    reply = await first.call("POST", f"/api/v1/admin/grants/{mine[0]['id']}/end", REASON)
    assert (reply.status, reply.code) == (409, "last_admin")
    # Neither does closing the account get around it.
    auditor_eye = person(ulid(40), "代行者", Role.ADMIN)
    (other,) = await sign_in(house, auditor_eye)
    state = {"to": "suspended", "reason": "测试", "document": "令1"}
    reply = await other.call("POST", f"/api/v1/admin/accounts/{YIN}/state", state)
    assert (reply.status, reply.code) == (409, "last_admin")


async def test_a_role_given_by_two_counts_on_the_next_request_and_ends_within_a_second(house):
    first, second = await sign_in(house, yin, qi)
    liaison = await house.sign_in("柏令仪")
    assert (await liaison.call("GET", "/api/v1/me")).json["grants"] == []
    draft = {"person_id": BAI, "role": "liaison", "scopes": ["deleg:pudong"], **REASON}
    asked = await first.call("POST", "/api/v1/admin/grants", draft)
    assert (asked.status, asked.json["state"]) == (201, "asked")
    grant = f"/api/v1/admin/grants/{asked.json['id']}"
    own = await first.call("POST", f"{grant}/approve")
    assert (own.status, own.json["detail"]["reason"]) == (403, "second_person")
    assert (await second.call("POST", f"{grant}/approve")).json["state"] == "granted"
    house.clock.advance(seconds=1)
    (held,) = (await liaison.call("GET", "/api/v1/me")).json["grants"]
    assert (held["role"], held["scopes"]) == ("liaison", ["deleg:pudong"])

    assert (await first.call("POST", f"{grant}/end", REASON)).json["state"] == "ended"
    house.clock.advance(seconds=1)
    assert (await liaison.call("GET", "/api/v1/me")).json["grants"] == []
    again = await first.call("POST", f"{grant}/end", REASON)
    assert (again.status, again.code) == (409, "bad_state")


async def test_a_grant_that_makes_no_sense_is_refused(house):
    (first,) = await sign_in(house, yin)
    drafts = [
        ({"role": "liaison", "scopes": ["deleg:atlantis"]}, 422),
        ({"role": "liaison", "scopes": ["cmte:shehui"]}, 422),
        ({"role": "screen", "scopes": []}, 422),
        ({"role": "king", "scopes": []}, 422),
        ({"person_id": YIN, "role": "ops"}, 403),
        ({"person_id": QI, "role": "auditor"}, 409),
        ({"role": "ops", "until": "2025-01-01T00:00:00Z"}, 422),
        ({"role": "ops", "until": "9999-12-31T23:59:59-12:00"}, 422),
        ({"role": "ops", "until": "2027-01-01T00:00:00"}, 422),
    ]
    for draft, status in drafts:
        body = {"person_id": BAI, **REASON, **draft}
        assert (await first.call("POST", "/api/v1/admin/grants", body)).status == status, draft


async def test_roles_are_given_only_with_a_fresh_proof_of_identity(house):
    stale = await house.sign_in(yin.model_copy(update={"step_up_until": None}))
    draft = {"person_id": BAI, "role": "editor", **REASON}
    reply = await stale.call("POST", "/api/v1/admin/grants", draft)
    assert reply.code == "step_up_required"


async def test_lists_come_in_pages_and_cursors_cannot_be_forged(house):
    (admin,) = await sign_in(house, yin)
    one = (await admin.call("GET", "/api/v1/admin/grants?limit=1")).json
    assert len(one["items"]) == 1
    two = (await admin.call("GET", f"/api/v1/admin/grants?limit=2&cursor={one['next']}")).json
    assert two["next"] is None
    assert {it["person_id"] for it in [*one["items"], *two["items"]]} == {YIN, QI, WEN}
    assert (await admin.call("GET", "/api/v1/admin/grants?cursor=xxxx")).status == 422


# -- accounts --------------------------------------------------------------------------------------


async def test_accounts_are_found_by_name_state_and_role_and_never_show_an_openid(house):
    admin, auditor, deputy = await sign_in(house, yin, feng, wen)
    await house.db["account"].update_one(
        {"_id": WEN}, {"$set": {"openid_h": "secret-hash", "openid_enc": b"secret"}}
    )

    async def names(query: str) -> list[str]:
        reply = await admin.call("GET", f"/api/v1/admin/accounts?{query}")
        assert b"secret" not in reply.body
        return [row["name"] for row in reply.json["items"]]

    assert await names("q=wenyucheng") == ["闻予澄"]
    assert await names("role=deputy") == ["闻予澄"]
    assert await names("state=suspended") == []
    (row,) = (await auditor.call("GET", "/api/v1/admin/accounts?q=D001")).json["items"]
    assert (row["bound"], row["roles"], row["state"]) == (True, ["deputy"], "active")
    assert (await deputy.call("GET", "/api/v1/admin/accounts")).status == 403


async def test_unbinding_needs_a_reason_ends_every_session_and_lets_the_auditor_only_look(house):
    admin, auditor = await sign_in(house, yin, feng)
    deputy = await house.sign_in("闻予澄")
    unbind = f"/api/v1/admin/accounts/{WEN}/unbind"
    assert (await admin.call("POST", unbind, REASON)).status == 409
    await house.db["account"].update_one({"_id": WEN}, {"$set": {"openid_h": "x"}})
    assert (await admin.call("POST", unbind, {"reason": " "})).status == 422
    assert (await auditor.call("POST", unbind, REASON)).status == 403
    assert (await admin.call("POST", unbind, REASON)).status == 204
    house.clock.advance(seconds=1)
    assert (await deputy.call("GET", "/api/v1/me")).status == 401
    assert (await house.db["account"].find_one({"_id": WEN}))["openid_h"] is None


async def test_an_administrator_suspends_resumes_and_ends_sessions(house):
    (admin,) = await sign_in(house, yin)
    deputy = await house.sign_in("闻予澄")
    account = f"/api/v1/admin/accounts/{WEN}"
    draft = {"to": "suspended", "reason": "暂停执行代表职务", "document": "常委会公告第2号"}
    assert (await admin.call("POST", f"{account}/state", draft)).json["state"] == "suspended"
    house.clock.advance(seconds=1)
    assert (await deputy.call("GET", "/api/v1/me")).json["state"] == "suspended"
    assert (await admin.call("POST", f"{account}/unlock", REASON)).code == "bad_state"
    back = {"to": "active", "reason": "恢复", "document": "常委会公告第3号"}
    assert (await admin.call("POST", f"{account}/state", back)).json["state"] == "active"
    shown = (await admin.call("GET", account)).json
    assert [it["document"] for it in shown["history"]] == ["常委会公告第2号", "常委会公告第3号"]
    ended = await admin.call("POST", f"{account}/sessions/revoke", REASON)
    assert ended.json["ended"] == 1
    assert (await admin.call("POST", f"{account}/state", {**back, "to": "locked"})).status == 422


# -- roster ----------------------------------------------------------------------------------------

ROSTER = "姓名,代表证号,代表团,手机号\n闻予澄,D001,浦东新区代表团,19900000001\n"
OTHERS = (
    "岑以宁,D002,崇明区代表团,19900000002\n章清,D003,浦东新区代表团,19900000003\n"
    "单怀瑾,D004,浦东新区代表团,19900000004\n骆叙白,D005,浦东新区代表团,\n"
)
NEW = "颜知遥,D006,浦东新区代表团,19900000006\n"


def roster(text, **more):
    content = base64.b64encode(text.encode()).decode()
    return {"filename": "名册.csv", "content": content, **more}


@pytest.mark.acceptance("M10-5")
async def test_a_roster_twice_is_once_and_who_is_missing_ends_only_when_confirmed(house):
    """M10-5"""
    (admin,) = await sign_in(house, yin)
    imports = "/api/v1/admin/roster/imports"
    dry = (await admin.call("POST", imports, roster(ROSTER + OTHERS + NEW))).json
    assert (dry["dry_run"], dry["counts"]["added"], dry["counts"]["removed"]) == (True, 1, 0)
    real = await admin.call("POST", imports, roster(ROSTER + OTHERS + NEW, dry_run=False))
    assert real.json["counts"] == dry["counts"]
    again = (await admin.call("POST", imports, roster(ROSTER + OTHERS + NEW, dry_run=False))).json
    assert (again["counts"]["unchanged"], again["counts"]["added"]) == (6, 0)
    new = await PeopleStore(house.db).by_deputy_no("D006")
    assert (await house.services.identity.accounts.get(new.id)).state is AccountState.IMPORTED

    without = roster(ROSTER + OTHERS, dry_run=False)
    listed = (await admin.call("POST", imports, without)).json
    (gone,) = [it for it in listed["outcomes"] if it["fate"] == "removed"]
    assert (gone["deputy_no"], gone["ended"]) == ("D006", False)
    assert (await house.services.identity.accounts.get(new.id)).state is AccountState.IMPORTED
    confirmed = {**without, "confirmed": ["D006"]}
    assert (await admin.call("POST", imports, confirmed)).status == 422
    confirmed["document"] = "常委会公告第4号"
    assert (await admin.call("POST", imports, confirmed)).status == 200
    assert (await house.services.identity.accounts.get(new.id)).state is AccountState.ENDED
    past = (await admin.call("GET", imports)).json["items"]
    assert [it["ended"] for it in past] == [1, 0, 0, 0]


async def test_a_roster_that_is_no_table_is_refused_and_only_administrators_import(house):
    admin, liaison = await sign_in(house, yin, bai)
    imports = "/api/v1/admin/roster/imports"
    assert (await liaison.call("POST", imports, roster(ROSTER))).status == 403
    assert (await admin.call("POST", imports, roster("名字\n"))).status == 422
    exe = {"filename": "a.exe", "content": base64.b64encode(b"MZ").decode()}
    assert (await admin.call("POST", imports, exe)).status == 415
    assert (await admin.call("POST", imports, {"filename": "a.csv", "content": "?"})).status == 422


# -- audit and broken glass ------------------------------------------------------------------------


@pytest.mark.acceptance("M10-3")
@pytest.mark.parametrize(
    "change",
    [{"by": "somebody"}, {"action": "x"}, {"detail": {"a": 1}}, {"seen": True}],
    ids=["by", "action", "detail", "new field"],
)  # fmt: skip
async def test_an_altered_row_makes_verification_fail_at_that_row(house, change):
    """M10-3"""
    (auditor,) = await sign_in(house, feng)
    verify = "/api/v1/admin/audit/verify"
    assert (await auditor.call("POST", verify)).json["sound"] is True
    await house.db["audit"].update_one({"_id": 3}, {"$set": change})
    found = (await auditor.call("POST", verify)).json
    assert (found["sound"], found["bad_seq"], found["reason"]) == (False, 3, "altered")


async def test_auditors_read_everything_and_administrators_only_what_they_did(house):
    first, auditor, deputy = await sign_in(house, yin, feng, wen)
    await first.call("POST", "/api/v1/admin/rule-changes", RULE)
    everything = (await auditor.call("GET", "/api/v1/admin/audit")).json["items"]
    assert {it["by"] for it in everything} >= {YIN, "cli"}
    mine = (await first.call("GET", f"/api/v1/admin/audit?who={QI}")).json["items"]
    assert {it["by"] for it in mine} == {YIN}
    rules = (await auditor.call("GET", "/api/v1/admin/audit?action=rule.")).json["items"]
    assert [it["action"] for it in rules] == ["rule.ask"]
    page = (await auditor.call("GET", "/api/v1/admin/audit?limit=2")).json
    rest = await auditor.call("GET", f"/api/v1/admin/audit?limit=2&cursor={page['next']}")
    assert rest.json["items"][0]["seq"] == page["items"][-1]["seq"] - 1
    assert (await deputy.call("GET", "/api/v1/admin/audit")).status == 403
    assert (await first.call("POST", "/api/v1/admin/audit/verify")).status == 403


@pytest.mark.acceptance("M10-4")
async def test_the_glass_opens_for_fifteen_minutes_by_two(house):
    """M10-4"""
    first, second, auditor = await sign_in(house, yin, qi, feng)
    await house.services.administration.grants.install(FENG, Role.AUDITOR, by="cli", reason="任命")
    glasses = "/api/v1/admin/break-glass"
    draft = {"obj": "room:r1", "reason": "核查举报"}
    assert (await auditor.call("POST", glasses, draft)).status == 403
    asked = (await first.call("POST", glasses, draft)).json
    assert (await first.call("POST", f"{glasses}/{asked['id']}/approve")).status == 403
    assert (await first.call("POST", f"{glasses}/{asked['id']}/open")).status == 409
    assert (await second.call("POST", f"{glasses}/{asked['id']}/approve")).status == 200
    opened = (await first.call("POST", f"{glasses}/{asked['id']}/open")).json
    start, end = (datetime.fromisoformat(opened[k]) for k in ("opened_at", "open_until"))
    assert end - start == timedelta(minutes=15)
    await house.services.administration.break_glass.require_open("room:r1", by=yin)
    (shown,) = (await auditor.call("GET", glasses)).json["items"]
    assert (shown["state"], shown["uses"]) == ("open", 1)
    house.clock.advance(minutes=15)
    (shown,) = (await auditor.call("GET", glasses)).json["items"]
    assert shown["state"] == "closed"


# -- on open connections ---------------------------------------------------------------------------


async def test_a_role_that_ends_takes_its_open_subscription_with_it(house):
    first, second = await sign_in(house, yin, qi)
    draft = {"person_id": BAI, "role": "liaison", "scopes": ["deleg:pudong"], **REASON}
    grant = f"/api/v1/admin/grants/{(await first.call('POST', GRANTS, draft)).json['id']}"
    await second.call("POST", f"{grant}/approve")
    liaison = await house.sign_in("柏令仪")
    async with connected(liaison) as (client, news):
        _, ear = await listen(client, "deleg:pudong")
        assert ear.subscribed.done()
        await first.call("POST", f"{grant}/end", REASON)
        async with asyncio.timeout(4):
            assert (await ear.unsubscribed).code == 2000
        channel, said = await news.hears()
        assert (channel, said["type"], said["state"]) == (f"user:#{BAI}", "role.changed", "ended")
        _, again = await listen(client, "deleg:chongming")
        assert again.unsubscribed.done()


@pytest.mark.acceptance("M10-4")
async def test_the_auditor_hears_of_the_glass_at_once(house):
    """M10-4"""
    first, second = await sign_in(house, yin, qi)
    await house.services.administration.grants.install(FENG, Role.AUDITOR, by="cli", reason="任命")
    auditor = await house.sign_in("冯砚秋")
    async with connected(auditor) as (client, news):
        _, dash = await listen(client, "dash")
        assert dash.subscribed.done()
        draft = {"obj": "room:r1", "reason": "核查举报"}
        glass = (await first.call("POST", "/api/v1/admin/break-glass", draft)).json["id"]
        await second.call("POST", f"/api/v1/admin/break-glass/{glass}/approve")
        await first.call("POST", f"/api/v1/admin/break-glass/{glass}/open")
        heard = [(await news.hears())[1] for _ in range(3)]
        assert [it["state"] for it in heard] == ["asked", "approved", "open"]
        assert {it["person_id"] for it in heard} == {YIN}
        async with asyncio.timeout(5):
            assert (await dash.news.get())["type"] == "break_glass.moved"


# -- command line ----------------------------------------------------------------------------------


async def test_the_command_line_imports_beside_a_running_hub_and_tells_what_needs_a_person(
    house, tmp_path
):
    path = tmp_path / "名册.csv"
    path.write_text(ROSTER + OTHERS + ",D007,,\n", encoding="utf-8")
    settings = house.hub.settings
    dry = await import_roster(settings, path, dry_run=True, confirmed=frozenset(), document="")
    assert await house.db["roster_import"].count({}) == 0
    report = await import_roster(settings, path, dry_run=False, confirmed=frozenset(), document="")
    assert [it.fate for it in dry.outcomes] == [it.fate for it in report.outcomes]
    lines = list(told(report))
    assert lines[0] == f"import {report.import_id}"
    assert lines[1].startswith("0 added, 0 changed, 5 unchanged")
    assert lines[-1] == "line 7  [name]: 姓名不能为空"
    (entry,) = (
        await house.services.administration.audit.search(action="roster.import", by=feng)
    ).entries
    assert entry.by == "operator"


async def test_the_command_line_makes_an_administrator_only_where_there_is_none_or_by_force(house):
    settings = house.hub.settings
    with pytest.raises(Conflict) as refusal:
        await create_admin(settings, "祁闻笛", "qiwendi", force=False)
    assert refusal.value.code == "admin_exists"
    made = await create_admin(settings, "祁闻笛", "qiwendi", force=True)
    grants = await GrantStore(house.db).in_force(made.person_id, datetime.now(UTC))
    assert [grant.role for grant in grants] == [Role.ADMIN]
    assert made.password not in repr(made)


# -- guests ----------------------------------------------------------------------------------------


async def test_a_guest_is_let_in_by_two_sees_what_the_pass_says_and_is_out_with_the_meeting(house):
    first, second = await sign_in(house, yin, qi)
    end = house.clock() + timedelta(hours=3)
    await house.db["meeting"].insert_one(
        {"_id": "m1", "kind": "npcsc", "state": "in_session", "title": "第一次会议", "ends_at": end}
    )
    draft = {
        "person_id": WU,
        "role": "guest",
        "scopes": ["mtg:m1"],
        "functions": ["live"],
        "reason": "列席",
    }
    bare = await first.call("POST", GRANTS, {**draft, "functions": []})
    assert (bare.status, bare.json["field"]) == (422, "functions")
    asked = (await first.call("POST", GRANTS, draft)).json
    assert asked["functions"] == ["live"]
    assert (await second.call("POST", f"{GRANTS}/{asked['id']}/approve")).status == 200

    guest = await house.sign_in("邬嘉树")
    (shown,) = (await guest.call("GET", "/api/v1/me")).json["grants"]
    assert (shown["role"], shown["functions"]) == ("guest", ["live"])
    async with connected(guest) as (client, _):
        _, ear = await listen(client, "mtg:m1")
        assert ear.subscribed.done()
        await house.db["meeting"].update_one({"_id": "m1"}, {"$set": {"state": "closed"}})
        assert await house.services.administration.grants.expire() == 1
        house.clock.advance(seconds=2)
        async with asyncio.timeout(5):
            assert (await ear.unsubscribed).code == 2000
    assert (await guest.call("GET", "/api/v1/me")).json["grants"] == []
