"""Role grants: two persons, separation of duties, and a hub that is never without administrator."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound
from domain.grants import GrantService
from domain.people import Grant, Person
from domain.permissions import Role
from domain.role_grants import GrantState
from storage.grants import GrantStore, ScopeStore


class Audit:
    def __init__(self):
        self.entries = []

    async def record(self, action, *, by, obj, detail=None):
        self.entries.append((action, by, obj, detail))


class Bus:
    def __init__(self):
        self.published = []
        self.rechecked = []

    async def publish(self, channel, event):
        self.published.append((channel, event))

    async def recheck(self, person_id):
        self.rechecked.append(person_id)


def person(name, *roles):
    return Person(id=name, name=name, grants=tuple(Grant(role=role) for role in roles))


YIN, QI, FU = (person(name, Role.ADMIN) for name in ("yin", "qi", "fu"))
AUDITOR, CLERK = person("feng", Role.AUDITOR), person("fan", Role.MOTION_CLERK)


@pytest.fixture
def audit():
    return Audit()


@pytest.fixture
def bus():
    return Bus()


@pytest.fixture
def store(db):
    return GrantStore(db)


@pytest.fixture
async def grants(db, store, bus, audit, clock, new_id):
    await db["delegation"].insert_one({"_id": "pudong", "name": "浦东新区代表团"})
    for who in (YIN, QI, FU):
        await db["account"].insert_one({"_id": who.id, "state": "active"})
    return GrantService(
        store,
        ScopeStore(db),
        bus=bus,
        audit=audit,
        clock=clock,
        new_id=new_id,
    )


@pytest.fixture
async def two(grants):
    """Two administrators in office."""
    for who in (YIN, QI):
        await grants.install(who.id, Role.ADMIN, by="cli", reason="首任管理员")
    return grants


async def ask(grants, person_id="bai", role=Role.LIAISON, *, by=YIN, **more):
    scopes = frozenset({"deleg:pudong"}) if role is Role.LIAISON else frozenset()
    return await grants.ask(person_id, role, **{"scopes": scopes, "reason": "任命", **more}, by=by)


async def test_what_is_asked_for_holds_only_once_a_second_person_approves(
    two, store, clock, bus, audit
):
    asked = await ask(two)
    assert await store.in_force("bai", clock.now) == ()
    granted = await two.approve(asked.id, by=QI)
    assert granted.state is GrantState.GRANTED
    (held,) = await store.in_force("bai", clock.now)
    assert (held.role, held.scopes) == (Role.LIAISON, frozenset({"deleg:pudong"}))
    assert bus.rechecked[-1] == "bai"
    assert bus.published[-1][0] == "user:#bai"
    assert [entry[0] for entry in audit.entries[-2:]] == ["role.ask", "role.grant"]


async def test_nobody_asks_or_approves_for_themselves(two):
    with pytest.raises(Forbidden):
        await ask(two, "yin")
    asked = await ask(two)
    with pytest.raises(Forbidden) as refusal:
        await two.approve(asked.id, by=YIN)
    assert refusal.value.detail["reason"] == "second_person"
    # A circle: the one who would gain cannot be the one who lets it through.
    circle = await ask(two, "qi", Role.OPS)
    with pytest.raises(Forbidden) as refusal:
        await two.approve(circle.id, by=QI)
    assert refusal.value.detail["reason"] == "own_case"


@pytest.mark.parametrize("by", [AUDITOR, CLERK, person("wen", Role.DEPUTY)])
async def test_only_administrators_ask_approve_and_end(two, by):
    with pytest.raises(Forbidden):
        await ask(two, by=by)
    asked = await ask(two)
    with pytest.raises(Forbidden):
        await two.approve(asked.id, by=by)
    granted = await two.approve(asked.id, by=QI)
    with pytest.raises(Forbidden):
        await two.end(granted.id, reason="x", by=by)


async def test_a_span_begins_and_ends_by_itself(two, store, clock, bus):
    start, end = clock.now + timedelta(days=1), clock.now + timedelta(days=3)
    asked = await ask(two, since=start, until=end)
    await two.approve(asked.id, by=QI)
    held = [len(await store.in_force("bai", start + timedelta(days=i))) for i in (-1, 0, 1, 2)]
    assert held == [0, 1, 1, 0]

    clock.advance(days=3)
    bus.rechecked.clear()
    assert await two.expire() == 1
    assert bus.rechecked == ["bai"]
    # Once more, for whoever remembered the person; then it is over.
    clock.advance(seconds=1)
    assert await two.expire() == 0
    assert bus.rechecked == ["bai", "bai"]
    clock.advance(seconds=3)
    await two.expire()
    assert bus.rechecked == ["bai", "bai"]
    await ask(two)  # may be asked for again


async def test_a_role_with_a_scope_that_is_not_there_or_not_its_kind_is_refused(two):
    for role, scopes in [
        (Role.LIAISON, {"deleg:atlantis"}),
        (Role.LIAISON, {"cmte:pudong"}),
        (Role.LIAISON, set()),
        (Role.LIAISON, {"pudong"}),
        (Role.ADMIN, {"deleg:pudong"}),
        (Role.UNIT, set()),
        (Role.SCREEN, set()),
    ]:
        with pytest.raises(Invalid):
            await ask(two, role=role, scopes=frozenset(scopes))


async def test_a_span_that_is_empty_or_over_is_refused(two, clock):
    with pytest.raises(Invalid):
        await ask(two, until=clock.now)
    asked = await ask(two, until=clock.now + timedelta(hours=1))
    clock.advance(hours=2)
    with pytest.raises(Invalid):
        await two.approve(asked.id, by=QI)


async def test_the_same_role_twice_is_a_conflict_and_other_scopes_are_not(two, db):
    await db["delegation"].insert_one({"_id": "xuhui", "name": "徐汇区代表团"})
    await ask(two)
    with pytest.raises(Conflict):
        await ask(two)
    await ask(two, scopes=frozenset({"deleg:xuhui"}))


async def test_no_one_is_administrator_and_auditor(two):
    with pytest.raises(Conflict) as refusal:
        await ask(two, "qi", Role.AUDITOR)
    assert refusal.value.code == "separation_of_duties"


async def test_two_approvals_at_once_cannot_join_excluded_roles(two, store, clock):
    one, other = await ask(two, "lu", Role.ADMIN), await ask(two, "lu", Role.AUDITOR)
    done = await asyncio.gather(
        two.approve(one.id, by=QI), two.approve(other.id, by=QI), return_exceptions=True
    )
    assert sorted(isinstance(it, Conflict) for it in done) == [False, True]
    assert len(await store.in_force("lu", clock.now)) == 1


async def test_the_only_administrator_alone_appoints_a_second_and_the_audit_says_so(grants, audit):
    await grants.install("yin", Role.ADMIN, by="cli", reason="首任管理员")
    liaison = await ask(grants)
    with pytest.raises(Forbidden):
        await grants.approve(liaison.id, by=YIN)
    asked = await ask(grants, "qi", Role.ADMIN)
    granted = await grants.approve(asked.id, by=YIN)
    assert granted.sole
    assert audit.entries[-1][3]["note"] == "single administrator"
    third = await ask(grants, "fu", Role.ADMIN)
    with pytest.raises(Forbidden):
        await grants.approve(third.id, by=YIN)


@pytest.mark.acceptance("M10-1")
async def test_the_last_administrator_cannot_be_removed(grants, store, clock):
    """M10-1"""
    only = await grants.install("yin", Role.ADMIN, by="cli", reason="首任管理员")
    with pytest.raises(Conflict) as refusal:
        await grants.end(only.id, reason="离职", by=YIN)
    assert refusal.value.code == "last_admin"
    with pytest.raises(Conflict):
        await grants.end_all("yin", reason="离职", by="system")
    with pytest.raises(Conflict):
        await grants.require_not_last("yin")
    assert len(await store.in_force("yin", clock.now)) == 1


@pytest.mark.acceptance("M10-1")
async def test_the_last_two_administrators_cannot_leave_at_once(two, store, clock):
    """M10-1"""
    mine = [(await two.of(who.id, by=who))[0] for who in (YIN, QI)]
    done = await asyncio.gather(
        two.end(mine[0].id, reason="离职", by=YIN),
        two.end(mine[1].id, reason="离职", by=QI),
        return_exceptions=True,
    )
    assert sorted(getattr(it, "code", "") == "last_admin" for it in done) == [False, True]
    assert len(await store.holders(Role.ADMIN, clock.now)) == 1


async def test_an_administrator_whose_time_is_up_does_not_count(two, store, clock):
    asked = await ask(two, "fu", Role.ADMIN, until=clock.now + timedelta(days=1))
    await two.approve(asked.id, by=QI)
    clock.advance(days=2)
    await two.end((await two.of("qi", by=QI))[0].id, reason="离职", by=QI)
    with pytest.raises(Conflict):
        await two.end((await two.of("yin", by=YIN))[0].id, reason="离职", by=YIN)
    await two.expire()
    assert await store.holders(Role.ADMIN, clock.now) == {"yin"}


async def test_an_administrator_is_removed_by_two(two, store, clock):
    await two.approve((await ask(two, "fu", Role.ADMIN)).id, by=QI)
    (theirs,) = await two.of("fu", by=YIN)
    once = await two.end(theirs.id, reason="调离", by=YIN)
    assert once.state is GrantState.GRANTED
    again = await two.end(theirs.id, reason="调离", by=YIN)
    assert again.state is GrantState.GRANTED
    assert await store.holders(Role.ADMIN, clock.now) == {"yin", "qi", "fu"}
    assert (await two.end(theirs.id, reason="调离", by=QI)).state is GrantState.ENDED
    assert await store.holders(Role.ADMIN, clock.now) == {"yin", "qi"}


async def test_other_roles_are_ended_by_one_and_only_once(two, store, clock, bus):
    granted = await two.approve((await ask(two)).id, by=QI)
    bus.rechecked.clear()
    assert (await two.end(granted.id, reason="换人", by=YIN)).state is GrantState.ENDED
    assert bus.rechecked == ["bai"]
    assert await store.in_force("bai", clock.now) == ()
    with pytest.raises(BadState):
        await two.end(granted.id, reason="换人", by=YIN)


async def test_what_was_refused_cannot_be_approved(two):
    asked = await ask(two)
    await two.refuse(asked.id, reason="不符合条件", by=QI)
    with pytest.raises(BadState) as refusal:
        await two.approve(asked.id, by=QI)
    assert refusal.value.detail["allowed"] == []


async def test_two_approvals_at_once_grant_once(two, audit):
    asked = await ask(two)
    done = await asyncio.gather(
        two.approve(asked.id, by=QI), two.approve(asked.id, by=FU), return_exceptions=True
    )
    assert sorted(isinstance(it, Conflict) for it in done) == [False, True]
    assert sum(entry[0] == "role.grant" for entry in audit.entries) == 1


async def test_an_unknown_grant_is_not_found(two):
    with pytest.raises(NotFound):
        await two.approve("nope", by=YIN)


async def test_an_auditor_sees_the_list_and_a_clerk_may_see_only_their_own(two):
    await ask(two)
    assert len(await two.list(by=AUDITOR)) == 3
    assert await two.of("yin", by=AUDITOR)
    with pytest.raises(Forbidden):
        await two.of("yin", by=person("wen", Role.DEPUTY))


@pytest.mark.acceptance("M10-1")
async def test_an_administrator_whose_account_is_closed_does_not_count(two, store, clock):
    """M10-1"""
    (mine,) = await two.of("yin", by=YIN)
    await two.require_not_last("qi")
    with pytest.raises(Conflict) as refusal:
        await two.end(mine.id, reason="离职", by=YIN)
    assert refusal.value.code == "last_admin"
    with pytest.raises(Conflict):
        await two.require_not_last("yin")
    # Locking the colleague out does not make one the only administrator who may act alone.
    asked = await ask(two, "fu", Role.ADMIN)
    with pytest.raises(Forbidden):
        await two.approve(asked.id, by=YIN)

    await two.reinstate("qi")
    assert (await two.end(mine.id, reason="离职", by=YIN)).state is GrantState.ENDED


async def test_the_job_counts_those_and_only_those_whose_account_is_open(two, db, clock):
    (mine,) = await two.of("yin", by=YIN)
    await db["account"].update_one({"_id": "qi"}, {"$set": {"state": "suspended"}})
    await two.count_administrators()
    with pytest.raises(Conflict):
        await two.end(mine.id, reason="离职", by=YIN)
    await db["account"].update_one({"_id": "qi"}, {"$set": {"state": "active"}})
    await two.count_administrators()
    assert (await two.end(mine.id, reason="离职", by=YIN)).state is GrantState.ENDED
