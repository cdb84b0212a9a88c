"""Puts meetings together: the desk, agendas and papers, who takes part, results."""

from __future__ import annotations

from domain.deadlines import Deadlines
from domain.files import BlobStore
from domain.hall.services import HallServices
from domain.meetings.agenda import AgendaService
from domain.meetings.archive import ArchiveService
from domain.meetings.desk import MeetingDesk
from domain.meetings.my_meetings import MyMeetingsService
from domain.meetings.notice_rules import NoticeRules
from domain.meetings.opinion_clock import OpinionClock
from domain.meetings.opinion_desk import OpinionParts, OpinionService
from domain.meetings.paper_desk import PaperService
from domain.meetings.participants import ParticipantService
from domain.meetings.passes import PassService
from domain.meetings.results import ResultService
from domain.meetings.services import MeetingServices
from domain.meetings.sign_ups import SignUpService
from domain.rules import RuleBook
from server.ground import Ground
from storage.attendance import AttendanceStore
from storage.files import FileStore
from storage.grants import GrantStore
from storage.meetings.agenda import AgendaStore, ResultStore
from storage.meetings.archive import PackageStore, RecordStore, ZipPacker
from storage.meetings.meetings import MeetingStore
from storage.meetings.opinions import OpinionStore
from storage.meetings.participants import ParticipantStore
from storage.meetings.sign_ups import SignUpStore
from storage.organisation import OrganisationStore
from storage.seats import SeatStore


def build_meetings(
    ground: Ground,
    rules: RuleBook,
    deadlines: Deadlines,
    files: FileStore,
    blobs: BlobStore,
    hall: HallServices,
) -> MeetingServices:
    """Construct everything about meetings but what happens in the hall."""
    db, audit, bus, clock, new_id = ground.db, ground.audit, ground.bus, ground.clock, ground.new_id
    meetings, entries, items = MeetingStore(db), ParticipantStore(db), AgendaStore(db)
    results, house = ResultStore(db), OrganisationStore(db)
    participants = ParticipantService(
        entries, meetings, hall.quorum, bus=bus, audit=audit, clock=clock
    )
    agenda = AgendaService(
        items, meetings, participants, bus=bus, audit=audit, clock=clock, new_id=new_id
    )
    passes = PassService(GrantStore(db), entries, bus=bus, audit=audit, clock=clock, new_id=new_id)
    desk = MeetingDesk(
        meetings, entries, house, NoticeRules(house, rules, deadlines),
        bus=bus, audit=audit, clock=clock, new_id=new_id,
    )  # fmt: skip
    desk.at_the_end.append(passes)
    opinions = OpinionStore(db)
    timer = OpinionClock(
        opinions, rules, deadlines, bus=bus, audit=audit, clock=clock, new_id=new_id
    )
    return MeetingServices(
        agenda=agenda,
        archive=ArchiveService(
            PackageStore(db), RecordStore(db, files), meetings, items, entries,
            ZipPacker(ground.settings.data_dir / "packages", blobs, clock),
            audit=audit, clock=clock,
        ),
        desk=desk,
        mine=MyMeetingsService(meetings, entries, SeatStore(db), AttendanceStore(db)),
        opinion_clock=timer,
        opinions=OpinionService(
            opinions, OpinionParts(meetings, items, house, participants), timer,
            audit=audit, clock=clock, new_id=new_id,
        ),
        papers=PaperService(
            items, agenda, participants, files, bus=bus, clock=clock, new_id=new_id
        ),
        participants=participants,
        results=ResultService(
            results, meetings, results, rules,
            bus=bus, audit=audit, clock=clock, new_id=new_id,
        ),
        sign_ups=SignUpService(
            SignUpStore(db), meetings, entries, passes, bus=bus, audit=audit, clock=clock
        ),
    )  # fmt: skip
