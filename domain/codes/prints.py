"""What is printed for a meeting and for deputies: sheets of codes, seat cards, posters, cards.

Every code on paper stands in our address, so that any phone reads it. A poster carries no code that
is worth anything: it opens the page at which the meeting is checked in to, where the code on the
screen, the face or the staff decide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from domain.checkins.judging import DoorPlan
from domain.codes.issuing import CodeDesk
from domain.errors import Invalid, NotFound
from domain.hall.meeting import Meetings, driven
from domain.passes.links import Links
from domain.passes.sheets import (
    CONTACTS,
    MOST_CARDS,
    PAPERS,
    SEATS,
    Card,
    Layout,
    Poster,
    SheetPrinter,
)
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog
from domain.roster import Card as RosterCard
from domain.roster import Kind
from domain.seats import Seat, SeatService

DOORS = (
    ("刷脸", "在签到口看镜头（须本人同意）"),
    ("扫码", "扫屏幕上的码或出示个人码"),
    ("人工", "向工作人员报姓名，当场登记"),
)
"""The ways into a hall, as a poster tells them: none is better than another."""

_NOTES = (
    "三种方式任选其一，效力相同；不刷脸不影响签到。",
    "微信扫上方二维码，打开本次会议的签到页。",
)


class Plans(Protocol):
    """Knows the doors of meetings, and what people are called."""

    async def names(self, person_ids: Collection[str]) -> Mapping[str, str]:
        """Answer the names of people, of those who are on the roster."""

    async def plan(self, meeting_id: str) -> DoorPlan:
        """Answer the doors of a meeting; the empty plan if nobody has made one."""


class Cards(Protocol):
    """Finds cards of the roster."""

    async def search(
        self, q: str, *, by: Person, scopes: frozenset[str], limit: int
    ) -> Sequence[RosterCard]:
        """Answer active cards that ``by`` may see in all of some scopes, by sort key."""


class PrintPorts(NamedTuple):
    """What printing takes."""

    desk: CodeDesk
    links: Links
    meetings: Meetings
    seats: SeatService
    plans: Plans
    cards: Cards
    printer: SheetPrinter


class PrintDesk:
    """Prints."""

    def __init__(self, ports: PrintPorts, *, audit: AuditLog) -> None:
        self._at = ports
        self._audit = audit

    async def papers(self, meeting_id: str, *, by: Person) -> bytes:
        """Answer the codes of all papers of a meeting, thirty-five on a page.

        Raises:
            NotFound: There is no such meeting, or there are no papers.
            Forbidden: The person is not of its staff.
        """
        found = await self._at.desk.papers(meeting_id, by=by)
        meeting = await self._at.meetings.get(meeting_id)
        cards = [
            Card(issued.link, (f"{no}. {issued.title}",)) for no, (_, issued) in enumerate(found, 1)
        ]
        title = meeting.title if meeting else ""
        return await self._sheet("papers", f"meeting:{meeting_id}", title, cards, PAPERS, by)

    async def seats(
        self, meeting_id: str, *, block: str | None, rows: tuple[int, int], by: Person
    ) -> bytes:
        """Answer the cards of the seats of a hall, or of a block or some rows of it.

        Raises:
            Forbidden: The person does not drive this meeting.
            NotFound: There are no such seats.
            Invalid: There are more than fit into one file.
        """
        meeting = await driven(self._at.meetings, meeting_id, by=by)
        seats = [
            it
            for it in await self._at.seats.of(meeting_id, by=by)
            if block in {None, it.block} and rows[0] <= it.row <= rows[1]
        ]
        _require_fit(seats)
        names = await self._at.plans.names({it.person_id for it in seats if it.person_id})
        cards = [
            await self._seat(meeting_id, it, names.get(it.person_id or "", "")) for it in seats
        ]
        return await self._sheet("seats", f"meeting:{meeting_id}", meeting.title, cards, SEATS, by)

    async def posters(self, meeting_id: str, *, by: Person) -> bytes:
        """Answer a page for each gate of a meeting, or one where there are no gates.

        Raises:
            Forbidden: The person does not drive this meeting.
        """
        meeting = await driven(self._at.meetings, meeting_id, by=by)
        plan = await self._at.plans.plan(meeting_id)
        route = f"/meetings/{meeting_id}/check-in"
        places = [(f"{route}?gate={it.id}", it.name) for it in plan.gates] or [(route, "")]
        pages = [
            Poster(self._at.links.page(place), meeting.title, gate, DOORS, _NOTES)
            for place, gate in places
        ]
        file = await self._at.printer.posters(meeting.title, pages)
        await self._note("posters", f"meeting:{meeting_id}", len(pages), by)
        return file

    async def contacts(self, delegation_id: str, *, by: Person) -> bytes:
        """Answer the contact cards of the deputies of a delegation, ten on a page.

        Raises:
            Forbidden: The person has nothing to do with invitations.
            NotFound: It is not theirs to hand cards out there, or there is nobody.
        """
        scope = f"deleg:{delegation_id}"
        by.require(Permission.ACCOUNT_INVITE)
        if not by.may(Permission.ACCOUNT_INVITE, scope=scope):
            raise NotFound
        found = await self._at.cards.search(
            "", by=by, scopes=frozenset({scope}), limit=MOST_CARDS + 1
        )
        people = [card for card in found if card.kind is Kind.DEPUTY]
        _require_fit(people)
        title = await self._at.desk.delegation(people[0])
        cards = []
        for card in people:
            issued = await self._at.desk.of_card(card)
            cards.append(Card(issued.link, (card.name, title, "人大代表")))
        return await self._sheet(
            "contacts", f"delegation:{delegation_id}", title, cards, CONTACTS, by
        )

    async def _seat(self, meeting_id: str, seat: Seat, name: str) -> Card:
        issued = await self._at.desk.of_seat(meeting_id, seat)
        return Card(issued.link, (seat.no, name, seat.place))

    async def _sheet(
        self, what: str, obj: str, title: str, cards: Sequence[Card], layout: Layout, by: Person
    ) -> bytes:
        _require_fit(cards)
        file = await self._at.printer.sheet(title, cards, layout)
        await self._note(what, obj, len(cards), by)
        return file

    async def _note(self, what: str, obj: str, count: int, by: Person) -> None:
        await self._audit.record(f"print.{what}", by=by.id, obj=obj, detail={"count": count})


def _require_fit(things: Sequence[object]) -> None:
    if not things:
        raise NotFound("没有可打印的内容")
    if len(things) > MOST_CARDS:
        raise Invalid(f"一次最多打印 {MOST_CARDS} 张，请按分区或排数分批", field="rows")
