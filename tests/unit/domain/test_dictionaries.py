"""Dictionaries: what they offer when, and what becomes of entries that are used."""

from __future__ import annotations

from datetime import date

import pytest

from domain.dictionaries import DictionaryService, Entry, shipped_entries
from domain.dictionary_defaults import DICTIONARIES
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.leave.request import LeaveKind
from domain.notices.notice import Kind as NoticeKind
from domain.people import Grant, Person
from domain.permissions import Role
from domain.rules import RuleBook, RuleParam, Unit, begin_of
from domain.rules_defaults import shipped_rules
from storage.dictionaries import KEPT_IN, DictionaryStore
from storage.rules import RuleStore

YIN = Person(id="yin", name="尹川辞", grants=(Grant(role=Role.ADMIN),))
TODAY = date(2026, 2, 1)


class Audit:
    def __init__(self):
        self.entries = []

    async def record(self, action, *, by, obj, detail=None):
        self.entries.append((action, by, obj, detail))


@pytest.fixture
def audit():
    return Audit()


@pytest.fixture
def lists(db, clock, audit):
    book = RuleBook(RuleStore(db), clock=clock, shipped=shipped_rules())
    return DictionaryService(DictionaryStore(db), book, audit=audit, clock=clock)


def entry(code="航运", **more):
    return Entry(dictionary="profession", code=code, label=code, valid_from=TODAY, **more)


async def codes(lists, dictionary, day=None):
    return [it.code for it in await lists.offered(dictionary, day)]


async def add(lists, code="航运", **more):
    return await lists.add(entry(code, **more), reason="代表建议", by=YIN)


async def test_a_new_installation_offers_what_is_shipped_in_its_order(lists):
    leave = await lists.offered("leave.kind")
    assert [(it.code, it.label) for it in leave][:2] == [("sick", "病假"), ("duty", "公假")]
    assert await codes(lists, "satisfaction") == ["满意", "基本满意", "理解", "不满意"]
    with pytest.raises(NotFound):
        await lists.entries("no.such")


def test_a_closed_dictionary_has_exactly_the_codes_that_programs_know():
    known = {"leave.kind": LeaveKind, "notice.kind": NoticeKind}
    assert set(known) == {key for key, it in DICTIONARIES.items() if it.closed}
    for key, kinds in known.items():
        shipped = [it.code for it in shipped_entries() if it.dictionary == key]
        assert sorted(shipped) == sorted(kind.value for kind in kinds)


def test_every_dictionary_says_where_its_codes_are_kept():
    assert set(KEPT_IN) == set(DICTIONARIES)


async def test_an_entry_is_offered_from_its_first_day_to_the_day_before_its_last(lists, audit):
    await add(lists, valid_to=date(2026, 3, 1))
    assert "航运" not in await codes(lists, "profession", date(2026, 1, 31))
    assert "航运" in await codes(lists, "profession", TODAY)
    assert "航运" in await codes(lists, "profession", date(2026, 2, 28))
    assert "航运" not in await codes(lists, "profession", date(2026, 3, 1))
    assert "航运" in [it.code for it in await lists.entries("profession")]
    ((action, by, obj, detail),) = audit.entries
    assert (action, by, obj) == ("dictionary.add", "yin", "dictionary:profession/航运")
    assert (detail["reason"], detail["after"]["valid_to"]) == ("代表建议", "2026-03-01")


async def test_what_cannot_be_chosen_is_refused_with_what_can(lists):
    await lists.require("profession", ["法律", "教育"], field="professions")
    with pytest.raises(Invalid) as refused:
        await lists.require("profession", ["法律", "航运"], field="professions")
    assert refused.value.field == "professions"
    assert refused.value.detail["refused"] == ["航运"]
    assert "法律" in refused.value.detail["offered"]


async def test_an_entry_in_use_is_retired_and_never_removed(lists, db):
    added = await add(lists)
    with pytest.raises(BadState):
        await lists.remove("profession", "航运", v=1, reason="误加", by=YIN)
    await db["person"].insert_one({"_id": "wen", "professions": ["航运", "法律"]})
    retired = added.model_copy(update={"valid_to": TODAY})
    retired = await lists.change(retired, reason="并入科技", by=YIN)
    assert "航运" not in await codes(lists, "profession")
    assert await lists.uses("profession", by=YIN) == {"航运": 1, "法律": 1}
    with pytest.raises(Conflict) as refused:
        await lists.remove("profession", "航运", v=2, reason="清理", by=YIN)
    assert (refused.value.code, refused.value.detail) == ("in_use", {"used": 1})
    await db["person"].update_one({"_id": "wen"}, {"$set": {"professions": []}})
    with pytest.raises(Conflict):
        await lists.remove("profession", "航运", v=1, reason="清理", by=YIN)
    await lists.remove("profession", "航运", v=2, reason="清理", by=YIN)
    assert "航运" not in [it.code for it in await lists.entries("profession")]


async def test_what_was_shipped_is_retired_for_good_and_does_not_come_back(lists, db, clock, audit):
    (law,) = [it for it in await lists.entries("profession") if it.code == "法律"]
    await lists.change(law.model_copy(update={"valid_to": TODAY}), reason="停用", by=YIN)
    with pytest.raises(BadState):
        await lists.remove("profession", "法律", v=2, reason="清理", by=YIN)
    book = RuleBook(RuleStore(db), clock=clock, shipped=shipped_rules())
    other = DictionaryService(DictionaryStore(db), book, audit=audit, clock=clock)
    assert "法律" not in await codes(other, "profession")
    assert audit.entries[-1][3]["before"]["valid_to"] is None


async def test_what_a_rule_lists_is_changed_by_the_rule_and_dated_by_it(lists, db, clock):
    with pytest.raises(Forbidden) as refused:
        await lists.add(
            Entry(dictionary="satisfaction", code="一般", label="一般", valid_from=TODAY),
            reason="x",
            by=YIN,
        )
    assert refused.value.detail == {"rule_param": "sugg.feedback.scale"}
    assert len(await codes(lists, "satisfaction")) == 4
    clock.advance(seconds=1)
    await RuleStore(db).add(
        RuleParam(
            key="sugg.feedback.scale",
            value=("满意", "基本满意", "不满意"),
            unit=Unit.CHOICES,
            valid_from=date(2026, 3, 1),
            since=begin_of(date(2026, 3, 1)),
            source="新文本第21条",
        )
    )
    assert "理解" in await codes(lists, "satisfaction", date(2026, 2, 28))
    assert await codes(lists, "satisfaction", date(2026, 3, 1)) == ["满意", "基本满意", "不满意"]


async def test_bad_entries_are_refused(lists):
    await add(lists)
    with pytest.raises(Conflict):
        await add(lists)
    with pytest.raises(Conflict):
        await lists.add(
            Entry(dictionary="profession", code="航运2", label="航运", valid_from=TODAY),
            reason="同名",
            by=YIN,
        )
    with pytest.raises(Invalid):
        await lists.add(entry("水利").model_copy(update={"valid_from": date(2026, 1, 31)}),
                        reason="过去", by=YIN)  # fmt: skip
    with pytest.raises(Invalid):
        await add(lists, "水利", valid_to=date(2026, 1, 1))
    with pytest.raises(Forbidden):
        await lists.add(
            Entry(dictionary="leave.kind", code="事", label="事", valid_from=TODAY),
            reason="x",
            by=YIN,
        )
    sick, *_ = await lists.entries("leave.kind")
    renamed = await lists.change(sick.model_copy(update={"label": "病休"}), reason="改名", by=YIN)
    assert renamed.label == "病休"
    with pytest.raises(Forbidden):
        await lists.change(renamed.model_copy(update={"valid_to": TODAY}), reason="停用", by=YIN)
    with pytest.raises(NotFound):
        await lists.change(entry("没有"), reason="x", by=YIN)
    auditor = Person(id="feng", name="冯砚秋", grants=(Grant(role=Role.AUDITOR),))
    assert await lists.uses("profession", by=auditor) == {}
    with pytest.raises(Forbidden):
        await lists.add(entry("水利"), reason="x", by=auditor)


async def test_of_two_changes_over_the_same_version_the_second_is_told(lists):
    added = await add(lists)
    await lists.change(added.model_copy(update={"label": "航运港口"}), reason="改名", by=YIN)
    with pytest.raises(Conflict) as late:
        await lists.change(added.model_copy(update={"label": "港航"}), reason="改名", by=YIN)
    assert late.value.detail == {"v": 2}
