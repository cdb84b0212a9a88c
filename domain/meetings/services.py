"""The use cases of meetings in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.meetings.agenda import AgendaService
from domain.meetings.archive import ArchiveService
from domain.meetings.desk import MeetingDesk
from domain.meetings.my_meetings import MyMeetingsService
from domain.meetings.opinion_clock import OpinionClock
from domain.meetings.opinion_desk import OpinionService
from domain.meetings.paper_desk import PaperService
from domain.meetings.participants import ParticipantService
from domain.meetings.results import ResultService
from domain.meetings.sign_ups import SignUpService


@dataclass(frozen=True, kw_only=True)
class MeetingServices:
    """Everything a handler may ask about meetings, from the plan to the archive."""

    agenda: AgendaService
    archive: ArchiveService
    desk: MeetingDesk
    mine: MyMeetingsService
    opinion_clock: OpinionClock
    opinions: OpinionService
    papers: PaperService
    participants: ParticipantService
    results: ResultService
    sign_ups: SignUpService
