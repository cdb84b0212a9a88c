"""The invented congress: how many, who, and that nobody is real or double."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest

from demo.back_office import TAGS, professions
from demo.house import Ids, build
from demo.meetings import Writer as MeetingWriter
from demo.names import GIVEN, POLYPHONIC, SURNAMES, excluded
from demo.notices import Writer
from demo.people import NAMED, Population
from domain.meetings.meeting import MeetingState
from domain.notices.notice import State
from domain.people import Flag
from domain.permissions import Role
from domain.role_grants import SCOPE_KINDS, SCOPE_NEEDED

BASE = datetime(2026, 1, 20, 0, 30, tzinfo=UTC)


def populate(*, full):
    random = Random(20)
    new_id = Ids(random, BASE)
    house = build(BASE, new_id, full=full)
    return house, list(Population(house, random, new_id, full=full).residents())


@pytest.fixture(scope="module")
def full():
    return populate(full=True)


@pytest.fixture(scope="module")
def mini():
    return populate(full=False)


def test_the_lists_have_the_sizes_of_the_specification():
    assert (len(set(SURNAMES)), len(set(GIVEN))) == (80, 120)


def test_the_full_house_is_the_one_of_the_specification(full):
    house, residents = full
    assert sum(resident.account for resident in residents) == 1000
    roles = Counter(role for r in residents if r.account for role, _ in r.grants)
    assert roles == {
        Role.DEPUTY: 860, Role.LIAISON: 34, Role.MTG_STAFF: 30, Role.CMTE_STAFF: 27,
        Role.MOTION_CLERK: 8, Role.GOV_DISPATCH: 4, Role.UNIT: 13, Role.UNIT_HEAD: 13,
        Role.EDITOR: 3, Role.MODERATOR: 4, Role.ADMIN: 2, Role.OPS: 2, Role.AUDITOR: 1,
    }  # fmt: skip
    flags = Counter(flag for r in residents for flag in r.card.flags)
    assert flags[Flag.NPCSC_MEMBER] == 62
    assert flags[Flag.DELEGATION_HEAD] == 17
    assert (len(house.delegations), len(house.orgs)) == (17, 25)


@pytest.mark.parametrize("size", ["mini", "full"])
def test_everybody_is_one_person_with_one_number(size, request):
    _, residents = request.getfixturevalue(size)
    for what in ("card.id", "card.name", "mobile"):
        values = [_read(resident, what) for resident in residents]
        assert len(set(values)) == len(values), what
    assert not {resident.card.name for resident in residents} & excluded()


def _read(thing, path):
    for step in path.split("."):
        thing = getattr(thing, step)
    return thing


def test_some_surnames_have_several_readings_and_some_names_are_long(full):
    _, residents = full
    names = [resident.card.name for resident in residents]
    polyphonic = sum(name.startswith(POLYPHONIC) for name in names) / len(names)
    long = sum("·" in name for name in names) / len(names)
    assert 0.04 < polyphonic < 0.09
    assert 0.01 < long < 0.03


def test_every_grant_is_one_that_could_have_been_given(full):
    _, residents = full
    for resident in residents:
        for role, scopes in resident.grants:
            kinds = {scope.partition(":")[0] for scope in scopes}
            assert kinds <= SCOPE_KINDS.get(role, frozenset()), (role, scopes)
            assert scopes or role not in SCOPE_NEEDED, role


def test_the_tags_of_the_deputies_are_words_of_the_dictionary():
    given = [professions(place) for place in range(860)]
    assert {len(tags) for tags in given} == {1, 2}
    assert all(len(set(tags)) == len(tags) for tags in given)
    assert set().union(*given) == set(TAGS)


def test_the_same_seed_makes_the_same_house():
    assert populate(full=False)[1] == populate(full=False)[1]


def test_the_named_people_are_there(mini):
    _, residents = mini
    assert {r.username for r in residents if r.username} == set(NAMED)
    by_name = {r.card.name: r for r in residents}
    assert Flag.DELEGATION_HEAD in by_name["蔺书航"].card.flags
    assert by_name["邬嘉树"].card.org_id == by_name["龚岫云"].card.org_id


@pytest.mark.parametrize("size", ["full", "mini"])
def test_the_notices_of_the_demo_are_of_every_state_and_add_up(size, full, mini):
    house, residents = full if size == "full" else mini
    made = Writer(house, residents, BASE).write()
    assert len(made.notices) == 36
    assert {one.state for one in made.notices} == set(State) - {State.APPROVED}
    opening = next(one for one in made.notices if one.title == "开幕会注意事项")
    mine = [one for one in made.receipts if one.n == opening.id]
    assert len(mine) == opening.recipients
    read, confirmed = (
        sum(bool(getattr(it, k)) for it in mine) for k in ("read_at", "confirmed_at")
    )
    leave = sum(it.answer["reply"] == "leave" for it in mine if it.answer)
    if size == "full":
        assert (len(mine), read, confirmed, leave) == (860, 812, 790, 11)
    ids = [one.id for one in made.receipts]
    assert len(ids) == len(set(ids))
    assert made == Writer(house, residents, BASE).write()


@pytest.mark.parametrize("size", ["full", "mini"])
def test_one_meeting_of_the_demo_sits_with_every_deputy_and_the_others_are_of_many_states(
    size, full, mini
):
    house, residents = full if size == "full" else mini
    made = MeetingWriter(house, residents, BASE).write()
    assert len({it.meeting.id for it in made}) == len(made) == 13 + 17
    (sitting,) = [it for it in made if it.meeting.state is MeetingState.IN_SESSION]
    assert len(sitting.people) == (860 if size == "full" else 60)
    assert sitting.current == sitting.items[0].id
    states = {it.meeting.state for it in made}
    assert states == set(MeetingState) - {
        MeetingState.PAUSED, MeetingState.READY, MeetingState.CANCELLED,
    }  # fmt: skip
    lines = {it.meeting.title: (it.quota, len(it.line)) for it in made if it.line}
    assert lines == {"常委会第十二次会议": (20, 23), "专题审议会“养老服务”": (60, 58)}
    opinions = [it for gathering in made for it in gathering.opinions]
    assert [it.is_overdue(BASE) for it in opinions].count(True) == 1
    assert made == MeetingWriter(house, residents, BASE).write()
