"""Attendance as spreadsheets at the real hub: out with a watermark, in line by line."""

from __future__ import annotations

import asyncio
import base64
import io
from datetime import timedelta

import openpyxl
import pytest

from domain.clock import SHANGHAI
from domain.organisation import Delegation
from domain.roster import Card, Kind
from storage.organisation import OrganisationStore
from storage.people import PeopleStore
from tests.integration.hall import MEETING, URL, convene, elsewhere, enrol, member, zhuo
from tests.integration.people import ulid

EXPORT, IMPORT = f"{URL}/attendance/export", f"{URL}/attendance/import"
ROLL = f"{URL}/attendance"
HEAD = ["姓名", "代表证号", "签到时间", "入口"]


def who(number):
    return ulid(800 + number)


def card(number, **more):
    facts = {"name": f"代表{number}", "deputy_no": f"N{number:03}", "delegation_id": "pudong"}
    return Card(id=who(number), kind=Kind.DEPUTY, **facts | more)


def xlsx(*rows):
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def csv(*rows):
    return "\n".join(",".join(row) for row in rows).encode("utf-8-sig")


async def handed_in(caller, data, *, name="签到.xlsx", dry_run=False, status=200):
    reply = await caller.call(
        "POST",
        f"{IMPORT}?dry_run={str(dry_run).lower()}",
        {"filename": name, "content": base64.b64encode(data).decode()},
    )
    assert reply.status == status, reply.body
    return reply.json


@pytest.fixture
async def hall(hub):
    """A meeting that began an hour ago, with two gates, members, one guest, one namesake."""
    at = hub.clock()
    await convene(
        hub.db, members=0, starts_at=at - timedelta(hours=1), ends_at=at + timedelta(hours=3)
    )
    await enrol(hub.db, range(1, 9))
    await enrol(hub.db, [9], capacity="attend")
    parts = OrganisationStore(hub.db)
    for sort, name in ((1, "浦东新区代表团"), (2, "徐汇区代表团")):
        key = ("pudong", "xuhui")[sort - 1]
        await parts.put(Delegation(id=key, name=name, congress_id="sh20", sort=sort))
    cards = [card(n) for n in range(1, 8)]
    cards += [card(8, name="代表7"), card(9, name="=1+1", delegation_id="xuhui"), card(20)]
    await PeopleStore(hub.db).add_many(cards)
    staff = await hub.sign_in(zhuo)
    gates = [{"id": "1", "name": "一号门"}, {"id": "2", "name": "二号门"}]
    await staff.call("PUT", f"{URL}/doors", {"v": 0, "gates": gates})
    return hub


def local(instant, form="%Y-%m-%d %H:%M"):
    return instant.astimezone(SHANGHAI).strftime(form)


async def test_what_was_exported_says_who_was_there_and_never_why_somebody_was_not(hall):
    staff = await hall.sign_in(zhuo)
    at = hall.clock()
    rows = [HEAD, ["代表1", "N001", local(at - timedelta(minutes=70)), "一号门"]]
    await handed_in(staff, xlsx(*rows))
    marks = [{"person_id": who(2), "state": "late"}, {"person_id": who(3), "state": "absent"},
             {"person_id": who(9), "state": "present"}]  # fmt: skip
    await staff.call("POST", ROLL, {"marks": marks})
    hall.clock.advance(minutes=10)
    left = [{"person_id": who(2), "state": "left"}]
    await staff.call("POST", ROLL, {"marks": left})
    await staff.call("POST", f"{ROLL}/{who(9)}/reverse", {"reason": "家中有事"})
    deputy = await hall.sign_in(member(4, delegation_id="pudong"))
    asked = await deputy.call("POST", f"{URL}/leave", {"kind": "sick", "reason": "住院手术"})
    assert asked.status == 201, asked.body

    reply = await staff.call("GET", EXPORT)
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"].endswith("spreadsheetml.sheet")
    assert reply.headers["Cache-Control"] == "no-store"
    page = openpyxl.load_workbook(io.BytesIO(reply.body)).active
    mark, head, *lines = [[cell or "" for cell in row] for row in page.iter_rows(values_only=True)]
    assert "卓慕青" in mark[0]
    assert "不得外传" in mark[0]
    assert head == [
        "姓名", "代表证号", "代表团", "参加身份", "状态", "签到时间", "方式", "入口", "请假",
        "备注",
    ]  # fmt: skip
    assert len(lines) == 9
    by_no = {line[1]: line for line in lines}
    assert by_no["N001"] == [
        "代表1", "N001", "浦东新区代表团", "组成人员", "出席",
        local(at - timedelta(minutes=70), "%Y-%m-%d %H:%M:00"), "导入", "一号门", "", "",
    ]  # fmt: skip
    assert by_no["N002"][4:8] == ["已离场", local(at, "%Y-%m-%d %H:%M:%S"), "点名", ""]
    assert by_no["N002"][9] == f"曾迟到；{local(hall.clock(), '%Y-%m-%d %H:%M:%S')} 离场"
    assert by_no["N003"][4:6] == ["缺席", ""]
    assert by_no["N004"][4:9] == ["未签到", "", "", "", "待审批"]
    assert by_no["N009"] == [
        "'=1+1", "N009", "徐汇区代表团", "列席", "未签到", "", "", "", "", "撤销 1 次",
    ]  # fmt: skip
    # The list begins with the first delegation; neither reason nor kind of leave is in it.
    assert lines[-1][1] == "N009"
    text = str(lines)
    assert not any(word in text for word in ("住院", "病假", "sick", "家中有事"))
    (entry,) = await hall.db["audit"].find({"action": "attendance.export"})
    assert (entry["by"], entry["detail"]["meeting"]) == (zhuo.id, MEETING)
    for person in (member(1), elsewhere):
        assert (await (await hall.sign_in(person)).call("GET", EXPORT)).status == 403


async def test_good_lines_go_in_and_faulty_ones_are_listed_with_what_is_wrong(hall):
    staff = await hall.sign_in(zhuo)
    at = hall.clock()
    good, soon = local(at - timedelta(minutes=61)), local(at + timedelta(minutes=5))
    rows = [
        HEAD,
        ["代表1", "N001", good, "一号门"],
        ["代表2", "", local(at - timedelta(minutes=30), "%H:%M"), "2"],
        ["代表3", "N004", good, ""],
        ["代表20", "N020", good, ""],
        ["代表7", "", good, ""],
        ["", "N005", good, ""],
        ["代表5", "N005", "", ""],
        ["代表6", "N006", "昨天上午", ""],
        ["代表6", "N006", soon, ""],
        ["代表4", "N004", good, "三号门"],
        ["代表1", "N001", good, "一号门"],
        ["代表7", "N007", local(at - timedelta(days=1)), ""],
        [],
        ["'=1+1", "N009", local(at - timedelta(minutes=20), "%Y年%m月%d日 %H:%M:%S"), ""],
    ]
    tried = await handed_in(staff, xlsx(*rows), dry_run=True)
    assert await hall.db["attendance"].count({}) == await hall.db["checkin"].count({}) == 0
    assert await hall.db["audit"].count({"action": "attendance.import"}) == 0
    done = await handed_in(staff, xlsx(*rows))
    assert done["outcomes"] == tried["outcomes"]
    assert done["counts"] == tried["counts"] == {"faulty": 9, "not_yet": 1, "ok": 3}
    said = [(it["line"], it["result"], [fault["field"] for fault in it["faults"]])
            for it in done["outcomes"]]  # fmt: skip
    assert said == [
        (2, "ok", []), (3, "ok", []), (4, None, ["name"]), (5, None, ["deputy_no"]),
        (6, None, ["deputy_no"]), (7, None, ["name"]), (8, None, ["at"]), (9, None, ["at"]),
        (10, None, ["at"]), (11, None, ["gate"]), (12, None, [""]), (13, "not_yet", []),
        (15, "ok", []),
    ]  # fmt: skip
    rows = await hall.db["attendance"].find({}, sort=[("_id", 1)])
    assert [(row["p"], row["state"], row["how"], row["gate"]) for row in rows] == [
        (who(1), "present", "import", "1"), (who(2), "late", "import", "2"),
        (who(9), "late", "import", ""),
    ]  # fmt: skip
    (entry,) = await hall.db["audit"].find({"action": "attendance.import"})
    assert (entry["detail"]["lines"], entry["detail"]["scans"]) == (13, 4)
    for person in (member(1), elsewhere):
        other = await hall.sign_in(person)
        await handed_in(other, xlsx(HEAD), status=403)


async def test_a_list_is_handed_in_after_the_end_and_the_same_one_changes_nothing(hall):
    staff = await hall.sign_in(zhuo)
    came = local(hall.clock() - timedelta(minutes=70))
    hall.clock.advance(minutes=30)
    await hall.db["meeting"].update_one(
        {"_id": MEETING}, {"$set": {"state": "closed", "closed_at": hall.clock()}}
    )
    hall.clock.advance(minutes=30)
    late = local(hall.clock() - timedelta(minutes=10))
    data = csv(HEAD, ["代表1", "N001", came, ""], ["代表2", "N002", late, ""])
    first = await handed_in(staff, data, name="名单.CSV")
    assert first["counts"] == {"faulty": 1, "ok": 1}
    before = await hall.db["attendance"].find({})
    scans = await hall.db["checkin"].count({})
    results = await asyncio.gather(*(handed_in(staff, data, name="名单.CSV") for _ in range(4)))
    assert {it["outcomes"][0]["again"] for it in results} == {True}
    assert {it["outcomes"][0]["result"] for it in results} == {"ok"}
    after = await hall.db["attendance"].find({})
    assert [{**row, "untold": 0, "unbooked": 0} for row in before] == [
        {**row, "untold": 0, "unbooked": 0} for row in after
    ]
    assert await hall.db["checkin"].count({}) == scans == 1
    # Taken back, it stays taken back: the list has said what it had to say.
    await staff.call("POST", f"{ROLL}/{who(1)}/reverse", {"reason": "代签"})
    await handed_in(staff, data, name="名单.CSV")
    assert (await hall.db["attendance"].find_one({"p": who(1)}))["state"] == "void"
    await hall.db["meeting"].update_one({"_id": MEETING}, {"$set": {"state": "archived"}})
    assert (await handed_in(staff, data, name="名单.CSV", status=409))["code"] == "bad_state"


async def test_an_exported_list_can_be_filled_in_and_handed_in_again(hall):
    staff = await hall.sign_in(zhuo)
    book = openpyxl.load_workbook(io.BytesIO((await staff.call("GET", EXPORT)).body))
    page = book.active
    for row in page.iter_rows(min_row=3):
        if row[1].value in {"N001", "N009"}:
            row[5].value = (
                (hall.clock() - timedelta(minutes=62)).astimezone(SHANGHAI).replace(tzinfo=None)
            )
    for number in range(page.max_row, 2, -1):
        if not page.cell(number, 6).value:
            page.delete_rows(number)
    out = io.BytesIO()
    book.save(out)
    done = await handed_in(staff, out.getvalue())
    assert done["counts"] == {"ok": 2}
    assert done["unknown_columns"] == ["代表团", "参加身份", "状态", "方式", "请假", "备注"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\xd0\xcf\x11\xe0 old excel", 415),
        (xlsx(["代表证号", "签到时间"]), 422),
        (xlsx(["姓名", "代表证号"]), 422),
        (xlsx(["姓名", "签到时间", "时间"]), 422),
        (xlsx(*[[HEAD[0]]] * 5010), 422),
        (xlsx(HEAD, ["名" * 1001])[:-30], 422),
        (b"", 415),
    ],
    ids=["old excel", "no name", "no time", "twice", "too many", "damaged", "empty"],
)
async def test_what_is_no_list_of_this_kind_is_refused(hall, data, status):
    await handed_in(await hall.sign_in(zhuo), data, status=status)
    assert await hall.db["attendance"].count({}) == 0


@pytest.mark.acceptance("M07-1")
async def test_of_eight_hundred_and_sixty_lines_the_dry_run_says_what_then_happens(hall):
    """M07-1"""
    staff, at = await hall.sign_in(zhuo), hall.clock()
    await enrol(hall.db, range(101, 961))
    await PeopleStore(hall.db).add_many(
        [card(n, name=f"代表{n}", deputy_no=f"N{n:04}") for n in range(101, 961)]
    )
    rows = [HEAD]
    for n in range(101, 961):
        came = at - timedelta(minutes=n % 90 + 1)
        row = [f"代表{n}", f"N{n:04}", local(came), ("一号门", "二号门", "")[n % 3]]
        if n % 43 == 0:
            row[n % 4] = "？"
        rows.append(row)
    # Some were scanned before, some left, some are on leave, one is not to be let in.
    marks = [{"person_id": who(n), "state": "present"} for n in range(110, 130)]
    await staff.call("POST", ROLL, {"marks": marks})
    marks = [{"person_id": who(n), "state": "left"} for n in range(110, 115)]
    await staff.call("POST", ROLL, {"marks": marks})
    await hall.db["leave"].insert_many(
        [{"_id": ulid(9_000 + n), "m": MEETING, "p": who(n), "state": "approved", "since": None,
          "until": None, "open": f"{MEETING}:{who(n)}"} for n in range(140, 150)]
    )  # fmt: skip
    await staff.call("PUT", f"{URL}/doors/people/{who(150)}", {"blocked": True, "reason": "待核实"})
    data = xlsx(*rows)
    tried = await handed_in(staff, data, dry_run=True)
    assert await hall.db["checkin"].count({}) == 0
    assert await hall.db["attendance"].count({}) == 20
    done = await handed_in(staff, data)
    assert tried["outcomes"] == done["outcomes"]
    assert len(done["outcomes"]) == 860
    assert done["counts"] == {
        "already_in": 14, "blocked": 1, "faulty": 20, "ok": 815, "on_leave": 10,
    }  # fmt: skip
    assert await hall.db["checkin"].count({}) == 840
    assert await hall.db["attendance"].count({"how": "import"}) == 815
