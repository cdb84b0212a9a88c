"""The permission matrix against ``tests/permissions.csv``, which states it in the client's words.

Columns of the file: what is done, by which role, the words of PRODUCT.md §2.2.1 (or of the place
that adds the right), and what must come of it: ``may`` the person do this kind of thing at all,
``decides`` it (not only looks or proposes), and may do it ``elsewhere``, outside the scope held:
200 or 403.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.approvals import decides
from domain.people import AccountState, Grant, Person
from domain.permissions import EXCLUSIVE, MATRIX, Permission, Reach, Role, right

ACTIONS = {
    "publish notice 普通/重要": Permission.NOTICE_PUBLISH,
    "publish 紧急 to all": Permission.NOTICE_PUBLISH_URGENT,
    "see receipt list with names": Permission.RECEIPT_READ,
    "draft/submit/sign 议案建议": Permission.MOTION_AUTHOR,
    "accept, return, convert, 交办": Permission.MOTION_PROCESS,
    "签收, ask return, draft answer": Permission.ANSWER_DRAFT,
    "sign answer": Permission.ANSWER_SIGN,
    "rate answer": Permission.ANSWER_RATE,
    "approve extension / 督办": Permission.EXTENSION_DECIDE,
    "publish paper": Permission.PAPER_PUBLISH,
    "send file": Permission.FILE_SEND,
    "run console, pointer, screens": Permission.CONSOLE_RUN,
    "record declared result": Permission.RESULT_RECORD,
    "scan passes": Permission.PASS_SCAN,
    "reverse a check-in": Permission.CHECKIN_REVERSE,
    "ask leave": Permission.LEAVE_ASK,
    "decide leave": Permission.LEAVE_DECIDE,
    "register duty record": Permission.DUTY_REGISTER,
    "confirm / object": Permission.DUTY_CONFIRM,
    "post in room": Permission.ROOM_POST,
    "hold/hide/mute (moderator flag)": Permission.ROOM_MODERATE,
    "publish news/live/VOD/风采": Permission.CONTENT_PUBLISH,
    "see mobile number": Permission.PHONE_READ,
    "change roles, rule_param": Permission.CONTROL_CHANGE,
    "read audit": Permission.AUDIT_READ,
    "person-level duty statistics": Permission.DUTY_STATISTICS,
    "run inspections, restore": Permission.OPERATE,
    "read the directory": Permission.DIRECTORY_READ,
    "export the directory": Permission.DIRECTORY_EXPORT,
    "verify a profile change": Permission.PROFILE_VERIFY,
    "invite to bind": Permission.ACCOUNT_INVITE,
    "manage accounts, unbind, end sessions": Permission.ACCOUNT_MANAGE,
    "manage the roster and the organisation": Permission.ROSTER_MANAGE,
    "handle privacy requests": Permission.PRIVACY_HANDLE,
    "break-glass": Permission.BREAK_GLASS,
    "prepare a meeting": Permission.MEETING_MANAGE,
    "check in at a door": Permission.CHECK_IN,
    "show the hall code": Permission.HALL_CODE,
    "switch features, keep dictionaries and keys": Permission.SETTINGS_MANAGE,
}

MINE, OTHERS = "room:mine", "room:others"


def lines() -> list[dict[str, str]]:
    with (Path(__file__).parents[2] / "permissions.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


LINES = lines()


def holder(role: str, state: AccountState = AccountState.ACTIVE) -> Person:
    grant = Grant(role=Role(role), scopes=frozenset({MINE}))
    return Person(id="p", name="闻予澄", state=state, grants=(grant,))


def test_every_action_of_every_role_has_exactly_one_line():
    stated = [(line["action"], line["role"]) for line in LINES]
    assert len(stated) == len(set(stated))
    assert {(ACTIONS[action], Role(role)) for action, role in stated} == {
        (permission, role) for permission in Permission for role in Role
    }


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line['action']}-{line['role']}")
def test_a_role_may_what_its_line_says_and_no_more(line):
    person, permission = holder(line["role"]), ACTIONS[line["action"]]
    expected = [line["may"] == "200", line["may"] == "200", line["decides"] == "200"]
    assert [
        person.may(permission),
        person.may(permission, scope=MINE),
        decides(person, permission, scope=MINE),
    ] == expected
    cell = right(Role(line["role"]), permission)
    if cell is not None and cell.reach is Reach.OWN:
        return  # whether an object is one's own is for ``visible`` and the feature to judge
    assert person.may(permission, scope=OTHERS) == (line["elsewhere"] == "200")


def test_two_persons_are_asked_for_where_the_table_says_so():
    stated = {
        (ACTIONS[line["action"]], Role(line["role"])) for line in LINES if "②" in line["right"]
    }
    assert {(p, role) for (role, p), cell in MATRIX.items() if cell.two_person} == stated


def test_who_only_looks_changes_nothing():
    auditor = holder("auditor")
    assert not [p for p in Permission if decides(auditor, p) and p is not Permission.AUDIT_READ]


def test_administrators_and_auditors_are_different_people():
    assert frozenset({Role.ADMIN, Role.AUDITOR}) in EXCLUSIVE


grants = st.lists(
    st.builds(
        Grant,
        role=st.sampled_from(Role),
        scopes=st.frozensets(st.sampled_from([MINE, OTHERS]), max_size=2),
    ),
    max_size=4,
).map(tuple)
permissions = st.sampled_from(Permission)


@given(grants, grants, permissions, st.sampled_from([None, MINE, OTHERS]))
def test_another_role_never_takes_a_right_away(some, more, permission, scope):
    fewer, all_ = (Person(id="p", name="闻予澄", grants=held) for held in (some, (*some, *more)))
    assert all_.may(permission, scope=scope) or not fewer.may(permission, scope=scope)
    assert decides(all_, permission, scope=scope) or not decides(fewer, permission, scope=scope)


@given(grants, permissions, st.sampled_from([None, MINE, OTHERS]))
def test_who_decides_may_and_who_may_in_a_scope_may(held, permission, scope):
    person = Person(id="p", name="闻予澄", grants=held)
    assert person.may(permission, scope=scope) or not decides(person, permission, scope=scope)
    assert person.may(permission) or not person.may(permission, scope=scope)


@given(grants, permissions, st.sampled_from(AccountState))
def test_a_closed_account_may_nothing_and_a_suspended_one_only_reads_the_directory(
    held, permission, state
):
    person = Person(id="p", name="闻予澄", state=state, grants=held)
    if state is AccountState.SUSPENDED:
        assert not person.may(permission) or permission is Permission.DIRECTORY_READ
    elif state is not AccountState.ACTIVE:
        assert not person.may(permission)


@pytest.mark.parametrize("state", AccountState)
def test_all_that_a_person_may_is_what_each_permission_says(state):
    for roles in ((), (Role.DEPUTY,), (Role.ADMIN, Role.EDITOR), (Role.GUEST, Role.LIAISON)):
        person = Person(
            id="p", name="某人", state=state, grants=tuple(Grant(role=it) for it in roles)
        )
        assert set(person.permissions) == {it for it in Permission if person.may(it)}
