"""Puts notices together, and runs what tells everybody of them."""

from __future__ import annotations

from domain.notices.board import Board
from domain.notices.chain import Chain
from domain.notices.desk import Desk
from domain.notices.drafting import Attachments, Drafting
from domain.notices.fanout import FanOut
from domain.notices.reading import Reading
from domain.notices.recall import Afterwards
from domain.notices.receipts import Receipts
from domain.notices.review import Review
from domain.notices.services import Notices
from domain.notices.templates import Templates
from domain.rules import RuleBook
from server.ground import Ground
from storage.meetings.participants import ParticipantStore
from storage.notices.chain import ChainHeads
from storage.notices.notices import NoticeStore
from storage.notices.receipts import ReceiptStore
from storage.notices.roll import MeetingRows, Roll
from storage.notices.templates import TemplateStore
from storage.spreadsheets import XlsxWriter


def build_notices(ground: Ground, rules: RuleBook, files: Attachments) -> Notices:
    """Construct everything about notices."""
    db, audit, bus, clock, new_id = ground.db, ground.audit, ground.bus, ground.clock, ground.new_id
    store, receipts = NoticeStore(db, clock), ReceiptStore(db)
    board = Board(store, receipts, bus=bus, clock=clock, new_id=new_id)
    fan = FanOut(store, receipts, bus=bus, board=board, rules=rules, clock=clock, new_id=new_id)
    desk = Desk(
        store=store,
        numbers=ground.counters,
        roll=Roll(db, ParticipantStore(db), clock=clock),
        rules=rules,
        bus=bus,
        audit=audit,
        clock=clock,
        new_id=new_id,
    )
    return Notices(
        afterwards=Afterwards(desk, receipts, fan),
        board=board,
        chain=Chain(store, receipts, ChainHeads(db), audit=audit, clock=clock),
        drafting=Drafting(desk, files, MeetingRows(db)),
        fan=fan,
        reading=Reading(desk, receipts),
        receipts=Receipts(desk, receipts, board, XlsxWriter()),
        review=Review(desk, fan),
        templates=Templates(TemplateStore(db), audit=audit, clock=clock, new_id=new_id),
    )


def start_notices(ground: Ground, notices: Notices) -> None:
    """Run what tells people of notices, in this process; the hub must be there."""
    ground.supervisor.supervise("notices", notices.fan.run)
    ground.supervisor.supervise("notice board", notices.board.run)
