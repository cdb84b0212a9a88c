"""How a duty record follows the attendance: the rules alone, whatever happens in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.attendance import MARKS, Attendance, Presence, Turn
from domain.checkins.sheet import instant, read_lines
from domain.duty.following import Occasion, follow, kind_of
from domain.duty.judging import Change, changed
from domain.duty.record import NEXT, DutyState, Facts, Origin, Record
from domain.errors import Invalid

BEGIN = datetime(2026, 2, 1, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SITTING = Occasion(
    id="m", kind="npc", state="in_session", title="全体会议", starts_at=BEGIN,
    ends_at=BEGIN + 3 * HOUR, scopes=frozenset({"mtg:m"}),
)  # fmt: skip
CLOSED = SITTING.model_copy(update={"state": "closed", "closed_at": BEGIN + 3 * HOUR})


def roll(*marks: tuple[Presence, int]) -> Attendance:
    """The record after marks, each so many minutes after the beginning."""
    turns = [
        {"state": state, "at": BEGIN + timedelta(minutes=at), "how": "badge", "by": "staff"}
        for state, at in marks
    ]
    return Attendance(
        meeting_id="m", person_id="p", capacity="member", v=len(turns),
        history=tuple(Turn(**turn) for turn in turns[:-1]), **turns[-1],
    )  # fmt: skip


def after(was: Record | None, it: Attendance, meeting: Occasion = SITTING) -> Record | None:
    kept = follow(was, it, meeting, delegation_id="pudong", at=BEGIN + 4 * HOUR, eid="e")
    return kept if kept is not None else was


P, L, OUT, A, V = (
    Presence.PRESENT, Presence.LATE, Presence.LEFT, Presence.ABSENT, Presence.VOID,
)  # fmt: skip


@pytest.mark.parametrize(
    ("marks", "minutes"),
    [
        ([(P, 0)], 180),
        ([(P, -30), (OUT, 60)], 90),
        ([(P, 0), (OUT, 60), (P, 120)], 120),
        ([(L, 30), (V, 31), (P, 60)], 120),
        ([(A, 0), (L, 90)], 90),
        # A gate without a network handed the exit in with an earlier time.
        ([(P, 60), (OUT, 30)], 0),
    ],
)
def test_the_hours_are_those_in_the_hall(marks, minutes):
    record = after(None, roll(*marks), CLOSED)
    assert (record.state, record.facts.minutes) == (DutyState.PENDING, minutes)


def test_an_end_that_nobody_knows_is_no_hours_and_a_forgotten_console_is_no_meeting():
    open_end = CLOSED.model_copy(update={"closed_at": None, "ends_at": None})
    assert after(None, roll((P, 0)), open_end).facts.minutes == 0
    forgotten = CLOSED.model_copy(update={"closed_at": BEGIN + 30 * HOUR})
    assert after(None, roll((P, 0)), forgotten).facts.minutes == 180
    days = CLOSED.model_copy(update={"closed_at": BEGIN + 50 * HOUR, "ends_at": None})
    assert after(None, roll((P, 0)), days).facts.minutes is None


@pytest.mark.parametrize(
    ("kind", "session", "capacity", "duty"),
    [
        ("npc", "s2", "member", "出席大会"),
        ("npc", "s2", "attend", "列席"),
        ("presidium", "s2", "member", "出席大会"),
        ("delegation", "s2", "member", "出席大会"),
        ("delegation", None, "member", "小组活动"),
        ("npcsc", None, "attend", "列席"),
        ("committee", None, "member", "其他"),
        ("other", None, "observe", "其他"),
    ],
)
def test_the_kind_of_a_meeting_and_the_capacity_say_what_duty_it_was(kind, session, capacity, duty):
    meeting = SITTING.model_copy(update={"kind": kind, "session_id": session})
    assert kind_of(meeting, capacity) == duty


def test_a_meeting_that_is_cancelled_leaves_a_void_record():
    record = after(None, roll((P, 0)))
    cancelled = SITTING.model_copy(update={"state": "cancelled"})
    void = after(record, roll((P, 0)), cancelled)
    assert (void.state, void.history[-1].reason) == (DutyState.VOID, "会议取消")
    assert after(None, roll((P, 0)), cancelled) is None


@st.composite
def histories(draw):
    """What may happen to one attendance record, at any times."""
    marks: list[tuple[Presence, int]] = []
    for _ in range(draw(st.integers(1, 8))):
        before = marks[-1][0] if marks else None
        following = MARKS[before] | ({V} if before not in {None, V} else set())
        mark = draw(st.sampled_from(sorted(following)))
        marks.append((mark, draw(st.integers(-60, 300))))
    return marks


@given(histories(), st.data())
def test_however_often_and_late_it_follows_the_record_says_what_the_attendance_says(marks, data):
    """F07-1: versions of the attendance, some missed, some twice, some late by a slow process."""
    record: Record | None = None
    for n in data.draw(st.lists(st.integers(1, len(marks)), max_size=12)):
        record = after(record, roll(*marks[:n]))
    whole = roll(*marks)
    record = after(record, whole)
    there = marks[-1][0] not in {A, V}
    if record is None:
        assert not there
        return
    assert (record.state is not DutyState.VOID) == there
    # Whoever is slower and comes with an older version, or with the same, changes nothing.
    for n in data.draw(st.lists(st.integers(1, len(marks)), max_size=5)):
        assert after(record, roll(*marks[:n])) == record
    ended = after(record, whole, CLOSED)
    assert (ended.state is DutyState.PENDING) == there
    assert after(ended, whole, CLOSED) == ended
    if there:
        assert ended.facts == after(None, whole, CLOSED).facts


@pytest.mark.parametrize("state", sorted(set(DutyState) - {DutyState.VOID}))
def test_what_was_said_stays_and_a_locked_record_is_left_alone(state):
    record = after(None, roll((P, 0)), CLOSED).model_copy(update={"state": state})
    more = after(record, roll((P, 0), (OUT, 60)), CLOSED)
    gone = after(record, roll((P, 0), (V, 60)), CLOSED)
    follows = state in {DutyState.AUTO, DutyState.PENDING}
    assert (more.facts != record.facts) == follows
    assert (gone.state is DutyState.VOID) == (state is not DutyState.LOCKED)
    by_hand = record.model_copy(update={"origin": Origin.HAND})
    assert after(by_hand, roll((P, 0), (V, 60)), CLOSED) == by_hand


def test_every_state_is_on_the_map_and_locked_is_the_end():
    assert set(NEXT) == set(DutyState)
    assert not NEXT[DutyState.LOCKED]
    reached = {DutyState.AUTO, DutyState.REGISTERED}
    for _ in DutyState:
        reached |= {to for state in reached for to in NEXT[state]}
    assert reached == set(DutyState)


def test_a_change_measures_anew_and_what_is_impossible_is_refused():
    was = Facts(kind="视察", title="视察", start=BEGIN, end=BEGIN + 3 * HOUR, minutes=170)
    now = BEGIN + 100 * HOUR
    assert changed(was, Change(title="视察养老院"), now=now).minutes == 170
    assert changed(was, Change(end=BEGIN + HOUR), now=now).minutes == 60
    two_days = Change(end=BEGIN + 30 * HOUR, minutes=16 * 60)
    assert changed(was, two_days, now=now).minutes == 16 * 60
    for wrong in (
        Change(end=BEGIN - HOUR),
        Change(end=BEGIN + 25 * HOUR),
        Change(end=now + HOUR),
        Change(minutes=181),
        Change(end=BEGIN + 60 * HOUR, minutes=24 * 60 * 4),
    ):
        with pytest.raises(Invalid):
            changed(was, wrong, now=now)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-02-01 09:05", "2026-02-01T01:05:00+00:00"),
        ("2026/2/1 9:05:07", "2026-02-01T01:05:07+00:00"),
        ("2026年2月1日 9:05", "2026-02-01T01:05:00+00:00"),
        ("2026-02-01T09:05:00.123", "2026-02-01T01:05:00+00:00"),
        ("09：05", "2026-02-03T01:05:00+00:00"),
        ("2026-02-30 09:05", None),
        ("24:00", None),
        ("0001-01-01 00:00", None),
        ("٠٩:٠٥", None),
        ("上午九点", None),
        ("45689.37", None),
    ],
)
def test_a_time_is_read_as_people_write_it_and_never_guessed(text, said):
    found = instant(text, day=BEGIN.date() + timedelta(days=2))
    assert (found and found.isoformat()) == said


@given(st.lists(st.lists(st.text(max_size=30), max_size=6), max_size=8))
def test_any_cells_are_read_as_a_list_or_refused(rows):
    for head in (rows[:1], [["姓名", "签到时间"]]):
        try:
            table = read_lines([*head, *rows], day=None)
        except Invalid:
            continue
        assert all(line.faults or line.at for line in table.lines)
