"""Importing a roster from the command line, beside a running hub or without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from domain.people import Grant, Person
from domain.permissions import Role
from domain.roster_import import Report
from domain.roster_plan import Fate
from server.assembly import build
from server.config import Settings
from server.ground import lay
from server.neighbours import reach

OPERATOR = Person(id="operator", name="命令行", grants=(Grant(role=Role.ADMIN),))
"""Whoever may run commands on the machine of the hub; the audit shows them by this name."""


async def import_roster(
    settings: Settings, path: Path, *, dry_run: bool, confirmed: frozenset[str], document: str
) -> Report:
    """Import a CSV or XLSX file, or say what importing it would do.

    Raises:
        Invalid: It cannot be read as a roster.
        TypeRefused: It is neither CSV nor XLSX.
        OSError: It cannot be read at all.
    """
    data = path.read_bytes()
    async with AsyncExitStack() as stack:
        ground = await lay(settings, stack, join=True)
        services = build(ground, reach(ground, stack))
        return await services.administration.roster.run(
            path.name,
            data,
            dry_run=dry_run,
            confirmed=confirmed,
            document=document,
            by=OPERATOR,
        )


def told(report: Report) -> Iterator[str]:
    """Yield what the command prints: the numbers, then every line that needs a person."""
    yield "dry run, nothing was written" if report.dry_run else f"import {report.import_id}"
    yield ", ".join(f"{report.count(fate)} {fate.value}" for fate in Fate)
    if report.unknown_columns:
        yield f"columns not known: {', '.join(report.unknown_columns)}"
    for outcome in report.outcomes:
        for fault in outcome.faults:
            yield f"line {outcome.line} {outcome.name} [{fault.field}]: {fault.msg}"
        if outcome.fate is Fate.REMOVED:
            what = "ended" if outcome.ended else "not in the file, stays in office until confirmed"
            yield f"{outcome.deputy_no} {outcome.name}: {what}"
