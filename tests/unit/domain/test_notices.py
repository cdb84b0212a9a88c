"""Notices as values: the map of states, whom a right reaches, templates, receipts."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadState, Forbidden, Invalid
from domain.notices.audience import Audience, Parts
from domain.notices.notice import MAP, OUT, Act, Kind, Notice, Priority, State, allowed
from domain.notices.reach import covers, names_shown, reaches_all, require_reach, sees
from domain.notices.receipt import Counts, Receipt
from domain.notices.templates import TemplateText, filled
from domain.people import Grant, Person
from domain.permissions import Role

AT = datetime(2026, 2, 1, tzinfo=UTC)


def notice(**more):
    fields = {
        "id": "n", "lineage": "n", "kind": Kind.MEETING, "title": "通知", "body": "<p>正文</p>",
        "audience": Audience(delegations={"pudong"}), "author_id": "author",
        "scopes": frozenset({"deleg:pudong"}), "created_at": AT, "created_by": "author",
        "updated_at": AT, "updated_by": "author",
    }  # fmt: skip
    return Notice(**{**fields, **more})


def holder(role, *scopes, person_id="somebody"):
    return Person(id=person_id, name="某人", grants=(Grant(role=role, scopes=frozenset(scopes)),))


# -- the map ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("act", Act)
def test_an_act_leads_where_the_map_says_or_names_those_that_do(state, act):
    sources, target = MAP[act]
    if state in sources:
        assert notice(state=state).after(act) is target
    else:
        with pytest.raises(BadState) as refused:
            notice(state=state).after(act)
        assert refused.value.detail["allowed"] == allowed(state)


def test_what_has_reached_its_readers_never_comes_back_into_anybodys_hands():
    for act, (sources, target) in MAP.items():
        if sources & OUT:
            assert target in OUT, act


def test_every_state_is_reached_from_a_draft():
    reached, before = {State.DRAFT}, set()
    while reached != before:
        before = set(reached)
        reached |= {target for sources, target in MAP.values() if sources & reached}
    assert reached == set(State)


# -- whom it is for --------------------------------------------------------------------------------


def test_the_terms_of_an_audience_are_everything_it_names_and_not_what_it_takes_away():
    audience = Audience(
        all=True, npcsc=True, delegations={"d"}, groups={"g"}, committees={"c"}, meetings={"m"},
        roles={Role.LIAISON}, people={"p"}, minus=Parts(delegations={"e"}),
    )  # fmt: skip
    assert audience.terms == {
        "all", "npcsc", "deleg:d", "group:g", "cmte:c", "mtg:m", "role:liaison", "user:p",
    }  # fmt: skip
    assert Audience().empty
    assert Audience(minus=Parts(all=True)).empty


@given(st.integers(0, 900), st.integers(1, 900))
def test_half_of_the_house_is_the_whole_house(reached, deputies):
    assert reaches_all(reached, deputies=deputies, share=Fraction(1, 2)) == (
        2 * reached >= deputies
    )


def test_nobody_reaches_a_house_without_deputies():
    assert not reaches_all(0, deputies=0, share=Fraction(1, 2))


scopes = st.frozensets(st.sampled_from(["deleg:a", "deleg:b", "cmte:c", "mtg:m"]), max_size=3)


@given(held=scopes, parts=scopes)
def test_staff_reach_exactly_what_lies_in_their_scopes(held, parts):
    homes = {part: frozenset({part}) for part in parts}
    person = holder(Role.LIAISON, *held)
    if parts <= held:
        require_reach(person, Priority.NORMAL, homes, whole=False)
    else:
        with pytest.raises(Forbidden) as refused:
            require_reach(person, Priority.NORMAL, homes, whole=False)
        assert set(refused.value.detail["parts"]) == parts - held


@pytest.mark.parametrize("role", Role)
def test_an_urgent_notice_to_the_whole_house_is_for_two_roles_alone(role):
    person = holder(role, "mtg:m")
    if role in {Role.MTG_STAFF, Role.ADMIN}:
        require_reach(person, Priority.URGENT, {}, whole=True)
    else:
        with pytest.raises(Forbidden):
            require_reach(person, Priority.URGENT, {}, whole=True)


@given(held=scopes, lies=scopes, role=st.sampled_from([Role.LIAISON, Role.CMTE_STAFF]))
def test_who_may_act_on_a_notice_sees_it_and_names_are_never_wider_than_that(held, lies, role):
    person, shown = holder(role, *held), notice(scopes=lies, state=State.PUBLISHED)
    assert not sees(person, shown.model_copy(update={"state": State.DRAFT}))
    homes = {part: frozenset({part}) for part in lies}
    if lies and covers(person, shown, homes):
        assert sees(person, shown)
    try:
        delegations = names_shown(person, shown)
    except Forbidden:
        delegations = frozenset()
    if delegations is None:
        assert any(not scope.startswith("deleg:") for scope in held & lies)
    else:
        assert {f"deleg:{it}" for it in delegations} <= held


# -- templates -------------------------------------------------------------------------------------

names = st.text(alphabet="会议名称时间地点abc", min_size=1, max_size=8)
plain = st.text(alphabet=string.ascii_letters + "，。<>&", max_size=20)


def text(body, title="标题"):
    return TemplateText(name="模板", kind=Kind.MEETING, title=title, body=body)


@given(values=st.dictionaries(names, st.text(alphabet="甲乙丙{}<", min_size=1, max_size=9)))
def test_every_variable_is_filled_in_and_what_is_filled_in_is_never_a_variable(values):
    body = "；".join(f"{{{name}}}" for name in values)
    done = filled(text(body), values)
    assert done.body == "；".join(value.replace("<", "&lt;") for value in values.values())


@given(st.lists(names, min_size=1, max_size=4, unique=True), st.data())
def test_the_one_that_is_missing_is_named(wanted, data):
    missing = data.draw(st.sampled_from(wanted))
    values = {name: "值" for name in wanted if name != missing}
    with pytest.raises(Invalid) as refused:
        filled(text("".join(f"{{{name}}}" for name in wanted)), values)
    assert refused.value.field == f"variables.{missing}"


def test_doubled_braces_are_braces_and_an_unknown_variable_is_refused():
    assert filled(text("{{不是变量}} {是}"), {"是": "甲"}).body == "{不是变量} 甲"
    with pytest.raises(Invalid) as refused:
        filled(text("{是}"), {"是": "甲", "否": "乙"})
    assert refused.value.field == "variables.否"


# -- receipts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "state"),
    [
        ((), "pending"), (("pushed_at",), "pushed"), (("pushed_at", "delivered_at"), "delivered"),
        (("pushed_at", "delivered_at", "read_at"), "read"),
        (("pushed_at", "delivered_at", "read_at", "confirmed_at"), "confirmed"),
    ],
)  # fmt: skip
def test_a_receipt_is_as_far_as_it_has_come(times, state):
    receipt = Receipt(n="n", p="p", pri=Priority.NORMAL, pub=AT, **dict.fromkeys(times, AT))
    assert receipt.state == state
    assert receipt.id == "n:p"


counts = st.builds(Counts, **{name: st.integers(0, 1000) for name in Counts.model_fields})


@given(counts, counts)
def test_counts_add_up_field_by_field(one, other):
    both = one.plus(other).model_dump()
    assert all(both[name] == getattr(one, name) + getattr(other, name) for name in both)
