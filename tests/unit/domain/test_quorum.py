"""How many make a quorum: against the words of the rules."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.hall.meeting import Meeting
from domain.hall.quorum import RULES, QuorumCounter
from domain.rules import RuleBook
from domain.rules_defaults import shipped_rules


class Rows:
    async def rows(self):
        return shipped_rules()


@pytest.fixture
def counter(clock, new_id):
    rules = RuleBook(Rows(), clock=clock)
    return QuorumCounter(None, None, rules, bus=None, clock=clock, new_id=new_id)


async def needed(counter, kind, total):
    return await counter._needed(Meeting(id="m", kind=kind, state="in_session"), total)


@pytest.mark.parametrize("kind", ["npc", "presidium"])
async def test_two_thirds_are_reached_by_exactly_two_thirds(counter, kind):
    for total in range(1, 1001):
        many = await needed(counter, kind, total)
        assert 3 * many >= 2 * total > 3 * (many - 1)


@pytest.mark.parametrize("kind", ["npcsc", "committee"])
async def test_more_than_half_is_not_half(counter, kind):
    for total in range(1, 201):
        many = await needed(counter, kind, total)
        assert 2 * many > total >= 2 * (many - 1)


async def test_a_meeting_without_a_rule_has_no_quorum(counter):
    for kind in ("council", "delegation", "other"):
        assert await needed(counter, kind, 40) == 0


@given(st.sampled_from(sorted(RULES)))
def test_every_rule_named_here_is_shipped_as_a_share(kind):
    row = next(row for row in shipped_rules() if row.key == RULES[kind].key)
    assert 0 < Fraction(str(row.value)) <= 1
