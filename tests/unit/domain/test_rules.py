"""Rules of the congress: what is in force when, and who may change it."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import local_day
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.people import Grant, Person
from domain.permissions import Role
from domain.rule_changes import ChangeState, RuleService
from domain.rules import RuleBook, RuleParam, RuleTable, Unit, UnknownRule, begin_of, fitting
from domain.rules_defaults import shipped_rules
from storage.rules import RuleStore


def person(name, role):
    return Person(id=name, name=name, grants=(Grant(role=role),))


FIRST, SECOND = person("yin", Role.ADMIN), person("fan", Role.ADMIN)
CLERK, AUDITOR = person("clerk", Role.MOTION_CLERK), person("auditor", Role.AUDITOR)
DEPUTY = person("wen", Role.DEPUTY)


class Audit:
    def __init__(self):
        self.entries = []

    async def record(self, action, *, by, obj, detail=None):
        self.entries.append((action, by, obj, detail))


@pytest.fixture
def audit():
    return Audit()


@pytest.fixture
async def rules(db, clock, new_id, audit):
    store = RuleStore(db)
    book = RuleBook(store, clock=clock, shipped=shipped_rules())
    await book.table()
    return RuleService(store, book, audit=audit, clock=clock, new_id=new_id)


@pytest.fixture
def book(db, clock, rules):
    return RuleBook(RuleStore(db), clock=clock)


async def propose(rules, by=FIRST, *, value=9, day=date(2026, 3, 1), key="sugg.reject"):
    return await rules.propose(
        key, value, valid_from=day, source="新文本第14条", reason="法规修改", by=by
    )


def test_every_clock_of_the_specification_is_shipped_with_its_source():
    keys = {row.key for row in shipped_rules()}
    assert keys >= {
        "motion.deadline", "motion.inter.forward", "motion.inter.opinion",
        "motion.reconsider.lead", "motion.reconsider.min", "motion.withdraw.min",
        "motion.consult.out", "motion.consult.in", "motion.report", "motion.org.report",
        "motion.org.redo", "sugg.assign", "sugg.reject", "sugg.coop", "sugg.answer",
        "sugg.extend", "sugg.extend.hard", "sugg.redo", "sugg.feedback.remind", "sugg.kickoff",
        "sugg.unit.report.year", "npc.notice", "npcsc.notice", "npcsc.docs.draft",
        "npcsc.docs.final", "npcsc.opinion", "npcsc.cycle", "speech.npc.first",
        "speech.npc.second", "speech.npc.turns", "speech.presidium.first",
        "speech.presidium.second", "speech.npcsc.first", "speech.npcsc.extra",
        "speech.npcsc.second", "contact.community", "record.log", "motion.min",
    }  # fmt: skip
    assert all(row.source for row in shipped_rules())
    assert "2015" in next(row.source for row in shipped_rules() if row.key == "sugg.answer")


def test_every_shipped_value_fits_its_unit():
    for row in shipped_rules():
        assert fitting(row.value, row.unit) == row.value


async def test_the_book_answers_in_the_unit_of_the_rule(book):
    assert await book.value("motion.min") == 10
    assert await book.count("sugg.answer") == 3
    assert await book.days("sugg.reject") == 7
    assert await book.duration("motion.reconsider.lead") == timedelta(hours=4)
    assert await book.fraction("quorum.npc") == Fraction(2, 3)
    assert await book.instant("motion.deadline") is None
    assert await book.value("poll.binding") is False
    assert len(await book.choices("sugg.feedback.scale")) == 4
    with pytest.raises(TypeError):
        await book.duration("sugg.answer")


async def test_an_unknown_rule_is_a_mistake_of_the_program(book):
    with pytest.raises(UnknownRule):
        await book.value("motion.minimum")


async def test_a_rule_from_2025_did_not_hold_before(book):
    with pytest.raises(UnknownRule):
        await book.value("sugg.extend.hard", datetime(2024, 1, 1, tzinfo=UTC))


async def test_a_refusal_names_the_rule_and_its_source(book):
    refusal = await book.violated("motion.min", "附议人数不足", have=9)
    assert refusal.detail["rule_param"] == "motion.min"
    assert refusal.detail["value"] == 10
    assert refusal.detail["have"] == 9
    assert "2015" in refusal.detail["source"]


@pytest.mark.acceptance("M10-2")
async def test_a_change_applies_only_from_its_day(rules, book, clock, audit):
    """M10-2"""
    change = await propose(rules)
    await rules.approve(change.id, by=SECOND)
    eve = datetime(2026, 2, 28, 15, 59, 59, tzinfo=UTC)

    clock.advance(seconds=1)
    assert await book.value("sugg.reject", eve) == 7
    assert await book.value("sugg.reject", eve + timedelta(seconds=1)) == 9
    assert await book.value("sugg.reject") == 7
    history = (await book.table()).history("sugg.reject")
    assert [row.valid_to for row in history] == [date(2026, 3, 1), None]
    assert [entry[0] for entry in audit.entries] == ["rule.ask", "rule.change"]


@pytest.mark.acceptance("M10-2")
async def test_a_change_from_today_holds_from_its_approval_not_from_this_morning(
    rules, book, clock
):
    """M10-2"""
    earlier = clock.now
    clock.advance(hours=3)
    change = await propose(rules, day=local_day(clock.now))
    await rules.approve(change.id, by=SECOND)
    clock.advance(seconds=1)
    assert await book.value("sugg.reject", earlier) == 7
    assert await book.value("sugg.reject") == 9


async def test_a_past_day_is_refused_when_proposed_and_when_approved(rules, clock):
    with pytest.raises(Invalid) as refusal:
        await propose(rules, day=date(2026, 1, 31))
    assert refusal.value.field == "valid_from"
    change = await propose(rules, day=date(2026, 2, 2))
    clock.advance(days=3)
    with pytest.raises(Invalid):
        await rules.approve(change.id, by=SECOND)


async def test_nobody_approves_what_they_asked_for(rules):
    change = await propose(rules)
    with pytest.raises(Forbidden):
        await rules.approve(change.id, by=FIRST)


async def test_a_clerk_proposes_and_two_administrators_decide(rules, book, clock):
    change = await propose(rules, by=CLERK)
    assert change.state is ChangeState.PROPOSED
    with pytest.raises(BadState):
        await rules.approve(change.id, by=FIRST)
    await rules.ask(change.id, by=FIRST)
    with pytest.raises(Forbidden):
        await rules.approve(change.id, by=FIRST)
    with pytest.raises(Forbidden):
        await rules.approve(change.id, by=CLERK)
    assert (await rules.approve(change.id, by=SECOND)).state is ChangeState.APPROVED


@pytest.mark.parametrize("by", [AUDITOR, DEPUTY])
async def test_others_may_not_propose(rules, by):
    with pytest.raises(Forbidden):
        await propose(rules, by=by)


async def test_the_auditor_reads_the_log_and_a_deputy_does_not(rules):
    change = await propose(rules)
    assert [it.id for it in await rules.changes(by=AUDITOR)] == [change.id]
    with pytest.raises(Forbidden):
        await rules.changes(by=DEPUTY)


async def test_a_second_row_from_the_same_day_is_refused(rules):
    one, two = await propose(rules), await propose(rules, value=5)
    await rules.approve(one.id, by=SECOND)
    with pytest.raises(Conflict):
        await rules.approve(two.id, by=SECOND)


async def test_an_approval_that_was_cut_short_is_completed_by_repeating_it(rules, db):
    change = await propose(rules)
    await rules.approve(change.id, by=SECOND)
    await db["rule_change"].update_one(
        {"_id": change.id}, {"$set": {"state": "asked", "v": change.v}}
    )
    assert (await rules.approve(change.id, by=SECOND)).state is ChangeState.APPROVED
    assert await db["rule_param"].count({"key": "sugg.reject"}) == 2


async def test_a_refused_change_stays_refused(rules):
    change = await propose(rules)
    await rules.refuse(change.id, reason="尚未公布", by=SECOND)
    with pytest.raises(BadState):
        await rules.approve(change.id, by=SECOND)


async def test_an_unknown_key_and_a_fixed_key_cannot_be_changed(rules):
    with pytest.raises(NotFound):
        await propose(rules, key="motion.minimum")
    with pytest.raises(Forbidden):
        await propose(rules, key="poll.binding", value=True)


async def test_shipped_rows_are_kept_once_and_new_ones_join_an_old_installation(db, clock):
    *old, new = shipped_rules()
    store = RuleStore(db)
    await RuleBook(store, clock=clock, shipped=old).table()
    await asyncio.gather(
        *(RuleBook(store, clock=clock, shipped=shipped_rules()).table() for _ in range(3))
    )
    assert await db["rule_param"].count({}) == len(shipped_rules())
    assert new.key in await RuleBook(store, clock=clock).table()


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (0, Unit.DAYS), (-3, Unit.MONTHS), (True, Unit.DAYS), ("7", Unit.WORKING_DAYS),
        (7.5, Unit.DAYS), (10_001, Unit.COUNT), ("2/0", Unit.FRACTION), ("3/2", Unit.FRACTION),
        ("half", Unit.FRACTION), (1, Unit.FLAG), (["一"], Unit.CHOICES), ("一", Unit.CHOICES),
        (["一", "一"], Unit.CHOICES), ("2026-01-01T08:00:00", Unit.INSTANT), (None, Unit.DAYS),
        ("²/3", Unit.FRACTION),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_its_unit_is_refused(value, unit):
    with pytest.raises(Invalid):
        fitting(value, unit)


instants = st.datetimes(timezones=st.just(UTC)).map(
    lambda it: it.replace(year=2016 + it.year % 14, day=1)
)


@given(
    st.lists(st.dates(date(2016, 1, 1), date(2029, 1, 1)), min_size=1, max_size=8, unique=True),
    instants,
)
def test_the_row_in_force_is_the_last_that_began(starts, at):
    rows = [
        RuleParam(key="k", value=i + 1, unit=Unit.DAYS, valid_from=day, since=begin_of(day),
                  source="s")
        for i, day in enumerate(starts)
    ]  # fmt: skip
    begun = [row for row in rows if row.since <= at]
    table = RuleTable(rows)
    if not begun:
        with pytest.raises(UnknownRule):
            table.row("k", at)
        return
    found = table.row("k", at)
    assert found.value == max(begun, key=lambda row: row.since).value
    assert found.valid_to is None or at < begin_of(found.valid_to)
