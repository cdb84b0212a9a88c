"""Receipts: what readers say, and what the makers of a notice see of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from domain.clock import SHANGHAI
from domain.errors import BadState, Conflict, Invalid, NotFound
from domain.notices.board import Board, channel_of
from domain.notices.desk import Desk
from domain.notices.events import Unread
from domain.notices.notice import FieldKind, FormField, Mode, Notice, State
from domain.notices.ports import Marked, ReceiptStore, Stroke
from domain.notices.reach import names_shown
from domain.notices.receipt import Counts, Mark, Receipt, Reply, receipt_id
from domain.people import Person
from domain.permissions import Permission
from domain.sheet_export import Sheet, SheetWriter

_PAGE = 1_000
_LONGEST = 500


class Told(NamedTuple):
    """A person's receipts after a mark, and the ids of notices that are not theirs."""

    receipts: Sequence[Receipt]
    missing: Sequence[str]
    unread: int | None


class Line(NamedTuple):
    """One receipt with the name of its person."""

    receipt: Receipt
    name: str


class Report(NamedTuple):
    """The board in numbers: the whole, and by delegation with its name, in the house's order."""

    counts: Counts
    delegations: Sequence[tuple[str, str, Counts]]


class Receipts:
    """Takes marks, counts them, shows and exports them."""

    def __init__(self, desk: Desk, store: ReceiptStore, board: Board, writer: SheetWriter) -> None:
        self._desk = desk
        self._store = store
        self._board = board
        self._writer = writer

    async def mark(self, notice_ids: Sequence[str], mark: Mark, *, by: Person) -> Told:
        """Note that notices were delivered to, or read by, the one who says so.

        Reading anywhere calls off what the ladder has not done yet, and the badge on the person's
        other devices follows. Repeating it changes nothing.
        """
        at = self._desk.clock()
        strokes = [Stroke(receipt_id=receipt_id(n, by.id), mark=mark, at=at) for n in notice_ids]
        return await self._told(strokes, await self._store.mark(strokes), by=by)

    async def confirm(
        self, notice_id: str, *, reply: Reply, fields: Mapping[str, str], by: Person
    ) -> Told:
        """Confirm a notice with an answer; the first one holds.

        Raises:
            NotFound: It is not this person's.
            BadState: It holds no more, or asks for no confirmation.
            Invalid: The time is over (``confirm_closed``), or the form is not filled in properly.
            Conflict: It was confirmed before with another answer.
        """
        notice = await self._desk.store.get(notice_id)
        key = receipt_id(notice_id, by.id)
        if notice is None or key not in await self._store.many([key]):
            raise NotFound
        self._require_open(notice)
        answer = {"reply": reply.value, "fields": _filled(notice.form, fields)}
        at = self._desk.clock()
        strokes = [Stroke(receipt_id=key, mark=Mark.CONFIRMED, at=at, answer=answer)]
        told = await self._told(strokes, await self._store.mark(strokes), by=by)
        if dict(told.receipts[0].answer or {}) != answer:
            raise Conflict("已经确认过，答复不能更改", code="confirmed_before")
        return told

    async def channel(self, notice_id: str, *, by: Person) -> str:
        """Answer the channel on which the board of a notice is told."""
        return channel_of(await self._desk.find(notice_id, by=by))

    async def report(self, notice_id: str, *, by: Person) -> Report:
        """Answer the board of a notice, by delegation too; it holds no names."""
        notice = await self._desk.find(notice_id, by=by)
        names = await self._desk.roll.delegation_names()
        found = await self._store.counts(notice.id)
        whole = Counts()
        for counts in found.values():
            whole = whole.plus(counts)
        order = {delegation: place for place, delegation in enumerate(names)}
        rows = [
            (delegation, names.get(delegation, "其他"), counts)
            for delegation, counts in sorted(
                found.items(), key=lambda row: (order.get(row[0], len(order)), row[0])
            )
        ]
        return Report(whole, rows)

    async def lines(
        self, notice_id: str, *, by: Person, unread: bool, after: str, limit: int
    ) -> Sequence[Line]:
        """Answer receipts with names, those this person may read, by person id.

        Raises:
            Forbidden: None of them.
        """
        notice = await self._readable(notice_id, by=by)
        shown = names_shown(by, notice)
        found: list[Receipt] = []
        while len(found) < limit:
            page = await self._store.page(notice.id, after=after, limit=_PAGE, unread=unread)
            found += [one for one in page if shown is None or one.deleg in shown]
            if len(page) < _PAGE:
                break
            after = page[-1].p
        found = found[:limit]
        names = await self._desk.roll.names(frozenset(one.p for one in found))
        return [Line(one, names.get(one.p, "")) for one in found]

    async def export(self, notice_id: str, *, by: Person) -> tuple[str, bytes]:
        """Answer the id of an export and the receipts as an xlsx file with a watermark."""
        notice = await self._readable(notice_id, by=by)
        lines: list[Line] = []
        after = ""
        while page := await self.lines(notice_id, by=by, unread=False, after=after, limit=_PAGE):
            lines += page
            after = page[-1].receipt.p
        homes = await self._desk.roll.delegation_names()
        now, export_id = self._desk.clock(), self._desk.new_id()
        sheet = Sheet(
            title="通知回执",
            head=(*_HEAD, *[field.label for field in notice.form]),
            rows=tuple(_row(line, homes, notice) for line in lines),
            watermark=f"{by.name} {_local(now)} 导出 {export_id} 仅供会务使用，不得外传",
        )
        file = await self._writer.write(sheet)
        # Nothing leaves before it is on record.
        await self._desk.note("export", notice, by=by.id, export=export_id, count=len(lines))
        return export_id, file

    async def _readable(self, notice_id: str, *, by: Person) -> Notice:
        """Answer a notice whose receipts, or some of them, this person may read with names.

        A liaison may follow the delegation's deputies on every notice that went to them.
        """
        by.require(Permission.RECEIPT_READ)
        notice = await self._desk.store.get(notice_id)
        if notice is None:
            raise NotFound
        names_shown(by, notice)
        return notice

    async def _told(self, strokes: Sequence[Stroke], marked: Marked, *, by: Person) -> Told:
        mine, missing = [], []
        changed: list[str] = []
        for stroke in strokes:
            receipt = marked.receipts.get(stroke.receipt_id)
            if receipt is None:
                missing.append(stroke.receipt_id.partition(":")[0])
                continue
            mine.append(receipt)
            if getattr(receipt, f"{stroke.mark.value}_at") == stroke.at:
                self._board.touch(receipt.n)
                if receipt.read_at == stroke.at:
                    changed.append(receipt.n)
        unread = marked.unread.get(by.id)
        if changed and unread is not None:
            event = Unread(
                id=self._desk.new_id(), at=self._desk.clock(), count=unread, read=tuple(changed)
            )
            await self._desk.bus.publish(f"user:#{by.id}", event)
        return Told(mine, missing, unread)

    def _require_open(self, notice: Notice) -> None:
        if notice.mode is not Mode.CONFIRM:
            raise BadState("这条通知不需要确认")
        if notice.state is not State.PUBLISHED:
            raise BadState("这条通知已不再有效")
        if notice.confirm_by is not None and notice.confirm_by < self._desk.clock():
            raise Invalid(
                "已过确认截止时间，请联系联络员",
                code="confirm_closed",
                detail={"confirm_by": notice.confirm_by.isoformat()},
            )


def _filled(form: Sequence[FormField], said: Mapping[str, str]) -> dict[str, str]:
    """Answer what was filled in, in the order of the form.

    Raises:
        Invalid: A field is missing, unknown, or not of its kind.
    """
    unknown = said.keys() - {field.key for field in form}
    if unknown:
        raise Invalid("表单没有这一项", field=f"fields.{min(unknown)}")
    filled = {}
    for field in form:
        value = said.get(field.key, "").strip()
        if value:
            _judge(field, value)
            filled[field.key] = value
        elif field.required:
            raise Invalid(f"请填写“{field.label}”", field=f"fields.{field.key}")
    return filled


def _judge(field: FormField, value: str) -> None:
    match field.kind:
        case FieldKind.CHOICE:
            good = value in field.choices
        case FieldKind.NUMBER:
            good = value.isascii() and value.isdecimal() and len(value) <= 9
        case FieldKind.DATE:
            good = _is_day(value)
        case _:
            good = len(value) <= _LONGEST
    if not good:
        raise Invalid(f"“{field.label}”填写不正确", field=f"fields.{field.key}")


def _is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


_HEAD = (
    *("姓名", "代表团", "状态", "推送时间", "送达时间", "阅读时间", "确认时间", "答复"),
    *("微信", "短信", "电话", "催办时间", "未送达原因"),
)

_STATES = {
    "pending": "待推送", "pushed": "已推送", "delivered": "已送达", "read": "已读",
    "confirmed": "已确认", "failed": "未送达",
}  # fmt: skip

_REPLIES = {Reply.JOIN.value: "参加", Reply.LEAVE.value: "请假", Reply.OTHER.value: "其他"}


def _row(line: Line, homes: Mapping[str, str], notice: Notice) -> tuple[str, ...]:
    one = line.receipt
    answer: Mapping[str, Any] = one.answer or {}
    fields = answer.get("fields", {})
    return (
        line.name,
        homes.get(one.deleg, ""),
        _STATES[one.state],
        *[_local(at) for at in (one.pushed_at, one.delivered_at, one.read_at, one.confirmed_at)],
        _REPLIES.get(str(answer.get("reply", "")), ""),
        *[_local(at) for at in (one.wx_at, one.sms_at, one.call_at, one.nudged_at)],
        one.failed,
        *[str(fields.get(field.key, "")) for field in notice.form],
    )


def _local(at: datetime | None) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S") if at else ""
