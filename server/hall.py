"""Puts the hall together: board and console, roll and quorum, devices."""

from __future__ import annotations

from domain.absences import AbsenceWatch
from domain.attendance import AttendanceService
from domain.device_tokens import DeviceTokenService
from domain.hall.board import Board
from domain.hall.console import Console
from domain.hall.quorum import QuorumCounter
from domain.hall.services import HallServices
from domain.leave.service import LeavePorts, LeaveService
from domain.privacy import PersonalData
from domain.rules import RuleBook
from domain.seats import SeatService
from domain.speech import SpeechService
from server.ground import Ground
from storage.absences import AbsenceStore
from storage.attendance import AttendanceStore, QuorumStore
from storage.device_tokens import DeviceTokenStore
from storage.hall import HallStore, MeetingFacts
from storage.leave import LeaveStore
from storage.people import PeopleStore
from storage.personal_hall import AttendanceData, LeaveData, SeatData, SpeechData
from storage.seats import SeatStore
from storage.speech import SpeechStore


def build_hall(ground: Ground, rules: RuleBook) -> HallServices:
    """Construct what happens in the hall."""
    db, audit, bus, clock, new_id = ground.db, ground.audit, ground.bus, ground.clock, ground.new_id
    meetings = MeetingFacts(db)
    board = Board(HallStore(db), bus=bus, clock=clock, new_id=new_id)
    return HallServices(
        board=board,
        console=Console(board, meetings, audit=audit, clock=clock),
        quorum=QuorumCounter(QuorumStore(db), meetings, rules, bus=bus, clock=clock, new_id=new_id),
    )


def build_attendance(ground: Ground, rules: RuleBook, hall: HallServices) -> AttendanceService:
    """Construct the roll-call."""
    db, audit, bus, clock, new_id = ground.db, ground.audit, ground.bus, ground.clock, ground.new_id
    return AttendanceService(
        AttendanceStore(db),
        MeetingFacts(db),
        hall.quorum,
        AbsenceWatch(AbsenceStore(db), rules, bus=bus, audit=audit, clock=clock, new_id=new_id),
        bus=bus,
        audit=audit,
        clock=clock,
        new_id=new_id,
    )


def build_leave(ground: Ground) -> LeaveService:
    """Construct leave from meetings."""
    db = ground.db
    ports = LeavePorts(
        store=LeaveStore(db),
        meetings=MeetingFacts(db),
        cards=PeopleStore(db),
        roll=AttendanceStore(db),
        vault=ground.vault,
    )
    return LeaveService(
        ports, bus=ground.bus, audit=ground.audit, clock=ground.clock, new_id=ground.new_id
    )


def build_seats(ground: Ground) -> SeatService:
    """Construct the seats."""
    return SeatService(
        SeatStore(ground.db),
        MeetingFacts(ground.db),
        bus=ground.bus,
        audit=ground.audit,
        clock=ground.clock,
        new_id=ground.new_id,
    )


def build_speech(ground: Ground, rules: RuleBook, hall: HallServices) -> SpeechService:
    """Construct the queue of those who want to speak, and the floor."""
    return SpeechService(
        SpeechStore(ground.db),
        hall.board,
        MeetingFacts(ground.db),
        rules,
        audit=ground.audit,
        clock=ground.clock,
        new_id=ground.new_id,
    )


def hall_data(ground: Ground) -> tuple[PersonalData, ...]:
    """Answer the keepers of what the hall knows about people."""
    db = ground.db
    return (AttendanceData(db), LeaveData(db, ground.vault), SeatData(db), SpeechData(db))


def build_device_tokens(ground: Ground) -> DeviceTokenService:
    """Construct what lets screens and scanners in."""
    return DeviceTokenService(
        DeviceTokenStore(ground.db),
        MeetingFacts(ground.db),
        bus=ground.bus,
        audit=ground.audit,
        clock=ground.clock,
        new_id=ground.new_id,
    )
