"""A scan on its way through the doors, and how it is written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.attendance import Attendance
from domain.checkins.judging import Clocked
from domain.checkins.reading import Shown
from domain.checkins.scan import ACCEPTED, DUPLICATE, Attempt, Result, Scan
from domain.people import Person

_AT_ONCE = 50
_MOST_RAW = 512


class Case(NamedTuple):
    """A scan on its way: what was handed in and by whom, and what it shows."""

    id: str
    attempt: Attempt
    clock: Clocked
    shown: Shown
    by: Person


def written(
    case: Case,
    result: Result,
    *,
    now: datetime,
    eid: str,
    reason: str = "",
    note: str = "",
    first: Attendance | None = None,
) -> Scan:
    """Answer the scan as it is kept; ``first`` is the record that a duplicate has met."""
    shown, attempt = case.shown, case.attempt
    smooth = result in {Result.OK, Result.NEEDS_ATTENTION}
    return Scan(
        id=case.id,
        meeting_id=shown.meeting_id,
        person_id=shown.person_id,
        by=case.by.id,
        gate=shown.gate,
        way=shown.way,
        dir=attempt.dir,
        result=result,
        at=shown.at,
        at_device=attempt.at,
        at_server=now,
        skew_ms=case.clock.skew_ms,
        offline=attempt.offline,
        said=attempt.said,
        conflict=attempt.offline and smooth is not (_said(attempt) in ACCEPTED),
        raw="" if smooth or result in DUPLICATE else attempt.code[:_MOST_RAW],
        note=note,
        reason=reason,
        first_at=first.at if first else None,
        first_gate=first.gate if first else "",
        eid=eid,
    )


def turned_away(attempt: Attempt) -> Result | None:
    """Answer why a gate without a network sent somebody away; ``None`` if it did not.

    Whoever was taken for being in already was not sent away.
    """
    said = _said(attempt)
    return said if attempt.offline and said not in ACCEPTED | DUPLICATE else None


def _said(attempt: Attempt) -> Result:
    # A gate that does not say has let in.
    return next((it for it in Result if it == attempt.said), Result.OK)


def waves(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Yield cases in groups in which nobody, and no scan, is twice; the order of each stays."""
    left = list(cases)
    while left:
        wave: list[Case] = []
        later: list[Case] = []
        taken: set[str] = set()
        for case in left:
            keys = {case.id, case.shown.person_id or case.id}
            # What comes after a later one of the same person waits for it.
            if len(wave) < _AT_ONCE and not keys & taken:
                wave.append(case)
            else:
                later.append(case)
            taken |= keys
        yield wave
        left = later
