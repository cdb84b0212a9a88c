"""The live board: how far a notice has come, told at most once a second and only on change."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict

from domain.clock import Clock, NewId
from domain.errors import UpstreamDown
from domain.notices.events import ReceiptCounted
from domain.notices.notice import Notice
from domain.notices.ports import NoticeStore, ReceiptStore
from domain.notices.receipt import Counts
from domain.ports import Bus

_log = logging.getLogger(__name__)

_PAUSE = 1.0
_REMEMBERED = 500


class Board:
    """Counts receipts of notices that were touched; ``run`` is supervised.

    The counts are always read from the receipts: a process that counted along would drift.
    """

    def __init__(
        self,
        store: NoticeStore,
        receipts: ReceiptStore,
        *,
        bus: Bus,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._receipts = receipts
        self._bus = bus
        self._clock = clock
        self._new_id = new_id
        self._touched: dict[str, None] = {}
        self._told: OrderedDict[str, Counts] = OrderedDict()
        self._work = asyncio.Event()

    def touch(self, notice_id: str) -> None:
        """A receipt of this notice has changed."""
        self._touched[notice_id] = None
        self._work.set()

    async def counts(self, notice_id: str) -> Counts:
        """Answer how far a notice has come."""
        found = Counts()
        for counts in (await self._receipts.counts(notice_id)).values():
            found = found.plus(counts)
        return found

    async def run(self) -> None:
        """Tell of what was touched, once a second, for ever."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self.tell()
            except UpstreamDown:
                _log.warning("notices: the board could not be counted, trying again soon")
                self._work.set()
            await asyncio.sleep(_PAUSE)

    async def tell(self) -> None:
        """Tell of every notice touched since the last time, if its counts are others by now."""
        while self._touched:
            notice_id = next(iter(self._touched))
            # Taken off first: whoever touches it while it is counted is counted next time.
            del self._touched[notice_id]
            try:
                await self._tell(notice_id)
            except UpstreamDown:
                self._touched[notice_id] = None
                raise

    async def _tell(self, notice_id: str) -> None:
        notice = await self._store.get(notice_id)
        if notice is None:
            return
        counts = await self.counts(notice_id)
        if self._told.get(notice_id) == counts:
            return
        fields = counts.model_dump(include=set(ReceiptCounted.model_fields))
        event = ReceiptCounted(
            id=self._new_id(), at=self._clock(), v=notice.v, notice_id=notice_id, **fields
        )
        await self._bus.publish(channel_of(notice), event)
        self._told[notice_id] = counts
        self._told.move_to_end(notice_id)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)


def channel_of(notice: Notice) -> str:
    """Answer where the board of a notice is told: to the meeting's staff, or to its author."""
    if notice.meeting_id:
        return f"mtgstaff:{notice.meeting_id}"
    return f"user:#{notice.author_id}"
