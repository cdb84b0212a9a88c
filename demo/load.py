"""Puts the demo into an empty database, through the same stores that the hub uses.

Every date is relative to ``base``: the morning, 08:30 in Shanghai, of the day on which the second
session opens, which is today. The same seed gives the same people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from random import Random

from demo.back_office import furnish, professions
from demo.duty import Registrar
from demo.faces import assess
from demo.hall import Usher
from demo.house import Ids, build
from demo.meetings import Keeper
from demo.meetings import Writer as MeetingWriter
from demo.notices import Notices
from demo.notices import Writer as NoticeWriter
from demo.papers import Table
from demo.people import NAMED, Population, Resident
from domain.clock import SHANGHAI, Clock, local_day
from domain.files import BlobStore
from domain.identity.account import (
    OPENID_DOMAIN,
    Account,
    StateChange,
    openid_context,
    phone_context,
    totp_context,
)
from domain.identity.passwords import Hasher
from domain.people import SYSTEM, AccountState
from domain.permissions import Role
from domain.ports import AuditLog, Vault
from domain.role_grants import GrantState, RoleGrant
from domain.roster import PHONE_DOMAIN, Kind, mobile_context
from storage.client import Database
from storage.grants import GrantStore
from storage.identity import AccountStore
from storage.notices.notices import NoticeStore
from storage.notices.receipts import ReceiptStore
from storage.notices.templates import TemplateStore
from storage.organisation import OrganisationStore
from storage.people import PeopleStore

_SEED = 20
_AT_ONCE = 1_000
PASSWORD = "Demo-2026-daibiao"
"""Everybody's password in the demo, and only there; it is printed at every start."""
TOTP_SECRET = "JBSWY3DPEHPK3PXP" + "JBSWY3DPEHPK3PXP"
"""The demo administrators' authenticator secret, printed as well."""


@dataclass(frozen=True)
class Visitor:
    """Somebody a visitor of the demo can be."""

    person_id: str
    name: str
    username: str
    mobile: str
    deputy_no: str
    openid: str
    what: str
    totp: bool


def opening(now: datetime) -> datetime:
    """Answer 08:30 in Shanghai on the day of ``now``, the base of all dates."""
    return datetime.combine(local_day(now), time(8, 30), SHANGHAI)


class Loader:
    """Loads the invented congress.

    ``blobs`` is where the hub keeps the content of files; without it no papers lie on the tables.
    """

    def __init__(
        self,
        db: Database,
        vault: Vault,
        audit: AuditLog,
        *,
        clock: Clock,
        blobs: BlobStore | None = None,
    ) -> None:
        self._db = db
        self._vault = vault
        self._audit = audit
        self._clock = clock
        self._blobs = blobs

    async def loaded(self) -> str | None:
        """Answer the size that was loaded into this database, or ``None``."""
        mark = await self._db["demo"].find_one({"_id": "loaded"})
        return None if mark is None else str(mark["size"])

    async def load(self, *, full: bool) -> None:
        """Load everything; the mark that it is complete is written last."""
        base = opening(self._clock())
        random = Random(_SEED)
        new_id = Ids(random, base - timedelta(days=200))
        house = build(base, new_id, full=full)
        nodes = OrganisationStore(self._db)
        for node in house.nodes():
            await nodes.put(node)
        residents = list(Population(house, random, new_id, full=full).residents())
        await self._people(residents)
        await self._accounts(residents, new_id, base)
        await self._grants(residents, new_id, base)
        await self._notices(NoticeWriter(house, residents, base).write())
        await Keeper(self._db, Ids(Random(_SEED), base - timedelta(days=100))).keep(
            MeetingWriter(house, residents, base).write()
        )
        if self._blobs is not None:
            await Table(self._db, self._blobs, residents, base).lay()
        await Usher(self._db, self._vault, residents, base).fill()
        await Registrar(self._db, residents, base).keep()
        named = {it.username: it.card.id for it in residents if it.username}
        await furnish(self._db, new_id, base=base, people=named)
        await assess(self._db, new_id, base=base, people=named)
        await self._audit.record(
            "demo.load", by=SYSTEM.id, obj="demo:data", detail={"people": len(residents)}
        )
        size = "full" if full else "mini"
        await self._db["demo"].insert_one(
            {"_id": "loaded", "size": size, "visitors": _visitors(residents), "base": base}
        )

    async def _notices(self, made: Notices) -> None:
        store, receipts = NoticeStore(self._db, self._clock), ReceiptStore(self._db)
        templates = TemplateStore(self._db)
        for notice in made.notices:
            await store.add(notice)
        for start in range(0, len(made.receipts), _AT_ONCE):
            await receipts.add(made.receipts[start : start + _AT_ONCE])
        for template in made.templates:
            await templates.add(template)

    async def visitors(self) -> list[Visitor]:
        """Answer who a visitor can be, deputies first."""
        mark = await self._db["demo"].find_one({"_id": "loaded"})
        return [Visitor(**row) for row in mark["visitors"]] if mark else []

    async def _people(self, residents: Iterable[Resident]) -> None:
        now = self._clock()
        cards = [
            resident.card.model_copy(
                update={
                    "mobile_h": self._vault.blind(resident.mobile, domain=PHONE_DOMAIN),
                    "mobile_enc": self._vault.seal(
                        resident.mobile, context=mobile_context(resident.card.id)
                    ),
                    "professions": professions(place) if resident.card.kind is Kind.DEPUTY else (),
                    "created_at": now,
                    "created_by": SYSTEM.id,
                    "updated_at": now,
                    "updated_by": SYSTEM.id,
                }
            )
            for place, resident in enumerate(residents)
        ]
        await PeopleStore(self._db).add_many(cards)

    async def _accounts(self, residents: Iterable[Resident], new_id: Ids, base: datetime) -> None:
        hasher = Hasher()
        try:
            password = await hasher.hash(PASSWORD)
        finally:
            await asyncio.to_thread(hasher.close)
        accounts = [
            self._account(resident, new_id, base, password)
            for resident in residents
            if resident.account
        ]
        await AccountStore(self._db).add_many(accounts)

    def _account(self, resident: Resident, new_id: Ids, base: datetime, password: str) -> Account:
        person_id, now = resident.card.id, self._clock()
        bound = base - timedelta(days=180)
        openid = _openid(resident)
        admin = any(role is Role.ADMIN for role, _ in resident.grants)
        history = tuple(
            StateChange(id=new_id(), to=to, reason="演示数据", by=SYSTEM.id, at=at, effective_at=at)
            for to, at in (
                (AccountState.IMPORTED, bound),
                (AccountState.BOUND, bound + timedelta(days=1)),
                (AccountState.ACTIVE, bound + timedelta(days=1, minutes=1)),
            )
        )
        seal, blind = self._vault.seal, self._vault.blind
        return Account(
            id=person_id,
            state=AccountState.ACTIVE,
            login_name=resident.username or None,
            openid_h=blind(openid, domain=OPENID_DOMAIN) if openid else None,
            openid_enc=seal(openid, context=openid_context(person_id)) if openid else None,
            phone_h=blind(resident.mobile, domain=PHONE_DOMAIN),
            phone_enc=seal(resident.mobile, context=phone_context(person_id)),
            password=password if resident.username else None,
            password_at=now if resident.username else None,
            totp_enc=seal(TOTP_SECRET, context=totp_context(person_id)) if admin else None,
            totp_on=admin,
            history=history,
            planned=self._planned(resident, new_id, base),
            created_at=bound,
            created_by=SYSTEM.id,
            updated_at=now,
            updated_by=SYSTEM.id,
        )

    def _planned(self, resident: Resident, new_id: Ids, base: datetime) -> tuple[StateChange, ...]:
        """屠可昕 is suspended on the day after the opening (PRODUCT.md §10.2)."""
        if resident.username != "tukexin":
            return ()
        return (
            StateChange(
                id=new_id(),
                to=AccountState.SUSPENDED,
                reason="暂停执行代表职务",
                document="演示〔20〕1号",
                by=SYSTEM.id,
                at=base,
                effective_at=base + timedelta(days=1),
            ),
        )

    async def _grants(self, residents: Iterable[Resident], new_id: Ids, base: datetime) -> None:
        store = GrantStore(self._db)
        since = base - timedelta(days=180)
        rows = [
            RoleGrant(
                id=new_id(),
                person_id=resident.card.id,
                role=role,
                scopes=scopes,
                since=since,
                state=GrantState.GRANTED,
                reason="演示数据",
                asked_by=SYSTEM.id,
                asked_at=since,
                approved_by=SYSTEM.id,
                approved_at=since,
            )
            for resident in residents
            if resident.account
            for role, scopes in resident.grants
        ]
        await store.add_many(rows)
        for row in rows:
            if row.role is Role.ADMIN:
                await store.enter_administrator(row)


def _openid(resident: Resident) -> str:
    """Named deputies have bound their WeChat; the crowd has not got that far."""
    deputy = resident.card.kind is Kind.DEPUTY
    return f"o-demo-{resident.username}" if deputy and resident.username else ""


def _visitors(residents: Iterable[Resident]) -> list[dict[str, object]]:
    by_username = {resident.username: resident for resident in residents if resident.username}
    return [_visitor(by_username[username]) for username in NAMED]


def _visitor(resident: Resident) -> dict[str, object]:
    roles = [role for role, _ in resident.grants]
    return {
        "person_id": resident.card.id,
        "name": resident.card.name,
        "username": resident.username,
        "mobile": resident.mobile,
        "deputy_no": resident.card.deputy_no or "",
        "openid": _openid(resident),
        "what": "代表" if Role.DEPUTY in roles else resident.card.post,
        "totp": Role.ADMIN in roles,
    }
