"""Templates of notices: ``draft → active → retired``, with variables in braces.

``{会议名称}`` in a title or body is a variable. Whoever writes from a template fills in every one;
braces that are to stay are doubled, as in ``{{``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from html import escape
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from domain.approvals import require_decider
from domain.clock import Clock, NewId
from domain.errors import BadState, Conflict, Invalid, NotFound
from domain.notices.audience import Audience
from domain.notices.notice import FormField, Kind, Mode, Priority
from domain.people import Person
from domain.permissions import Permission
from domain.ports import AuditLog

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}\s]{1,20})\}")


class TemplateState(StrEnum):
    """States of a template, M01."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


_FOLLOWS: Mapping[TemplateState, frozenset[TemplateState]] = {
    TemplateState.DRAFT: frozenset({TemplateState.ACTIVE, TemplateState.RETIRED}),
    TemplateState.ACTIVE: frozenset({TemplateState.RETIRED}),
    TemplateState.RETIRED: frozenset(),
}


class TemplateText(BaseModel):
    """What somebody writes of a template; ``audience`` is a preset, or empty."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind
    priority: Priority = Priority.NORMAL
    title: str
    body: str
    mode: Mode = Mode.READ
    form: tuple[FormField, ...] = ()
    audience: Audience | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables, in the order in which they first appear."""
        found = _PIECE.findall(self.title) + _PIECE.findall(self.body)
        return tuple(dict.fromkeys(name for name in found if name))


class Template(TemplateText):
    """A template as it is kept."""

    id: str
    state: TemplateState = TemplateState.DRAFT
    v: int = 1
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class Filled(BaseModel):
    """Title and body of a notice made from a template."""

    model_config = ConfigDict(frozen=True)

    title: str
    body: str


class TemplateStore(Protocol):
    """Keeps templates."""

    async def add(self, template: Template) -> None:
        """Keep a new template."""

    async def get(self, template_id: str) -> Template | None:
        """Answer a template."""

    async def list(
        self, *, state: TemplateState | None, after: str, limit: int
    ) -> Sequence[Template]:
        """Answer templates, newest first, those below ``after`` if it is not empty."""

    async def change(self, template: Template, *, was: Template) -> bool:
        """Keep the new form if it still is as it ``was``; tell whether it was."""


class Templates:
    """Writes templates, and notices from them."""

    def __init__(
        self, store: TemplateStore, *, audit: AuditLog, clock: Clock, new_id: NewId
    ) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def add(self, text: TemplateText, *, by: Person) -> Template:
        """Keep a draft of a template.

        Raises:
            Invalid: A brace is left open.
        """
        require_decider(by, Permission.NOTICE_PUBLISH)
        _judge(text)
        now = self._clock()
        template = Template(
            **dict(text),
            id=self._new_id(),
            created_at=now,
            created_by=by.id,
            updated_at=now,
            updated_by=by.id,
        )
        await self._store.add(template)
        await self._note("create", template, by)
        return template

    async def list(
        self, *, by: Person, state: TemplateState | None, after: str, limit: int
    ) -> Sequence[Template]:
        """Answer templates, newest first."""
        by.require(Permission.NOTICE_PUBLISH)
        return await self._store.list(state=state, after=after, limit=limit)

    async def edit(self, template_id: str, text: TemplateText, *, v: int, by: Person) -> Template:
        """Change a draft.

        Raises:
            BadState: It is in use or retired; make another one.
        """
        template = await self._get(template_id, v=v, by=by)
        if template.state is not TemplateState.DRAFT:
            raise BadState("启用后的模板不能修改", allowed=_FOLLOWS[template.state])
        _judge(text)
        return await self._keep(template, dict(text), "edit", by)

    async def move(self, template_id: str, state: TemplateState, *, v: int, by: Person) -> Template:
        """Bring a template into use, or retire it for good."""
        template = await self._get(template_id, v=v, by=by)
        if state not in _FOLLOWS[template.state]:
            raise BadState("模板状态不能这样变更", allowed=_FOLLOWS[template.state])
        return await self._keep(template, {"state": state}, state.value, by)

    async def fill(
        self, template_id: str, variables: Mapping[str, str], *, by: Person
    ) -> tuple[Template, Filled]:
        """Answer a template in use and its text with every variable filled in.

        Raises:
            NotFound: There is no such template.
            BadState: It is not in use.
            Invalid: A variable is missing or unknown; ``field`` names it.
        """
        by.require(Permission.NOTICE_PUBLISH)
        template = await self._store.get(template_id)
        if template is None:
            raise NotFound("没有这个模板")
        if template.state is not TemplateState.ACTIVE:
            raise BadState("模板未启用", allowed=_FOLLOWS[template.state])
        return template, filled(template, variables)

    async def _get(self, template_id: str, *, v: int, by: Person) -> Template:
        require_decider(by, Permission.NOTICE_PUBLISH)
        template = await self._store.get(template_id)
        if template is None:
            raise NotFound("没有这个模板")
        if template.v != v:
            raise Conflict("模板已被他人修改，请刷新后重试", detail={"v": template.v})
        return template

    async def _keep(
        self, template: Template, change: Mapping[str, object], act: str, by: Person
    ) -> Template:
        head = {"v": template.v + 1, "updated_at": self._clock(), "updated_by": by.id}
        kept = template.model_copy(update={**change, **head})
        if not await self._store.change(kept, was=template):
            raise Conflict("模板已被他人修改，请刷新后重试")
        await self._note(act, kept, by)
        return kept

    async def _note(self, act: str, template: Template, by: Person) -> None:
        await self._audit.record(
            f"notice_template.{act}",
            by=by.id,
            obj=f"notice_template:{template.id}",
            detail={"name": template.name, "v": template.v},
        )


def filled(text: TemplateText, variables: Mapping[str, str]) -> Filled:
    """Answer title and body with the variables filled in; in the body they stand as plain text.

    Raises:
        Invalid: One is missing or empty, or unknown; ``field`` is ``variables.<name>``.
    """
    wanted = text.variables
    for name in wanted:
        if not variables.get(name, "").strip():
            raise Invalid(f"缺少模板变量 {{{name}}}", field=f"variables.{name}")
    for name in variables:
        if name not in wanted:
            raise Invalid(f"模板没有变量 {{{name}}}", field=f"variables.{name}")
    plain = {name: value.strip() for name, value in variables.items()}
    safe = {name: escape(value) for name, value in plain.items()}
    return Filled(title=_put(text.title, plain), body=_put(text.body, safe))


def _put(text: str, values: Mapping[str, str]) -> str:
    def piece(found: re.Match[str]) -> str:
        return values[found[1]] if found[1] else found[0][0]

    return _PIECE.sub(piece, text)


def _judge(text: TemplateText) -> None:
    for field in ("title", "body"):
        rest = _PIECE.sub("", getattr(text, field))
        if "{" in rest or "}" in rest:
            raise Invalid("模板变量应写作 {名称}，不含空格", field=field)
