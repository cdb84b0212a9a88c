"""Puts administration together: rules, calendar, roles, roster, audit, and the broken glass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from domain.account_desk import AccountDesk
from domain.account_export import AccountExport
from domain.administration import Administration
from domain.audit_desk import AuditDesk
from domain.breakglass import BreakGlassService
from domain.bulk import BulkService
from domain.bulk_people import ApproveRole, AskRole, Invite, Suspend
from domain.deadlines import Deadlines
from domain.dictionaries import DictionaryService
from domain.flags import FlagService, Guard
from domain.grants import GrantService
from domain.identity.identities import Identities
from domain.identity.services import Identity
from domain.integrations import IntegrationService
from domain.roster_import import RosterImport, RosterPorts
from domain.rule_changes import RuleService
from domain.rules import RuleBook
from domain.workdays import WorkCalendar
from server.ground import Ground
from server.house import sheet_export
from storage.account_desk import DeskStore
from storage.bulk import BulkStore
from storage.flags import FlagStore
from storage.grants import GrantStore
from storage.identity import AccountStore
from storage.integrations import KeyStore
from storage.organisation import OrganisationStore
from storage.people import PeopleStore
from storage.roster_import import RosterStore
from storage.rules import RuleStore
from storage.tables import read_table
from storage.workdays import WorkdayStore, national_days


class Books(NamedTuple):
    """What is looked up everywhere: the rules of the congress and the dictionaries."""

    rules: RuleBook
    lists: DictionaryService


def build_administration(
    ground: Ground,
    identity: Identity,
    grants: GrantService,
    break_glass: BreakGlassService,
    books: Books,
    *,
    guards: Mapping[str, Guard],
) -> Administration:
    """Construct everything about administration that the login does not need before.

    ``guards`` say what must be so before a feature is switched on.
    """
    rules, lists = books
    db, audit, clock, new_id = ground.db, ground.audit, ground.clock, ground.new_id
    ports = RosterPorts(
        store=RosterStore(db),
        roster=PeopleStore(db),
        house=OrganisationStore(db),
        accounts=identity.accounts,
        grants=grants,
        vault=ground.vault,
        reader=read_table,
        audit=audit,
    )
    calendar = WorkCalendar(WorkdayStore(db), audit=audit, clock=clock, shipped=national_days)
    desk = AccountDesk(
        DeskStore(db),
        AccountStore(db),
        identity.accounts,
        identity.sessions,
        grants,
        audit=audit,
        clock=clock,
    )
    return Administration(
        account_export=AccountExport(desk, OrganisationStore(db), sheet_export(ground)),
        accounts=desk,
        audit=AuditDesk(audit),
        break_glass=break_glass,
        bulk=_bulk(ground, identity, desk, grants, break_glass),
        calendar=calendar,
        deadlines=Deadlines(rules, calendar),
        dictionaries=lists,
        flags=FlagService(
            FlagStore(db), audit=audit, bus=ground.bus, clock=clock, new_id=new_id, guards=guards
        ),
        grants=grants,
        integrations=IntegrationService(
            KeyStore(db), ground.keys, vault=ground.vault, audit=audit, clock=clock, new_id=new_id
        ),
        roster=RosterImport(ports, clock=clock, new_id=new_id),
        rule_changes=RuleService(RuleStore(db), rules, audit=audit, clock=clock, new_id=new_id),
        rules=rules,
    )


def _bulk(
    ground: Ground,
    identity: Identity,
    desk: AccountDesk,
    grants: GrantService,
    break_glass: BreakGlassService,
) -> BulkService:
    db, cards = ground.db, PeopleStore(ground.db)
    return BulkService(
        (
            ApproveRole(grants),
            AskRole(grants),
            Invite(identity.credentials, cards),
            Suspend(desk, grants),
        ),
        BulkStore(db),
        Identities(AccountStore(db), cards, GrantStore(db), break_glass, identity.policy),
        audit=ground.audit,
        bus=ground.bus,
        clock=ground.clock,
        new_id=ground.new_id,
    )
