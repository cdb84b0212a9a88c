"""Passes of guests: one meeting, listed functions, and over when the meeting is."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.errors import Invalid
from domain.grant_terms import OVERTIME
from domain.grants import GrantService
from domain.people import Grant, Person
from domain.permissions import GuestFunction, Role
from domain.visibility import DataClass, visible
from storage.grants import GrantStore, ScopeStore

READ, LIVE = GuestFunction.READ, GuestFunction.LIVE


class Quiet:
    def __init__(self):
        self.rechecked = []

    async def record(self, action, *, by, obj, detail=None): ...

    async def publish(self, channel, event): ...

    async def recheck(self, person_id):
        self.rechecked.append(person_id)


YIN, QI = (Person(id=it, name=it, grants=(Grant(role=Role.ADMIN),)) for it in ("yin", "qi"))


@pytest.fixture
def quiet():
    return Quiet()


@pytest.fixture
async def desk(db, clock, new_id, quiet):
    end = clock() + timedelta(hours=4)
    await db["meeting"].insert_many(
        [
            {"_id": "m1", "state": "in_session", "ends_at": end},
            {"_id": "m2", "state": "planned", "ends_at": None},
            {"_id": "m3", "state": "closed", "ends_at": end},
        ]
    )
    return GrantService(
        GrantStore(db), ScopeStore(db), bus=quiet, audit=quiet, clock=clock, new_id=new_id
    )


async def ask(desk, *scopes, functions=(READ, LIVE), until: datetime | None = None):
    return await desk.ask(
        "guest", Role.GUEST, scopes=frozenset(scopes), functions=frozenset(functions),
        until=until, reason="列席", by=YIN,
    )  # fmt: skip


async def admitted(desk, **more):
    return await desk.approve((await ask(desk, "mtg:m1", **more)).id, by=QI)


async def held(db, clock):
    return await GrantStore(db).in_force("guest", clock())


async def test_a_pass_names_one_meeting_that_is_not_over_and_what_it_is_good_for(desk, clock):
    for scopes, functions in (
        (("mtg:m1",), ()),
        ((), (READ,)),
        (("mtg:m1", "mtg:m2"), (READ,)),
        (("mtg:m3",), (READ,)),
        (("mtg:none",), (READ,)),
        (("mtg:m2",), (READ,)),
    ):
        with pytest.raises(Invalid):
            await ask(desk, *scopes, functions=functions)
    await ask(desk, "mtg:m2", until=clock() + timedelta(days=1))
    with pytest.raises(Invalid):
        await desk.ask("other", Role.EDITOR, functions=frozenset({READ}), reason="编辑", by=YIN)


async def test_a_pass_ends_with_its_meeting_and_not_before(desk, db, clock, quiet):
    grant = await admitted(desk)
    (shown,) = await held(db, clock)
    assert shown.functions == {READ, LIVE}
    clock.advance(hours=5)  # the meeting overruns its plan
    assert await desk.expire() == 0
    await db["meeting"].update_one({"_id": "m1"}, {"$set": {"state": "closed"}})
    assert await desk.expire() == 1
    assert await held(db, clock) == ()
    assert "guest" in quiet.rechecked
    (ended,) = [it for it in await desk.of("guest", by=YIN) if it.id == grant.id]
    assert (ended.state.value, ended.ended_by) == ("ended", "system")


async def test_a_meeting_nobody_closes_lets_its_guests_go_a_day_after_its_plan(desk, clock):
    await admitted(desk)
    clock.advance(hours=4)
    clock.now += OVERTIME - timedelta(seconds=1)
    assert await desk.expire() == 0
    clock.advance(seconds=1)
    assert await desk.expire() == 1


async def test_a_pass_with_its_own_end_ends_there(desk, clock):
    await admitted(desk, until=clock() + timedelta(hours=1))
    clock.advance(hours=1)
    assert await desk.expire() == 1


@pytest.mark.parametrize(("functions", "reads"), [((READ,), True), ((LIVE,), False)])
def test_a_guest_reads_what_is_meant_for_the_meeting_only_where_the_pass_says_so(functions, reads):
    grant = Grant(role=Role.GUEST, scopes=frozenset({"mtg:m1"}), functions=frozenset(functions))

    class Paper:
        cls, owner_id, audience = DataClass.C2, None, frozenset({"mtg:m1"})

    assert visible(Person(id="guest", name="来宾", grants=(grant,)), Paper()) is reads
