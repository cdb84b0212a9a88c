"""The pure rules of meetings: states, who may know of one, papers, lines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.meetings.meeting import (
    NEXT,
    OVER,
    SEALED,
    Announcement,
    Capacity,
    Meeting,
    MeetingKind,
    MeetingState,
    scopes_of,
)
from domain.meetings.opinions import NEXT as OPINION_NEXT
from domain.meetings.opinions import OpinionState
from domain.meetings.papers import Paper, Readers
from domain.meetings.sign_ups import Entry, Line
from domain.people import Grant, Person
from domain.permissions import Role
from domain.visibility import visible

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def deputy() -> Person:
    return Person(id="p", name="某人", grants=(Grant(role=Role.DEPUTY),))


def outsider() -> Person:
    return Person(
        id="u", name="某人", grants=(Grant(role=Role.UNIT, scopes=frozenset({"unit:x"})),)
    )


def reachable(start, ways) -> set:
    found, more = {start}, [start]
    while more:
        for to in ways[more.pop()]:
            if to not in found:
                found.add(to)
                more.append(to)
    return found


def test_every_state_can_be_reached_and_every_way_comes_to_an_end():
    assert reachable(MeetingState.PLANNED, NEXT) == set(MeetingState)
    assert {state for state in MeetingState if not NEXT[state]} == SEALED
    for state in MeetingState:
        assert reachable(state, NEXT) & SEALED


def test_a_meeting_that_is_over_never_sits_again():
    for state in OVER:
        assert reachable(state, NEXT) <= OVER


def test_a_meeting_that_sat_is_not_cancelled():
    for state in (MeetingState.IN_SESSION, MeetingState.PAUSED, MeetingState.CLOSED):
        assert MeetingState.CANCELLED not in reachable(state, NEXT)


def test_an_opinion_goes_one_way():
    way = [OpinionState.COLLECTED]
    while OPINION_NEXT[way[-1]]:
        (to,) = OPINION_NEXT[way[-1]]
        way.append(to)
    assert way == list(OpinionState)


@given(
    st.sampled_from(MeetingState), st.booleans(), st.booleans(), st.sampled_from([None, *Capacity])
)
def test_who_knows_of_a_meeting_follows_from_state_doors_and_part(
    state, told, closed_doors, capacity
):
    meeting = Meeting(
        id="m", kind=MeetingKind.COUNCIL, title="主任会议", members_only=closed_doors, state=state,
        announced=Announcement(at=NOW, by="s") if told else None,
    )  # fmt: skip
    also = scopes_of("m", capacity)
    # What was cancelled as a plan was never told to anybody.
    announced = told if state is MeetingState.CANCELLED else state is not MeetingState.PLANNED
    assert visible(deputy(), meeting, also=also) == (
        announced and (not closed_doors or capacity is not None)
    )
    assert visible(outsider(), meeting, also=also) == (announced and capacity is not None)


@pytest.mark.parametrize("capacity", [None, *Capacity])
@pytest.mark.parametrize("readers", Readers)
@pytest.mark.parametrize("named", [True, False])
def test_a_paper_is_for_its_readers_and_those_who_are_named(readers, capacity, named):
    paper = Paper(
        id="1", meeting_id="m", file_id="f", title="草案", readers=readers, added_at=NOW,
        added_by="s", also=frozenset({"p"} if named else ()),
    )  # fmt: skip
    expected = {
        Readers.EVERYBODY: True,
        Readers.PARTICIPANTS: capacity is not None,
        Readers.MEMBERS: capacity is Capacity.MEMBER,
    }[readers]
    assert visible(deputy(), paper, also=scopes_of("m", capacity)) == (expected or named)
    assert not visible(outsider(), paper, also=scopes_of("other", Capacity.MEMBER))


@given(st.integers(0, 30), st.integers(0, 40))
def test_a_line_is_divided_by_its_quota_and_by_nothing_else(quota, many):
    entries = tuple(Entry(id=str(n), person_id=f"p{n}", no=n, at=NOW) for n in range(many))
    line = Line(capacity=Capacity.ATTEND, quota=quota, entries=entries)
    assert line.accepted + line.waiting == entries
    assert len(line.accepted) == min(quota, many)
    assert [line.place(it.person_id) for it in entries] == list(range(many))
    assert line.place("nobody") is None


def test_what_staff_of_a_body_serve_is_every_meeting_of_it():
    meeting = Meeting(
        id="m", kind=MeetingKind.OTHER, title="会", session_id="s", committee_id="c",
        delegation_id="d",
    )  # fmt: skip
    assert meeting.scopes == {"mtg:m", "session:s", "cmte:c", "deleg:d"}
