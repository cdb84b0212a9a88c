"""Receipts chained into the audit: a digest once a minute, so that nobody rewrites who read what.

Every instant of a receipt is a fact that never changes: ``<person> <mark> <milliseconds>``. The
digest of a notice covers all its facts up to an instant, in order; it stands in the audit, which is
chained itself. Whoever alters, adds or removes a receipt afterwards makes the digests from that
instant on false.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from domain.audit_chain import Page
from domain.clock import Clock
from domain.errors import NotFound
from domain.notices.ports import NoticeStore, ReceiptStore
from domain.notices.receipt import Receipt
from domain.people import SYSTEM, Person
from domain.permissions import Permission
from domain.ports import AuditLog

ACTION = "receipt.digest"

SETTLED = timedelta(seconds=30)
"""After so long whatever was marked has been stored, or never will be."""

_FACTS = (
    *("pushed_at", "delivered_at", "read_at", "confirmed_at"),
    *("wx_at", "sms_at", "call_at"),
)
_PAGE = 1_000
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class Heads(Protocol):
    """Remembers up to when digests have been made."""

    async def until(self) -> datetime | None:
        """Answer up to when."""

    async def reach(self, until: datetime) -> None:
        """Remember up to when."""


class AuditBook(AuditLog, Protocol):
    """The audit, to be written and read."""

    async def search(
        self,
        *,
        action: str | None = None,
        obj: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Answer entries, newest first; see ``storage.audit``."""


class Verdict(NamedTuple):
    """What became of the digests of a notice: how many, and from when on they are false."""

    digests: int
    broken_since: datetime | None


class Chain:
    """Makes digests, and compares them."""

    def __init__(
        self,
        notices: NoticeStore,
        receipts: ReceiptStore,
        heads: Heads,
        *,
        audit: AuditBook,
        clock: Clock,
    ) -> None:
        self._notices = notices
        self._receipts = receipts
        self._heads = heads
        self._audit = audit
        self._clock = clock

    async def run(self) -> int:
        """Write the digest of every notice whose receipts have changed; answer how many.

        If the process dies before the end, what was digested is digested again: that is harmless.
        """
        since = await self._heads.until() or _BEGINNING
        until = self._clock() - SETTLED
        if until <= since:
            return 0
        touched = await self._receipts.touched(since, until)
        for notice_id in touched:
            facts = _facts(await self._all(notice_id), until)
            await self._audit.record(
                ACTION,
                by=SYSTEM.id,
                obj=f"notice:{notice_id}",
                detail={"until": until.isoformat(), "facts": len(facts), "sha256": _digest(facts)},
            )
        await self._heads.reach(until)
        return len(touched)

    async def verify(self, notice_id: str, *, by: Person) -> Verdict:
        """Compare every digest of a notice with its receipts as they are now.

        Raises:
            NotFound: There is no such notice.
        """
        by.require(Permission.AUDIT_READ)
        if await self._notices.get(notice_id) is None:
            raise NotFound
        receipts = await self._all(notice_id)
        made, broken, cursor = 0, None, None
        while True:
            page = await self._audit.search(action=ACTION, obj=f"notice:{notice_id}", cursor=cursor)
            for entry in page.entries:  # newest first, so the last that is false is the first one
                made += 1
                until = datetime.fromisoformat(str(entry.detail["until"]))
                if _digest(_facts(receipts, until)) != entry.detail["sha256"]:
                    broken = until
            cursor = page.next
            if cursor is None:
                return Verdict(made, broken)

    async def _all(self, notice_id: str) -> Sequence[Receipt]:
        found: list[Receipt] = []
        after = ""
        while page := await self._receipts.page(notice_id, after=after, limit=_PAGE):
            found += page
            after = page[-1].p
        return found


def _facts(receipts: Sequence[Receipt], until: datetime) -> list[str]:
    return [
        f"{receipt.p} {name} {round(at.timestamp() * 1000)}"
        for receipt in receipts
        for name in _FACTS
        if (at := getattr(receipt, name)) is not None and at <= until
    ]


def _digest(facts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()
