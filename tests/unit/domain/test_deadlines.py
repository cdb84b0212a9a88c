"""Deadlines: rules applied to days, and never moved by a later rule."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SHANGHAI
from domain.deadlines import Deadlines, add_months
from domain.errors import RuleViolation
from domain.rules import RuleBook, RuleParam, Unit, UnknownRule, begin_of
from domain.rules_defaults import shipped_rules
from domain.workdays import WorkCalendar
from storage.workdays import national_days


class Rules:
    def __init__(self, rows):
        self._rows = rows

    async def rows(self):
        return self._rows


class Days:
    async def all(self):
        return [*national_days(2024, 2027)]

    async def edition(self):
        return "1"

    async def put(self, days, *, at):
        raise AssertionError("nothing is lacking")


def shanghai(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SHANGHAI)


@pytest.fixture
def deadlines(clock):
    sooner = RuleParam(
        key="sugg.reject", value=3, unit=Unit.WORKING_DAYS, valid_from=date(2026, 10, 1),
        since=begin_of(date(2026, 10, 1)), source="新文本",
    )  # fmt: skip
    book = RuleBook(Rules([*shipped_rules(), sooner]), clock=clock)
    return Deadlines(book, WorkCalendar(Days(), audit=None, clock=clock, shipped=national_days))


async def test_a_return_asked_for_before_the_national_holiday_is_due_by_the_table(deadlines):
    due = await deadlines.due("sugg.reject", shanghai(2026, 9, 28, 16))
    assert due.day == date(2026, 10, 13)
    assert due.at == shanghai(2026, 10, 14)
    assert (due.provisional, due.days_left(shanghai(2026, 10, 14))) == (False, -1)


async def test_the_rule_is_the_one_in_force_when_the_clock_starts(deadlines):
    old = await deadlines.due("sugg.reject", shanghai(2026, 9, 30, 23, 59))
    new = await deadlines.due("sugg.reject", shanghai(2026, 10, 1))
    assert (old.day, new.day) == (date(2026, 10, 15), date(2026, 10, 10))
    assert new.source == "新文本"


@pytest.mark.parametrize(
    ("start", "day"),
    [
        (date(2026, 5, 31), date(2026, 8, 31)),
        (date(2026, 11, 30), date(2027, 2, 28)),
        (date(2027, 11, 30), date(2028, 2, 29)),
        (date(2026, 10, 15), date(2027, 1, 15)),
    ],
)
async def test_an_answer_is_due_on_the_same_day_three_months_later(deadlines, start, day):
    assert (await deadlines.due("sugg.answer", begin_of(start))).day == day


async def test_the_day_is_the_day_in_shanghai(deadlines):
    late = datetime.fromisoformat("2026-03-01T17:00:00+00:00")
    assert (await deadlines.due("motion.inter.forward", late)).day == date(2026, 3, 17)


async def test_what_must_happen_before_an_event_is_counted_backwards(deadlines):
    event = shanghai(2026, 3, 31, 9)
    assert (await deadlines.latest("npcsc.notice", event)).day == date(2026, 3, 24)
    assert (await deadlines.latest("npc.notice", event)).day == date(2026, 2, 28)
    lead = await deadlines.latest("motion.reconsider.lead", event)
    assert lead.at == shanghai(2026, 3, 31, 5)
    with pytest.raises(TypeError):
        await deadlines.latest("sugg.assign", event)


async def test_working_days_used_count_today(deadlines):
    used = await deadlines.working_days_used(shanghai(2026, 9, 28), shanghai(2026, 10, 13, 8))
    assert used == 7


async def test_a_count_into_an_unpublished_year_says_so_and_beyond_it_is_refused(deadlines):
    assert (await deadlines.due("sugg.assign", shanghai(2026, 12, 29))).provisional
    with pytest.raises(RuleViolation):
        await deadlines.due("sugg.assign", shanghai(2027, 12, 29))


@pytest.mark.parametrize("key", ["motion.min", "quorum.npc", "poll.binding", "motion.deadline"])
async def test_what_is_no_term_has_no_deadline(deadlines, key):
    with pytest.raises(TypeError):
        await deadlines.due(key, shanghai(2026, 3, 1))


async def test_a_rule_that_did_not_hold_yet_gives_no_deadline(deadlines):
    with pytest.raises(UnknownRule):
        await deadlines.due("sugg.extend.hard", shanghai(2024, 3, 1))


days = st.dates(date(2000, 1, 1), date(2100, 1, 1))


@given(days, st.integers(-60, 60))
def test_months_keep_the_day_or_end_with_the_month(day, months):
    moved = add_months(day, months)
    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == months
    assert moved.day == day.day or (moved + timedelta(days=1)).day == 1


@given(days, st.integers(0, 60))
def test_more_months_are_never_earlier(day, months):
    assert add_months(day, months) < add_months(day, months + 1)
    assert add_months(day, months) <= add_months(day + timedelta(days=1), months)
