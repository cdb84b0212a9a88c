"""Notices, one document per version, with the errand that tells everybody about it.

::

    notice {_id, no, lineage, version, supersedes, superseded_by, state, kind, title, body,
            priority, audience, mode, confirm_by, form: [], attachments: [], related, meeting_id,
            publish_at, expire_at, change_note, scopes: [], second, author_id, approver_id,
            template_id, recipients, reason, published_at, ended_at, nudged_at, v, created_at, …,
            key: "<author>:<hash>" or absent,
            fan: {errand, token, at, place, cursor, claim, due: absent once it is done}}
    notice_batch {_id: "<token>:<place>", people: [[person, delegation]], made_at}

The write that changes the state also sets ``fan``: there is no moment at which a notice is
published and nobody knows that its readers must still be told. Whom it goes to is written before,
under a token that means nothing until the notice names it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.clock import Clock
from domain.errors import Conflict
from domain.notices.audience import Recipient
from domain.notices.notice import OWN, Notice, Priority, State
from domain.notices.ports import Errand, Work
from storage.client import Database, Document, Duplicate

BATCH = 1_000
"""Recipients told of a notice between two notes of how far that has come."""


class NoticeStore:
    """Implements ``domain.notices.ports.NoticeStore`` and ``FanStore``."""

    def __init__(self, db: Database, clock: Clock, *, batch: int = BATCH) -> None:
        self._batch = batch
        self._notices = db["notice"]
        self._batches = db["notice_batch"]
        self._clock = clock

    async def add(self, notice: Notice, *, key: str = "") -> Notice:
        """Keep a new notice; with a ``key`` that was used, answer the one kept then."""
        row = _row(notice)
        if key:
            row["key"] = key
        try:
            await self._notices.insert_one(row)
        except Duplicate as duplicate:
            kept = await self._notices.find_one({"key": key}) if key else None
            if kept is None:
                raise Conflict("已有新的版本，请刷新后重试") from duplicate
            return _notice(kept)
        return notice

    async def get(self, notice_id: str) -> Notice | None:
        """Answer a notice."""
        row = await self._notices.find_one({"_id": notice_id})
        return _notice(row) if row else None

    async def many(self, notice_ids: Collection[str]) -> dict[str, Notice]:
        """Answer the notices that exist, by id."""
        rows = await self._notices.find({"_id": {"$in": sorted(notice_ids)}})
        return {row["_id"]: _notice(row) for row in rows}

    async def change(
        self, notice: Notice, *, was: Notice, errand: Errand | None = None, token: str = ""
    ) -> bool:
        """Keep the new form if it still is as it ``was``; begin an errand in the same write."""
        change: Any = {"$set": _changed(notice)}
        if errand is not None:
            # An errand under way keeps its claim and hands over: ``due`` moves only if it rests.
            rest = {"$ifNull": ["$fan.due", self._clock()]}
            claim = {"$ifNull": ["$fan.claim", 0]}
            fan = {**_fan(errand, token, self._clock()), "due": rest, "claim": claim}
            literal = {name: {"$literal": value} for name, value in _changed(notice).items()}
            change = [{"$set": literal}, {"$set": {"fan": fan}}]
        done = await self._notices.update_one(
            {"_id": was.id, "state": was.state.value, "v": was.v}, change
        )
        return done.matched == 1

    async def publish(
        self, notice: Notice, recipients: Sequence[Recipient], *, was: Notice, token: str
    ) -> bool:
        """Keep the published form together with whom it goes to."""
        now = self._clock()
        await self._batches.insert_many(
            [
                {
                    "_id": f"{token}:{place}",
                    "people": [
                        [one.person_id, one.delegation_id]
                        for one in recipients[start:][: self._batch]
                    ],
                    "made_at": now,
                }
                for place, start in enumerate(range(0, len(recipients), self._batch))
            ]
        )
        fan = {**_fan(Errand.ISSUE, token, now), "claim": 0, "due": now}
        done = await self._notices.update_one(
            {"_id": was.id, "state": was.state.value, "v": was.v},
            {"$set": {**_changed(notice), "fan": fan}},
        )
        return done.matched == 1

    async def nudge(self, notice_id: str, *, at: datetime, before: datetime, token: str) -> bool:
        """Begin a reminder if the last one was not after ``before`` and nothing is under way."""
        done = await self._notices.update_one(
            {
                "_id": notice_id,
                "state": State.PUBLISHED.value,
                "fan.due": None,
                "$or": [{"nudged_at": None}, {"nudged_at": {"$lte": before}}],
            },
            {
                "$set": {
                    "nudged_at": at,
                    **{
                        f"fan.{name}": value
                        for name, value in _fan(Errand.NUDGE, token, at).items()
                    },
                    "fan.due": at,
                }
            },
        )
        return done.matched == 1

    async def desk(
        self,
        *,
        author: str,
        scopes: frozenset[str] | None,
        urgent: bool,
        state: State | None,
        after: str,
        limit: int,
    ) -> Sequence[Notice]:
        """Answer notices by an author or in some scopes (``None``: all), newest first."""
        others: dict[str, Any] = {"state": {"$nin": sorted(state.value for state in OWN)}}
        either: list[dict[str, Any]] = [{"author_id": author}]
        if scopes is None:
            either.append(others)
        else:
            either.append({**others, "scopes": {"$in": sorted(scopes)}})
            if urgent:
                second = {"second": True, "priority": Priority.URGENT.value}
                either.append({**others, **second})
        query: dict[str, Any] = {"$or": either}
        if state is not None:
            query["state"] = state.value
        if after:
            query["_id"] = {"$lt": after}
        rows = await self._notices.find(query, sort=[("_id", -1)], limit=limit)
        return [_notice(row) for row in rows]

    async def lineage(self, lineage: str) -> Sequence[Notice]:
        """Answer every version, oldest first."""
        rows = await self._notices.find({"lineage": lineage}, sort=[("version", 1)])
        return [_notice(row) for row in rows]

    async def due(self, state: State, at: datetime, limit: int) -> Sequence[Notice]:
        """Answer the scheduled that are to be published, or published that expire, by ``at``."""
        name = "publish_at" if state is State.SCHEDULED else "expire_at"
        rows = await self._notices.find(
            {"state": state.value, name: {"$lte": at}}, sort=[(name, 1)], limit=limit
        )
        return [_notice(row) for row in rows]

    # -- errands ---------------------------------------------------------------------------------

    async def claim(self, seconds: float) -> Work | None:
        """Answer an errand that is due, ours for ``seconds``, or ``None``."""
        now = self._clock()
        row = await self._notices.find_one_and_update(
            {"fan.due": {"$type": "date", "$lte": now}},
            {"$set": {"fan.due": now + timedelta(seconds=seconds)}, "$inc": {"fan.claim": 1}},
            sort=[("fan.due", 1)],
        )
        if row is None:
            return None
        fan = row["fan"]
        return Work(
            notice=_notice(row),
            errand=Errand(fan["errand"]),
            token=fan["token"],
            at=fan["at"],
            place=fan["place"],
            cursor=fan["cursor"],
            claim=fan["claim"],
        )

    async def batch(self, token: str, place: int) -> Sequence[Recipient]:
        """Answer a batch of recipients, none after the last."""
        row = await self._batches.find_one({"_id": f"{token}:{place}"})
        return [Recipient(person, home) for person, home in row["people"]] if row else []

    async def advance(self, work: Work, *, seconds: float) -> bool:
        """Keep ``place`` and ``cursor`` and the claim; ``False`` if it was lost."""
        return await self._settle(
            work,
            {
                "$set": {
                    "fan.place": work.place,
                    "fan.cursor": work.cursor,
                    "fan.due": self._clock() + timedelta(seconds=seconds),
                }
            },
        )

    async def finish(self, work: Work) -> bool:
        """Mark the errand as done; ``False`` if the claim was lost."""
        return await self._settle(work, {"$unset": {"fan.due": ""}})

    async def release(self, work: Work, *, seconds: float) -> None:
        """Give the claim back, to be due in ``seconds``; whatever errand it is by now."""
        await self._notices.update_one(
            {"_id": work.notice.id, "fan.claim": work.claim},
            {"$set": {"fan.due": self._clock() + timedelta(seconds=seconds)}},
        )

    async def _settle(self, work: Work, change: Document) -> bool:
        done = await self._notices.update_one(
            {"_id": work.notice.id, "fan.token": work.token, "fan.claim": work.claim}, change
        )
        return done.matched == 1


def _fan(errand: Errand, token: str, at: datetime) -> Document:
    return {"errand": errand.value, "token": token, "at": at, "place": 0, "cursor": ""}


def _row(notice: Notice) -> Document:
    return {"_id": notice.id, **_changed(notice)}


def _changed(notice: Notice) -> Document:
    row = notice.model_dump(exclude={"id", "fan_done", "nudged_at", "audience", "form"})
    row |= {
        "kind": notice.kind.value,
        "priority": notice.priority.value,
        "mode": notice.mode.value,
        "state": notice.state.value,
        "scopes": sorted(notice.scopes),
        "attachments": list(notice.attachments),
        "audience": notice.audience.model_dump(mode="json"),
        "form": [field.model_dump(mode="json") for field in notice.form],
    }
    return row


def _notice(row: Document) -> Notice:
    kept = {name: value for name, value in row.items() if name in Notice.model_fields}
    done = "due" not in row.get("fan", {})
    return Notice(**{**kept, "id": row["_id"], "fan_done": done})
