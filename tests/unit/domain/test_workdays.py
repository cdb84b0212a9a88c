"""Working days: facts of the national calendar, and laws that counting must keep."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Forbidden, Invalid, RuleViolation
from domain.people import Grant, Person
from domain.permissions import Role
from domain.workdays import DayKind, WorkCalendar, WorkTable
from storage.workdays import WorkdayStore, national_days

TABLE = WorkTable(national_days(2024, 2028))
ADMIN = Person(id="a", name="尹川辞", grants=(Grant(role=Role.ADMIN),))
CLERK = Person(id="c", name="樊则安", grants=(Grant(role=Role.MOTION_CLERK),))

days = st.dates(date(2024, 1, 1), date(2027, 6, 30))
counts = st.integers(0, 120)


@pytest.mark.parametrize(
    ("day", "working", "kind"),
    [
        (date(2026, 10, 1), False, DayKind.HOLIDAY),
        (date(2026, 10, 7), False, DayKind.HOLIDAY),
        (date(2026, 10, 8), True, DayKind.WORKDAY),
        (date(2026, 10, 10), True, DayKind.SHIFTED),
        (date(2026, 9, 20), True, DayKind.SHIFTED),
        (date(2026, 2, 17), False, DayKind.HOLIDAY),
        (date(2026, 11, 21), False, DayKind.WEEKEND),
        (date(2026, 11, 24), True, DayKind.WORKDAY),
    ],
)
def test_a_day_is_what_the_state_council_said(day, working, kind):
    row = TABLE.row(day)
    assert (row.working, row.kind, row.provisional) == (working, kind, False)


def test_seven_working_days_across_the_national_holiday_count_the_shifted_saturday():
    # 29 and 30 September, 8, 9 and the worked Saturday 10 October, then 12 and 13.
    assert TABLE.add_working_days(date(2026, 9, 28), 7) == date(2026, 10, 13)


def test_a_count_from_a_free_day_begins_with_the_next_working_day():
    assert TABLE.add_working_days(date(2026, 10, 3), 1) == date(2026, 10, 8)


def test_an_unpublished_year_is_marked_and_named_as_such():
    row = TABLE.row(date(2027, 1, 4))
    assert row.provisional
    assert "尚未公布" in row.source
    assert not TABLE.row(date(2027, 10, 1)).working
    assert TABLE.is_provisional(date(2026, 12, 31), date(2027, 1, 4))
    assert not TABLE.is_provisional(date(2026, 12, 1), date(2026, 12, 31))


@pytest.mark.parametrize("day", [date(2023, 12, 31), date(2029, 1, 1)])
def test_beyond_the_calendar_there_is_no_answer(day):
    with pytest.raises(RuleViolation) as refusal:
        TABLE.is_working_day(day)
    assert refusal.value.detail["rule_param"] == "workday"


def test_a_count_that_runs_out_of_the_calendar_is_refused():
    with pytest.raises(RuleViolation):
        TABLE.add_working_days(date(2028, 12, 27), 5)


def test_a_count_that_jumps_over_a_gap_is_refused():
    gapped = WorkTable(row for row in national_days(2024, 2027) if row.day.year != 2026)
    with pytest.raises(RuleViolation):
        gapped.add_working_days(date(2025, 12, 30), 5)


def test_an_empty_calendar_answers_nothing():
    with pytest.raises(RuleViolation):
        WorkTable(()).add_working_days(date(2026, 1, 5), 1)


@given(days, counts)
def test_counting_back_gives_what_was_added(start, n):
    end = TABLE.add_working_days(start, n)
    assert TABLE.working_days_between(start, end) == n


@given(days, counts)
def test_more_days_never_end_earlier(start, n):
    assert TABLE.add_working_days(start, n) < TABLE.add_working_days(start, n + 1)


@given(days, st.integers(1, 120))
def test_the_answer_is_a_working_day_and_a_later_start_never_ends_earlier(start, n):
    end = TABLE.add_working_days(start, n)
    assert TABLE.is_working_day(end)
    assert end <= TABLE.add_working_days(start + timedelta(days=1), n)


@given(days, counts, counts)
def test_adding_in_two_steps_is_adding_at_once(start, n, m):
    once = TABLE.add_working_days(start, n + m)
    assert TABLE.add_working_days(TABLE.add_working_days(start, n), m) == once


class Audit:
    def __init__(self):
        self.entries = []

    async def record(self, action, *, by, obj, detail=None):
        self.entries.append((action, by, obj, detail))


@pytest.fixture
async def calendar(db, clock):
    calendar = WorkCalendar(WorkdayStore(db), audit=Audit(), clock=clock, shipped=national_days)
    await calendar.table()
    return calendar


async def test_seeding_again_changes_nothing(calendar):
    assert await calendar.seed() == 0


async def test_an_override_holds_on_another_process_within_a_second_and_survives_seeding(
    calendar, db, clock
):
    other = WorkCalendar(WorkdayStore(db), audit=Audit(), clock=clock, shipped=national_days)
    day = date(2026, 3, 10)
    assert await other.is_working_day(day)

    await calendar.override(day, working=False, name="停工", source="沪府令1号", by=ADMIN)
    clock.advance(seconds=1)
    assert not await other.is_working_day(day)
    await calendar.seed()
    assert not await calendar.is_working_day(day)


async def test_only_an_administrator_overrides_and_never_a_past_day(calendar):
    with pytest.raises(Forbidden):
        await calendar.override(date(2026, 3, 10), working=False, name="", source="x", by=CLERK)
    with pytest.raises(Invalid):
        await calendar.override(date(2026, 1, 5), working=False, name="", source="x", by=ADMIN)


async def test_a_published_year_takes_the_place_of_the_provisional_rows(calendar, clock):
    clock.advance(days=300)
    spring = {date(2027, 2, 5) + timedelta(days=i): "春节" for i in range(8)}
    await calendar.publish(
        2027, holidays=spring, shifted=[date(2027, 2, 20)], source="国办通知", by=ADMIN
    )
    table = await calendar.table()
    assert not table.is_provisional(date(2027, 1, 1), date(2027, 12, 31))
    assert table.row(date(2027, 2, 20)).kind is DayKind.SHIFTED
    assert table.row(date(2027, 2, 8)).name == "春节"
    with pytest.raises(Invalid):
        await calendar.publish(
            2027, holidays={}, shifted=[date(2027, 2, 22)], source="国办通知", by=ADMIN
        )


async def test_in_a_new_year_the_calendar_reaches_a_year_further(calendar, clock):
    with pytest.raises(RuleViolation):
        await calendar.is_working_day(date(2028, 3, 1))
    clock.advance(days=340)
    assert await calendar.is_working_day(date(2028, 3, 1))
    assert (await calendar.table()).is_provisional(date(2028, 3, 1), date(2028, 3, 1))
