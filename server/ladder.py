"""Puts the notification ladder together."""

from __future__ import annotations

from domain.identity.wechat_login import H5
from domain.ladder.calls import CallList
from domain.ladder.carriers import AddressBook, SmsCarrier, WeChatCarrier
from domain.ladder.climb import Climb, Ways
from domain.ladder.consents import Consents
from domain.ladder.report import Reports
from domain.ladder.services import Ladder
from domain.notices.board import Board
from domain.notices.receipt import Rung
from domain.preferences import PreferenceService
from domain.rules import RuleBook
from server.ground import Ground
from server.neighbours import Neighbours
from storage.identity import AccountStore
from storage.ladder.consents import ConsentStock
from storage.ladder.receipts import LadderStore
from storage.notices.notices import NoticeStore
from storage.people import PeopleStore
from storage.preferences import PreferenceStore


def build_ladder(ground: Ground, neighbours: Neighbours, rules: RuleBook, board: Board) -> Ladder:
    """Construct everything about the ladder."""
    db, vault, clock = ground.db, ground.vault, ground.clock
    store, shelf, people = LadderStore(db), NoticeStore(db, clock), PeopleStore(db)
    accounts = AccountStore(db)
    addresses = AddressBook(accounts, people, vault)
    consents = Consents(
        ConsentStock(db),
        store,
        accounts,
        vault,
        template=neighbours.notices.subscription,
        long_term=neighbours.notices.long_term,
        clock=clock,
    )
    ways = Ways(
        letters=shelf,
        addresses=addresses,
        wishes=PreferenceService(PreferenceStore(db), people, clock=clock),
        carriers={
            Rung.WX: WeChatCarrier(neighbours.notices, consents, neighbours.members),
            Rung.SMS: SmsCarrier(neighbours.sms),
        },
    )
    climb = Climb(
        store,
        ways,
        rules=rules,
        touch=board.touch,
        origin=f"{ground.settings.origin}{H5}",
        clock=clock,
        new_id=ground.new_id,
    )
    calls = CallList(
        store, shelf, people, addresses, touch=board.touch, audit=ground.audit, clock=clock
    )
    return Ladder(calls=calls, climb=climb, consents=consents, reports=Reports(store, shelf))
