"""Reading the audit: ``/api/v1/admin/audit``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, StringConstraints

from domain.audit_chain import Entry, Verdict
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import operation
from handlers.paging import Page, PageQuery
from handlers.routing import route

Word = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_.:@-]{1,120}$")]
"""An action, an object or a person id."""


class AuditEntryView(BaseModel):
    """One entry, with its place in the chain."""

    seq: int
    at: datetime
    by: str
    action: str
    obj: str
    detail: dict[str, Any]
    hash: str

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Show an entry."""
        return cls(
            seq=entry.seq,
            at=entry.at,
            by=entry.by,
            action=entry.action,
            obj=entry.obj,
            detail=dict(entry.detail),
            hash=entry.hash,
        )


class AuditQuery(PageQuery):
    """What to look for: ``action`` may end with a dot, ``obj`` with a colon, for all of a kind."""

    who: Word | None = None
    action: Word | None = None
    obj: Word | None = None
    since: Instant | None = None
    until: Instant | None = None


class VerdictView(BaseModel):
    """What a reading of the whole chain found.

    ``bad_seq`` is the first entry that is altered or missing; ``reason`` says which.
    """

    sound: bool
    checked: int
    bad_seq: int | None
    reason: str
    head_seq: int
    head_hash: str

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """Show a verdict."""
        return cls(
            sound=verdict.sound,
            checked=verdict.checked,
            bad_seq=verdict.bad_seq,
            reason=verdict.reason,
            head_seq=verdict.head.seq,
            head_hash=verdict.head.hash,
        )


class AuditHandler(ApiHandler):
    """``/api/v1/admin/audit``."""

    @operation(Permission.AUDIT_READ)
    async def get(self, query: AuditQuery) -> Page[AuditEntryView]:
        """Show entries, newest first; administrators see what they did themselves."""
        after = self.after(query)
        found = await self.services.administration.audit.search(
            by=self.user,
            who=query.who,
            action=query.action,
            obj=query.obj,
            since=query.since,
            until=query.until,
            cursor=after[0] if after else None,
            limit=query.limit,
        )
        shown = [AuditEntryView.of(entry) for entry in found.entries]
        return self.page(shown, [found.next] if found.next else None)


class VerifyHandler(ApiHandler):
    """``/api/v1/admin/audit/verify``."""

    @operation(Permission.AUDIT_READ)
    async def post(self) -> VerdictView:
        """Check the whole chain."""
        return VerdictView.of(await self.services.administration.audit.verify(by=self.user))


ROUTES = [
    route(r"/api/v1/admin/audit", AuditHandler),
    route(r"/api/v1/admin/audit/verify", VerifyHandler),
]
