"""The use cases of check-in in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.checkins.doors import DoorService
from domain.checkins.export import AttendanceExport
from domain.checkins.importing import AttendanceImport
from domain.checkins.overview import OverviewService
from domain.checkins.pass_list import PassListService
from domain.checkins.plans import DoorDesk


@dataclass(frozen=True, kw_only=True)
class CheckIns:
    """Everything a handler may ask about doors."""

    desk: DoorDesk
    doors: DoorService
    export: AttendanceExport
    imports: AttendanceImport
    lists: PassListService
    overview: OverviewService
