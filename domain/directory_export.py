"""The directory as a spreadsheet, for administrators: with a reason, a watermark and a witness.

Mobile numbers are in it only where the owner shows them to other deputies. The export is written
into the audit with its reason, and the auditor hears of it at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.directory import CardIndex
from domain.organisation import Committee, Delegation, Group, Node, Org, OrganisationStore
from domain.people import Person
from domain.permissions import Permission
from domain.ports import Vault
from domain.roster import Card, Place, mobile_context
from domain.sheet_export import SheetExport, Table

_BATCH = 500


class DirectoryExport:
    """Writes the directory into a spreadsheet."""

    def __init__(
        self, index: CardIndex, house: OrganisationStore, export: SheetExport, *, vault: Vault
    ) -> None:
        self._index = index
        self._house = house
        self._export = export
        self._vault = vault

    async def write(
        self, reason: str, *, by: Person, scopes: frozenset[str] = frozenset()
    ) -> tuple[str, bytes]:
        """Answer the name of the export (its id) and the xlsx file.

        Raises:
            Invalid: No reason was given.
        """
        by.require(Permission.DIRECTORY_EXPORT)
        names = await self._names()
        cards = await self._cards(by, scopes)
        return await self._export.write(
            _TABLE,
            [self._row(card, names) for card in cards],
            reason=reason,
            by=by,
            detail={"scopes": sorted(scopes)},
        )

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


_TABLE = Table(
    "directory",
    "通讯录",
    (
        *("姓名", "代表团", "代表小组", "委员会", "单位", "工作单位", "职务", "办公电话"),
        *("手机（本人公开）", "电子邮箱"),
    ),
)
