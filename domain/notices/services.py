"""The use cases of notices, in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.notices.board import Board
from domain.notices.chain import Chain
from domain.notices.drafting import Drafting
from domain.notices.fanout import FanOut
from domain.notices.reading import Reading
from domain.notices.recall import Afterwards
from domain.notices.receipts import Receipts
from domain.notices.review import Review
from domain.notices.templates import Templates


@dataclass(frozen=True, kw_only=True)
class Notices:
    """Everything a handler may ask about notices."""

    afterwards: Afterwards
    board: Board
    chain: Chain
    drafting: Drafting
    fan: FanOut
    reading: Reading
    receipts: Receipts
    review: Review
    templates: Templates
