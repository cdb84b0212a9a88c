"""The audit: append-only, each entry chained to the one before it by its hash.

``audit {_id: seq, id, at, by, action, obj, detail, prev, hash}``. ``_id`` counts from 1 without
gaps; being unique, it also keeps two processes from continuing the chain at one place. Entries that
wait at the same moment are stored together. ``id`` is drawn for each call, so that after a lost
answer the store finds out which of its entries are there already.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.audit_chain import GENESIS, Entry, Head, Page, Verdict, chain_hash, storable
from domain.clock import Clock, new_ulid
from domain.errors import DomainError, Invalid, UpstreamDown
from domain.ports import Vault
from storage.client import Database, Document, Duplicate

BATCH = 100
"""Most entries stored by one call."""

WAITING = 5_000
"""Most entries that may wait; beyond that the act itself is refused."""


@dataclass(eq=False)
class _Waiting:
    """An entry on its way; ``failure`` says why it was not stored."""

    fields: Document
    stored: bool = False
    failure: DomainError | None = field(default=None)

    @property
    def settled(self) -> bool:
        return self.stored or self.failure is not None


class AuditStore:
    """The port ``AuditLog``, with verification and search."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._audit = db["audit"]
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._turn = asyncio.Lock()
        self._head: Head | None = None

    async def record(
        self, action: str, *, by: str, obj: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Append an entry, and return once it is stored.

        Raises:
            ValueError: The detail holds a float or another type that does not survive.
            UpstreamDown: It could not be stored, or too many entries wait; the act should fail too.
        """
        fields = storable({"action": action, "by": by, "obj": obj, "detail": detail or {}})
        fields |= {"id": new_ulid(), "at": storable(self._clock())}
        if len(self._waiting) >= WAITING:
            raise UpstreamDown("审计服务繁忙，请稍后再试", upstream="mongodb", retry_after=1)
        entry = _Waiting(fields)
        self._waiting.append(entry)
        # Whoever gets the turn stores for everybody who waits by then; most find their entry done.
        try:
            async with self._turn:
                while not entry.settled:
                    await self._store_some()
        finally:
            if not entry.settled and entry in self._waiting:
                self._waiting.remove(entry)
        if entry.failure is not None:
            raise entry.failure

    async def head(self) -> Head:
        """Answer the end of the chain as it is stored now."""
        last = await self._audit.find_one({}, sort=[("_id", -1)], projection={"_id": 1, "hash": 1})
        return Head(last["_id"], last["hash"]) if last else Head(0, GENESIS)

    async def verify(self, known: Head | None = None) -> Verdict:
        """Read the whole chain and answer the first thing that is wrong with it.

        Args:
            known: A head that was kept elsewhere; the chain must still run through it.
        """
        head = Head(0, GENESIS)
        async for row in self._audit.stream({}, sort=[("_id", 1)]):
            bad = _judge(row, head, known)
            if bad is not None:
                return Verdict(min(bad[0] - 1, head.seq), bad[0], bad[1], head)
            head = Head(row["_id"], row["hash"])
        if known is not None and head.seq < known.seq:
            return Verdict(head.seq, head.seq + 1, "truncated", head)
        return Verdict(head.seq, None, "", head)

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
        """Answer entries, newest first.

        Args:
            who: Person id of the one who acted.
            action: An action, or the beginning of some with a dot at its end: ``account.``
            obj: An object, or a kind of objects with a colon at its end: ``person:``
            since: First instant.
            until: First instant after the last.
            cursor: ``next`` of the page before.
            limit: Most entries, up to 50.

        Raises:
            Invalid: The cursor is not one of ours.
        """
        asked: Document = {}
        if who:
            asked["by"] = who
        if action:
            asked["action"] = _beginning(action, ".")
        if obj:
            asked["obj"] = _beginning(obj, ":")
        if since or until:
            asked["at"] = {
                **({"$gte": since} if since else {}),
                **({"$lt": until} if until else {}),
            }
        return await self._page(asked, cursor, limit)

    async def about(
        self, person_id: str, *, without: Sequence[str], cursor: str | None, limit: int
    ) -> Page:
        """Answer entries about a person, newest first, without some actions.

        An entry is about a person whose record is its object, or who is named in its detail.

        Raises:
            Invalid: The cursor is not one of ours.
        """
        about = [{"obj": f"person:{person_id}"}, {"detail.person": person_id}]
        asked: Document = {"$or": about, "action": {"$nin": list(without)}}
        return await self._page(asked, cursor, limit)

    async def _page(self, asked: Document, cursor: str | None, limit: int) -> Page:
        if cursor is not None:
            asked["_id"] = {"$lt": _position(cursor)}
        limit = max(1, min(limit, 50))
        rows = await self._audit.find(asked, sort=[("_id", -1)], limit=limit + 1)
        shown = rows[:limit]
        return Page(
            tuple(_entry(row) for row in shown),
            str(shown[-1]["_id"]) if len(rows) > limit else None,
        )

    async def _store_some(self) -> None:
        """Chain and store the entries at the head of the queue; whoever calls has the turn."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            for _ in range(50):
                left = [entry for entry in batch if not entry.stored]
                if not left or await self._continue(left):
                    return
            raise UpstreamDown("审计服务繁忙，请稍后再试", upstream="mongodb", retry_after=1)
        except DomainError as failure:
            self._head = None
            for entry in batch:
                entry.failure = None if entry.stored else failure
        except BaseException:
            # Cancelled in mid-air: the others' entries go back to the queue, where the next in
            # turn finds out which of them are stored.
            self._head = None
            self._waiting.extendleft(reversed([entry for entry in batch if not entry.stored]))
            raise

    async def _continue(self, entries: Sequence[_Waiting]) -> bool:
        """Store entries after the known head; ``False`` if the chain has grown there meanwhile."""
        if self._head is None:
            await self._catch_up(entries)
            entries = [entry for entry in entries if not entry.stored]
        if self._head is None:
            raise RuntimeError("the head of the audit is not known")
        rows, head = _chain(entries, self._head)
        try:
            await self._audit.insert_many(rows)
        except Duplicate:
            self._head = None
            return False
        for entry in entries:
            entry.stored = True
        self._head = head
        return True

    async def _catch_up(self, entries: Sequence[_Waiting]) -> None:
        """Read the head, and mark those entries that an earlier attempt has stored after all."""
        head = await self.head()
        mine = {entry.fields["id"]: entry for entry in entries}
        found = await self._audit.find(
            {"_id": {"$gt": head.seq - 20 * BATCH}, "id": {"$in": list(mine)}},
            projection={"id": 1},
            limit=len(mine),
        )
        for row in found:
            mine[row["id"]].stored = True
        self._head = head


def sign_head(head: Head, vault: Vault) -> str:
    """Answer a head as text to be kept elsewhere: ``seq:hash:signature``."""
    return f"{head.seq}:{head.hash}:{_signature(head, vault)}"


def read_head(text: str, vault: Vault) -> Head:
    """Read what ``sign_head`` wrote.

    Raises:
        Invalid: It is not a signed head, or not signed by this house.
    """
    seq, _, rest = text.strip().partition(":")
    digest, _, signature = rest.partition(":")
    if seq.isdecimal() and seq.isascii() and digest:
        head = Head(int(seq), digest)
        if hmac.compare_digest(_signature(head, vault).encode(), signature.encode()):
            return head
    raise Invalid("审计链头签名无效", field="head")


def _signature(head: Head, vault: Vault) -> str:
    return vault.blind(f"{head.seq}:{head.hash}", domain="audit.head")


def _chain(entries: Sequence[_Waiting], head: Head) -> tuple[list[Document], Head]:
    rows = []
    for entry in entries:
        row = {"_id": head.seq + 1, **entry.fields, "prev": head.hash}
        row["hash"] = chain_hash(head.hash, row)
        head = Head(head.seq + 1, row["hash"])
        rows.append(row)
    return rows, head


def _judge(row: Document, head: Head, known: Head | None) -> tuple[int, str] | None:
    """Answer which entry is wrong and how, seen from ``row`` after the sound part ``head``."""
    seq, digest = row["_id"], row.get("hash")
    if seq != head.seq + 1:
        return head.seq + 1, "missing"
    try:
        own = chain_hash(
            str(row.get("prev")), {key: part for key, part in row.items() if key != "hash"}
        )
    except ValueError:
        return seq, "altered"
    if own != digest:
        return seq, "altered"
    if row["prev"] != head.hash:
        # This one is sound in itself and remembers another predecessor: that was rewritten.
        return max(head.seq, 1), "altered"
    if known is not None and known.seq == seq and known.hash != digest:
        return seq, "altered"
    return None


def _beginning(text: str, mark: str) -> Any:
    return {"$gte": text, "$lt": text + "\U0010ffff"} if text.endswith(mark) else text


def _position(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise Invalid("分页游标无效", field="cursor")
    return int(cursor)


def _entry(row: Document) -> Entry:
    return Entry(
        seq=row["_id"],
        at=row["at"],
        by=row["by"],
        action=row["action"],
        obj=row["obj"],
        detail=row["detail"],
        hash=row["hash"],
    )
