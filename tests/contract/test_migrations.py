"""Migrations and indexes: forward only, once, and refused with a clear sentence."""

from __future__ import annotations

import asyncio
import logging

import pytest

from storage.indexes import INDEXES, Index, IndexRefused, ensure_indexes
from storage.leases import Leases
from storage.migrations import (
    RESTORING,
    Migration,
    MigrationRefused,
    migrate,
    missing,
    prepare,
    shipped,
)


class Steps:
    """Migrations that note when they are applied."""

    def __init__(self):
        self.applied = []

    def make(self, *numbers, breaks=None):
        def step(number):
            async def apply(db):
                self.applied.append(number)
                if number == breaks:
                    raise RuntimeError("power cut")

            return Migration(number, f"step_{number}", apply)

        return [step(number) for number in numbers]


async def test_each_step_is_applied_once_and_in_order(bare_db, clock):
    steps = Steps()

    assert await migrate(bare_db, steps.make(1, 2), clock) == [1, 2]
    assert await migrate(bare_db, steps.make(1, 2, 3), clock) == [3]
    assert await migrate(bare_db, steps.make(1, 2, 3), clock) == []
    assert steps.applied == [1, 2, 3]


async def test_a_step_that_broke_is_applied_again(bare_db, clock):
    steps = Steps()
    with pytest.raises(RuntimeError, match="power cut"):
        await migrate(bare_db, steps.make(1, 2, 3, breaks=2), clock)

    assert await migrate(bare_db, steps.make(1, 2, 3), clock) == [2, 3]
    assert steps.applied == [1, 2, 2, 3]


async def test_data_of_a_newer_version_is_refused(bare_db, clock):
    await migrate(bare_db, Steps().make(1, 2, 3), clock)

    with pytest.raises(MigrationRefused, match=r"newer version \(migration 3 step_3"):
        await migrate(bare_db, Steps().make(1, 2), clock)


async def test_a_step_left_out_is_refused(bare_db, clock):
    await bare_db["migration"].insert_one({"_id": 2, "name": "x"})

    with pytest.raises(MigrationRefused, match="left out"):
        await missing(bare_db, Steps().make(1, 2))
    with pytest.raises(MigrationRefused, match="numbered"):
        await missing(bare_db, Steps().make(1, 3))


async def test_processes_that_start_together_prepare_the_data_once(bare_db, clock):
    await asyncio.gather(
        *(prepare(bare_db, Leases(bare_db, clock, f"p{i}"), clock) for i in range(3))
    )

    rows = await bare_db["migration"].find({}, sort=[("_id", 1)])
    assert [row["_id"] for row in rows] == [step.number for step in shipped()]
    identity = await bare_db["installation"].find_one({"_id": "this"})
    await prepare(bare_db, Leases(bare_db, clock, "again"), clock)
    assert await bare_db["installation"].find_one({"_id": "this"}) == identity


async def test_a_half_restored_database_is_refused(bare_db, clock):
    await bare_db[RESTORING].insert_one({"_id": "x"})

    with pytest.raises(MigrationRefused, match="did not finish"):
        await prepare(bare_db, Leases(bare_db, clock, "p"), clock)


def test_the_table_of_indexes_is_sorted_and_names_are_used_once():
    assert [index.collection for index in INDEXES] == sorted(i.collection for i in INDEXES)
    names = [(index.collection, index.name) for index in INDEXES]
    assert len(names) == len(set(names))


async def test_every_declared_index_is_made_and_found_again(bare_db):
    await ensure_indexes(bare_db)
    await ensure_indexes(bare_db)


async def test_an_index_with_other_options_is_refused_by_name(bare_db):
    await ensure_indexes(bare_db, [Index("thing", "no", (("no", 1),))])

    for other in (
        Index("thing", "no", (("no", 1),), unique=True),
        Index("thing", "no", (("no", -1),)),
        Index("thing", "no", (("no", 1),), expire_after=5),
        Index("thing", "no", (("no", 1),), partial={"no": {"$type": "int"}}),
    ):
        with pytest.raises(IndexRefused, match=r"thing\.no exists as"):
            await ensure_indexes(bare_db, [other])


async def test_the_duplicates_that_prevent_an_index_are_listed(bare_db):
    for key, no in (("a", 1), ("b", 2), ("c", 1)):
        await bare_db["thing"].insert_one({"_id": key, "no": no})

    with pytest.raises(IndexRefused) as refusal:
        await ensure_indexes(bare_db, [Index("thing", "no", (("no", 1),), unique=True)])

    assert "no {'no': 1}: ['a', 'c']" in str(refusal.value)


async def test_an_index_nobody_declared_is_logged_and_left(bare_db, caplog):
    await ensure_indexes(bare_db, [Index("thing", "old", (("old", 1),))])

    with caplog.at_level(logging.WARNING):
        await ensure_indexes(bare_db, [Index("thing", "no", (("no", 1),))])

    assert "index thing.old is not declared" in caplog.text
    async with bare_db.raw() as raw:
        assert set(await raw["thing"].index_information()) == {"_id_", "old", "no"}


async def test_attendance_from_before_there_were_duty_records_is_followed_by_them(db):
    """Each step may be done again: a process may die in the midst of it."""
    await db["attendance"].insert_many([{"_id": "m:1", "state": "present"}, {"_id": "m:2"}])
    (step,) = [it for it in shipped() if it.name == "duty_records"]
    await step.apply(db)
    await step.apply(db)
    assert await db["attendance"].count({"unbooked": True}) == 2
