"""Issuing the codes that lie about for long: of papers, of seats, of deputies.

None of them is kept. A code is signed afresh whenever it is asked for, and says the same for as
long as what it stands for is there: a paper in whichever version, a seat whoever sits on it. It
opens nothing that its reader could not open without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from domain.codes.reader import PERSON
from domain.errors import NotFound
from domain.hall.meeting import Meetings, driven
from domain.meetings.paper_desk import PaperService
from domain.meetings.papers import Paper
from domain.organisation import Delegation, OrganisationStore
from domain.passes.code import Claims, Contact, Document, SeatCode
from domain.passes.keys import KeyBook
from domain.passes.links import Links
from domain.people import Person
from domain.permissions import Permission
from domain.roster import Card, Kind, Roster
from domain.seats import Seat, SeatState, SeatStore
from domain.visibility import visible


class Issued(NamedTuple):
    """A code, the address in which it is drawn, and what stands beside it."""

    title: str
    code: str
    link: str


class IssuePorts(NamedTuple):
    """What issuing codes takes."""

    keys: KeyBook
    links: Links
    meetings: Meetings
    papers: PaperService
    seats: SeatStore
    roster: Roster
    house: OrganisationStore


class CodeDesk:
    """Issues codes of papers, seats and deputies."""

    def __init__(self, ports: IssuePorts) -> None:
        self._at = ports

    async def paper(self, paper_id: str, *, by: Person) -> Issued:
        """Answer the code of a paper, to the staff of its meeting.

        Raises:
            NotFound: There is none, or they may not know of it.
            Forbidden: They are not of the staff.
        """
        placed = await self._at.papers.find(paper_id, by=by)
        await self._at.papers.served(placed.meeting.id, by=by)
        return await self.of_paper(placed.paper)

    async def papers(self, meeting_id: str, *, by: Person) -> Sequence[tuple[Paper, Issued]]:
        """Answer the codes of all papers of a meeting, to its staff, as on the agenda.

        Raises:
            NotFound: There is no such meeting.
            Forbidden: They are not of its staff.
        """
        _, papers = await self._at.papers.served(meeting_id, by=by)
        return [(paper, await self.of_paper(paper)) for paper in papers]

    async def seat(self, meeting_id: str, no: str, *, by: Person) -> Issued:
        """Answer the code of a seat.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: There is no such seat.
        """
        await driven(self._at.meetings, meeting_id, by=by)
        seat = await self._at.seats.get(meeting_id, no)
        if seat is None or seat.state is SeatState.REMOVED:
            raise NotFound
        return await self.of_seat(meeting_id, seat)

    async def mine(self, *, by: Person) -> Issued:
        """Answer one's own contact code.

        Raises:
            NotFound: One is no deputy.
        """
        return await self._contact(by.id)

    async def contact(self, person_id: str, *, by: Person) -> Issued:
        """Answer the contact code of a deputy to whoever may see their card.

        Raises:
            NotFound: There is no such deputy, or they may not see the card.
        """
        by.require(Permission.DIRECTORY_READ)
        card = await self._at.roster.get(person_id)
        if card is None or not visible(by, card):
            raise NotFound
        return await self._contact(person_id)

    async def of_paper(self, paper: Paper) -> Issued:
        """Answer the code of a paper that the caller has at hand."""
        return await self._issue(paper.title, Document(paper.id))

    async def of_seat(self, meeting_id: str, seat: Seat) -> Issued:
        """Answer the code of a seat that the caller has at hand."""
        return await self._issue(seat.place, SeatCode(meeting_id, seat.no))

    async def of_card(self, card: Card) -> Issued:
        """Answer the contact code of a deputy whom the caller has at hand."""
        return await self._issue(card.name, Contact(PERSON, card.id))

    async def _contact(self, person_id: str) -> Issued:
        card = await self._at.roster.get(person_id)
        if card is None or not card.active or card.kind is not Kind.DEPUTY:
            raise NotFound
        return await self.of_card(card)

    async def delegation(self, card: Card) -> str:
        """Answer the name of the delegation on a card, or nothing."""
        found = await self._at.house.get(Delegation, card.delegation_id or "")
        return found.name if found else ""

    async def _issue(self, title: str, claims: Claims) -> Issued:
        code = await self._at.keys.sign(claims)
        return Issued(title, code, self._at.links.to(code))
