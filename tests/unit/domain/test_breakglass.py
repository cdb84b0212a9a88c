"""Break-glass: two persons, a quarter of an hour, and an auditor who knows at once."""

from __future__ import annotations

import pytest

from domain.breakglass import BreakGlassService, GlassState
from domain.errors import BadState, Forbidden
from domain.people import Grant, Person
from domain.permissions import Role
from storage.breakglass import GlassStore

ROOM = "room:01J00000000000000000000000"


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


class Auditors:
    async def holders(self, role, at):
        return frozenset({"feng"} if role is Role.AUDITOR else ())


def person(name, *roles):
    return Person(id=name, name=name, grants=tuple(Grant(role=role) for role in roles))


YIN, QI = person("yin", Role.ADMIN), person("qi", Role.ADMIN)
AUDITOR, OPS = person("feng", Role.AUDITOR), person("qiwd", Role.OPS)


@pytest.fixture
def audit():
    return Audit()


@pytest.fixture
def bus():
    return Bus()


@pytest.fixture
def service(db, bus, audit, clock, new_id):
    return BreakGlassService(
        GlassStore(db), Auditors(), bus=bus, audit=audit, clock=clock, new_id=new_id
    )


async def opened(service):
    asked = await service.ask(ROOM, reason="核查举报", by=YIN)
    await service.approve(asked.id, by=QI)
    return await service.open(asked.id, by=YIN)


@pytest.mark.acceptance("M10-4")
async def test_it_opens_for_a_quarter_of_an_hour_and_closes_by_itself(service, clock, bus):
    """M10-4"""
    with pytest.raises(Forbidden):
        await service.require_open(ROOM, by=YIN)
    glass = await opened(service)
    assert (glass.open_until - clock.now).total_seconds() == 900
    await service.require_open(ROOM, by=YIN)

    clock.advance(minutes=14, seconds=59)
    await service.require_open(ROOM, by=YIN)
    clock.advance(seconds=1)
    with pytest.raises(Forbidden) as refusal:
        await service.require_open(ROOM, by=YIN)
    assert refusal.value.detail["reason"] == "break_glass"
    assert await service.open_until("yin", clock.now) is None
    (listed,) = await service.list(by=AUDITOR)
    assert (listed.state, listed.uses) == (GlassState.CLOSED, 2)

    bus.rechecked.clear()
    assert await service.sweep() == 1
    assert bus.rechecked == ["yin"]
    assert await service.sweep() == 0


@pytest.mark.acceptance("M10-4")
async def test_the_auditor_is_told_at_once_and_every_look_is_recorded(service, bus, audit):
    """M10-4"""
    glass = await opened(service)
    told = [event for channel, event in bus.published if channel == "user:#feng"]
    assert [event.state for event in told] == ["asked", "approved", "open"]
    assert told[-1].open_until == glass.open_until
    assert {channel for channel, _ in bus.published} == {"dash", "user:#feng"}
    await service.require_open(ROOM, by=YIN)
    assert [entry[0] for entry in audit.entries] == [
        "break_glass.ask", "break_glass.approve", "break_glass.open", "break_glass.use",
    ]  # fmt: skip


async def test_nobody_approves_their_own_request_or_opens_anothers(service):
    asked = await service.ask(ROOM, reason="核查举报", by=YIN)
    with pytest.raises(Forbidden):
        await service.approve(asked.id, by=YIN)
    await service.approve(asked.id, by=QI)
    with pytest.raises(Forbidden):
        await service.open(asked.id, by=QI)


async def test_it_does_not_open_without_approval_nor_twice(service, clock):
    asked = await service.ask(ROOM, reason="核查举报", by=YIN)
    with pytest.raises(BadState) as refusal:
        await service.open(asked.id, by=YIN)
    assert refusal.value.detail["allowed"] == ["approved", "refused"]
    await service.approve(asked.id, by=QI)
    await service.open(asked.id, by=YIN)
    clock.advance(minutes=20)
    with pytest.raises(BadState):
        await service.open(asked.id, by=YIN)


async def test_it_opens_one_object_for_one_person_only(service):
    await opened(service)
    with pytest.raises(Forbidden):
        await service.require_open("room:other", by=YIN)
    with pytest.raises(Forbidden):
        await service.require_open(ROOM, by=QI)


@pytest.mark.parametrize("by", [AUDITOR, OPS, person("wen", Role.DEPUTY)])
async def test_only_administrators_ask(service, by):
    with pytest.raises(Forbidden):
        await service.ask(ROOM, reason="好奇", by=by)


async def test_it_can_be_closed_early_and_a_stale_approval_counts_no_more(service, clock):
    glass = await opened(service)
    await service.close(glass.id, by=QI)
    with pytest.raises(Forbidden):
        await service.require_open(ROOM, by=YIN)
    asked = await service.ask(ROOM, reason="再查", by=YIN)
    await service.approve(asked.id, by=QI)
    clock.advance(hours=24)
    with pytest.raises(BadState):
        await service.open(asked.id, by=YIN)


async def test_a_refused_request_is_over(service):
    asked = await service.ask(ROOM, reason="核查举报", by=YIN)
    await service.refuse(asked.id, reason="理由不足", by=QI)
    with pytest.raises(BadState):
        await service.approve(asked.id, by=QI)
