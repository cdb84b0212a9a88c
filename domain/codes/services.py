"""The use cases of reading and issuing codes in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.codes.issuing import CodeDesk
from domain.codes.prints import PrintDesk
from domain.codes.reader import CodeReader


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Everything a handler may ask about codes that lie about."""

    desk: CodeDesk
    prints: PrintDesk
    reader: CodeReader
