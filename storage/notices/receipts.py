"""Receipts: one for each person and notice version.

::

    receipt {_id: "<notice>:<person>", n, p, deleg, pri, pub,
             pushed_at, wx_at, sms_at, call_at, delivered_at, read_at, confirmed_at, nudged_at,
             open: true while unread, or absent; gone: recalled|superseded|expired, or absent,
             answer: {reply, fields}, failed, rung, due_at: absent once the ladder is over,
             at: when it last changed}

Instants are absent until they are set, and set once. Reading takes ``due_at`` away in the same
write, which is what calls the ladder off.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from domain.errors import DomainError, UpstreamDown
from domain.notices.ports import Marked, Stroke
from domain.notices.receipt import CHAIN, Counts, Mark, Receipt, Reply
from storage.client import Database, Document, Duplicate

AT_ONCE = 100
"""Most marks in one call."""

WAITING = 10_000
"""Most marks that may wait; beyond that a reader is asked to come again."""


@dataclass(eq=False)
class _Waiting:
    """Marks of one caller on their way."""

    strokes: Sequence[Stroke]
    marked: Marked | None = None
    failure: DomainError | None = None


class ReceiptStore:
    """Implements ``domain.notices.ports.ReceiptStore``.

    Marks that wait at the same moment are stored by one call: whoever gets the turn stores for
    everybody, and a burst of a thousand readers costs a dozen calls.
    """

    def __init__(self, db: Database) -> None:
        self._receipts = db["receipt"]
        self._waiting: deque[_Waiting] = deque()
        self._turn = asyncio.Lock()

    async def add(self, receipts: Sequence[Receipt]) -> None:
        """Keep receipts, each unless it is there already."""
        # Unordered: one that is there does not keep the others out.
        with suppress(Duplicate):
            await self._receipts.insert_many([_row(one) for one in receipts], ordered=False)

    async def mark(self, strokes: Sequence[Stroke]) -> Marked:
        """Make marks, with all they imply; returns once they are stored.

        Raises:
            UpstreamDown: They could not be stored, or too many wait.
        """
        if len(self._waiting) >= WAITING:
            raise UpstreamDown("回执服务繁忙，请稍后再试", upstream="mongodb", retry_after=1)
        mine = _Waiting(strokes)
        self._waiting.append(mine)
        try:
            async with self._turn:
                while mine.marked is None and mine.failure is None:
                    await self._store_some()
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)
        if mine.failure is not None:
            raise mine.failure
        if mine.marked is None:
            raise RuntimeError("marks were neither stored nor refused")
        return mine.marked

    async def _store_some(self) -> None:
        batch: list[_Waiting] = []
        room = AT_ONCE
        while self._waiting and (not batch or len(self._waiting[0].strokes) <= room):
            batch.append(self._waiting.popleft())
            room -= len(batch[-1].strokes)
        try:
            marked = await self._store([stroke for one in batch for stroke in one.strokes])
        except DomainError as failure:
            for one in batch:
                one.failure = failure
        except BaseException:
            # Cancelled in mid-air: marks can be made twice, so the others' go back to the queue.
            self._waiting.extendleft(reversed(batch))
            raise
        else:
            for one in batch:
                one.marked = marked

    async def _store(self, strokes: Sequence[Stroke]) -> Marked:
        await self._receipts.bulk([_stroke(stroke) for stroke in strokes], ordered=False)
        readers = {
            stroke.receipt_id.rpartition(":")[2]
            for stroke in strokes
            if stroke.mark is not Mark.DELIVERED
        }
        return Marked(
            await self.many({stroke.receipt_id for stroke in strokes}),
            await self.unread(readers) if readers else {},
        )

    async def many(self, receipt_ids: Collection[str]) -> dict[str, Receipt]:
        """Answer the receipts that exist, by id."""
        rows = await self._receipts.find({"_id": {"$in": sorted(receipt_ids)}})
        return {row["_id"]: _receipt(row) for row in rows}

    async def end(self, notice_id: str, *, gone: str, at: datetime) -> None:
        """Stop counting a notice's receipts as unread and end their ladders."""
        await self._receipts.update_many(
            {"n": notice_id, "gone": None},
            {"$set": {"gone": gone, "at": at}, "$unset": {"open": "", "due_at": ""}},
        )

    async def page(
        self, notice_id: str, *, after: str, limit: int, unread: bool = False
    ) -> Sequence[Receipt]:
        """Answer a notice's receipts by person id, those above ``after``."""
        query: dict[str, Any] = {"n": notice_id, "p": {"$gt": after}}
        if unread:
            query["read_at"] = None
        rows = await self._receipts.find(query, sort=[("n", 1), ("p", 1)], limit=limit)
        return [_receipt(row) for row in rows]

    async def nudged(self, notice_id: str, person_ids: Collection[str], at: datetime) -> None:
        """Note that people were reminded."""
        await self._receipts.update_many(
            {"n": notice_id, "p": {"$in": sorted(person_ids)}},
            {"$set": {"nudged_at": at, "at": at}},
        )

    async def inbox(
        self, person_id: str, *, unread: bool, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[Receipt]:
        """Answer somebody's receipts, newest first."""
        query: dict[str, Any] = {"p": person_id}
        if unread:
            query["open"] = True
        if before is not None:
            at, below = before
            query["pub"] = {"$lte": at}
            query["$or"] = [{"pub": {"$lt": at}}, {"_id": {"$lt": below}}]
        rows = await self._receipts.find(query, sort=[("pub", -1), ("_id", -1)], limit=limit)
        return [_receipt(row) for row in rows]

    async def unread(self, person_ids: Collection[str]) -> Mapping[str, int]:
        """Count what waits unread, for each of some people."""
        rows = await self._receipts.aggregate(
            [
                {"$match": {"p": {"$in": sorted(person_ids)}, "open": True}},
                {"$group": {"_id": "$p", "count": {"$sum": 1}}},
            ]
        )
        found = {row["_id"]: int(row["count"]) for row in rows}
        return {person_id: found.get(person_id, 0) for person_id in person_ids}

    async def counts(self, notice_id: str) -> Mapping[str, Counts]:
        """Count a notice's receipts by delegation; ``""`` holds those of nobody's."""
        rows = await self._receipts.aggregate(
            [{"$match": {"n": notice_id}}, {"$group": {"_id": "$deleg", **_COUNTED}}]
        )
        return {
            row["_id"]: Counts(**{k: int(v) for k, v in row.items() if k != "_id"}) for row in rows
        }

    async def touched(self, since: datetime, until: datetime) -> Sequence[str]:
        """Answer the ids of notices whose receipts changed after ``since``, up to ``until``."""
        return sorted(await self._receipts.distinct("n", {"at": {"$gt": since, "$lte": until}}))


def _counting(field: str) -> Document:
    return {"$sum": {"$cond": [{"$gt": [f"${field}", None]}, 1, 0]}}


_COUNTED: Document = {
    "total": {"$sum": 1},
    "pushed": _counting("pushed_at"),
    "delivered": _counting("delivered_at"),
    "read": _counting("read_at"),
    "confirmed": _counting("confirmed_at"),
    "failed": _counting("failed"),
    **{
        reply.value: {"$sum": {"$cond": [{"$eq": ["$answer.reply", reply.value]}, 1, 0]}}
        for reply in Reply
    },
}


def _stroke(stroke: Stroke) -> UpdateOne:
    """Answer the write of one mark: it and what it implies, where they are still empty."""
    last = CHAIN.index(stroke.mark)
    field = f"{stroke.mark.value}_at"
    new: Document = {
        f"{mark.value}_at": {"$ifNull": [f"${mark.value}_at", stroke.at]}
        for mark in CHAIN[: last + 1]
    }
    new["at"] = stroke.at
    if stroke.answer is not None:
        new["answer"] = {"$literal": dict(stroke.answer)}
    change: list[Document] = [{"$set": new}]
    if stroke.mark is not Mark.DELIVERED:
        change.append({"$unset": ["open", "due_at"]})
    return UpdateOne({"_id": stroke.receipt_id, field: None}, change)


def _row(receipt: Receipt) -> Document:
    row = {
        name: value
        for name, value in receipt.model_dump(mode="python").items()
        if value not in (None, "", False)
    }
    row |= {
        "_id": receipt.id,
        "deleg": receipt.deleg,
        "pri": receipt.pri.value,
        "rung": receipt.rung.value,
        "at": receipt.pushed_at or receipt.pub,
    }
    return row


def _receipt(row: Document) -> Receipt:
    return Receipt(**{name: value for name, value in row.items() if name in Receipt.model_fields})
