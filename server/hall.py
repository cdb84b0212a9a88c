"""Puts the hall together: the board and the console, devices, and who is admitted."""

from __future__ import annotations

from domain.device_tokens import DeviceTokenService
from domain.hall.board import Board
from domain.hall.console import Console
from domain.hall.services import HallServices
from server.ground import Ground
from storage.device_tokens import DeviceTokenStore
from storage.hall import HallStore, MeetingFacts


def build_hall(ground: Ground) -> HallServices:
    """Construct what happens in the hall."""
    db, audit, bus, clock, new_id = ground.db, ground.audit, ground.bus, ground.clock, ground.new_id
    meetings = MeetingFacts(db)
    board = Board(HallStore(db), bus=bus, clock=clock, new_id=new_id)
    return HallServices(
        board=board,
        console=Console(board, meetings, audit=audit, clock=clock),
    )


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
