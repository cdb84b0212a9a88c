"""What people get to read: their own list, one notice, its versions, what waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from domain.errors import Gone, NotFound
from domain.notices.desk import Desk
from domain.notices.notice import OUT, Mode, Notice, State
from domain.notices.ports import ReceiptStore
from domain.notices.reach import sees, sight, urgent_to_all
from domain.notices.receipt import Receipt, receipt_id
from domain.people import Person
from domain.permissions import Permission
from domain.todo import TodoItem

_TODO = 100
_UNREAD = 200


class Letter(NamedTuple):
    """A notice as one person has it; without a receipt they see it as one of its makers."""

    notice: Notice
    receipt: Receipt | None
    maker: bool = False


class Reading:
    """Shows notices to those they are for, and to those who make them."""

    def __init__(self, desk: Desk, receipts: ReceiptStore) -> None:
        self._desk = desk
        self._receipts = receipts

    async def get(self, notice_id: str, *, by: Person) -> Letter:
        """Answer a notice to somebody who has it, or who is one of its makers.

        Raises:
            NotFound: It is neither.
            Gone: It was recalled (``recalled``); ``detail.reason`` says why.
        """
        notice = await self._desk.store.get(notice_id)
        if notice is None:
            raise NotFound
        key = receipt_id(notice_id, by.id)
        receipt = (await self._receipts.many([key])).get(key)
        maker = sees(by, notice)
        if not maker:
            if receipt is None:
                raise NotFound
            if notice.state is State.RECALLED:
                raise Gone(
                    "通知已撤回",
                    code="recalled",
                    detail={"reason": notice.reason, "notice_id": notice.id},
                )
        return Letter(notice, receipt, maker)

    async def inbox(
        self,
        *,
        by: Person,
        unread: bool,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> Sequence[Letter]:
        """Answer what came to a person, newest first."""
        receipts = await self._receipts.inbox(by.id, unread=unread, before=before, limit=limit)
        notices = await self._desk.store.many({receipt.n for receipt in receipts})
        return [Letter(notices[one.n], one) for one in receipts if one.n in notices]

    async def desk(
        self, *, by: Person, state: State | None, after: str, limit: int
    ) -> Sequence[Notice]:
        """Answer the notices that a person makes or looks after, newest first.

        Raises:
            Forbidden: The person makes none.
        """
        if not by.may(Permission.RECEIPT_READ):
            by.require(Permission.NOTICE_PUBLISH)
        wide, scopes = sight(by)
        return await self._desk.store.desk(
            author=by.id,
            scopes=None if wide else scopes,
            urgent=urgent_to_all(by),
            state=state,
            after=after,
            limit=limit,
        )

    async def versions(self, notice_id: str, *, by: Person) -> Sequence[Notice]:
        """Answer the published versions of a notice that a person has, oldest first.

        Its makers see all of them, drafts too. Versions may go to different people, and whom one
        of them left out does not read it here.
        """
        letter = await self.get(notice_id, by=by)
        found = await self._desk.store.lineage(letter.notice.lineage)
        keys = {receipt_id(one.id, by.id) for one in found}
        mine = {receipt.n for receipt in (await self._receipts.many(keys)).values()}
        return [one for one in found if (one.state in OUT and one.id in mine) or sees(by, one)]

    async def unread(self, *, by: Person) -> tuple[int, Sequence[str]]:
        """Answer how many notices wait unread, and the ids of the newest of them."""
        found = await self._receipts.inbox(by.id, unread=True, before=None, limit=_UNREAD)
        count = len(found)
        if count == _UNREAD:
            count = (await self._receipts.unread([by.id]))[by.id]
        return count, [receipt.n for receipt in found]

    async def todo(self, person: Person) -> Sequence[TodoItem]:
        """Answer the notices that a person has still to confirm, oldest first."""
        letters = await self.inbox(by=person, unread=False, before=None, limit=_TODO)
        now = self._desk.clock()
        return [
            TodoItem(
                kind="notice.confirm",
                obj=f"notice:{notice.id}",
                title=notice.title,
                since=receipt.pub,
                due=notice.confirm_by,
            )
            for notice, receipt, _ in reversed(letters)
            if receipt is not None
            and notice.state is State.PUBLISHED
            and notice.mode is Mode.CONFIRM
            and receipt.confirmed_at is None
            and (notice.confirm_by is None or now <= notice.confirm_by)
        ]

    async def may_read(self, ref: str, file_id: str, *, by: Person) -> bool:
        """Tell whether a person may read a file of a notice, ``notice:<lineage>``.

        A file goes with the versions that carry it: having an older one opens nothing that was
        attached later, nor what was taken back since.
        """
        for notice in await self._desk.store.lineage(ref.partition(":")[2]):
            if sees(by, notice):
                return True
            if file_id not in notice.attachments:
                continue
            key = receipt_id(notice.id, by.id)
            if notice.state is not State.RECALLED and key in await self._receipts.many([key]):
                return True
        return False
