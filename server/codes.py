"""Puts the codes together that lie about: reading, issuing, printing."""

from __future__ import annotations

from domain.codes.issuing import CodeDesk, IssuePorts
from domain.codes.prints import PrintDesk, PrintPorts
from domain.codes.reader import CodePorts, CodeReader
from domain.codes.services import Codes
from domain.identity.services import Identity
from domain.meetings.services import MeetingServices
from domain.passes.services import Passes
from domain.seats import SeatService
from server.ground import Ground
from storage.checkins.doors import DoorStore
from storage.hall import MeetingFacts
from storage.organisation import OrganisationStore
from storage.passes.badges import BadgeStore
from storage.people import PeopleStore
from storage.seats import SeatStore
from storage.sheets import PdfSheets


def build_codes(
    ground: Ground,
    passes: Passes,
    identity: Identity,
    meetings: MeetingServices,
    seats: SeatService,
) -> Codes:
    """Construct what reads, issues and prints codes."""
    db, keys, links = ground.db, passes.keys, passes.links
    facts, people, house, rows = (
        MeetingFacts(db),
        PeopleStore(db),
        OrganisationStore(db),
        SeatStore(db),
    )
    reads = CodePorts(
        keys=keys, links=links, halls=passes.hall_codes, badges=BadgeStore(db), meetings=facts,
        papers=meetings.papers, seats=rows, logins=identity.qr, roster=people, house=house,
    )  # fmt: skip
    desk = CodeDesk(
        IssuePorts(
            keys=keys, links=links, meetings=facts, papers=meetings.papers, seats=rows,
            roster=people, house=house,
        )
    )  # fmt: skip
    prints = PrintPorts(
        desk=desk, links=links, meetings=facts, seats=seats, plans=DoorStore(db), cards=people,
        printer=PdfSheets(),
    )  # fmt: skip
    return Codes(
        desk=desk,
        prints=PrintDesk(prints, audit=ground.audit),
        reader=CodeReader(reads, clock=ground.clock),
    )
