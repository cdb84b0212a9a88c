"""Migrations: numbered steps that bring older data to the form this version of the code expects.

``migration {_id: number, name, at}``. Each module ``m<number>_<what>.py`` here has
``async def apply(db)``, which must be idempotent: a process that dies in the midst of it leaves it
unrecorded, and the next one applies it again. Steps go forward only. They run under a lease, so
that of several processes that start together one does the work and the others wait.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from domain.clock import Clock
from storage.client import Database
from storage.indexes import ensure_indexes
from storage.leases import Leases

log = logging.getLogger(__name__)

RESTORING = "restoring"
"""Collection that exists while a restore is under way; see ``storage.backup``."""

_MODULE = re.compile(r"m(\d{4})_([a-z0-9_]+)")


class MigrationRefused(RuntimeError):
    """The data cannot be used with this code; the sentence says why."""


@dataclass(frozen=True)
class Migration:
    """One step."""

    number: int
    name: str
    apply: Callable[[Database], Awaitable[None]]


def shipped() -> tuple[Migration, ...]:
    """Answer the steps of this version, in order."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        named = _MODULE.fullmatch(module.name)
        if named:
            apply = importlib.import_module(f"{__name__}.{module.name}").apply
            found.append(Migration(int(named[1]), named[2], apply))
    return tuple(sorted(found, key=lambda step: step.number))


async def prepare(db: Database, leases: Leases, clock: Clock) -> None:
    """Bring the data to the form of this version and make the indexes; call it at each start.

    Raises:
        MigrationRefused: The data is newer than the code, or only half restored.
        IndexRefused: An index cannot be made as declared.
        LeaseTaken: Another process has been at it for ten minutes.
    """
    if RESTORING in await db.collections():
        raise MigrationRefused(
            f"a restore into {db.name} did not finish; drop the database and restore it again"
        )
    await missing(db, shipped())
    async with leases.holding("migrations", 30.0, patience=600.0):
        await migrate(db, shipped(), clock)
        await ensure_indexes(db)


async def migrate(db: Database, steps: Sequence[Migration], clock: Clock) -> list[int]:
    """Apply the steps that are not recorded yet and answer their numbers; hold the lease.

    Raises:
        MigrationRefused: As in ``missing``.
    """
    applied = []
    for step in await missing(db, steps):
        log.info("migration %d (%s) begins", step.number, step.name)
        await step.apply(db)
        await db["migration"].insert_one({"_id": step.number, "name": step.name, "at": clock()})
        applied.append(step.number)
    return applied


async def missing(db: Database, steps: Sequence[Migration]) -> list[Migration]:
    """Answer the steps that are not recorded yet, in order.

    Raises:
        MigrationRefused: The data is newer than the code, or a step was left out.
    """
    if [step.number for step in steps] != list(range(1, len(steps) + 1)):
        raise MigrationRefused("the migrations of this version are not numbered 1, 2, 3, …")
    rows = await db["migration"].find({}, sort=[("_id", 1)])
    recorded = [row["_id"] for row in rows]
    if recorded and recorded[-1] > len(steps):
        raise MigrationRefused(
            f"the data was written by a newer version (migration {recorded[-1]} "
            f"{rows[-1]['name']}, this version ends at {len(steps)}); start that version"
        )
    if recorded != list(range(1, len(recorded) + 1)):
        raise MigrationRefused(f"a migration was left out: recorded are {recorded}")
    return list(steps[len(recorded) :])
