"""Templates of notices: ``/api/v1/notice-templates``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from domain.notices.audience import Audience
from domain.notices.notice import FormField, Kind, Mode, Priority
from domain.notices.templates import Template, TemplateState, TemplateText
from domain.permissions import Permission
from handlers.base import ApiHandler
from handlers.operation import operation
from handlers.paging import Page, PageQuery
from handlers.routing import route
from handlers.text import Draft, Html, Id, Name, Title


class TemplateDraft(Draft):
    """A template; ``{会议名称}`` in title or body is a variable, ``{{`` a brace."""

    name: Name
    kind: Kind
    priority: Priority = Priority.NORMAL
    title: Title
    body: Html
    mode: Mode = Mode.READ
    form: Annotated[tuple[FormField, ...], Field(max_length=20)] = ()
    audience: Audience | None = None

    @property
    def text(self) -> TemplateText:
        """What it says."""
        return TemplateText(**{name: getattr(self, name) for name in TemplateText.model_fields})


class TemplateEdit(TemplateDraft):
    """A changed template; ``v`` is the version it was read at."""

    v: int


class TemplateMove(Draft):
    """Bring a template into use, or retire it."""

    state: TemplateState
    v: int


class TemplateView(BaseModel):
    """A template with the names of its variables."""

    id: str
    name: str
    kind: Kind
    priority: Priority
    title: str
    body: str
    mode: Mode
    form: list[FormField]
    audience: Audience | None
    variables: list[str]
    state: TemplateState
    v: int
    updated_at: datetime

    @classmethod
    def of(cls, template: Template) -> Self:
        """Show a template."""
        return cls(**{name: getattr(template, name) for name in cls.model_fields})


class TemplatesQuery(PageQuery):
    """Templates in one state."""

    state: TemplateState | None = None


class NoticeTemplatesHandler(ApiHandler):
    """``/api/v1/notice-templates``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def get(self, query: TemplatesQuery) -> Page[TemplateView]:
        """Show templates, newest first."""
        after = self.after(query)
        found = await self.services.notices.templates.list(
            by=self.user,
            state=query.state,
            after=after[0] if after else "",
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        more = len(found) > query.limit
        return self.page([TemplateView.of(it) for it in shown], [shown[-1].id] if more else None)

    @operation(Permission.NOTICE_PUBLISH, status=201)
    async def post(self, body: TemplateDraft) -> TemplateView:
        """Write a template; it is a draft until somebody brings it into use."""
        return TemplateView.of(await self.services.notices.templates.add(body.text, by=self.user))


class NoticeTemplateHandler(ApiHandler):
    """``/api/v1/notice-templates/{template_id}``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def put(self, template_id: Id, body: TemplateEdit) -> TemplateView:
        """Change a draft of a template."""
        templates = self.services.notices.templates
        changed = await templates.edit(template_id, body.text, v=body.v, by=self.user)
        return TemplateView.of(changed)


class TemplateStateHandler(ApiHandler):
    """``/api/v1/notice-templates/{template_id}/state``."""

    @operation(Permission.NOTICE_PUBLISH)
    async def post(self, template_id: Id, body: TemplateMove) -> TemplateView:
        """Bring a template into use (``active``), or retire it for good (``retired``)."""
        templates = self.services.notices.templates
        moved = await templates.move(template_id, body.state, v=body.v, by=self.user)
        return TemplateView.of(moved)


_ONE = r"/api/v1/notice-templates/(?P<template_id>[0-9A-Z]{26})"

ROUTES = [
    route(r"/api/v1/notice-templates", NoticeTemplatesHandler),
    route(_ONE, NoticeTemplateHandler),
    route(rf"{_ONE}/state", TemplateStateHandler),
]
