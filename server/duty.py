"""Puts duty records together: the book, the desk, registering by hand."""

from __future__ import annotations

from domain.dictionaries import DictionaryService
from domain.duty.book import BookPorts, DutyBook
from domain.duty.desk import DeskPorts, DutyDesk
from domain.duty.registering import DutyRegistry, RegistryPorts
from domain.duty.services import Duty
from server.ground import Ground
from storage.attendance import AttendanceStore
from storage.duty import DutyStore, OccasionStore
from storage.hall import MeetingFacts
from storage.people import PeopleStore


def build_duty(ground: Ground, lists: DictionaryService) -> Duty:
    """Construct duty records."""
    db, audit, clock, new_id = ground.db, ground.audit, ground.clock, ground.new_id
    store, occasions, cards = DutyStore(db), OccasionStore(db), PeopleStore(db)
    sources = BookPorts(store=store, roll=AttendanceStore(db), occasions=occasions, cards=cards)
    book = DutyBook(sources, bus=ground.bus, clock=clock, new_id=new_id)
    desk = DeskPorts(store=store, occasions=occasions, cards=cards, lists=lists)
    registry = RegistryPorts(
        store=store, occasions=occasions, meetings=MeetingFacts(db), cards=cards, lists=lists
    )
    return Duty(
        book=book,
        desk=DutyDesk(desk, audit=audit, clock=clock),
        registry=DutyRegistry(registry, book, audit=audit, clock=clock, new_id=new_id),
    )
