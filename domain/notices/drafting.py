"""Writing notices: drafts, versions, corrections, the count beforehand, the test to oneself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.errors import BadState, Invalid
from domain.files import FileRecord
from domain.notices.audience import Audience
from domain.notices.desk import Desk
from domain.notices.events import NoticeTested
from domain.notices.notice import OUT, Act, Content, FieldKind, Mode, Notice, State, allowed
from domain.people import Person
from domain.permissions import Permission

_LATE = timedelta(minutes=1)
"""How far in the past the time of publication may lie (F02)."""


class Attachments(Protocol):
    """Ties files to what they belong to."""

    async def attach(self, file_ids: Sequence[str], ref: str, *, owner: str) -> list[FileRecord]:
        """Tie files that are the owner's own, or tied to ``ref`` already.

        Raises:
            Invalid: One is not there, or somebody else's.
        """


class Meetings(Protocol):
    """Knows when meetings begin."""

    async def starts_at(self, meeting_id: str) -> datetime | None:
        """Answer when a meeting begins, ``None`` if that is not known.

        Raises:
            NotFound: There is no such meeting.
        """


class Headcount(BaseModel):
    """Whom an audience would get now; publishing now would get exactly these."""

    model_config = ConfigDict(frozen=True)

    total: int
    delegations: Mapping[str, int]
    whole_house: bool


class Drafting:
    """Writes, changes and tries out notices that nobody has got yet."""

    def __init__(self, desk: Desk, files: Attachments, meetings: Meetings) -> None:
        self._desk = desk
        self._files = files
        self._meetings = meetings

    async def create(
        self, content: Content, *, by: Person, key: str = "", template_id: str | None = None
    ) -> Notice:
        """Keep a draft.

        Args:
            content: What it says.
            by: The author.
            key: Repeating a creation with the same key answers the first draft.
            template_id: The template it was made from.

        Raises:
            Invalid: Times or form do not fit, an attachment is not there, or nobody would get it.
            Forbidden: The author may not write to all of them.
        """
        by.require(Permission.NOTICE_PUBLISH)
        notice_id = self._desk.new_id()
        draft = await self._draft(content, notice_id, lineage=notice_id, by=by)
        draft = draft.model_copy(update={"template_id": template_id})
        digest = hashlib.sha256(key.encode()).hexdigest()
        kept = await self._desk.store.add(draft, key=f"{by.id}:{digest}" if key else "")
        if kept.id == draft.id:
            await self._desk.note("create", kept, by=by.id, kind=kept.kind.value)
        return kept

    async def edit(self, notice_id: str, content: Content, *, v: int, by: Person) -> Notice:
        """Change a draft, or one that was rejected, which makes it a draft again.

        Raises:
            BadState: It is out of the author's hands; a published one needs a new version.
            Conflict: Somebody changed it since version ``v``.
        """
        notice, state = await self._desk.take(notice_id, Act.EDIT, by=by, v=v)
        draft = await self._draft(content, notice.id, lineage=notice.lineage, by=by)
        change = {name: getattr(draft, name) for name in Content.model_fields}
        kept = await self._desk.keep(
            notice,
            {
                **change,
                "scopes": draft.scopes,
                "second": draft.second,
                "state": state,
                "reason": "",
            },
            by=by.id,
        )
        await self._desk.note("edit", kept, by=by.id)
        return kept

    async def new_version(self, notice_id: str, content: Content, *, by: Person) -> Notice:
        """Begin the next version of a published notice; the old one holds until it is published.

        Raises:
            Invalid: It does not say what is corrected.
            BadState: The notice is not published.
            Conflict: Somebody has begun the next version already.
        """
        old, _ = await self._desk.take(notice_id, Act.SUPERSEDE, by=by)
        if not content.change_note:
            raise Invalid("请填写更正说明", field="change_note")
        draft = await self._draft(content, self._desk.new_id(), lineage=old.lineage, by=by)
        draft = draft.model_copy(update={"version": old.version + 1, "supersedes": old.id})
        kept = await self._desk.store.add(draft)
        await self._desk.note("version", kept, by=by.id, supersedes=old.id, version=kept.version)
        return kept

    async def count(self, audience: Audience, *, by: Person) -> Headcount:
        """Answer whom an audience would get now; nobody is an answer too."""
        by.require(Permission.NOTICE_PUBLISH)
        recipients = () if audience.empty else await self._desk.roll.resolve(audience)
        delegations: dict[str, int] = {}
        for one in recipients:
            delegations[one.delegation_id] = delegations.get(one.delegation_id, 0) + 1
        return Headcount(
            total=len(recipients), delegations=delegations, whole_house=audience.whole_house
        )

    async def test(self, notice_id: str, *, by: Person) -> None:
        """Send a notice to oneself alone; nothing is counted and nobody else hears of it."""
        notice = await self._desk.find(notice_id, by=by)
        if notice.state in OUT:
            raise BadState("已发布的通知不再试发", allowed=allowed(notice.state))
        event = NoticeTested(
            id=self._desk.new_id(),
            at=self._desk.clock(),
            v=notice.v,
            notice_id=notice.id,
            kind=notice.kind,
            priority=notice.priority,
            title=notice.title,
        )
        await self._desk.bus.publish(f"user:#{by.id}", event)

    async def _draft(self, content: Content, notice_id: str, *, lineage: str, by: Person) -> Notice:
        await self._judge(content)
        reached = await self._desk.reach(content, by=by)
        await self._files.attach(content.attachments, f"notice:{lineage}", owner=by.id)
        now = self._desk.clock()
        return Notice(
            **dict(content),
            id=notice_id,
            lineage=lineage,
            state=State.DRAFT,
            scopes=reached.scopes,
            second=reached.second,
            author_id=by.id,
            created_at=now,
            created_by=by.id,
            updated_at=now,
            updated_by=by.id,
        )

    async def _judge(self, content: Content) -> None:
        now = self._desk.clock()
        begins = content.publish_at or now
        if content.publish_at is not None and content.publish_at < now - _LATE:
            raise Invalid("发布时间不能早于现在", field="publish_at")
        if content.expire_at is not None and content.expire_at <= begins:
            raise Invalid("失效时间应晚于发布时间", field="expire_at")
        if content.confirm_by is not None:
            if content.mode is not Mode.CONFIRM:
                raise Invalid("只有需要确认的通知才有确认截止时间", field="confirm_by")
            if content.confirm_by <= begins:
                raise Invalid("确认截止时间应晚于发布时间", field="confirm_by")
        if content.form and content.mode is not Mode.CONFIRM:
            raise Invalid("只有需要确认的通知才有回执表单", field="form")
        _judge_form(content)
        if content.meeting_id is not None:
            starts_at = await self._meetings.starts_at(content.meeting_id)
            if starts_at and content.confirm_by and content.confirm_by > starts_at:
                raise Invalid("确认截止时间不能晚于会议开始", field="confirm_by")


def _judge_form(content: Content) -> None:
    keys = [field.key for field in content.form]
    if len(keys) != len(set(keys)):
        raise Invalid("回执表单的字段名重复", field="form")
    for place, field in enumerate(content.form):
        if (field.kind is FieldKind.CHOICE) != (len(set(field.choices)) >= 2):
            raise Invalid("选择题至少要有两个不同的选项", field=f"form.{place}.choices")
