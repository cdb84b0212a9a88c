"""Where receipts stand on the ladder: fields of ``receipt`` that only the ladder writes.

::

    receipt {…, rung, due_at, claim: token, sending: rung, tries, digest: true while it waits,
             wx_at, wx_id, wx_result, wx_why, sms_at, sms_id, sms_why,
             call_at, calls: [{at, by, result, note}], failed}
    digest  {_id: person id, until: whose turn it is to make this person's digest lasts so long}

``due_at`` is what is claimed: a claim moves it to the instant at which the claim runs out. Whoever
ends the ladder (a reading, a recall, an erasure) takes ``due_at`` away, and no write here puts it
back: each asks for the ``due_at`` it has set itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.ladder.ports import Claim, Settled
from domain.notices.receipt import Receipt, Rung
from storage.client import Database, Document, Duplicate

_OPEN: Document = {"read_at": None, "gone": None}
"""Not read, and still of interest."""

_TIDY: Document = {"claim": "", "sending": "", "tries": "", "digest": ""}


class LadderStore:
    """Implements ``domain.ladder.ports.LadderStore``."""

    def __init__(self, db: Database) -> None:
        self._receipts = db["receipt"]
        self._digests = db["digest"]

    async def claim(self, *, at: datetime, until: datetime, token: str) -> Claim | None:
        """Claim the receipt that has been due longest; unread and of interest only."""
        row = await self._receipts.find_one_and_update(
            {"due_at": {"$type": "date", "$lte": at}, **_OPEN},
            {"$set": {"claim": token, "due_at": until}},
            sort=[("due_at", 1)],
        )
        return None if row is None else _claim(row, until)

    async def begin(self, claim: Claim, rung: Rung) -> bool:
        """Note that a message is about to leave; ``False`` if it was read or lost meanwhile."""
        done = await self._receipts.update_one(
            {**_held(claim), **_OPEN}, {"$set": {"sending": rung.value}}
        )
        return done.matched == 1

    async def gather(self, claim: Claim, *, at: datetime) -> Sequence[Claim]:
        """Claim together what waits for the same person's digest, the claimed one included."""
        person_id = claim.receipt.p
        try:
            await self._digests.update_one(
                {"_id": person_id, "until": {"$lte": at}},
                {"$set": {"until": claim.until}},
                upsert=True,
            )
        except Duplicate:
            return ()
        # Others may hold some of these, but nobody who lost the turn sends anything: what they
        # write asks for their own token.
        await self._receipts.update_many(
            {
                "p": person_id,
                "digest": True,
                "sending": None,
                "due_at": {"$type": "date", "$lte": claim.until},
                **_OPEN,
            },
            {"$set": {"claim": claim.token, "due_at": claim.until}},
        )
        rows = await self._receipts.find({"p": person_id, "claim": claim.token})
        return [_claim(row, claim.until) for row in rows]

    async def begin_all(self, claims: Sequence[Claim], rung: Rung) -> Sequence[Claim]:
        """Do what ``begin`` does for several claims of one person; answer those it holds for."""
        first = claims[0]
        mine = {"p": first.receipt.p, "claim": first.token, "due_at": first.until, **_OPEN}
        await self._receipts.update_many(mine, {"$set": {"sending": rung.value}})
        rows = await self._receipts.find({**mine, "sending": rung.value})
        begun = {row["_id"] for row in rows}
        return [claim for claim in claims if claim.receipt.id in begun]

    async def settle(self, claim: Claim, settled: Settled) -> None:
        """Keep what became of a rung. A reading in the meantime still ends the ladder."""
        new: Document = {"rung": settled.rung.value, "at": settled.at}
        if settled.sent is not None:
            new[f"{settled.sent.value}_at"] = settled.at
            if settled.message_id:
                new[f"{settled.sent.value}_id"] = settled.message_id
        new |= {f"{rung.value}_why": why for rung, why in settled.why.items()}
        if settled.failed:
            new["failed"] = settled.failed
        ends: Document = {} if settled.due else {"due_at": ""}
        goes_on: Document = {"due_at": settled.due} if settled.due else {}
        done = await self._receipts.update_one(
            _held(claim), {"$set": {**new, **goes_on}, "$unset": {**_TIDY, **ends}}
        )
        if done.matched == 0:
            new.pop("failed", None)
            await self._receipts.update_one(
                {"_id": claim.receipt.id, "claim": claim.token}, {"$set": new, "$unset": _TIDY}
            )

    async def postpone(self, claim: Claim, *, due: datetime, tries: int, digest: bool) -> None:
        """Give the receipt back, to be due at another time, unless the ladder has ended."""
        new: Document = {"due_at": due, "tries": tries}
        gone = {name: "" for name in _TIDY if name not in {"tries", "digest"}}
        if digest:
            new["digest"] = True
        await self._receipts.update_one(_held(claim), {"$set": new, "$unset": gone})

    async def result(
        self, person_id: str, *, message_id: str, result: str, since: datetime, at: datetime
    ) -> str | None:
        """Keep what WeChat reports of a message; answer the id of the notice it was about."""
        if not message_id or await self._receipts.count(
            {"p": person_id, "wx_id": message_id, "wx_result": {"$ne": None}}, limit=1
        ):
            return None
        whose: Document = {"p": person_id, "wx_result": None}
        candidates: tuple[Document, ...] = (
            {"wx_id": message_id},
            {"wx_id": None, "sending": Rung.WX.value},
            {"wx_id": None, "wx_at": {"$gte": since}},
            {"wx_id": None, "wx_why": _UNKNOWN, "at": {"$gte": since}},
        )
        change: Document = {"$set": {"wx_result": result, "wx_id": message_id, "at": at}}
        for which in candidates:
            newest = [("wx_at", -1), ("_id", -1)]
            row = await self._receipts.find_one_and_update({**whose, **which}, change, sort=newest)
            if row is not None:
                await self._known(row, success=result == "success", at=at)
                return str(row["n"])
        return None

    async def _known(self, row: Document, *, success: bool, at: datetime) -> None:
        """Set right what was unknown when WeChat did not answer."""
        if success and row.get("wx_why") == _UNKNOWN:
            await self._receipts.update_one(
                {"_id": row["_id"], "wx_why": _UNKNOWN},
                {"$set": {"wx_at": at}, "$unset": {"wx_why": "", "failed": ""}},
            )

    async def to_call(self, delegations: frozenset[str] | None, limit: int) -> Sequence[Receipt]:
        """Answer receipts on the call list (of all delegations if ``None``), oldest first."""
        query: dict[str, Any] = {"rung": Rung.CALL.value, "call_at": None, **_OPEN}
        if delegations is not None:
            query["deleg"] = {"$in": sorted(delegations)}
        rows = await self._receipts.find(query, sort=[("pub", 1), ("_id", 1)], limit=limit)
        return [_receipt(row) for row in rows]

    async def called(
        self,
        receipt_id: str,
        *,
        within: frozenset[str] | None,
        at: datetime,
        by: str,
        result: str,
        note: str,
        reached: bool,
    ) -> Receipt | None:
        """Note a call, if the receipt is on the list; who was reached leaves it."""
        call = {"at": at, "by": by, "result": result, "note": note}
        new: Document = {"at": at}
        if reached:
            new |= {"call_at": at, "rung": Rung.DONE.value}
        mine: Document = {} if within is None else {"deleg": {"$in": sorted(within)}}
        row = await self._receipts.find_one_and_update(
            {"_id": receipt_id, "rung": Rung.CALL.value, "call_at": None, **_OPEN, **mine},
            {"$set": new, "$push": {"calls": {"$each": [call], "$slice": -20}}},
        )
        return None if row is None else _receipt(row)

    async def spread(self, notice_id: str) -> Mapping[tuple[str, str], int]:
        """Count a notice's receipts by (how far it was carried, what became of it)."""
        rows = await self._receipts.aggregate(
            [
                {"$match": {"n": notice_id}},
                {"$group": {"_id": {"far": _FAR, "end": _END}, "count": {"$sum": 1}}},
            ]
        )
        return {(row["_id"]["far"], row["_id"]["end"]): int(row["count"]) for row in rows}

    async def sent(self, notice_id: str) -> tuple[Mapping[str, int], Mapping[tuple[str, str], int]]:
        """Count a notice's reminders by way, and those left out by (way, reason)."""
        sent = dict.fromkeys(_WAYS, 0)
        why: dict[tuple[str, str], int] = {}
        rows = await self._receipts.aggregate(
            [
                {"$match": {"n": notice_id}},
                {
                    "$group": {
                        "_id": {"wx": "$wx_why", "sms": "$sms_why"},
                        **{way: {"$sum": {"$cond": [_set(f"{way}_at"), 1, 0]}} for way in _WAYS},
                        "count": {"$sum": 1},
                    }
                },
            ]
        )
        for row in rows:
            for way in _WAYS:
                sent[way] += int(row[way])
            for way, code in row["_id"].items():
                if code:
                    why[way, code] = why.get((way, code), 0) + int(row["count"])
        return sent, why


_WAYS = ("wx", "sms", "call")
_UNKNOWN = "unknown"


def _claim(row: Document, until: datetime) -> Claim:
    return Claim(
        receipt=_receipt(row),
        token=row["claim"],
        until=until,
        tries=int(row.get("tries", 0)),
        sending=Rung(row["sending"]) if row.get("sending") else None,
        digest=bool(row.get("digest")),
    )


def _held(claim: Claim) -> Document:
    return {"_id": claim.receipt.id, "claim": claim.token, "due_at": claim.until}


def _set(field: str) -> Document:
    return {"$gt": [f"${field}", None]}


def _before_reading(field: str) -> Document:
    """Whether the rung came before the reading: only then can it have brought it about."""
    sooner = {"$lte": [f"${field}", "$read_at"]}
    return {"$and": [_set(field), {"$or": [{"$not": [_set("read_at")]}, sooner]}]}


_FAR: Document = {
    "$cond": [
        _before_reading("call_at"),
        "call",
        {"$cond": [_before_reading("sms_at"), "sms",
                   {"$cond": [_before_reading("wx_at"), "wx", "ws"]}]},
    ]
}  # fmt: skip

_END: Document = {
    "$cond": [
        {"$or": [_set("read_at"), _set("call_at")]},
        "reached",
        {"$cond": [_set("gone"), "gone",
                   {"$cond": [{"$or": [_set("due_at"), {"$eq": ["$rung", "call"]}]},
                              "waiting", "unread"]}]},
    ]
}  # fmt: skip


def _receipt(row: Document) -> Receipt:
    return Receipt(**{name: value for name, value in row.items() if name in Receipt.model_fields})
