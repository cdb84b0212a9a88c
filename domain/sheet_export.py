"""Lists that leave the house as spreadsheets: with a reason, a watermark and an entry in the audit.

Every list that can be exported goes through here, so that none leaves without saying who took it
out, when and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import SHANGHAI, Clock, NewId
from domain.errors import Invalid
from domain.events import Event
from domain.people import Person
from domain.ports import AuditLog, Bus


class Sheet(BaseModel):
    """A spreadsheet before it is written.

    Attributes:
        title: Name of the sheet.
        head: Names of the columns.
        rows: Cells as text, as many in each row as ``head`` has.
        watermark: Stands in the first row, in the footer of every page and in the file's facts.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    watermark: str


class SheetWriter(Protocol):
    """Writes spreadsheets."""

    async def write(self, sheet: Sheet) -> bytes:
        """Answer a spreadsheet as an xlsx file; the loop is not blocked meanwhile."""


class Table(NamedTuple):
    """What a list looks like as a spreadsheet; ``noun`` is how the audit calls it."""

    noun: str
    title: str
    head: tuple[str, ...]


class ListExported(Event):
    """Somebody took a list out of the house."""

    channels: ClassVar[tuple[str, ...]] = ("dash",)

    type: Literal["list.exported"] = "list.exported"
    list: str
    by: str
    reason: str
    count: int


class SheetExport:
    """Writes lists into spreadsheets."""

    def __init__(
        self, writer: SheetWriter, *, audit: AuditLog, bus: Bus, clock: Clock, new_id: NewId
    ) -> None:
        self._writer = writer
        self._audit = audit
        self._bus = bus
        self._clock = clock
        self._new_id = new_id

    async def write(
        self,
        table: Table,
        rows: Sequence[tuple[str, ...]],
        *,
        reason: str,
        by: Person,
        detail: Mapping[str, Any],
    ) -> tuple[str, bytes]:
        """Answer the name of the export (its id) and the xlsx file; the auditors hear of it.

        Whether ``by`` may have the rows is for the caller to judge before reading them.

        Raises:
            Invalid: No reason was given.
        """
        if not reason.strip():
            raise Invalid("请填写导出理由", field="reason")
        now, export_id = self._clock(), self._new_id()
        sheet = Sheet(
            title=table.title,
            head=table.head,
            rows=tuple(rows),
            watermark=_watermark(by, now, export_id),
        )
        file = await self._writer.write(sheet)
        # Nothing leaves before it is on record.
        await self._audit.record(
            f"{table.noun}.export",
            by=by.id,
            obj=f"{table.noun}_export:{export_id}",
            detail={"reason": reason, "count": len(rows), **detail},
        )
        event = ListExported(
            id=self._new_id(), at=now, list=table.noun, by=by.id, reason=reason, count=len(rows)
        )
        await self._bus.publish("dash", event)
        return export_id, file


def _watermark(by: Person, now: datetime, export_id: str) -> str:
    local = now.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    return f"{by.name} {local} 导出 {export_id} 仅供履职服务使用，不得外传"
