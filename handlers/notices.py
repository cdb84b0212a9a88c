"""Notices: write, read and list them: ``/api/v1/notices``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from domain.errors import Invalid
from domain.notices.audience import Audience
from domain.notices.notice import Content, FormField, Kind, Mode, Notice, Priority, State
from domain.notices.reading import Letter
from domain.notices.receipt import Receipt
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import SELF_SERVICE_WHEN_SUSPENDED, SIGNED_IN, operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.snapshot import PositionView, SnapshotView
from handlers.text import Draft, Html, Id, Line, Note, Title, safe_html

Related = Annotated[str, Field(pattern=r"^([a-z_]{2,20}:[0-9A-Za-z_.-]{1,64})?$")]


class ContentDraft(Draft):
    """What a notice says. With ``template_id`` title and body come from the template."""

    kind: Kind | None = None
    title: Title | None = None
    body: Html | None = None
    priority: Priority | None = None
    audience: Audience | None = None
    mode: Mode | None = None
    confirm_by: Instant | None = None
    form: Annotated[tuple[FormField, ...], Field(max_length=20)] | None = None
    attachments: Annotated[tuple[Id, ...], Field(max_length=20)] = ()
    related: Related = ""
    meeting_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]{1,64}$")] | None = None
    publish_at: Instant | None = None
    expire_at: Instant | None = None
    change_note: Note = ""
    template_id: Id | None = None
    variables: Annotated[Mapping[str, Line], Field(max_length=50)] = {}


class NoticeDraft(ContentDraft):
    """A new notice.

    ``publish`` lets it go as far as its author may alone: out at once or at ``publish_at``, or into
    review where a second person must approve. ``draft`` keeps it.
    """

    action: Literal["publish", "draft"] = "publish"


class NoticeEdit(ContentDraft):
    """A changed draft; ``v`` is the version it was read at."""

    v: int


class CountDraft(Draft):
    """An audience to be counted."""

    audience: Audience


class HeadcountView(BaseModel):
    """Whom an audience would get now; publishing now would get exactly these."""

    total: int
    delegations: dict[str, int]
    whole_house: bool


class MyReceiptView(BaseModel):
    """What became of a notice with oneself."""

    state: str
    delivered_at: datetime | None
    read_at: datetime | None
    confirmed_at: datetime | None
    answer: dict[str, object] | None

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Show a receipt to the one it is about."""
        shown = receipt.model_dump(include=set(cls.model_fields) - {"state"})
        return cls(state=receipt.state, **shown)


class NoticeView(BaseModel):
    """One version of a notice.

    ``body`` and ``attachments`` are empty once it was recalled; ``reason`` then says why. What only
    its makers see (``audience``, ``recipients``, …) is ``null`` for its readers.
    """

    id: str
    no: str
    lineage: str
    version: int
    supersedes: str | None
    superseded_by: str | None
    state: State
    kind: Kind
    title: str
    body: str | None
    priority: Priority
    mode: Mode
    confirm_by: datetime | None
    form: list[FormField]
    attachments: list[str]
    related: str
    meeting_id: str | None
    change_note: str
    publish_at: datetime | None
    published_at: datetime | None
    expire_at: datetime | None
    ended_at: datetime | None
    reason: str
    v: int
    receipt: MyReceiptView | None = None
    audience: Audience | None = None
    author_id: str | None = None
    approver_id: str | None = None
    recipients: int | None = None
    needs_approval: bool | None = None
    template_id: str | None = None
    told: bool | None = None

    @classmethod
    def of(cls, notice: Notice, receipt: Receipt | None = None, *, maker: bool = True) -> Self:
        """Show a notice, to its makers or to a reader."""
        shown = {name: getattr(notice, name) for name in cls.model_fields if hasattr(notice, name)}
        if notice.state is State.RECALLED:
            shown |= {"body": None, "attachments": []}
        if maker:
            shown |= {"needs_approval": notice.second, "told": notice.fan_done}
        else:
            shown |= dict.fromkeys(_MAKERS)
        return cls(**shown | {"receipt": MyReceiptView.of(receipt) if receipt else None})


_MAKERS = ("audience", "author_id", "approver_id", "recipients", "template_id")


class NoticesQuery(PageQuery):
    """``box=inbox``: what came to oneself; ``box=desk``: what one makes or looks after."""

    box: Literal["inbox", "desk"] = "inbox"
    unread: bool = False
    state: State | None = None


class UnreadView(SnapshotView):
    """The badge: how many wait, and which, the newest two hundred.

    On ``channel``, ``notice.new`` adds one, ``notice.recalled`` and ``notice.updated`` take theirs
    away, and ``unread`` says what was read elsewhere and how many are left.
    """

    count: int
    ids: list[str]


class VersionsView(BaseModel):
    """The versions of a notice, oldest first, each with what it corrects."""

    versions: list[NoticeView]


class NoticeHandler(ApiHandler):
    """Base of what writes notices."""

    async def content(self, body: ContentDraft) -> Content:
        """Answer what a draft says, from a template if it names one.

        Raises:
            Invalid: Something is missing.
        """
        said = body.model_dump(
            exclude={"template_id", "variables", "action", "v"}, exclude_none=True
        )
        kept = {name: getattr(body, name) for name in said}
        if body.template_id is not None:
            template, text = await self.services.notices.templates.fill(
                body.template_id, body.variables, by=self.user
            )
            fixed = {"kind", "priority", "mode", "form", "audience"}
            preset = {name: getattr(template, name) for name in fixed}
            # A variable may stand in the address of a link, where escaping is not enough.
            body_text = safe_html(text.body)
            kept = {**preset, "title": text.title, "body": body_text, **kept}
        elif body.variables:
            raise Invalid("没有模板就没有变量", field="variables")
        for name in ("kind", "title", "body"):
            if not kept.get(name):
                raise Invalid("缺少必填项", field=name)
        if kept.get("audience") is None:
            raise Invalid("请选择接收范围", code="audience_empty", field="audience")
        if len(kept["title"]) > 60 or len(kept["body"]) > 20_000:
            raise Invalid("模板填写后超过长度限制", field="variables")
        return Content(**kept)


class NoticesHandler(NoticeHandler):
    """``/api/v1/notices``."""

    @operation(SIGNED_IN)
    async def get(self, query: NoticesQuery) -> Page[NoticeView]:
        """Show one's own notices, or with ``box=desk`` those one makes, newest first."""
        reading, after = self.services.notices.reading, self.after(query)
        most = query.limit + 1
        if query.box == "desk":
            found = await reading.desk(
                by=self.user, state=query.state, after=after[0] if after else "", limit=most
            )
            shown = found[: query.limit]
            last = [shown[-1].id] if len(found) > query.limit else None
            return self.page([NoticeView.of(one) for one in shown], last)
        before = (datetime.fromisoformat(after[0]), after[1]) if after else None
        letters = await reading.inbox(by=self.user, unread=query.unread, before=before, limit=most)
        page = letters[: query.limit]
        end = page[-1].receipt if len(letters) > query.limit else None
        return self.page(
            [_letter(letter, maker=False) for letter in page],
            [end.pub.isoformat(), end.id] if end else None,
        )

    @operation(Permission.NOTICE_PUBLISH, status=201)
    async def post(self, body: NoticeDraft) -> NoticeView:
        """Write a notice and, unless it is to stay a draft, let it go as far as one may alone."""
        notices, content = self.services.notices, await self.content(body)
        if body.action == "publish":
            notices.review.require_fresh(content, by=self.user)
        made = await notices.drafting.create(
            content,
            by=self.user,
            key=self.request.headers.get("Idempotency-Key", ""),
            template_id=body.template_id,
        )
        if body.action == "publish":
            made = await notices.review.send(made, by=self.user)
        return NoticeView.of(made)


class OneHandler(NoticeHandler):
    """``/api/v1/notices/{notice_id}``."""

    @operation(SIGNED_IN)
    async def get(self, notice_id: Id) -> NoticeView:
        """Show a notice one has, or makes; 410 ``recalled`` with the reason if taken back."""
        letter = await self.services.notices.reading.get(notice_id, by=self.user)
        return _letter(letter, maker=letter.maker)

    @operation(Permission.NOTICE_PUBLISH)
    async def put(self, notice_id: Id, body: NoticeEdit) -> NoticeView:
        """Change a draft; a published notice needs a new version."""
        drafting = self.services.notices.drafting
        content = await self.content(body)
        return NoticeView.of(await drafting.edit(notice_id, content, v=body.v, by=self.user))


class VersionsHandler(NoticeHandler):
    """``/api/v1/notices/{notice_id}/versions``."""

    @operation(SIGNED_IN)
    async def get(self, notice_id: Id) -> VersionsView:
        """Show every version that was published, with what each corrects."""
        found = await self.services.notices.reading.versions(notice_id, by=self.user)
        return VersionsView(versions=[NoticeView.of(one, maker=False) for one in found])

    @operation(Permission.NOTICE_PUBLISH, status=201)
    async def post(self, notice_id: Id, body: NoticeDraft) -> NoticeView:
        """Write the next version; ``change_note`` says what it corrects."""
        notices = self.services.notices
        content = await self.content(body)
        if body.action == "publish":
            notices.review.require_fresh(content, by=self.user)
        made = await notices.drafting.new_version(notice_id, content, by=self.user)
        if body.action == "publish":
            made = await notices.review.send(made, by=self.user)
        return NoticeView.of(made)


class CountHandler(ApiHandler):
    """``/api/v1/notices/count``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, body: CountDraft) -> HeadcountView:
        """Count whom an audience would get now, by delegation too."""
        found = await self.services.notices.drafting.count(body.audience, by=self.user)
        return HeadcountView(**found.model_dump())


class UnreadHandler(ApiHandler):
    """``/api/v1/notices/unread``."""

    @operation(SELF_SERVICE_WHEN_SUSPENDED)
    async def get(self) -> UnreadView:
        """Count what waits unread."""
        channel, reading = f"user:#{self.user.id}", self.services.notices.reading
        taken = await self.services.realtime.snapshot(channel, lambda: reading.unread(by=self.user))
        count, ids = taken.state
        return UnreadView(
            channel=channel, position=PositionView.of(taken.position), count=count, ids=list(ids)
        )


def _letter(letter: Letter, *, maker: bool) -> NoticeView:
    return NoticeView.of(letter.notice, letter.receipt, maker=maker)


_ONE = r"/api/v1/notices/(?P<notice_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/notices", NoticesHandler),
    route(r"/api/v1/notices/count", CountHandler),
    route(r"/api/v1/notices/unread", UnreadHandler),
    route(_ONE, OneHandler),
    route(rf"{_ONE}/versions", VersionsHandler),
]
