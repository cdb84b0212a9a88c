"""Doors on paper: they judge as the real ones do, and nobody passes.

A dry run asks the very same ``DoorService``, over ports that read what is there and keep nothing.
What it answers is therefore what the real run would answer at this moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.attendance import Marked, Passage
from domain.checkins.scan import Result, Scan, ScanStore, Use
from domain.events import Event


class Foreseeing(Protocol):
    """Knows what the roll would say."""

    async def foresee(
        self, meeting_id: str, passages: Sequence[Passage], capacities: Mapping[str, str]
    ) -> Sequence[Marked]:
        """Answer what marking would answer now, and change nothing."""


class PaperRoll:
    """Implements ``domain.checkins.threshold.Roll``."""

    def __init__(self, roll: Foreseeing) -> None:
        self._roll = roll

    async def pass_by(
        self,
        meeting_id: str,
        passages: Sequence[Passage],
        *,
        capacities: Mapping[str, str] | None = None,
    ) -> Sequence[Marked]:
        """Answer what would become of people; nobody is marked."""
        return await self._roll.foresee(meeting_id, passages, capacities or {})

    def news(self, meeting_id: str, done: Sequence[Marked]) -> list[tuple[str, Event]]:
        """Answer that there is nothing to announce."""
        return []

    async def told(self, done: Sequence[Marked]) -> None:
        """There was nothing to tell."""


class PaperScans:
    """Implements ``domain.checkins.scan.ScanStore``: what is kept is read, nothing is added."""

    def __init__(self, scans: ScanStore) -> None:
        self._scans = scans

    async def many(self, scan_ids: Iterable[str]) -> dict[str, Scan]:
        """Answer those that are kept, by id."""
        return await self._scans.many(scan_ids)

    async def add(self, scans: Sequence[Scan]) -> set[str]:
        """Answer the ids of those that would be new."""
        ids = {scan.id for scan in scans}
        return ids - (await self._scans.many(ids)).keys()

    async def told(self, scans: Iterable[Scan]) -> None:
        """There is nothing to tell."""

    async def untold(self, before: datetime) -> Sequence[Scan]:
        """Nothing waits to be told."""
        return ()

    async def of(
        self,
        meeting_id: str,
        *,
        conflicts: bool,
        result: Result | None,
        after: str,
        limit: int,
    ) -> Sequence[Scan]:
        """Answer scans of a meeting, as they are kept."""
        return await self._scans.of(
            meeting_id, conflicts=conflicts, result=result, after=after, limit=limit
        )

    async def claim(self, uses: Sequence[Use], *, at: datetime) -> set[str]:
        """No ticket is used up."""
        return {it.scan_id for it in uses}


class PaperBus:
    """Implements ``domain.ports.Bus``: nobody hears anything."""

    async def publish(self, channel: str, event: Event) -> None:
        """Say nothing."""

    async def publish_all(self, said: Sequence[tuple[str, Event]]) -> None:
        """Say none of it."""

    async def disconnect(self, person_id: str, *, code: int, reason: str) -> None:
        """Close nothing."""

    async def disconnect_session(self, session_id: str, *, code: int, reason: str) -> None:
        """Close nothing."""

    async def recheck(self, person_id: str) -> None:
        """Judge nothing."""
