"""Roster import: twice is once, every line for itself, and nobody leaves office by omission."""

from __future__ import annotations

import asyncio
import contextlib
import io
import zipfile

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadState, Forbidden, Invalid, TypeRefused
from domain.grants import GrantService
from domain.people import AccountState, Flag, Grant, Person
from domain.permissions import Role
from domain.roster import CardState
from domain.roster_import import RosterImport, RosterPorts
from domain.roster_plan import Fate
from domain.roster_table import read_lines
from storage.grants import GrantStore, ScopeStore
from storage.organisation import OrganisationStore
from storage.people import PeopleStore
from storage.roster_import import RosterStore
from storage.tables import MOST_UNPACKED, read_table
from storage.vault import KeyVault, parse_key

ADMIN = Person(id="yin", name="尹川辞", grants=(Grant(role=Role.ADMIN),))
LIAISON = Person(id="bai", name="柏令仪", grants=(Grant(role=Role.LIAISON),))

HEAD = "姓名,代表证号,代表团,代表小组,职务,手机号,身份,备注\n"
WEN = "闻予澄,20001,浦东新区代表团,第三小组,工程师,13800000001,,\n"
LIN = "蔺书航,20002,浦东新区代表团,,主任,138 0000 0002,团长、常委会组成人员,\n"
YAN = "颜知遥,20003,徐汇区代表团,,教师,,,\n"


class Quiet:
    """A bus and an audit that nobody listens to."""

    def __init__(self):
        self.entries = []

    async def record(self, action, *, by, obj, detail=None):
        self.entries.append((action, obj, detail))

    async def publish(self, channel, event):
        pass

    async def recheck(self, person_id):
        pass


class Accounts:
    """Keeps states as ``AccountService`` does."""

    def __init__(self):
        self.states = {}
        self.orders = []

    async def prepare(self, person_id, *, by):
        self.states.setdefault(person_id, AccountState.IMPORTED)

    async def change_state(self, person_id, to, *, reason, document, by):
        if to is AccountState.ACTIVE and self.states[person_id] is not AccountState.ENDED:
            raise BadState("账号当前状态不能进行此变更")
        self.orders.append((person_id, to, document))
        self.states[person_id] = to


@pytest.fixture
def accounts():
    return Accounts()


@pytest.fixture
def quiet():
    return Quiet()


@pytest.fixture
def people(db):
    return PeopleStore(db)


@pytest.fixture
async def roster(db, people, accounts, quiet, clock, new_id):
    await db["delegation"].insert_many(
        [
            {"_id": key, "name": name, "active": True, "congress_id": "c", "v": 1, "parent": "c"}
            for key, name in (("pudong", "浦东新区代表团"), ("xuhui", "徐汇区代表团"))
        ]
    )
    await db["group"].insert_one(
        {"_id": "g3", "name": "第三小组", "delegation_id": "pudong", "active": True, "v": 1}
    )
    ports = RosterPorts(
        store=RosterStore(db),
        roster=people,
        house=OrganisationStore(db),
        accounts=accounts,
        grants=GrantService(
            GrantStore(db), ScopeStore(db), bus=quiet, audit=quiet, clock=clock, new_id=new_id
        ),
        vault=KeyVault([parse_key("00" * 32)]),
        reader=read_table,
        audit=quiet,
    )
    return RosterImport(ports, clock=clock, new_id=new_id)


def run(roster, *lines, name="roster.csv", dry_run=False, by=ADMIN, **more):
    return roster.run(name, (HEAD + "".join(lines)).encode(), dry_run=dry_run, by=by, **more)


def fates(report):
    return [outcome.fate for outcome in report.outcomes]


@pytest.mark.acceptance("M10-5")
async def test_the_same_roster_twice_changes_nothing_the_second_time(roster, db, people, quiet):
    """M10-5"""
    first = await run(roster, WEN, LIN, YAN)
    assert fates(first) == [Fate.ADDED] * 3
    before = await db["person"].find({}, sort=[("_id", 1)])
    grants = await db["role_grant"].count({})

    again = await run(roster, WEN, LIN, YAN)
    assert fates(again) == [Fate.UNCHANGED] * 3
    assert await db["person"].find({}, sort=[("_id", 1)]) == before
    assert await db["role_grant"].count({}) == grants == 3
    lin = await people.by_deputy_no("20002")
    assert lin.flags == {Flag.DELEGATION_HEAD, Flag.NPCSC_MEMBER}
    assert (lin.delegation_id, lin.post) == ("pudong", "主任")
    assert lin.mobile_h
    assert b"13800000002" not in lin.mobile_enc
    assert "13800000002" not in str(quiet.entries)


@pytest.mark.acceptance("M10-5")
async def test_who_is_missing_is_listed_and_leaves_only_when_confirmed(
    roster, people, accounts, db, clock
):
    """M10-5"""
    await run(roster, WEN, LIN, YAN)
    report = await run(roster, WEN, LIN)
    (gone,) = [it for it in report.outcomes if it.fate is Fate.REMOVED]
    assert (gone.name, gone.deputy_no, gone.ended) == ("颜知遥", "20003", False)
    yan = await people.by_deputy_no("20003")
    assert yan.active
    assert accounts.states[yan.id] is AccountState.IMPORTED

    dry = await run(roster, WEN, LIN, dry_run=True, confirmed=frozenset({"20003"}), document="令1")
    assert dry.outcomes[-1].ended
    assert (await people.by_deputy_no("20003")).active

    with pytest.raises(Invalid) as refusal:
        await run(roster, WEN, LIN, confirmed=frozenset({"20003"}))
    assert refusal.value.field == "document"
    await run(roster, WEN, LIN, confirmed=frozenset({"20003"}), document="常委会公告第1号")
    assert accounts.orders == [(yan.id, AccountState.ENDED, "常委会公告第1号")]
    assert (await people.by_deputy_no("20003")).state is CardState.LEFT
    assert await GrantStore(db).in_force(yan.id, clock.now) == ()
    assert fates(await run(roster, WEN, LIN)) == [Fate.UNCHANGED] * 2


async def test_somebody_who_is_not_missing_cannot_be_confirmed_as_removed(roster):
    await run(roster, WEN, LIN)
    with pytest.raises(Invalid) as refusal:
        await run(roster, WEN, LIN, confirmed=frozenset({"20002"}), document="令1")
    assert refusal.value.detail["deputy_nos"] == ["20002"]


async def test_a_dry_run_says_what_the_import_does_and_writes_nothing(roster, db):
    dry = await run(roster, WEN, LIN, dry_run=True)
    assert await db["person"].count({}) == await db["roster_import"].count({}) == 0
    real = await run(roster, WEN, LIN)
    assert [it.fate for it in dry.outcomes] == [it.fate for it in real.outcomes]
    assert [it.fields for it in dry.outcomes] == [it.fields for it in real.outcomes]
    assert real.unknown_columns == ("备注",)


async def test_faulty_lines_are_listed_and_the_others_go_in(roster, db):
    report = await run(
        roster,
        WEN,
        "蔺书航,20001,浦东新区代表团,,,,,\n",
        ",20004,浦东新区代表团,,,,,\n",
        "骆叙白,20005,不存在代表团,,,12345,,\n",
        "苗听澜,20006,徐汇区代表团,第三小组,,,队长,\n",
        YAN,
    )
    faulty = {it.line: {fault.field for fault in it.faults} for it in report.outcomes if it.faults}
    assert faulty == {
        3: {"deputy_no"},
        4: {"name"},
        5: {"mobile", "delegation"},
        6: {"flags", "group"},
    }
    assert await db["person"].count({}) == 2


async def test_a_faulty_line_removes_nobody(roster):
    await run(roster, WEN, LIN)
    report = await run(roster, WEN, LIN.replace("138 0000 0002", "1380"))
    assert fates(report) == [Fate.UNCHANGED, Fate.FAULTY]


async def test_a_number_that_belongs_to_another_is_a_fault_of_the_line(roster):
    await run(roster, WEN)
    report = await run(roster, WEN, LIN.replace("138 0000 0002", "13800000001"))
    assert report.outcomes[1].faults[0].field == "mobile"
    other = await run(roster, "柏令仪,20001,浦东新区代表团,,,,,\n")
    assert other.outcomes[0].faults[0].field == "name"


async def test_a_change_names_its_fields_and_what_the_table_does_not_name_stays(roster, people):
    await run(roster, WEN)
    report = await roster.run(
        "r.csv", "姓名,代表证号,职务\n闻予澄,20001,总工程师\n".encode(), dry_run=False, by=ADMIN
    )
    assert (report.outcomes[0].fate, report.outcomes[0].fields) == (Fate.CHANGED, ("post",))
    wen = await people.by_deputy_no("20001")
    assert (wen.post, wen.group_id) == ("总工程师", "g3")


async def test_who_left_and_is_listed_again_returns_with_role_and_account(
    roster, people, accounts, db, clock
):
    await run(roster, WEN, YAN)
    yan = await people.by_deputy_no("20003")
    await run(roster, WEN, confirmed=frozenset({"20003"}), document="令1")
    report = await run(roster, WEN, YAN)
    assert fates(report) == [Fate.UNCHANGED, Fate.RETURNED]
    assert (await people.by_deputy_no("20003")).active
    assert accounts.states[yan.id] is AccountState.ACTIVE
    (grant,) = await GrantStore(db).in_force(yan.id, clock.now)
    assert grant.role is Role.DEPUTY


async def test_staff_are_known_by_their_number_get_no_role_and_remove_nobody(roster, db):
    await run(roster, WEN)
    table = "姓名,类别,手机号\n柏令仪,工作人员,13900000001\n".encode()
    for fate in (Fate.ADDED, Fate.UNCHANGED):
        report = await roster.run("s.csv", table, dry_run=False, by=ADMIN)
        assert fates(report) == [fate]
    assert await db["role_grant"].count({}) == 1


async def test_an_import_that_was_cut_short_is_completed_by_the_next(roster, db, people, accounts):
    await run(roster, WEN)
    await db["role_grant"].delete_many({})
    accounts.states.clear()
    assert fates(await run(roster, WEN)) == [Fate.UNCHANGED]
    wen = await people.by_deputy_no("20001")
    assert wen.id in accounts.states
    assert await db["role_grant"].count({"person_id": wen.id, "state": "granted"}) == 1


async def test_two_imports_at_once_make_everybody_once(roster, db):
    await asyncio.gather(run(roster, WEN, LIN, YAN), run(roster, WEN, LIN, YAN))
    assert await db["person"].count({}) == 3
    assert fates(await run(roster, WEN, LIN, YAN)) == [Fate.UNCHANGED] * 3
    assert await db["role_grant"].count({"state": "granted"}) == 3


async def test_only_an_administrator_imports(roster):
    with pytest.raises(Forbidden):
        await run(roster, WEN, by=LIAISON)


# -- reading files ---------------------------------------------------------------------------------


def xlsx(*rows):
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def test_excel_and_csv_in_either_encoding_give_the_same_cells():
    rows = [["姓名", "代表证号", "手机号"], ["单怀瑾", "20009", "13800000009"]]
    text = "\n".join(",".join(row) for row in rows)
    assert read_table("a.xlsx", xlsx(rows[0], ["单怀瑾", 20009, 13800000009.0])) == rows
    assert read_table("a.csv", text.encode("utf-8-sig")) == rows
    assert read_table("a.CSV", text.encode("gb18030")) == rows
    assert read_table("a.csv", text.replace(",", "\t").encode()) == rows


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.xlsx", b"\xd0\xcf\x11\xe0 old excel"),
        ("a.doc", b"x"),
        ("a.csv", b"a,b\n\x00\x01"),
        ("a.csv", b"\xff\xfe\xff\xff\x81"),
    ],
)
def test_what_is_no_table_is_refused(name, data):
    with pytest.raises(TypeRefused):
        read_table(name, data)


def archive(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name.replace("__", "/") + ".xml", content)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        archive(bomb=b"\0" * (MOST_UNPACKED + 1)),
        archive(**{f"p{i}": b"" for i in range(201)}),
        archive(xl__workbook=b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x/>'),
        archive(nothing=b"<x/>"),
        xlsx(["姓名"], ["好"])[:-40],
        xlsx(["x" * 1001]),
        b"PK\x03\x04" + b"\0" * 100,
    ],
    ids=["bomb", "parts", "entities", "no workbook", "cut", "long cell", "noise"],
)
def test_a_dangerous_or_damaged_workbook_is_refused(data):
    with pytest.raises(Invalid):
        read_table("a.xlsx", data)


@pytest.mark.parametrize(
    "rows",
    [[], [["名字"]], [["姓名", "姓名"]], [["姓名"]] + [["好"]] * 5_001],
    ids=["empty", "no name", "twice", "too many"],
)
def test_a_table_without_the_right_shape_is_refused(rows):
    with pytest.raises(Invalid):
        read_lines(rows)


WORKBOOK = xlsx(["姓名", "代表证号"], ["单怀瑾", 20009])


@given(
    st.lists(
        st.tuples(st.integers(0, len(WORKBOOK) - 1), st.integers(0, 255)), min_size=1, max_size=30
    )
)
def test_a_workbook_with_wrong_bytes_is_read_or_refused_and_nothing_else(changes):
    damaged = bytearray(WORKBOOK)
    for place, byte in changes:
        damaged[place] = byte
    with contextlib.suppress(Invalid, TypeRefused):
        assert isinstance(read_table("a.xlsx", bytes(damaged)), list)


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_as_a_table_or_refused(data):
    for name in ("a.csv", "a.xlsx"):
        with contextlib.suppress(Invalid, TypeRefused):
            read_lines(read_table(name, data))


def test_empty_rows_are_skipped_and_lines_keep_their_numbers():
    table = read_lines([["姓名*", "代表证号"], ["", " "], ["阿依慕·努尔", "20010"]])
    assert [(line.line, line.name) for line in table.lines] == [(3, "阿依慕·努尔")]


def test_an_invisible_character_in_a_name_is_a_fault():
    table = read_lines([["姓名", "代表证号"], ["闻\u200b予澄", "20001"]])
    assert table.lines[0].faults[0].field == "name"
