"""After publication: recall with a tombstone, expiry, and 催办 to those who have not read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain.errors import Conflict, Invalid, RateLimited
from domain.notices.desk import Desk
from domain.notices.fanout import FanOut
from domain.notices.notice import Act, Notice, State
from domain.notices.ports import Errand, ReceiptStore
from domain.notices.receipt import Counts
from domain.people import SYSTEM, Person

_AT_ONCE = 50
_REASON_AFTER_ALL = 5
"""Characters of a reason once everybody has confirmed (F02)."""


class Afterwards:
    """What can still be done to a published notice."""

    def __init__(self, desk: Desk, receipts: ReceiptStore, fan: FanOut) -> None:
        self._desk = desk
        self._receipts = receipts
        self._fan = fan

    async def recall(self, notice_id: str, *, reason: str, by: Person) -> Notice:
        """Take a notice back: its text is no longer shown, and every reader is told.

        The audit keeps the text.

        Raises:
            Invalid: Everybody has confirmed already and the reason is shorter than 5 characters.
            BadState: It is not published.
        """
        notice, state = await self._desk.take(notice_id, Act.RECALL, by=by)
        if len(reason) < _REASON_AFTER_ALL and await self._all_confirmed(notice):
            raise Invalid(f"全体已确认，撤回理由不得少于 {_REASON_AFTER_ALL} 个字", field="reason")
        # On record before it disappears.
        await self._desk.note(
            "recall", notice, by=by.id, reason=reason, title=notice.title, body=notice.body
        )
        change = {"reason": reason, **self._ended(state)}
        return await self._end(notice, change, Errand.RECALL, by=by.id)

    async def expire_due(self) -> int:
        """End what is no longer of interest; answer how many."""
        now = self._desk.clock()
        found = await self._desk.store.due(State.PUBLISHED, now, _AT_ONCE)
        for notice in found:
            try:
                change = self._ended(notice.after(Act.EXPIRE))
                kept = await self._end(notice, change, Errand.EXPIRE, by=SYSTEM.id)
            except Conflict:
                continue  # recalled or superseded at this very moment
            await self._desk.note("expire", kept, by=SYSTEM.id)
        return len(found)

    async def nudge(self, notice_id: str, *, by: Person) -> int:
        """Remind everybody who has not read it (催办); answer how many that were.

        Raises:
            RateLimited: It was done less than an hour ago (rule ``notice.nudge.every``).
            BadState: It is not published.
        """
        notice, _ = await self._desk.take(notice_id, Act.RECALL, by=by)
        now = self._desk.clock()
        pause = timedelta(minutes=await self._desk.rules.count("notice.nudge.every"))
        begun = await self._desk.store.nudge(
            notice.id, at=now, before=now - pause, token=self._desk.new_id()
        )
        if not begun:
            fresh = await self._desk.store.get(notice.id)
            last = fresh.nudged_at if fresh else None
            wait = (last + pause - now).total_seconds() if last else 0.0
            if wait <= 0:
                raise Conflict("通知正在发送，请稍候再催办")
            raise RateLimited("距上次催办不足一小时", retry_after=wait)
        counts = await self._counts(notice)
        self._fan.wake()
        unread = counts.total - counts.read
        await self._desk.note("nudge", notice, by=by.id, unread=unread)
        return unread

    async def _end(
        self, notice: Notice, change: dict[str, Any], errand: Errand, *, by: str
    ) -> Notice:
        kept = await self._desk.keep(
            notice, change, by=by, errand=errand, token=self._desk.new_id()
        )
        self._fan.wake()
        return kept

    def _ended(self, state: State) -> dict[str, Any]:
        return {"state": state, "ended_at": self._desk.clock()}

    async def _all_confirmed(self, notice: Notice) -> bool:
        counts = await self._counts(notice)
        return counts.total > 0 and counts.confirmed == counts.total

    async def _counts(self, notice: Notice) -> Counts:
        found = Counts()
        for counts in (await self._receipts.counts(notice.id)).values():
            found = found.plus(counts)
        return found
