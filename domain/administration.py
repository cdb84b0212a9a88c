"""The use cases of administration in one bag for the handlers; sorted by name."""

from __future__ import annotations

from dataclasses import dataclass

from domain.account_desk import AccountDesk
from domain.account_export import AccountExport
from domain.audit_desk import AuditDesk
from domain.breakglass import BreakGlassService
from domain.bulk import BulkService
from domain.deadlines import Deadlines
from domain.dictionaries import DictionaryService
from domain.flags import FlagService
from domain.grants import GrantService
from domain.integrations import IntegrationService
from domain.roster_import import RosterImport
from domain.rule_changes import RuleService
from domain.rules import RuleBook
from domain.workdays import WorkCalendar


@dataclass(frozen=True, kw_only=True)
class Administration:
    """Everything a handler may ask about who may do what, and by which rules."""

    account_export: AccountExport
    accounts: AccountDesk
    audit: AuditDesk
    break_glass: BreakGlassService
    bulk: BulkService
    calendar: WorkCalendar
    deadlines: Deadlines
    dictionaries: DictionaryService
    flags: FlagService
    grants: GrantService
    integrations: IntegrationService
    roster: RosterImport
    rule_changes: RuleService
    rules: RuleBook
