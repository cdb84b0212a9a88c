"""The one scanner at the real hub: what every kind of code is, and that nothing is opened."""

from __future__ import annotations

import random
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.passes.code import (
    Bind,
    Contact,
    Document,
    Form,
    Hall,
    Login,
    Personal,
    SeatCode,
    Ticket,
    sign,
)
from domain.permissions import Role
from tests.integration.hall import MEETING, OTHER, URL, member, stranger, zhuo
from tests.integration.people import BAI, CEN, WEN, XI, bai, cen, person, ulid, wen, yin
from tests.integration.people import settle as settle_people
from tests.integration.test_scans import device, doors, hall_code, phone, scan, who
from tests.integration.test_seats import layout
from tests.integration.test_wechat import WEN as WEN_SAYS
from tests.integration.test_wechat import Phone, polled, shown, town

__all__ = ["doors", "town"]

READ, PREVIEW = "/api/v1/codes/read", "/api/v1/codes/preview"
KEYS, ADMIN = "/api/v1/pass-keys", "/api/v1/admin/pass-keys"


async def read(caller, code, **more):
    reply = await caller.call("POST", READ, {"code": code, **more})
    assert reply.status == 200, reply.body
    return reply.json


async def preview(hub, code):
    reply = await hub.anybody.call("POST", PREVIEW, {"code": code})
    assert reply.status == 200, reply.body
    return reply.json


def said(view):
    """The parts of an answer on which a program decides."""
    return view["kind"], view["result"], view["action"]


def origin(hub):
    """Where browsers find the hub under test."""
    return hub.hub.settings.origin


def facts(view):
    return {it["label"]: it["value"] for it in view["facts"]}


# -- H and P ---------------------------------------------------------------------------------------


async def test_a_hall_code_is_read_as_the_check_in_of_its_meeting_and_checks_nobody_in(doors):
    deputy = await doors.sign_in(member(1))
    code = (await hall_code(doors))["code"]
    view = await read(deputy, code)
    assert said(view) == ("H", "ok", "check_in")
    assert view["title"] == "第一次全体会议"
    assert view["page"] == f"/meetings/{MEETING}/check-in?code={code}"
    assert facts(view)["时间"] == "2026年2月1日 09:30"
    assert await doors.db["attendance"].count({}) == 0
    assert await doors.db["scan"].count({}) == 0
    assert (await read(deputy, code, meeting_id=OTHER))["result"] == "wrong_meeting"
    assert (await scan(deputy, "a", code))["result"] == "ok"


async def test_a_hall_code_that_was_scanned_before_logging_in_leads_to_a_claim(doors):
    shown = await hall_code(doors, draw="link")
    view = await preview(doors, shown["link"])
    assert said(view) == ("H", "ok", "claim")
    claim = await doors.anybody.call("POST", "/api/v1/scans/claims", {"code": shown["link"]})
    deputy = await doors.sign_in(member(1))
    doors.clock.advance(seconds=90)
    view = await read(deputy, claim.json["claim"])
    assert said(view) == ("H", "ok", "check_in")
    doors.clock.advance(minutes=5)
    assert said(await read(deputy, claim.json["claim"])) == ("H", "expired_window", "none")


@pytest.mark.parametrize(("age", "result"), [(25, "ok"), (40, "expired_window")])
async def test_an_old_hall_code_is_explained_to_everybody(doors, age, result):
    deputy = await doors.sign_in(member(1))
    code = (await hall_code(doors))["code"]
    doors.clock.advance(seconds=age)
    for view in (await read(deputy, code), await preview(doors, code)):
        assert view["result"] == result
        assert (view["page"] is None) == (result != "ok")


async def test_a_personal_code_tells_nothing_of_the_person_but_to_who_may_scan_it(doors):
    deputy, staff = [await doors.sign_in(it) for it in (member(2), zhuo)]
    other_staff = await doors.sign_in(person(ulid(723), "方既白", Role.MTG_STAFF, f"mtg:{OTHER}"))
    code = await phone(doors, 1)
    for caller in (deputy, other_staff):
        reply = await caller.call("POST", READ, {"code": code, "meeting_id": OTHER})
        assert said(reply.json) == ("P", "ok", "show")
        for secret in ("代表1", who(1), "全体会议", MEETING):
            assert secret not in reply.body.decode()
    view = await read(staff, code)
    assert (said(view), facts(view)["姓名"]) == (("P", "ok", "scan"), "代表1")
    assert (await read(staff, code, meeting_id=OTHER))["result"] == "wrong_meeting"
    assert said(await preview(doors, code)) == ("P", "ok", "log_in")
    doors.clock.advance(seconds=16)
    assert (await read(staff, code))["result"] == "expired_window"


async def test_a_badge_that_was_voided_is_so_to_the_staff(doors):
    staff = await doors.sign_in(zhuo)
    (badge,) = (await staff.call("POST", f"{URL}/badges", {"people": [who(3)]})).json["badges"]
    assert facts(await read(staff, badge["code"]))["姓名"] == "代表3"
    reason = {"reason": "遗失"}
    await staff.call("POST", f"{URL}/badges/{badge['id']}/revocation", reason)
    assert (await read(staff, badge["code"]))["result"] == "revoked"
    deputy = await doors.sign_in(member(4))
    assert said(await read(deputy, badge["code"])) == ("P", "ok", "show")


# -- S ---------------------------------------------------------------------------------------------


async def test_a_seat_code_says_whether_the_seat_is_ones_own(doors):
    staff, mine, other, free, outsider = [
        await doors.sign_in(it) for it in (zhuo, member(1), member(2), member(3), stranger)
    ]
    await staff.call("PUT", f"{URL}/seats", {"seats": layout(4, 5)})
    wishes = [{"no": "1-1", "person_id": who(1)}, {"no": "2-3", "person_id": who(2)}]
    await staff.call("POST", f"{URL}/seats", {"assignments": wishes})
    issued = (await staff.call("GET", f"{URL}/seats/1-1/code")).json
    assert issued["link"] == f"{origin(doors)}/h5/#/scan?code={issued['code']}"
    for text in (issued["code"], issued["link"]):
        view = await read(mine, text, meeting_id=MEETING)
        assert said(view) == ("S", "ok", "open")
        assert (view["title"], view["page"]) == (
            "中 区 1 排 1 座（1-1）",
            f"/meetings/{MEETING}/seats?no=1-1",
        )
        assert "这是您的座位" in view["text"]
    view = await read(other, issued["code"])
    assert "不是您的座位" in view["text"]
    assert facts(view)["您的座位"] == "中 区 2 排 3 座（2-3）"
    assert who(1) not in str(view)
    assert "没有为您安排座位" in (await read(free, issued["code"]))["text"]
    assert (await read(mine, issued["code"], meeting_id=OTHER))["result"] == "wrong_meeting"
    refused = await outsider.call("POST", READ, {"code": issued["code"]})
    missing = await outsider.call(
        "POST", READ, {"code": await signed(doors, SeatCode(MEETING, "9"))}
    )
    assert (refused.status, gone(refused)) == (404, gone(missing))
    await staff.call("POST", f"{URL}/seats/1-1/free")
    await staff.call("PUT", f"{URL}/seats", {"seats": layout(4, 5)[1:]})
    assert (await mine.call("POST", READ, {"code": issued["code"]})).status == 404
    assert (await staff.call("GET", f"{URL}/seats/1-1/code")).status == 404
    assert (await mine.call("GET", f"{URL}/seats/1-2/code")).status == 403


async def signed(hub, claims):
    return await hub.services.passes.keys.sign(claims)


def gone(reply):
    """A refusal but for the number of the request."""
    return {name: value for name, value in reply.json.items() if name != "request_id"}


# -- L ---------------------------------------------------------------------------------------------


async def test_the_code_on_a_pc_is_read_by_our_scanner_and_opened_by_wechat(town):
    deputy = town.phone()
    await deputy.binds()
    pc, code = await shown(town)
    carried = code["url"].partition("?code=")[2]
    for text in (code["url"], carried):
        view = await reads(deputy, text)
        assert said(view) == ("L", "ok", "confirm_login")
        assert view["page"] == f"/qr-login/{code['id']}"
    # Reading is no scanning: nobody is the first yet.
    assert (await polled(pc, code))["state"] == "created"
    assert said(await preview(town.hub, code["url"])) == ("L", "ok", "log_in")
    await deputy.call("POST", f"/api/v1/qr-logins/{code['id']}/scan")
    assert "确认或拒绝" in (await reads(deputy, carried))["text"]
    other = town.phone()
    await other.binds({"name": "岑以宁", "deputy_no": "D002", "phone": "19900000002"})
    assert said(await reads(other, carried)) == ("L", "taken", "none")
    await deputy.call("POST", f"/api/v1/qr-logins/{code['id']}/confirm")
    assert said(await reads(deputy, carried)) == ("L", "taken", "none")


async def test_the_code_on_a_pc_is_explained_when_its_two_minutes_are_over(town, clock):
    deputy = town.phone()
    await deputy.binds()
    _, code = await shown(town)
    clock.advance(seconds=119)
    assert (await reads(deputy, code["url"]))["result"] == "ok"
    clock.advance(seconds=1)
    assert said(await reads(deputy, code["url"])) == ("L", "expired_window", "none")
    assert said(await preview(town.hub, code["url"])) == ("L", "expired_window", "none")


async def reads(phone, code):
    reply = await phone.call("POST", READ, {"code": code})
    assert reply.status == 200, reply.body
    return reply.json


# -- B ---------------------------------------------------------------------------------------------


@pytest.fixture
async def people(hub):
    await settle_people(hub.db, hub.hub.ground.vault)
    return hub


def bind_code(person_id):
    return f"/api/v1/admin/accounts/{person_id}/bind-code"


async def test_an_invitation_on_paper_is_handed_out_in_scope_and_audited(people):
    liaison, admin, deputy = [await people.sign_in(it) for it in (bai, yin, wen)]
    made = await liaison.call("POST", bind_code(WEN))
    assert made.status == 201, made.body
    assert made.json["link"] == f"{origin(people)}/h5/#/scan?code={made.json['code']}"
    assert (await people.db["account"].find_one({"_id": WEN}))["state"] == "invited"
    # Nobody of another delegation, and nobody's own hand.
    assert (await liaison.call("POST", bind_code(CEN))).status == 404
    assert (await liaison.call("POST", bind_code(ulid(99)))).status == 404
    assert (await deputy.call("POST", bind_code(WEN))).status == 403
    assert (await admin.call("POST", bind_code(CEN))).status == 201
    rows = await people.db["audit"].find({"action": "account.bind_code"}, sort=[("_id", 1)])
    assert [(row["by"], row["obj"]) for row in rows] == [
        (bai.id, f"person:{WEN}"),
        (yin.id, f"person:{CEN}"),
    ]
    assert made.json["code"] not in str(rows)


async def test_an_invitation_on_paper_shows_the_name_masked_and_is_over_after_a_day(people):
    liaison = await people.sign_in(bai)
    made = (await liaison.call("POST", bind_code(WEN))).json
    for text in (made["code"], made["link"]):
        reply = await people.anybody.call("POST", PREVIEW, {"code": text})
        assert said(reply.json) == ("B", "ok", "bind")
        assert reply.json["page"] == f"/bind?code={made['code']}"
        assert facts(reply.json)["姓名"] == "闻**"
        for secret in ("予澄", "D001", "19900000001", "浦东"):
            assert secret not in reply.body.decode()
    other = await people.sign_in(cen)
    view = await read(other, made["code"])
    assert said(view) == ("B", "ok", "none")
    assert "闻" not in str(view)
    people.clock.advance(hours=24)
    assert said(await preview(people, made["code"])) == ("B", "expired_window", "none")
    assert said(await read(other, made["code"])) == ("B", "expired_window", "none")


async def test_how_long_an_invitation_on_paper_holds_is_a_rule(people):
    rule = await people.services.administration.rules.row("bind.code.life")
    assert (rule.value, rule.unit) == (24, "hours")
    liaison = await people.sign_in(bai)
    made = (await liaison.call("POST", bind_code(WEN))).json
    assert made["expires_at"] == (people.clock() + timedelta(hours=24)).isoformat().replace(
        "+00:00", "Z"
    )


async def test_who_finds_an_invitation_has_found_nothing_binding_still_takes_all_proofs(town):
    code = await town.hub.services.passes.keys.sign(
        Bind((await town.hub.db["person"].find_one({"name": "闻予澄"}))["_id"],
             town.hub.clock() + timedelta(hours=1))
    )  # fmt: skip
    finder = town.phone("拾到的人")
    assert (await preview(town.hub, code))["action"] == "bind"
    assert (await finder.call("GET", "/api/v1/me")).status == 401
    # The page keeps the code on the way to WeChat and back, beside the ticket.
    wanted = f"/h5/#/bind?code={code}"
    away = f"/api/v1/wechat/authorize?return_to={quote(wanted, safe='')}"
    fragment = urlsplit((await finder.enters(away)).headers["Location"]).fragment
    back = parse_qs(urlsplit(fragment).query)
    assert (back["return_to"], len(back["ticket"])) == ([wanted], 1)
    # The paper is no ticket, and a wrong number gets no message.
    claim = await finder.claims(code, **WEN_SAYS)
    assert claim.status == 401
    claim = await finder.claims(**{**WEN_SAYS, "phone": "19911111111"})
    await town.delivered()
    assert claim.status == 201
    assert town.messages() == 0
    owner = Phone(town, town.phone().openid)
    await owner.binds()
    assert (await owner.call("GET", "/api/v1/me")).json["name"] == "闻予澄"


# -- C ---------------------------------------------------------------------------------------------


async def test_a_contact_code_shows_what_is_public_of_a_deputy_and_nothing_else(people):
    deputy = await people.sign_in(wen)
    guest = await people.sign_in(person(ulid(40), "来宾", Role.GUEST, f"mtg:{MEETING}"))
    mine = (await deputy.call("GET", "/api/v1/me/contact-code")).json
    other = await people.sign_in(cen)
    seen = (await other.call("GET", f"/api/v1/people/{WEN}/contact-code")).json
    assert seen["code"] == mine["code"]
    reply = await guest.call("POST", READ, {"code": mine["link"]})
    assert said(reply.json) == ("C", "ok", "open")
    assert reply.json["page"] == f"/contact?code={mine['code']}"
    assert facts(reply.json) == {
        "姓名": "闻予澄", "代表团": "浦东新区代表团", "代表小组": "浦东第一代表小组",
    }  # fmt: skip
    for secret in ("D001", "19900000001", "021-10000001", "浦东某中学", "教师"):
        assert secret not in reply.body.decode()
    assert said(await preview(people, mine["code"])) == ("C", "ok", "log_in")


async def test_only_deputies_have_a_contact_code_and_stations_have_none_yet(people):
    liaison, deputy = [await people.sign_in(it) for it in (bai, wen)]
    assert (await liaison.call("GET", "/api/v1/me/contact-code")).status == 404
    assert (await deputy.call("GET", f"/api/v1/people/{BAI}/contact-code")).status == 404
    unit = await people.sign_in(person(ulid(41), "经办", Role.UNIT, "unit:jtw", org_id="jtw"))
    assert (await unit.call("GET", f"/api/v1/people/{WEN}/contact-code")).status == 404
    for claims in (Contact("person", XI), Contact("person", ulid(99))):
        code = await signed(people, claims)
        assert (await deputy.call("POST", READ, {"code": code})).status == 404
    station = await read(deputy, await signed(people, Contact("station", ulid(5))))
    assert said(station) == ("C", "unknown", "none")


async def test_a_contact_code_outlives_the_change_of_keys_and_ends_with_its_own(people):
    deputy, admin = [await people.sign_in(it) for it in (wen, yin)]
    contact = (await deputy.call("GET", "/api/v1/me/contact-code")).json["code"]
    paper = await signed(people, SeatCode(MEETING, "1-1"))
    assert (await admin.call("POST", ADMIN)).status == 201
    people.clock.advance(days=400)
    assert (await read(deputy, contact))["result"] == "ok"
    assert (await read(deputy, paper))["result"] == "bad_signature"
    fresh = (await deputy.call("GET", "/api/v1/me/contact-code")).json["code"]
    assert fresh != contact
    reason = {"reason": "私钥泄露"}
    assert (await admin.call("POST", f"{ADMIN}/1/revocation", reason)).status == 200
    assert (await read(deputy, contact))["result"] == "bad_signature"
    assert (await read(deputy, fresh))["result"] == "ok"


# -- what is none of ours --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "随便什么",
        "   ",
        "\x00\x1b[2J",
        "x" * 4096,
        "🦜" * 1000,
        "https://evil.example/h5/#/scan?code=RD1.H.AA.AA",
        "HTTP://EVIL.EXAMPLE/",
        "javascript:alert(1)",
        "weixin://dl/business/?t=1",
        "WIFI:S:guest;P:secret;;",
        "{url}.evil.example/h5/#/papers/" + "0" * 26,
        "{url}@evil.example/h5/#/papers/" + "0" * 26,
        "{url}/h5/#/bind?ticket=thief",
        "{url}/h5/#/scan?code=nonsense",
        "{url}/h5/#//evil.example",
        "{url}/h5/#/papers/../../x",
        "{url}/api/v1/admin/audit",
        "{url}/[?code=1#[",
        "{url}/?" + "a=1&" * 900,
    ],
)
async def test_what_is_none_of_ours_is_explained_shown_and_never_opened(hub, text):
    text = text.replace("{url}", origin(hub))
    deputy = await hub.sign_in(wen)
    for view in (await read(deputy, text), await preview(hub, text)):
        assert said(view) == ("", "unknown", "none")
        assert view["page"] is None
        assert view["shown"].isprintable()
        assert len(view["shown"]) <= 200
        assert view["title"] == "不是本系统的二维码"


async def test_an_address_is_told_from_other_texts_and_cannot_disguise_itself(hub):
    deputy = await hub.sign_in(wen)
    address = await read(deputy, "https://evil.example/\u202egpj.exe")
    assert "不会打开" in address["text"]
    assert "\u202e" not in address["shown"]
    assert address["shown"].startswith("https://evil.example/")
    assert "不能在这里使用" in (await read(deputy, "4006-123-456"))["text"]


async def test_a_code_in_somebody_elses_address_is_not_taken_out(doors):
    deputy = await doors.sign_in(member(1))
    code = (await hall_code(doors))["code"]
    view = await read(deputy, f"https://evil.example/h5/#/scan?code={code}")
    assert (said(view), view["page"]) == (("", "unknown", "none"), None)


@pytest.mark.parametrize(
    "body", [{}, {"code": ""}, {"code": "x" * 4097}, {"code": 7}, {"code": None}]
)
async def test_what_cannot_be_a_scan_gets_the_envelope(hub, body):
    deputy = await hub.sign_in(wen)
    for caller, path in ((deputy, READ), (hub.anybody, PREVIEW)):
        reply = await caller.call("POST", path, body)
        assert reply.status in {400, 422}
        assert {"code", "msg"} <= reply.json.keys()
    assert (await hub.anybody.call("POST", READ, {"code": "x"})).status == 401


async def test_a_thing_reads_no_codes(doors):
    scanner, _ = await device(doors)
    code = (await hall_code(doors))["code"]
    assert (await scanner.call("POST", READ, {"code": code})).status == 403


async def every_kind(hub):
    """A code of each kind that holds now, and the same signed by a stranger."""
    now = hub.clock()
    until = now + timedelta(minutes=5)
    claims = [
        Hall(MEETING, now), Personal(who(1), MEETING, now, until, Form.PHONE),
        Document(ulid(5)), SeatCode(MEETING, "1-1"), Login(ulid(6), until), Bind(who(1), until),
        Contact("person", who(1)), Ticket(ulid(7), MEETING, now, until),
    ]  # fmt: skip
    ours = [await signed(hub, it) for it in claims]
    forger = Ed25519PrivateKey.generate()
    return ours, [sign(it, key_no=1, key=forger) for it in claims]


async def test_a_code_of_a_strangers_key_is_a_bad_signature_whatever_its_kind(doors):
    deputy = await doors.sign_in(member(1))
    _, forged = await every_kind(doors)
    for code in forged:
        for text in (code, f"{origin(doors)}/h5/#/scan?code={code}"):
            for view in (await read(deputy, text), await preview(doors, text)):
                assert (said(view), view["page"]) == (("", "bad_signature", "none"), None)


async def test_of_ten_thousand_changed_codes_of_all_kinds_none_is_believed(doors):
    """Bare and inside our address; the scanner itself is asked, so that it takes seconds."""
    reader, chance = doors.services.codes.reader, random.Random(12)
    ours, _ = await every_kind(doors)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.%&=#?"
    tried = 0
    results = set()
    while tried < 10_000:
        letters = list(chance.choice(ours))
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(letters))
            match chance.randrange(4):
                case 0:
                    letters[at] = chance.choice(alphabet)
                case 1:
                    del letters[at]
                case 2:
                    letters.insert(at, chance.choice(alphabet))
                case _:
                    letters[at:] = chance.choice(ours)[at:]
        text = "".join(letters)
        wrapped = tried % 2 == 1
        if wrapped:
            text = f"{origin(doors)}/h5/#/scan?code={text}"
        if doors.services.passes.links.bare(text) in ours:
            continue  # Changed into itself, or what was added is no part of the code.
        tried += 1
        found = await reader.preview(text)
        results.add(found.outcome.value)
        assert found.outcome.value in {"unknown", "bad_signature"}, text
        assert (found.page, found.action.value) == (None, "none")
    assert results == {"unknown", "bad_signature"}


async def test_the_code_of_a_poster_is_a_page_of_ours(doors):
    deputy = await doors.sign_in(member(1))
    view = await read(deputy, f"{origin(doors)}/h5/#/meetings/{MEETING}/check-in?gate=east-1")
    assert said(view) == ("page", "ok", "open")
    assert view["page"] == f"/meetings/{MEETING}/check-in?gate=east-1"


async def test_who_is_suspended_may_look_at_a_code(doors):
    deputy = await doors.sign_in(member(1).model_copy(update={"state": "suspended"}))
    assert (await read(deputy, (await hall_code(doors))["code"]))["kind"] == "H"
