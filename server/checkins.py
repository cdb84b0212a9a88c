"""Puts check-in together: keys, codes and badges, the doors."""

from __future__ import annotations

from domain.attendance import AttendanceService
from domain.checkins.doors import DoorPorts, DoorService
from domain.checkins.export import AttendanceExport, ExportPorts
from domain.checkins.importing import AttendanceImport, ImportPorts
from domain.checkins.overview import OverviewPorts, OverviewService
from domain.checkins.paper import PaperBus, PaperRoll, PaperScans
from domain.checkins.pass_list import ListPorts, PassListService
from domain.checkins.plans import DoorDesk
from domain.checkins.reading import Reader
from domain.checkins.services import CheckIns
from domain.passes.badges import BadgeDesk, BadgePorts
from domain.passes.hall_codes import HallCodes
from domain.passes.keys import KeyBook
from domain.passes.links import Links
from domain.passes.services import Passes
from domain.rules import RuleBook
from server.ground import Ground
from server.house import sheet_export
from storage.attendance import AttendanceStore
from storage.checkins.doors import DoorStore
from storage.checkins.scans import ScanStore
from storage.client import Database
from storage.hall import MeetingFacts
from storage.leave import LeaveStore
from storage.organisation import OrganisationStore
from storage.passes.badges import BadgeStore
from storage.passes.keys import PassKeyStore
from storage.people import PeopleStore
from storage.sheets import PdfSheets
from storage.tables import read_table


def build_passes(ground: Ground, rules: RuleBook) -> Passes:
    """Construct what makes codes."""
    db, audit, clock, new_id = ground.db, ground.audit, ground.clock, ground.new_id
    keys = KeyBook(PassKeyStore(db), rules, vault=ground.vault, audit=audit, clock=clock)
    meetings = MeetingFacts(db)
    ports = BadgePorts(
        store=BadgeStore(db),
        meetings=meetings,
        people=DoorStore(db),
        rules=rules,
        printer=PdfSheets(),
    )
    return Passes(
        badges=BadgeDesk(ports, keys, audit=audit, clock=clock, new_id=new_id),
        hall_codes=HallCodes(keys, meetings, rules, clock=clock, new_id=new_id),
        keys=keys,
        links=Links(ground.settings.origin),
    )


def build_checkins(
    ground: Ground, rules: RuleBook, passes: Passes, roll: AttendanceService
) -> CheckIns:
    """Construct the doors."""
    db, clock = ground.db, ground.clock
    doors, scans, meetings = DoorStore(db), ScanStore(db), MeetingFacts(db)
    reader = Reader(passes.keys, passes.hall_codes, BadgeStore(db), links=passes.links)
    ports = DoorPorts(
        scans=scans, facts=doors, meetings=meetings, roll=roll, rules=rules, reader=reader
    )
    lists = ListPorts(
        facts=doors,
        roll=AttendanceStore(db),
        badges=BadgeStore(db),
        meetings=meetings,
        keys=passes.keys,
        rules=rules,
    )
    overview = OverviewPorts(
        facts=doors, cards=PeopleStore(db), roll=AttendanceStore(db), meetings=meetings
    )
    service = DoorService(ports, bus=ground.bus, clock=clock, new_id=ground.new_id)
    on_paper = ports._replace(scans=PaperScans(scans), roll=PaperRoll(roll))
    paper = DoorService(on_paper, bus=PaperBus(), clock=clock, new_id=ground.new_id)
    return CheckIns(
        desk=DoorDesk(doors, scans, meetings, audit=ground.audit, clock=clock),
        overview=OverviewService(overview, clock=clock),
        lists=PassListService(lists, audit=ground.audit, clock=clock),
        doors=service,
        export=AttendanceExport(_sheet(db, doors, meetings), sheet_export(ground)),
        imports=AttendanceImport(
            ImportPorts(facts=doors, cards=PeopleStore(db), meetings=meetings, reader=read_table),
            service,
            paper,
            audit=ground.audit,
            clock=clock,
        ),
    )


def _sheet(db: Database, doors: DoorStore, meetings: MeetingFacts) -> ExportPorts:
    return ExportPorts(
        facts=doors,
        cards=PeopleStore(db),
        roll=AttendanceStore(db),
        leaves=LeaveStore(db),
        meetings=meetings,
        house=OrganisationStore(db),
    )
