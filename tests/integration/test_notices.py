"""Notices over the API: audience, review by two, publication, versions, recall, templates."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.permissions import Role
from domain.roster import Card, Kind
from storage.people import PeopleStore
from tests.integration.notices import (
    DEPUTIES,
    NOTICES,
    PUDONG,
    TAO,
    draft,
    furnish,
    grant,
    issued,
    meeting,
    post,
    receipts,
    tao,
    told,
    zhuo,
)
from tests.integration.people import (
    BAI,
    CEN,
    LUO,
    SHAN,
    WEN,
    YIN,
    ZHANG,
    bai,
    cen,
    feng,
    person,
    ulid,
    wen,
    xi,
    yin,
)
from tests.integration.test_identity import audited
from tests.integration.test_realtime import connected, listen

GUEST = ulid(60)
qi = person(ulid(30), "祁闻笛", Role.ADMIN)


@pytest.fixture
async def house(hub):
    return await furnish(hub)


async def enter(house, card, *roles):
    """Put somebody on the roster, with an active account and roles."""
    await PeopleStore(house.db).put(card)
    await house.services.identity.accounts.prepare(card.id, by="system")
    await house.db["account"].update_one({"_id": card.id}, {"$set": {"state": "active"}})
    for role, *scopes in roles:
        await grant(house, card.id, role, *scopes)


async def move(house, person_id, delegation):
    roster = PeopleStore(house.db)
    card = await roster.get(person_id)
    await roster.put(card.model_copy(update={"delegation_id": delegation}))


# -- whom it is for --------------------------------------------------------------------------------


async def test_a_liaison_writes_to_the_delegation_and_everybody_in_it_has_it(house):
    liaison, deputy, other = [await house.sign_in(who) for who in (bai, wen, cen)]
    notice = await issued(house, liaison)
    assert (notice["state"], notice["recipients"], notice["no"]) == (
        "published",
        4,
        "通知〔2026〕1号",
    )
    assert set(await receipts(house, notice["id"])) == set(PUDONG)
    page = (await deputy.call("GET", NOTICES)).json["items"]
    assert [(one["id"], one["receipt"]["state"]) for one in page] == [(notice["id"], "pushed")]
    assert (await deputy.call("GET", f"{NOTICES}/{notice['id']}")).json["body"] == draft()["body"]
    assert (await other.call("GET", f"{NOTICES}/{notice['id']}")).status == 404
    assert (await other.call("GET", NOTICES)).json["items"] == []


async def test_whoever_is_online_hears_of_it_once_without_its_text(house):
    liaison, deputy = await house.sign_in(bai), await house.sign_in("闻予澄")
    async with connected(deputy) as (_, ear):
        notice = await issued(house, liaison)
        channel, data = await ear.hears()
        assert (channel, data["type"], data["id"]) == (f"user:#{WEN}", "notice.new", notice["id"])
        assert "body" not in data
        assert draft()["body"] not in str(data)
        assert ear.news.empty()


@pytest.mark.acceptance("F02-2")
async def test_an_audience_is_decided_when_it_is_published_and_stays(house):
    """F02-2"""
    guest = Card(id=GUEST, name="列席人", kind=Kind.GUEST, delegation_id="pudong")
    await enter(house, guest, (Role.GUEST, "mtg:m1"))
    admin = await house.sign_in(yin)
    audience = {"delegations": ["pudong"], "minus": {"roles": ["guest"]}}
    kept = await post(admin, audience=audience, action="draft")
    await move(house, CEN, "pudong")  # before it is published
    published = await admin.call("POST", f"{NOTICES}/{kept['id']}/publish", {"v": kept["v"]})
    assert published.status == 200
    await move(house, WEN, "chongming")  # afterwards
    await told(house, kept["id"])
    roster = await house.db["person"].find({"state": "active"})
    guests = {r["person_id"] for r in await house.db["role_grant"].find({"role": "guest"})}
    now = {row["_id"] for row in roster if row["delegation_id"] == "pudong"} - guests
    assert set(await receipts(house, kept["id"])) == now | {WEN} == {*PUDONG, CEN}
    left, came = await house.sign_in(wen), await house.sign_in(cen)
    for caller in (left, came):
        assert (await caller.call("GET", f"{NOTICES}/{kept['id']}")).status == 200


@pytest.mark.acceptance("M01-1")
@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ({"all": True}, set(DEPUTIES)),
        ({"delegations": ["pudong"]}, set(PUDONG)),
        ({"groups": ["pudong-1"]}, {WEN}),
        ({"committees": ["shehui"]}, {WEN}),
        ({"meetings": ["m1"]}, {WEN, CEN}),
        ({"roles": ["liaison"]}, {BAI}),
        ({"people": [SHAN, LUO, ulid(99)]}, {SHAN, LUO}),
        ({"all": True, "minus": {"delegations": ["pudong"], "people": [ulid(98)]}}, {CEN}),
        ({"groups": ["pudong-1"], "meetings": ["m1"], "people": [ZHANG]}, {WEN, CEN, ZHANG}),
    ],
)  # fmt: skip
async def test_the_count_beforehand_is_the_number_of_those_who_get_it(house, audience, expected):
    """M01-1"""
    await meeting(house, WEN, CEN)
    await grant(house, BAI, Role.LIAISON, "deleg:pudong")
    admin = await house.sign_in(yin)
    counted = (await admin.call("POST", f"{NOTICES}/count", {"audience": audience})).json
    notice = await issued(house, admin, audience=audience)
    assert set(await receipts(house, notice["id"])) == expected
    assert counted["total"] == notice["recipients"] == len(expected)
    assert sum(counted["delegations"].values()) == len(expected)


async def test_who_may_no_longer_receive_is_left_out(house):
    for person_id, state in ((ZHANG, "suspended"), (SHAN, "ended"), (LUO, "invited")):
        await house.db["account"].update_one({"_id": person_id}, {"$set": {"state": state}})
    liaison = await house.sign_in(bai)
    notice = await issued(house, liaison)
    assert set(await receipts(house, notice["id"])) == {WEN, LUO}


@pytest.mark.parametrize(
    "audience", [{}, {"delegations": ["nowhere"]}, {"people": [WEN], "minus": {"people": [WEN]}}]
)
async def test_an_audience_of_nobody_is_refused(house, audience):
    admin = await house.sign_in(yin)
    refused = await admin.call("POST", NOTICES, draft(audience=audience))
    assert (refused.status, refused.code, refused.json["field"]) == (
        422, "audience_empty", "audience",
    )  # fmt: skip
    assert await house.db["notice"].count({}) == 0


@pytest.mark.parametrize(
    ("who", "audience", "status"),
    [
        (bai, {"delegations": ["pudong"]}, 201),
        (bai, {"groups": ["pudong-1"]}, 201),
        (bai, {"people": [WEN, ZHANG]}, 201),
        (bai, {"delegations": ["pudong", "chongming"]}, 403),
        (bai, {"people": [CEN]}, 403),
        (bai, {"all": True, "minus": {"delegations": ["chongming"]}}, 403),
        (xi, {"committees": ["shehui"]}, 201),
        (xi, {"delegations": ["pudong"]}, 403),
        (zhuo, {"meetings": ["m1"]}, 201),
        (zhuo, {"all": True}, 403),
        (yin, {"all": True}, 201),
        (wen, {"delegations": ["pudong"]}, 403),
        (feng, {"delegations": ["pudong"]}, 403),
    ],
)
async def test_staff_write_to_those_they_work_for_and_nobody_else(house, who, audience, status):
    await meeting(house, WEN, CEN)
    caller = await house.sign_in(who)
    assert (await caller.call("POST", NOTICES, draft(audience=audience))).status == status


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"publish_at": "2026-02-01T00:58:59Z"}, "publish_at"),
        ({"expire_at": "2026-02-01T00:00:00Z"}, "expire_at"),
        ({"confirm_by": "2026-02-01T02:00:00Z"}, "confirm_by"),
        ({"mode": "confirm", "confirm_by": "2026-02-02T01:00:01Z", "meeting_id": "m1"},
         "confirm_by"),
        ({"mode": "confirm", "form": [{"key": "bus", "label": "乘车", "kind": "choice"}]},
         "form.0.choices"),
        ({"form": [{"key": "bus", "label": "乘车"}]}, "form"),
        ({"attachments": [ulid(99)]}, "attachments.0"),
        ({"title": "长" * 61}, "title"),
        ({"kind": None}, "kind"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_and_named(house, more, field):
    await meeting(house, WEN)
    admin = await house.sign_in(yin)
    refused = await admin.call("POST", NOTICES, draft(**more))
    assert (refused.status, refused.json["field"]) == (422, field)


# -- two persons -----------------------------------------------------------------------------------


@pytest.mark.acceptance("M01-2")
async def test_an_urgent_notice_to_all_needs_somebody_else_to_approve(house):
    """M01-2"""
    author, second, deputy = [await house.sign_in(who) for who in (zhuo, tao, wen)]
    asked = await post(author, priority="紧急", audience={"all": True})
    assert (asked["state"], asked["needs_approval"]) == ("in_review", True)
    one = f"{NOTICES}/{asked['id']}"
    own = await author.call("POST", f"{one}/approve", {"v": asked["v"]})
    assert (own.status, own.json["detail"]["reason"]) == (403, "second_person")
    unapproved = await author.call("POST", f"{one}/publish", {"v": asked["v"]})
    assert (unapproved.status, unapproved.code) == (409, "bad_state")
    assert (await deputy.call("GET", one)).status == 404
    approved = (await second.call("POST", f"{one}/approve", {"v": asked["v"]})).json
    assert (approved["state"], approved["approver_id"]) == ("approved", TAO)
    published = (await author.call("POST", f"{one}/publish", {"v": approved["v"]})).json
    assert (published["state"], published["recipients"]) == ("published", 5)
    assert [entry["detail"]["approver"] for entry in await audited(house, "notice.publish")] == [
        TAO
    ]


@pytest.mark.parametrize(
    ("audience", "state"),
    [
        ({"all": True, "minus": {"people": [WEN]}}, "in_review"),
        ({"delegations": ["pudong"]}, "in_review"),  # four of five deputies
        ({"delegations": ["chongming"]}, "published"),
    ],
)
async def test_to_all_is_what_reaches_half_of_the_house_whatever_it_is_called(
    house, audience, state
):
    admin = await house.sign_in(yin)
    assert (await post(admin, priority="紧急", audience=audience))["state"] == state


async def test_an_urgent_notice_needs_a_fresh_proof_of_identity(house):
    stale = yin.model_copy(update={"step_up_until": None})
    admin = await house.sign_in(stale)
    urgent = draft(priority="紧急", audience={"delegations": ["chongming"]})
    refused = await admin.call("POST", NOTICES, urgent)
    assert (refused.status, refused.code) == (403, "step_up_required")
    assert "sms" in refused.json["detail"]["methods"]
    assert await house.db["notice"].count({}) == 0


async def test_what_is_rejected_goes_back_to_its_author_who_changes_it(house):
    await house.db["person"].update_one({"_id": YIN}, {"$set": {"name": "尹川辞"}})
    author, second = await house.sign_in(yin), await house.sign_in(qi)
    asked = await post(author, kind="公告", audience={"delegations": ["chongming"]})
    one = f"{NOTICES}/{asked['id']}"
    rejected = await second.call("POST", f"{one}/reject", {"v": asked["v"], "reason": "日期不对"})
    assert (rejected.json["state"], rejected.json["reason"]) == ("rejected", "日期不对")
    stale = await author.call("PUT", one, draft(v=1))
    assert (stale.status, stale.json["detail"]["v"]) == (409, rejected.json["v"])
    changed = await author.call("PUT", one, draft(title="改期通知", v=rejected.json["v"]))
    assert (changed.json["state"], changed.json["title"]) == ("draft", "改期通知")
    sent = await author.call("POST", f"{one}/publish", {"v": changed.json["v"]})
    assert sent.json["state"] == "published"  # a 会议通知 to one delegation needs no second person


# -- when it goes out ------------------------------------------------------------------------------


async def test_a_scheduled_notice_goes_out_at_its_time_to_those_who_are_there_then(house):
    liaison = await house.sign_in(bai)
    at = house.clock.now + timedelta(hours=1)
    notice = await post(liaison, publish_at=at.isoformat())
    assert notice["state"] == "scheduled"
    await house.services.notices.review.publish_due()
    assert await house.db["receipt"].count({}) == 0
    await move(house, CEN, "pudong")
    house.clock.advance(hours=1)
    await house.services.notices.review.publish_due()
    row = await told(house, notice["id"])
    assert row["state"] == "published"
    assert set(await receipts(house, notice["id"])) == {*PUDONG, CEN}


async def test_a_scheduled_notice_that_reaches_nobody_goes_back_with_the_reason(house):
    liaison = await house.sign_in(bai)
    at = house.clock.now + timedelta(hours=1)
    notice = await post(liaison, publish_at=at.isoformat(), audience={"people": [WEN]})
    await house.db["account"].update_one({"_id": WEN}, {"$set": {"state": "ended"}})
    house.clock.advance(hours=1)
    await house.services.notices.review.publish_due()
    now = (await liaison.call("GET", f"{NOTICES}/{notice['id']}")).json
    assert (now["state"], now["reason"]) == ("draft", "没有人会收到这条通知")


async def test_an_expired_notice_is_no_longer_unread(house):
    liaison, deputy = await house.sign_in(bai), await house.sign_in(wen)
    at = house.clock.now + timedelta(hours=1)
    notice = await issued(house, liaison, expire_at=at.isoformat(), priority="重要")
    assert (await deputy.call("GET", f"{NOTICES}/unread")).json["count"] == 1
    house.clock.advance(hours=2)
    await house.services.notices.afterwards.expire_due()
    await told(house, notice["id"])
    assert (await deputy.call("GET", f"{NOTICES}/unread")).json["count"] == 0
    assert not any("due_at" in row for row in (await receipts(house, notice["id"])).values())
    assert (await deputy.call("GET", f"{NOTICES}/{notice['id']}")).json["state"] == "expired"


async def test_a_test_is_sent_to_oneself_alone(house):
    liaison = await house.sign_in("柏令仪")
    await grant(house, BAI, Role.LIAISON, "deleg:pudong")
    async with (
        connected(liaison) as (_, mine),
        connected(await house.sign_in("闻予澄")) as (_, his),
    ):
        kept = await post(liaison, action="draft")
        assert (await liaison.call("POST", f"{NOTICES}/{kept['id']}/test", {})).status == 204
        channel, data = await mine.hears()
        assert (channel, data["type"]) == (f"user:#{BAI}", "notice.test")
        assert his.news.empty()
    assert await house.db["receipt"].count({}) == 0


# -- versions, corrections, recall -----------------------------------------------------------------


async def test_a_published_notice_is_corrected_by_a_new_version_with_a_trace(house):
    liaison, deputy = await house.sign_in(bai), await house.sign_in("闻予澄")
    first = await issued(house, liaison)
    one = f"{NOTICES}/{first['id']}"
    in_place = await liaison.call("PUT", one, draft(title="改", v=first["v"]))
    assert (in_place.status, in_place.code) == (409, "bad_state")
    silent = await liaison.call("POST", f"{one}/versions", draft())
    assert (silent.status, silent.json["field"]) == (422, "change_note")
    async with connected(deputy) as (_, ear):
        text = draft(
            title="分组会议改在 5 号厅", change_note="厅号更正", audience={"people": [WEN]}
        )
        second = (await liaison.call("POST", f"{one}/versions", text)).json
        await told(house, second["id"])
        await told(house, first["id"])
        heard = {(await ear.hears())[1]["type"]: True for _ in range(2)}
        assert set(heard) == {"notice.new", "notice.updated"}
    assert (second["version"], second["supersedes"], second["lineage"]) == (
        2,
        first["id"],
        first["id"],
    )
    old = (await deputy.call("GET", one)).json
    assert (old["state"], old["superseded_by"]) == ("superseded", second["id"])
    assert (await deputy.call("GET", f"{NOTICES}/unread")).json["count"] == 1
    trace = (await deputy.call("GET", f"{one}/versions")).json["versions"]
    assert [(v["version"], v["change_note"]) for v in trace] == [(1, ""), (2, "厅号更正")]
    again = await liaison.call("POST", f"{one}/versions", text)
    assert again.code == "bad_state"


async def test_only_one_next_version_is_begun(house):
    liaison = await house.sign_in(bai)
    first = await issued(house, liaison)
    text = draft(change_note="更正", action="draft")
    path = f"{NOTICES}/{first['id']}/versions"
    replies = [await liaison.call("POST", path, text) for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 409]


@pytest.mark.acceptance("F02-4")
async def test_a_recalled_notice_is_gone_for_its_readers_and_kept_for_the_auditor(house):
    """F02-4"""
    liaison, deputy = await house.sign_in(bai), await house.sign_in("闻予澄")
    async with connected(deputy) as (_, ear):
        notice = await issued(house, liaison, priority="重要")
        one = f"{NOTICES}/{notice['id']}"
        assert (await ear.hears())[1]["type"] == "notice.new"
        recalled = await liaison.call("POST", f"{one}/recall", {"reason": "误发"})
        assert (recalled.json["state"], recalled.json["body"]) == ("recalled", None)
        channel, data = await ear.hears()
        assert (channel, data["type"], data["reason"]) == (
            f"user:#{WEN}",
            "notice.recalled",
            "误发",
        )
    gone = await deputy.call("GET", one)
    assert (gone.status, gone.code, gone.json["detail"]["reason"]) == (410, "recalled", "误发")
    listed = (await deputy.call("GET", NOTICES)).json["items"]
    assert [(it["state"], it["body"], it["reason"]) for it in listed] == [
        ("recalled", None, "误发")
    ]
    text = draft()["body"]
    for caller, path in ((deputy, NOTICES), (liaison, one), (liaison, f"{NOTICES}?box=desk")):
        assert text.encode() not in (await caller.call("GET", path)).body
    auditor = await house.sign_in(feng)
    kept = (await auditor.call("GET", "/api/v1/admin/audit?action=notice.recall")).json["items"]
    assert kept[0]["detail"]["body"] == text
    await told(house, notice["id"])
    assert not any("due_at" in row for row in (await receipts(house, notice["id"])).values())
    assert (await deputy.call("GET", f"{NOTICES}/unread")).json["count"] == 0


async def test_a_client_that_recovers_after_a_recall_hears_no_text(house):
    liaison, deputy = await house.sign_in(bai), await house.sign_in("闻予澄")
    notice = await issued(house, liaison)
    await liaison.call("POST", f"{NOTICES}/{notice['id']}/recall", {"reason": "误发"})
    await told(house, notice["id"])
    async with connected(deputy):
        pass
    broker = house.hub.realtime.hub.broker
    policy = house.hub.realtime.hub.authority.policy(f"user:#{WEN}")
    replayed, _ = await broker.history(f"user:#{WEN}", policy.retention)
    assert not any("号厅。".encode() in one.data for one in replayed)
    assert b"notice.new" in replayed[-2].data
    assert b"notice.recalled" in replayed[-1].data


async def test_recall_after_everybody_has_confirmed_asks_for_a_real_reason(house):
    liaison, deputy = await house.sign_in(bai), await house.sign_in(wen)
    notice = await issued(house, liaison, mode="confirm", audience={"people": [WEN]})
    one = f"{NOTICES}/{notice['id']}"
    assert (await deputy.call("POST", f"{one}/confirm", {})).status == 200
    short = await liaison.call("POST", f"{one}/recall", {"reason": "误发了"})
    assert (short.status, short.json["field"]) == (422, "reason")
    assert (await liaison.call("POST", f"{one}/recall", {"reason": "会议改期举行"})).status == 200
    assert (await liaison.call("POST", f"{one}/recall", {"reason": "会议改期举行"})).status == 409


async def test_a_notice_to_a_whole_meeting_is_named_on_its_channel_and_a_narrower_one_is_not(house):
    await meeting(house, WEN, CEN)
    await grant(house, WEN, Role.DEPUTY, "mtg:m1")
    staff = await house.sign_in(zhuo)
    async with connected(await house.sign_in("闻予澄")) as (client, _):
        _, ear = await listen(client, "mtg:m1")
        narrow = {"meetings": ["m1"], "minus": {"people": [CEN]}}
        await issued(house, staff, meeting_id="m1", audience=narrow)
        notice = await issued(house, staff, meeting_id="m1", audience={"meetings": ["m1"]})
        data = await ear.news.get()
        assert (data["type"], data["notice_id"]) == ("notice.live", notice["id"])
        await staff.call("POST", f"{NOTICES}/{notice['id']}/recall", {"reason": "误发"})
        assert (await ear.news.get())["type"] == "notice.recalled"


async def test_readers_may_open_what_is_attached_and_others_may_not(house):
    liaison = await house.sign_in(bai)
    sent = await liaison.call(
        "POST", "/api/v1/files", body="会议须知".encode(), headers={"X-File-Name": "a.txt"}
    )
    assert sent.status == 201, sent.body
    file = f"/api/v1/files/{sent.json['id']}/content"
    notice = await issued(house, liaison, attachments=[sent.json["id"]])
    reader, other = await house.sign_in(wen), await house.sign_in(cen)
    assert (await reader.call("GET", file)).body == "会议须知".encode()
    assert (await other.call("GET", file)).status == 404
    await liaison.call("POST", f"{NOTICES}/{notice['id']}/recall", {"reason": "误发"})
    assert (await reader.call("GET", file)).status == 404


@pytest.mark.parametrize("who", [bai, xi, zhuo, yin, qi, feng], ids=lambda it: it.name)
async def test_the_desk_lists_exactly_what_can_be_opened(house, who):
    await meeting(house, WEN, CEN)
    made = []
    for author, audience in (
        (bai, {"delegations": ["pudong"]}),
        (xi, {"committees": ["shehui"]}),
        (zhuo, {"meetings": ["m1"]}),
        (yin, {"delegations": ["pudong", "chongming"]}),
        (yin, {"people": [WEN]}),
        (yin, {"all": True}),
    ):
        caller = await house.sign_in(author)
        kinds = ({}, {"action": "draft"}, {"kind": "公告"})
        made += [(await post(caller, audience=audience, **more))["id"] for more in kinds]
    caller = await house.sign_in(yin)
    made.append((await post(caller, audience={"all": True}, priority="紧急"))["id"])
    caller = await house.sign_in(who)
    page = (await caller.call("GET", f"{NOTICES}?box=desk&limit=50")).json
    listed = {it["id"] for it in page["items"]}
    opened = {it for it in made if (await caller.call("GET", f"{NOTICES}/{it}")).status == 200}
    assert listed == opened
    mine = {bai.id: 3, xi.id: 3, zhuo.id: 3, yin.id: 10}.get(who.id, 0)
    assert mine <= len(listed) < 19


async def test_a_version_is_read_with_its_files_by_those_it_went_to_and_nobody_else(house):
    liaison = await house.sign_in(bai)
    sent = await liaison.call(
        "POST", "/api/v1/files", body="更正后的名单".encode(), headers={"X-File-Name": "a.txt"}
    )
    file = sent.json["id"]
    first = await issued(house, liaison, audience={"people": [WEN, ZHANG]})
    text = draft(
        audience={"people": [WEN, SHAN]}, change_note="名单更正", attachments=[file], action="draft"
    )
    versions = f"{NOTICES}/{first['id']}/versions"
    second = (await liaison.call("POST", versions, text)).json
    both = await house.sign_in(wen)
    assert (await both.call("GET", f"/api/v1/files/{file}/content")).status == 404
    out = f"{NOTICES}/{second['id']}/publish"
    assert (await liaison.call("POST", out, {"v": second["v"]})).status == 200
    await told(house, second["id"])
    shown = {}
    for who, one in ((WEN, first), (ZHANG, first), (SHAN, second)):
        caller = await house.sign_in(who)
        found = await caller.call("GET", f"{NOTICES}/{one['id']}/versions")
        read = await caller.call("GET", f"/api/v1/files/{file}/content")
        shown[who] = ([it["version"] for it in found.json["versions"]], read.status)
    assert list(shown.values()) == [([1, 2], 200), ([1], 404), ([2], 200)]
    await liaison.call("POST", f"{NOTICES}/{second['id']}/recall", {"reason": "名单有误"})
    assert (await both.call("GET", f"/api/v1/files/{file}/content")).status == 404


async def test_a_text_of_which_cleaning_leaves_nothing_is_missing(house):
    liaison = await house.sign_in(bai)
    refused = await liaison.call("POST", NOTICES, draft(body="<script>alert(1)</script>"))
    assert (refused.status, refused.json["field"]) == (422, "body")


# -- templates -------------------------------------------------------------------------------------


TEMPLATES = "/api/v1/notice-templates"
assert NOTICES == "/api/v1/notices"

TEMPLATE = {
    "name": "会议通知",
    "kind": "会议通知",
    "priority": "重要",
    "title": "关于召开{会议名称}的通知",
    "body": "<p>{会议名称}定于{时间}举行。</p>",
    "audience": {"delegations": ["pudong"]},
}


@pytest.mark.acceptance("M01-3")
async def test_a_missing_variable_is_named_and_a_filled_one_is_plain_text(house):
    """M01-3"""
    liaison = await house.sign_in(bai)
    made = (await liaison.call("POST", TEMPLATES, TEMPLATE)).json
    assert (made["state"], made["variables"]) == ("draft", ["会议名称", "时间"])
    text = {"template_id": made["id"], "variables": {"时间": "9:00"}}
    assert (await liaison.call("POST", NOTICES, text)).json["code"] == "bad_state"
    moved = await liaison.call(
        "POST", f"{TEMPLATES}/{made['id']}/state", {"state": "active", "v": made["v"]}
    )
    assert moved.json["state"] == "active"
    refused = await liaison.call("POST", NOTICES, text)
    assert (refused.status, refused.json["field"]) == (422, "variables.会议名称")
    assert "{会议名称}" in refused.json["msg"]
    text["variables"] = {"时间": "9:00", "会议名称": "<b>第二次</b>会议"}
    notice = (await liaison.call("POST", NOTICES, text)).json
    assert notice["title"] == "关于召开<b>第二次</b>会议的通知"
    assert notice["body"] == "<p>&lt;b&gt;第二次&lt;/b&gt;会议定于9:00举行。</p>"
    assert (notice["priority"], notice["recipients"]) == ("重要", 4)
    edited = await liaison.call("PUT", f"{TEMPLATES}/{made['id']}", {**TEMPLATE, "v": 2})
    assert edited.code == "bad_state"


async def test_a_variable_in_a_link_brings_no_script_and_none_brings_a_line_into_the_title(house):
    liaison = await house.sign_in(bai)
    body = '<p><a href="{网址}" title="{会议名称}">报名</a></p>'
    made = (await liaison.call("POST", TEMPLATES, {**TEMPLATE, "body": body})).json
    await liaison.call(
        "POST", f"{TEMPLATES}/{made['id']}/state", {"state": "active", "v": made["v"]}
    )
    said = {"网址": "javascript:alert(1)", "会议名称": 'x" onmouseover="alert(1)\n\u0000'}
    text = {"template_id": made["id"], "variables": said}
    notice = (await liaison.call("POST", NOTICES, text)).json
    assert "javascript:" not in notice["body"]
    assert 'onmouseover="' not in notice["body"]
    assert notice["title"] == '关于召开x" onmouseover="alert(1)的通知'


async def test_a_choice_of_a_reply_form_is_a_short_text(house):
    liaison = await house.sign_in(bai)
    field = {"key": "way", "label": "方式", "kind": "choice", "choices": ["车", "步" * 61]}
    refused = await liaison.call("POST", NOTICES, draft(mode="confirm", form=[field]))
    assert (refused.status, refused.json["field"]) == (422, "form.0.choices.1")


@pytest.mark.parametrize("field", ["confirm_by", "expire_at"])
async def test_a_draft_that_lay_until_its_time_was_over_is_not_published(house, field):
    liaison = await house.sign_in(bai)
    soon = (house.clock.now + timedelta(minutes=5)).isoformat()
    made = await post(liaison, action="draft", mode="confirm", **{field: soon})
    house.clock.advance(minutes=6)
    out = f"{NOTICES}/{made['id']}/publish"
    refused = await liaison.call("POST", out, {"v": made["v"]})
    assert (refused.status, refused.json["field"]) == (422, field)
    assert await receipts(house, made["id"]) == {}
