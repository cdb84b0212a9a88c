"""The countdown as arithmetic on instants, and what a channel tells of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadState
from domain.hall.console import Tick, _ticked
from domain.hall.events import EVENTS, event_of, told_on
from domain.hall.state import Countdown, Hall, Part, Ticking

START = datetime(2026, 2, 1, 1, 0, tzinfo=UTC)


def left(countdown: Countdown, at: datetime) -> float:
    """How many seconds a screen shows."""
    if countdown.status is Ticking.RUNNING:
        return max(0.0, (countdown.ends_at - at).total_seconds())
    return (countdown.left_ms or 0) / 1000


@given(
    st.lists(
        st.tuples(st.sampled_from(Tick), st.integers(1, 600), st.integers(0, 900)), max_size=20
    )
)
def test_a_countdown_shows_what_a_stopwatch_that_ticks_would_show(steps):
    """Against a model that counts every second down."""
    now, at = Countdown(), START
    shown, running = 0.0, False
    for what, seconds, wait in steps:
        at += timedelta(seconds=wait)
        shown = max(0.0, shown - wait) if running else shown
        try:
            changes = _ticked(now, what, seconds, "", at)
        except BadState:
            assert what.value in {"pause", "resume", "extend", "stop"}
            continue
        now = now.model_copy(update=changes)
        match what:
            case Tick.START:
                shown, running = float(seconds), True
            case Tick.PAUSE:
                running = False
            case Tick.RESUME:
                running = True
            case Tick.EXTEND:
                shown += seconds
            case Tick.STOP:
                shown, running = 0.0, False
        assert left(now, at) == pytest.approx(shown)
        assert (now.status is Ticking.RUNNING) == running


def test_every_part_has_an_event_that_carries_it_whole():
    hall = Hall(meeting_id="m")
    parts = {name: part for name, part in hall if isinstance(part, Part)}
    assert set(parts) == set(EVENTS)
    for name, part in parts.items():
        stamped = part.model_copy(update={"v": 3, "at": START, "eid": "e"})
        said = event_of(name, stamped).model_dump(exclude={"id", "type"})
        assert said == stamped.shown()
        assert said["v"] == 3


def test_a_screen_is_told_what_it_shows_and_participants_are_not_told_of_scenes():
    assert not told_on("scene", "mtg")
    assert not told_on("speakers", "mtgscreen")
    assert all(told_on(name, "mtgstaff") for name in EVENTS)
