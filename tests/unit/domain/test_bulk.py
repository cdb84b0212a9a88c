"""Bulk orders: shown first, taken back within the window, done once, finished after a crash."""

from __future__ import annotations

import pytest

from domain.bulk import BulkParams, BulkService, BulkState, ItemState
from domain.errors import BadState, Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from domain.people import Grant, Person
from domain.permissions import Permission, Role
from storage.bulk import BulkStore

YIN = Person(id="yin", name="尹川辞", grants=(Grant(role=Role.ADMIN),))
QI = Person(id="qi", name="祁闻笛", grants=(Grant(role=Role.ADMIN),))
WHY = BulkParams(reason="换届")


class Audit:
    def __init__(self):
        self.actions = []

    async def record(self, action, *, by, obj, detail=None):
        self.actions.append(action)


class Bus:
    def __init__(self):
        self.published = []

    async def publish(self, channel, event):
        self.published.append((channel, event))


class People:
    """Knows the two administrators until they are thrown out."""

    def __init__(self):
        self.known = {"yin": YIN, "qi": QI}

    async def person(self, person_id, at):
        if person_id not in self.known:
            raise Unauthenticated("账号已终止")
        return self.known[person_id]


class Stamp:
    """Puts a stamp on whatever is not called ``bad``."""

    name = "things.stamp"
    permission = Permission.ACCOUNT_MANAGE

    def __init__(self):
        self.stamped = []
        self.before = lambda item: None

    async def judge(self, item, params, *, by):
        if item.startswith("bad"):
            raise NotFound

    async def act(self, item, params, *, by):
        self.before(item)
        if item not in self.stamped:
            self.stamped.append(item)


class House:
    def __init__(self, db, clock, new_id):
        self.stamp, self.audit, self.bus, self.people = Stamp(), Audit(), Bus(), People()
        self.clock = clock
        self.bulk = BulkService(
            [self.stamp], BulkStore(db), self.people,
            audit=self.audit, bus=self.bus, clock=clock, new_id=new_id,
        )  # fmt: skip

    async def order(self, *items, by=YIN):
        return await self.bulk.order("things.stamp", items, WHY, by=by)


@pytest.fixture
def house(db, clock, new_id):
    return House(db, clock, new_id)


async def test_nothing_happens_before_the_window_is_over_and_then_everything_once(house):
    preview = await house.bulk.preview("things.stamp", ["a", "bad", "b", "a"], WHY, by=YIN)
    assert [(it.id, it.state.value, it.code) for it in preview] == [
        ("a", "ready", ""),
        ("bad", "refused", "not_found"),
        ("b", "ready", ""),
    ]
    assert house.audit.actions == []
    order = await house.order("a", "bad", "b")
    house.clock.advance(seconds=9.9)
    assert not await house.bulk.run_next()
    assert house.stamp.stamped == []
    house.clock.advance(seconds=0.1)
    assert await house.bulk.run_next()
    assert not await house.bulk.run_next()
    assert house.stamp.stamped == ["a", "b"]
    done = await house.bulk.get(order.id, by=YIN)
    assert done.state is BulkState.DONE
    assert done.counts == {ItemState.DONE: 2, ItemState.REFUSED: 1}
    ((channel, event),) = house.bus.published
    assert (channel, event.type, event.done, event.failed) == ("user:#yin", "bulk.done", 2, 0)
    assert house.audit.actions == ["bulk.order", "bulk.done"]


async def test_an_order_is_taken_back_in_time_and_not_later(house):
    order = await house.order("a")
    house.clock.advance(seconds=9)
    with pytest.raises(NotFound):
        await house.bulk.undo(order.id, by=QI)
    assert (await house.bulk.undo(order.id, by=YIN)).state is BulkState.UNDONE
    with pytest.raises(BadState):
        await house.bulk.undo(order.id, by=YIN)
    late = await house.order("b")
    house.clock.advance(seconds=10)
    with pytest.raises(BadState):
        await house.bulk.undo(late.id, by=YIN)
    assert await house.bulk.run_next()
    assert house.stamp.stamped == ["b"]


async def test_an_order_whose_process_died_is_finished_by_another(house, db):
    await house.order("a", "b", "c")
    house.clock.advance(seconds=10)

    class Killed(BaseException):
        pass

    def die(item):
        if item == "b":
            raise Killed

    house.stamp.before = die
    with pytest.raises(Killed):
        await house.bulk.run_next()
    house.stamp.before = lambda item: None
    assert not await house.bulk.run_next()
    house.clock.advance(seconds=61)
    assert await house.bulk.run_next()
    assert house.stamp.stamped == ["a", "b", "c"]
    (row,) = await db["bulk_order"].find({})
    assert (row["state"], {it["state"] for it in row["items"]}) == ("done", {"done"})


async def test_one_item_that_fails_does_not_keep_the_others_from_being_done(house):
    def fail(item):
        if item == "a":
            raise Conflict("刚被他人变更")
        if item == "b":
            raise RuntimeError

    house.stamp.before = fail
    order = await house.order("a", "b", "c")
    house.clock.advance(seconds=10)
    await house.bulk.run_next()
    done = await house.bulk.get(order.id, by=YIN)
    assert [(it.state.value, it.code) for it in done.items] == [
        ("failed", "conflict"),
        ("failed", "internal"),
        ("done", ""),
    ]


async def test_who_loses_the_right_in_the_middle_stops_in_the_middle(house):
    def thrown_out(item):
        house.people.known["yin"] = Person(id="yin", name="尹川辞")

    house.stamp.before = thrown_out
    order = await house.order("a", "b")
    house.clock.advance(seconds=10)
    await house.bulk.run_next()
    states = [it.state.value for it in (await house.bulk.get(order.id, by=YIN)).items]
    assert states == ["done", "failed"]


async def test_orders_that_make_no_sense_are_refused(house):
    auditor = Person(id="feng", name="冯砚秋", grants=(Grant(role=Role.AUDITOR),))
    with pytest.raises(Forbidden):
        await house.bulk.preview("things.stamp", ["a"], WHY, by=auditor)
    many = [str(n) for n in range(501)]
    for action, items in (("no.such", ["a"]), ("things.stamp", []), ("things.stamp", many)):
        with pytest.raises(Invalid):
            await house.bulk.order(action, items, WHY, by=YIN)
    with pytest.raises(Invalid) as refused:
        await house.order("bad", "bad2")
    assert [it["code"] for it in refused.value.detail["items"]] == ["not_found", "not_found"]
