"""Telling everybody: receipts first, then the announcement, batch by batch, from wherever it stood.

An errand is claimed by one process at a time; what it has done is noted after each batch of a
thousand. If the process dies, the next one goes on from the last note: receipts that are there
stay, and an event heard twice has the same id. A recall does not wait for an issue to end; the
issue finds at its next step that its errand is no more, and hands over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from domain.clock import Clock, NewId
from domain.errors import UpstreamDown
from domain.events import Event
from domain.ladder import first_due
from domain.notices.board import Board
from domain.notices.events import (
    NoticeLive,
    NoticeNew,
    NoticeNudged,
    NoticeRecalled,
    NoticeUpdated,
)
from domain.notices.notice import Act, Notice, State
from domain.notices.ports import Errand, FanStore, Megaphone, NoticeStore, ReceiptStore, Work
from domain.notices.receipt import Receipt
from domain.rules import RuleTable

_log = logging.getLogger(__name__)

CLAIM = 10.0
"""Seconds after which an errand that nobody carries on is anybody's."""

_IDLE = 1.0
_AGAIN = 1.0
_PAGE = 1_000

_GONE = {Errand.RECALL: "recalled", Errand.SUPERSEDE: "superseded", Errand.EXPIRE: "expired"}


class Store(NoticeStore, FanStore, Protocol):
    """Notices with their errands."""


class Rules(Protocol):
    """The rules in force."""

    async def table(self) -> RuleTable:
        """Answer every row."""


class FanOut:
    """Carries out errands; ``run`` is supervised, in every process."""

    def __init__(
        self,
        store: Store,
        receipts: ReceiptStore,
        *,
        bus: Megaphone,
        board: Board,
        rules: Rules,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._store = store
        self._receipts = receipts
        self._bus = bus
        self._board = board
        self._rules = rules
        self._clock = clock
        self._new_id = new_id
        self._work = asyncio.Event()

    def wake(self) -> None:
        """There is something to do, here and now."""
        self._work.set()

    async def run(self) -> None:
        """Carry out errands for ever. Ending it in the midst of one is harmless."""
        while True:
            self._work.clear()
            try:
                while await self.step():
                    pass
            except UpstreamDown:
                _log.warning("notices: the database does not answer, looking again soon")
                await asyncio.sleep(_IDLE)
            try:
                async with asyncio.timeout(_IDLE):
                    await self._work.wait()
            except TimeoutError:
                continue

    async def step(self) -> bool:
        """Carry out one errand; ``False`` if none is due."""
        work = await self._store.claim(CLAIM)
        if work is None:
            return False
        try:
            done = await self._carry_out(work)
        except UpstreamDown as error:
            _log.warning("notices: %s of %s stopped: %s", work.errand, work.notice.id, error)
            await self._store.release(work, seconds=_AGAIN)
            return True
        if not done:
            # It has become another errand meanwhile, or somebody else's.
            await self._store.release(work, seconds=0)
        return True

    async def _carry_out(self, work: Work) -> bool:
        if work.errand is Errand.ISSUE:
            return await self._issue(work)
        if work.errand in _GONE and not work.cursor:
            await self._receipts.end(work.notice.id, gone=_GONE[work.errand], at=self._clock())
        event = _announcement(work)
        if work.errand is Errand.RECALL and not work.cursor and _live(work.notice):
            await self._bus.publish(f"mtg:{work.notice.meeting_id}", event)
        return await self._tell_readers(work, event)

    # -- a new notice ----------------------------------------------------------------------------

    async def _issue(self, work: Work) -> bool:
        notice, rules = work.notice, await self._rules.table()
        if work.place == 0 and notice.supersedes:
            await self._supersede(notice.supersedes, by=notice)
        event = _announcement(work)
        while batch := await self._store.batch(work.token, work.place):
            at = self._clock()
            due = first_due(notice.priority, at, rules)
            await self._receipts.add(
                [
                    Receipt(
                        n=notice.id,
                        p=one.person_id,
                        deleg=one.delegation_id,
                        pri=notice.priority,
                        pub=notice.published_at or at,
                        pushed_at=at,
                        open=True,
                        due_at=due,
                    )
                    for one in batch
                ]
            )
            # Kept first; and whoever recalled it meanwhile is heard before anybody is told.
            if not await self._store.advance(work, seconds=CLAIM):
                return False
            await self._spread([one.person_id for one in batch], event)
            self._board.touch(notice.id)
            work = replace(work, place=work.place + 1)
            if not await self._store.advance(work, seconds=CLAIM):
                return False
        if _live(notice):
            await self._bus.publish(
                f"mtg:{notice.meeting_id}",
                NoticeLive(
                    id=work.token,
                    v=notice.v,
                    at=work.at,
                    notice_id=notice.id,
                    priority=notice.priority,
                    title=notice.title,
                ),
            )
        return await self._store.finish(work)

    async def _supersede(self, old_id: str, *, by: Notice) -> None:
        old = await self._store.get(old_id)
        while old is not None and old.state is State.PUBLISHED:
            changed = old.model_copy(
                update={
                    "state": old.after(Act.SUPERSEDE),
                    "superseded_by": by.id,
                    "ended_at": by.published_at,
                    "v": old.v + 1,
                }
            )
            token = self._new_id()
            if await self._store.change(changed, was=old, errand=Errand.SUPERSEDE, token=token):
                return
            old = await self._store.get(old_id)

    # -- those who have it already ---------------------------------------------------------------

    async def _tell_readers(self, work: Work, event: Event) -> bool:
        nudge = work.errand is Errand.NUDGE
        notice_id = work.notice.id
        while True:
            page = await self._receipts.page(
                notice_id, after=work.cursor, limit=_PAGE, unread=nudge
            )
            if not page:
                return await self._store.finish(work)
            people = [receipt.p for receipt in page]
            if nudge:
                await self._receipts.nudged(notice_id, people, work.at)
            await self._spread(people, event)
            work = replace(work, cursor=people[-1])
            if not await self._store.advance(work, seconds=CLAIM):
                return False

    async def _spread(self, people: Sequence[str], event: Event) -> None:
        await self._bus.spread([f"user:#{person_id}" for person_id in people], event)


def _live(notice: Notice) -> bool:
    """Whether it is for everybody in its meeting, so that the meeting's channel may name it."""
    return notice.meeting_id in notice.audience.meetings and notice.audience.minus.empty


def _announcement(work: Work) -> Event:
    notice = work.notice
    head: Mapping[str, Any] = {"v": notice.v, "at": work.at, "notice_id": notice.id}
    match work.errand:
        case Errand.ISSUE:
            return NoticeNew(
                id=notice.id,
                kind=notice.kind,
                priority=notice.priority,
                title=notice.title,
                mode=notice.mode,
                confirm_by=notice.confirm_by,
                supersedes=notice.supersedes,
                **head,
            )
        case Errand.NUDGE:
            return NoticeNudged(id=work.token, priority=notice.priority, title=notice.title, **head)
        case Errand.RECALL:
            return NoticeRecalled(id=work.token, reason=notice.reason, **head)
    return NoticeUpdated(id=work.token, state=notice.state, by=notice.superseded_by, **head)
