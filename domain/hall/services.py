"""The use cases of the hall in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.hall.board import Board
from domain.hall.console import Console
from domain.hall.quorum import QuorumCounter


@dataclass(frozen=True, kw_only=True)
class HallServices:
    """Everything a handler may ask about what happens in the hall."""

    board: Board
    console: Console
    quorum: QuorumCounter
