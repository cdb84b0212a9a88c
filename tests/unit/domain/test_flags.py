"""Feature flags: how they stand, who switches them, and what is fixed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from domain.errors import Conflict, Forbidden, NotFound
from domain.flags import FLAGS, FlagService
from domain.people import Grant, Person
from domain.permissions import Role
from handlers.operation import PUBLIC, operation
from storage.flags import FlagStore


def person(name, role):
    return Person(id=name, name=name, grants=(Grant(role=role),))


YIN, QI = person("yin", Role.ADMIN), person("qi", Role.ADMIN)


class Audit:
    def __init__(self):
        self.entries = []

    async def record(self, action, *, by, obj, detail=None):
        self.entries.append((action, by, obj, detail))


class Bus:
    def __init__(self):
        self.published = []

    async def publish(self, channel, event):
        self.published.append((channel, event))


@pytest.fixture
def audit():
    return Audit()


@pytest.fixture
def bus():
    return Bus()


@pytest.fixture
def flags(db, clock, new_id, audit, bus):
    return FlagService(FlagStore(db), audit=audit, bus=bus, clock=clock, new_id=new_id)


async def test_flags_stand_as_shipped_until_somebody_switches_one(flags, audit, bus, clock):
    assert {key: state.on for key, state in (await flags.states()).items()} == {
        key: flag.default for key, flag in FLAGS.items()
    }
    off = await flags.switch("login.qr", on=False, reason="仿冒二维码", v=0, by=YIN)
    assert (off.on, off.v, off.changed_by, off.changed_at) == (False, 1, "yin", clock())
    with pytest.raises(Forbidden) as refused:
        await flags.require("login.qr")
    assert (refused.value.code, refused.value.detail) == ("feature_off", {"flag": "login.qr"})
    assert audit.entries == [
        (
            "flag.switch",
            "yin",
            "flag:login.qr",
            {"on": False, "before": True, "reason": "仿冒二维码"},
        )
    ]
    ((channel, event),) = bus.published
    assert (channel, event.type, event.key, event.on, event.v) == (
        "sys",
        "flag",
        "login.qr",
        False,
        1,
    )
    await flags.switch("login.qr", on=True, reason="已处置", v=1, by=QI)
    await flags.require("login.qr")


async def test_another_process_sees_a_switch_within_its_memory_of_a_second(
    flags, db, clock, new_id, audit, bus
):
    other = FlagService(FlagStore(db), audit=audit, bus=bus, clock=clock, new_id=new_id)
    assert await other.on("login.qr")
    await flags.switch("login.qr", on=False, reason="仿冒二维码", v=0, by=YIN)
    assert not await flags.on("login.qr")
    assert timedelta(seconds=1) >= FlagService.STALE
    clock.advance(seconds=1)
    assert not await other.on("login.qr")


async def test_votes_on_phones_can_never_be_switched_on(flags, db, audit):
    await db["flag"].insert_one({"_id": "poll.binding", "on": True, "reason": "改库", "v": 1})
    assert not await flags.on("poll.binding")
    with pytest.raises(Forbidden):
        await flags.switch("poll.binding", on=True, reason="想改", v=0, by=YIN)
    assert audit.entries == []


async def test_who_only_looks_does_not_switch_and_unknown_flags_are_not_found(flags):
    auditor, deputy = person("feng", Role.AUDITOR), person("wen", Role.DEPUTY)
    assert len(await flags.listed(by=auditor)) == len(FLAGS)
    with pytest.raises(Forbidden):
        await flags.listed(by=deputy)
    for who in (auditor, deputy):
        with pytest.raises(Forbidden):
            await flags.switch("login.qr", on=False, reason="x", v=0, by=who)
    with pytest.raises(NotFound):
        await flags.switch("no.such", on=False, reason="x", v=0, by=YIN)


async def test_of_two_who_switch_at_once_one_is_told_and_nothing_is_said_twice(flags, bus):
    outcomes = await asyncio.gather(
        *(flags.switch("login.qr", on=False, reason="x", v=0, by=who) for who in (YIN, QI)),
        return_exceptions=True,
    )
    assert sorted(type(it).__name__ for it in outcomes) == ["Conflict", "FlagState"]
    assert len(bus.published) == 1
    again = await flags.switch("login.qr", on=False, reason="x", v=1, by=QI)
    assert again.v == 1
    assert len(bus.published) == 1
    with pytest.raises(Conflict):
        await flags.switch("login.qr", on=True, reason="x", v=0, by=QI)


def test_an_endpoint_cannot_obey_a_flag_that_is_not_declared():
    with pytest.raises(LookupError):
        operation(PUBLIC, flag="no.such")
