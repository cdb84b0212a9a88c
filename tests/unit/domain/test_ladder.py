"""The rules of the notification ladder: what is due when, and for whom it is not."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SHANGHAI
from domain.ladder.report import permille
from domain.ladder.steps import Act, Pace, first_due, next_due, quiet_end, retry_at, step
from domain.notices.notice import Priority
from domain.notices.receipt import Receipt, Rung
from domain.preferences import Preferences
from domain.rules import RuleTable
from domain.rules_defaults import shipped_rules

RULES = RuleTable(shipped_rules())
NOON = datetime(2026, 1, 20, 4, 0, tzinfo=UTC)
NIGHT = datetime(2026, 1, 20, 15, 30, tzinfo=UTC)
MORNING = datetime(2026, 1, 20, 23, 0, tzinfo=UTC)
PACE = Pace.of(RULES, NOON)
NOBODY = Preferences(person_id="p")

instants = st.datetimes(
    min_value=datetime(2025, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(2028, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
minutes = st.times().map(lambda at: at.replace(second=0, microsecond=0))


def receipt(pri, rung=Rung.WS, **more):
    return Receipt(n="n", p="p", pri=pri, pub=NOON, pushed_at=NOON, rung=rung, **more)


def judged(one, at=NOON, *, after_digest=False, **wishes):
    return step(one, Preferences(person_id="p", **wishes), at, after_digest=after_digest)


def test_ordinary_notices_have_no_further_rung():
    assert first_due(Priority.NORMAL, NOON, RULES) is None
    assert judged(receipt(Priority.NORMAL)).act is Act.END


@pytest.mark.parametrize("priority", [Priority.IMPORTANT, Priority.URGENT])
def test_wechat_is_due_ten_seconds_after_the_push(priority):
    assert first_due(priority, NOON, RULES) == NOON + timedelta(seconds=10)
    assert judged(receipt(priority)).act is Act.SEND


def test_text_message_and_call_come_after_urgent_notices_only():
    at = NOON + timedelta(seconds=10)
    assert next_due(Rung.WX, Priority.IMPORTANT, NOON, at, PACE) is None
    sms = next_due(Rung.WX, Priority.URGENT, NOON, at, PACE)
    assert sms == NOON + timedelta(minutes=5)
    call = next_due(Rung.SMS, Priority.URGENT, NOON, sms, PACE)
    assert call == NOON + timedelta(minutes=15)
    assert next_due(Rung.CALL, Priority.URGENT, NOON, call, PACE) is None


def test_a_rung_climbed_late_keeps_the_distance_to_the_one_above():
    late = NOON + timedelta(hours=1)
    sms = next_due(Rung.WX, Priority.URGENT, NOON, late, PACE)
    assert sms == late + timedelta(minutes=5) - timedelta(seconds=10)


def test_an_acknowledgement_ends_what_is_important_and_spares_wechat_for_what_is_urgent():
    seen = {"delivered_at": NOON}
    assert judged(receipt(Priority.IMPORTANT, **seen)).act is Act.END
    assert judged(receipt(Priority.URGENT, **seen)).act is Act.PASS
    assert judged(receipt(Priority.URGENT, Rung.WX, **seen)).act is Act.SEND


def test_what_is_important_waits_for_the_morning_and_what_is_urgent_does_not():
    waits = judged(receipt(Priority.IMPORTANT), NIGHT)
    assert (waits.act, waits.until) == (Act.WAIT, MORNING)
    assert judged(receipt(Priority.URGENT), NIGHT).act is Act.SEND
    assert judged(receipt(Priority.IMPORTANT), MORNING).act is Act.SEND


def test_nobody_mutes_what_is_urgent():
    assert judged(receipt(Priority.IMPORTANT), wechat=False).reason == "declined"
    for rung in (Rung.WS, Rung.WX, Rung.SMS):
        assert judged(receipt(Priority.URGENT, rung), wechat=False, sms=False).act is Act.SEND


def test_who_wants_a_digest_gets_it_when_the_quiet_hours_end():
    waits = judged(receipt(Priority.IMPORTANT), digest=True)
    assert (waits.act, waits.until, waits.digest) == (Act.WAIT, MORNING, True)
    sends = judged(receipt(Priority.IMPORTANT), MORNING, digest=True, after_digest=True)
    assert (sends.act, sends.digest) == (Act.SEND, True)


def test_a_busy_provider_is_asked_less_and_less_often_and_then_no_more():
    waits = [retry_at(tries, NOON, PACE) for tries in range(1, 7)]
    assert waits[:3] == [NOON + timedelta(seconds=s) for s in (30, 60, 120)]
    assert waits[5] is None


@given(at=instants, quiet_from=minutes, quiet_until=minutes)
def test_quiet_hours_end_within_a_day_at_the_time_that_was_set_and_are_over_then(
    at, quiet_from, quiet_until
):
    wishes = Preferences(person_id="p", quiet_from=quiet_from, quiet_until=quiet_until)
    until = quiet_end(wishes, at)
    if until is None:
        assert not wishes.quiet(at.astimezone(SHANGHAI).time())
        return
    assert timedelta(0) < until - at <= timedelta(days=1)
    assert until.astimezone(SHANGHAI).time() == quiet_until
    assert quiet_end(wishes, until) is None


@given(at=instants)
def test_between_ten_and_seven_nothing_that_is_important_is_sent(at):
    local = at.astimezone(SHANGHAI).time()
    quiet = local >= time(22) or local < time(7)
    assert (judged(receipt(Priority.IMPORTANT), at).act is Act.WAIT) is quiet


@given(at=instants, late=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2)))
def test_no_rung_is_due_before_the_one_below(at, late):
    due = first_due(Priority.URGENT, at, RULES)
    for rung in (Rung.WX, Rung.SMS):
        climbed = due + late
        due = next_due(rung, Priority.URGENT, at, climbed, PACE)
        assert due >= climbed


@given(counts=st.lists(st.integers(min_value=0, max_value=2_000), min_size=7, max_size=7))
def test_shares_add_up_to_the_whole_and_are_never_off_by_a_thousandth(counts):
    shares = permille(counts)
    total = sum(counts)
    assert sum(shares) == (1000 if total else 0)
    assert all(
        abs(share - 1000 * n / (total or 1)) < 1 for share, n in zip(shares, counts, strict=True)
    )
