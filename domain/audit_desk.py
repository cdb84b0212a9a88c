"""Reading the audit: auditors everything, administrators what they did themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.audit_chain import Page, Verdict
from domain.errors import Forbidden
from domain.people import Person
from domain.permissions import Permission, Reach
from domain.ports import AuditLog

LOOKS = (
    "break_glass.use", "device.remove", "directory.scraping", "mobile.read", "session.open",
    "session.revoke", "session.revoke_all", "session.step_up",
)  # fmt: skip
"""Actions about a person that change nothing in their record."""


class Chain(AuditLog, Protocol):
    """The audit with search and verification."""

    async def search(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        obj: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Answer entries, newest first."""

    async def about(
        self, person_id: str, *, without: Sequence[str], cursor: str | None, limit: int
    ) -> Page:
        """Answer what was done to or by a record's person, newest first."""

    async def verify(self) -> Verdict:
        """Read the whole chain and answer the first thing that is wrong with it."""


class AuditDesk:
    """Answers those who may read the audit; that they looked is an entry too."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def search(
        self,
        *,
        by: Person,
        who: str | None = None,
        action: str | None = None,
        obj: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Answer entries, newest first; whoever is no auditor gets their own only."""
        by.require(Permission.AUDIT_READ)
        return await self._chain.search(
            who=who if _reads_all(by) else by.id,
            action=action,
            obj=obj,
            since=since,
            until=until,
            cursor=cursor,
            limit=limit,
        )

    async def history(
        self, person_id: str, *, by: Person, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Answer how a person's record came to be what it is, newest first.

        Card, memberships, account and roles; not who logged in from where or looked at what, which
        is the auditors' to read.
        """
        by.require(Permission.ACCOUNT_MANAGE)
        return await self._chain.about(person_id, without=LOOKS, cursor=cursor, limit=limit)

    async def verify(self, *, by: Person) -> Verdict:
        """Check the whole chain, and record that it was checked and what was found.

        Raises:
            Forbidden: Not an auditor.
        """
        by.require(Permission.AUDIT_READ)
        if not _reads_all(by):
            raise Forbidden(detail={"permission": Permission.AUDIT_READ.value})
        verdict = await self._chain.verify()
        await self._chain.record(
            "audit.verify",
            by=by.id,
            obj="audit:chain",
            detail={"checked": verdict.checked, "bad": verdict.bad_seq, "reason": verdict.reason},
        )
        return verdict


def _reads_all(person: Person) -> bool:
    return any(cell.reach is Reach.ALL for _, cell in person.rights(Permission.AUDIT_READ))
