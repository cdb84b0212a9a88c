"""Roster import: a table of people becomes cards, accounts and the role of deputy.

The same file twice changes nothing. Every line is judged alone: good lines go in, faulty ones are
listed with what is wrong. Deputies that are in office and not in the table are listed as removed,
and leave office only when the import names them as confirmed. A dry run does all of it except
writing. Each person is written in steps that may be repeated (card, account, role), so an import
that was cut short is completed by running it again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import require_decider
from domain.clock import Clock, NewId
from domain.errors import Conflict, Invalid
from domain.grants import GrantService
from domain.organisation import Committee, Delegation, Group, Org, OrganisationStore
from domain.people import AccountState, Person
from domain.permissions import Permission, Role
from domain.ports import AuditLog, Vault
from domain.roster import PHONE_DOMAIN, Card, CardState, Kind, Roster, mobile_context
from domain.roster_plan import Fate, House, Outcome, Plan, by_name, planned, removed
from domain.roster_table import Line, read_lines
from domain.tables import Fault

Cells = list[list[str]]


class Report(BaseModel):
    """The whole import, done or only tried."""

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    outcomes: tuple[Outcome, ...]
    unknown_columns: tuple[str, ...]
    import_id: str = ""

    def count(self, fate: Fate) -> int:
        """Answer how many people have a fate."""
        return sum(outcome.fate is fate for outcome in self.outcomes)


class ImportRecord(BaseModel):
    """What is kept of an import: the file's hash and the numbers, no names."""

    model_config = ConfigDict(frozen=True)

    id: str
    filename: str
    sha256: str
    at: datetime
    by: str
    added: int
    changed: int
    unchanged: int
    returned: int
    faulty: int
    removed: int
    ended: int


class ImportStore(Protocol):
    """Where imports are kept, and who the deputies are."""

    async def deputies(self) -> Sequence[Card]:
        """Answer the card of every deputy there ever was."""

    async def note(self, record: ImportRecord) -> None:
        """Keep the record of an import."""

    async def records(self, *, after: str, limit: int) -> Sequence[ImportRecord]:
        """Answer imports in descending order of id, those below ``after`` if it is not empty."""


class Accounts(Protocol):
    """What an import needs of accounts."""

    async def prepare(self, person_id: str, *, by: str) -> object:
        """Make somebody's account; one that exists is left alone."""

    async def change_state(
        self, person_id: str, to: AccountState, *, reason: str, document: str, by: Person
    ) -> object:
        """Change the state of an account."""


@dataclass(frozen=True, kw_only=True)
class RosterPorts:
    """What an import works with; ``reader`` turns a file into cells, off the event loop."""

    store: ImportStore
    roster: Roster
    house: OrganisationStore
    accounts: Accounts
    grants: GrantService
    vault: Vault
    reader: Callable[[str, bytes], Cells]
    audit: AuditLog


class RosterImport:
    """Imports rosters."""

    def __init__(self, ports: RosterPorts, *, clock: Clock, new_id: NewId) -> None:
        self._ports = ports
        self._clock = clock
        self._new_id = new_id

    async def run(
        self,
        filename: str,
        data: bytes,
        *,
        dry_run: bool,
        confirmed: frozenset[str] = frozenset(),
        document: str = "",
        by: Person,
    ) -> Report:
        """Import a file, or say what importing it would do.

        Args:
            filename: Its name; the ending says what it is.
            data: Its bytes.
            dry_run: Only say.
            confirmed: Deputy numbers of those whose leaving office is confirmed.
            document: Number of the document that orders it; needed where somebody leaves.
            by: An administrator.

        Raises:
            Invalid: The file cannot be read as a table, or a confirmed number is not among the
                removed ones.
            TypeRefused: It is neither CSV nor XLSX.
        """
        require_decider(by, Permission.ROSTER_MANAGE)
        cells = await asyncio.to_thread(self._ports.reader, filename, data)
        table = read_lines(cells)
        there = {
            card.deputy_no: card for card in await self._ports.store.deputies() if card.deputy_no
        }
        house = await self._names()
        gone = removed(table, there)
        strange = confirmed - {outcome.deputy_no for outcome in gone}
        if strange:
            raise Invalid(
                "所确认的代表不在移除名单中，请重新预检",
                field="confirmed",
                detail={"deputy_nos": sorted(strange)},
            )
        if confirmed and not document:
            raise Invalid("确认移除须填写依据文号", field="document")
        deputies = await self._ports.grants.holders(Role.DEPUTY)
        outcomes = []
        for line in table.lines:
            plan = await self._plan(line, table.fields, there, house)
            if not dry_run and plan.fate is not Fate.FAULTY:
                plan = await self._carry_out(plan, settled=plan.card.id in deputies, by=by)
            outcomes.append(plan.outcome)
        for outcome in gone:
            ends = outcome.deputy_no in confirmed
            if ends and not dry_run:
                await self._end(there[outcome.deputy_no], document=document, by=by)
            outcomes.append(outcome.model_copy(update={"ended": ends}))
        report = Report(dry_run=dry_run, outcomes=tuple(outcomes), unknown_columns=table.unknown)
        return report if dry_run else await self._note(report, filename, data, by=by)

    async def records(
        self, *, by: Person, after: str = "", limit: int = 50
    ) -> Sequence[ImportRecord]:
        """Answer past imports, newest first."""
        by.require(Permission.ROSTER_MANAGE)
        return await self._ports.store.records(after=after, limit=limit)

    async def _plan(
        self, line: Line, fields: frozenset[str], there: Mapping[str, Card], house: House
    ) -> Plan:
        blind = (
            self._ports.vault.blind(line.mobile, domain=PHONE_DOMAIN)
            if line.mobile and not line.faults
            else None
        )
        owner = await self._ports.roster.by_mobile(blind) if blind else None
        known = there.get(line.deputy_no) if line.kind is Kind.DEPUTY else owner
        if owner is not None and (known is None or owner.id != known.id):
            taken = Fault(field="mobile", msg="该手机号已属于他人")
            line = line.model_copy(update={"faults": (*line.faults, taken)})
        return planned(
            line, known, fields=fields, house=house, mobile_h=blind, new_person=self._new_id()
        )

    async def _carry_out(self, plan: Plan, *, settled: bool, by: Person) -> Plan:
        """Write one person; whatever refuses only this one becomes a fault of the line."""
        card, at = plan.card, self._clock()
        try:
            if plan.fate is not Fate.UNCHANGED:
                update: dict[str, Any] = {"updated_at": at, "updated_by": by.id}
                if plan.fate is Fate.ADDED:
                    update |= {"created_at": at, "created_by": by.id}
                if "mobile_h" in plan.fields:
                    update["mobile_enc"] = self._ports.vault.seal(
                        plan.line.mobile, context=mobile_context(card.id)
                    )
                card = await self._ports.roster.put(card.model_copy(update=update))
            if not settled:
                await self._ports.accounts.prepare(card.id, by=by.id)
            if plan.fate is Fate.RETURNED:
                await self._reopen(card, by=by)
            if card.kind is Kind.DEPUTY and not settled:
                await self._ports.grants.install(card.id, Role.DEPUTY, by=by.id, reason="名册导入")
        except Conflict as refusal:
            fault = Fault(field=refusal.field or "", msg=refusal.msg)
            return replace(plan, fate=Fate.FAULTY, faults=(fault,))
        return replace(plan, card=card)

    async def _reopen(self, card: Card, *, by: Person) -> None:
        """Open the account of somebody who came back; one that was never closed stays as it is."""
        try:
            await self._ports.accounts.change_state(
                card.id, AccountState.ACTIVE, reason="重新列入名册", document="", by=by
            )
        except Conflict as refusal:
            if refusal.code != "bad_state":
                raise

    async def _end(self, card: Card, *, document: str, by: Person) -> None:
        """Take a deputy out of office: rights first, then the card."""
        try:
            await self._ports.accounts.change_state(
                card.id, AccountState.ENDED, reason="名册中已移除", document=document, by=by
            )
        except Conflict as refusal:
            if refusal.code != "bad_state":  # ended already
                raise
        await self._ports.grants.end_all(card.id, reason="名册中已移除", by=by.id)
        await self._ports.roster.put(
            card.model_copy(
                update={
                    "state": CardState.LEFT,
                    "updated_at": self._clock(),
                    "updated_by": by.id,
                }
            )
        )

    async def _names(self) -> House:
        delegations = await self._ports.house.all(Delegation)
        groups = await self._ports.house.all(Group)
        return House(
            delegations=by_name(delegations),
            groups={
                (it.delegation_id, word): it.id
                for it in groups
                if it.active
                for word in (it.name, it.id)
            },
            committees=by_name(await self._ports.house.all(Committee)),
            orgs=by_name(await self._ports.house.all(Org)),
        )

    async def _note(self, report: Report, filename: str, data: bytes, *, by: Person) -> Report:
        counts = {fate.value: report.count(fate) for fate in Fate}
        record = ImportRecord(
            id=self._new_id(),
            filename=filename[:200],
            sha256=hashlib.sha256(data).hexdigest(),
            at=self._clock(),
            by=by.id,
            ended=sum(outcome.ended for outcome in report.outcomes),
            **counts,
        )
        await self._ports.store.note(record)
        await self._ports.audit.record(
            "roster.import",
            by=by.id,
            obj=f"roster_import:{record.id}",
            detail={**counts, "ended": record.ended, "sha256": record.sha256},
        )
        return report.model_copy(update={"import_id": record.id})
