"""The directory as a spreadsheet, for administrators: with a reason, a watermark and a witness.

Mobile numbers are in it only where the owner shows them to other deputies. The export is written
into the audit with its reason, and the auditor hears of it at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domain.clock import SHANGHAI, Clock, NewId
from domain.directory import CardIndex
from domain.errors import Invalid
from domain.events import Event
from domain.organisation import Committee, Delegation, Group, Node, Org, OrganisationStore
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog, Bus, Vault
from domain.roster import Card, Place, mobile_context

_BATCH = 500


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


class DirectoryExported(Event):
    """Somebody took the directory out of the house."""

    channels: ClassVar[tuple[str, ...]] = ("dash",)

    type: Literal["directory.exported"] = "directory.exported"
    by: str
    reason: str
    count: int


class DirectoryExport:
    """Writes the directory into a spreadsheet."""

    def __init__(
        self,
        index: CardIndex,
        house: OrganisationStore,
        writer: SheetWriter,
        *,
        vault: Vault,
        audit: AuditLog,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._index = index
        self._house = house
        self._writer = writer
        self._vault = vault
        self._audit = audit
        self._bus = bus
        self._clock = clock
        self._new_id = new_id

    async def write(
        self, reason: str, *, by: Person, scopes: frozenset[str] = frozenset()
    ) -> tuple[str, bytes]:
        """Answer the name of the export (its id) and the xlsx file.

        Raises:
            Invalid: No reason was given.
        """
        by.require(Permission.DIRECTORY_EXPORT)
        if not reason.strip():
            raise Invalid("请填写导出理由", field="reason")
        now = self._clock()
        export_id = self._new_id()
        names = await self._names()
        cards = await self._cards(by, scopes)
        sheet = Sheet(
            title="通讯录",
            head=_HEAD,
            rows=tuple(self._row(card, names) for card in cards),
            watermark=_watermark(by, now, export_id),
        )
        file = await self._writer.write(sheet)
        # Nothing leaves before it is on record.
        await self._audit.record(
            "directory.export",
            by=by.id,
            obj=f"directory_export:{export_id}",
            detail={"reason": reason, "count": len(cards), "scopes": sorted(scopes)},
        )
        event = DirectoryExported(
            id=self._new_id(), at=now, by=by.id, reason=reason, count=len(cards)
        )
        await self._bus.publish("dash", event)
        return export_id, file

    async def _cards(self, by: Person, scopes: frozenset[str]) -> Sequence[Card]:
        cards: list[Card] = []
        after: Place | None = None
        while True:
            page = await self._index.search("", by=by, scopes=scopes, after=after, limit=_BATCH)
            cards += page
            if len(page) < _BATCH:
                return cards
            after = Place(page[-1].sort_key, page[-1].id)

    async def _names(self) -> dict[str, str]:
        kinds: tuple[type[Node], ...] = (Delegation, Group, Committee, Org)
        return {node.id: node.name for kind in kinds for node in await self._house.all(kind)}

    def _row(self, card: Card, names: dict[str, str]) -> tuple[str, ...]:
        mobile = ""
        if card.show_mobile and card.mobile_enc is not None:
            mobile = self._vault.open(card.mobile_enc, context=mobile_context(card.id))
        return (
            card.name,
            names.get(card.delegation_id or "", ""),
            names.get(card.group_id or "", ""),
            "、".join(names.get(committee, "") for committee in card.committee_ids),
            names.get(card.org_id or "", ""),
            card.work_unit,
            card.post,
            card.office_phone,
            mobile,
            card.email,
        )


_HEAD = (
    *("姓名", "代表团", "代表小组", "委员会", "单位", "工作单位", "职务", "办公电话"),
    *("手机（本人公开）", "电子邮箱"),
)


def _watermark(by: Person, now: datetime, export_id: str) -> str:
    local = now.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    return f"{by.name} {local} 导出 {export_id} 仅供履职服务使用，不得外传"
