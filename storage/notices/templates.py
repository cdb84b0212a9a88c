"""Templates of notices.

``notice_template {_id, name, kind, priority, title, body, mode, form: [], audience, state, v,
created_at, created_by, updated_at, updated_by}``
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.notices.templates import Template, TemplateState
from storage.client import Database, Document


class TemplateStore:
    """Implements ``domain.notices.templates.TemplateStore``."""

    def __init__(self, db: Database) -> None:
        self._templates = db["notice_template"]

    async def add(self, template: Template) -> None:
        """Keep a new template."""
        await self._templates.insert_one(_row(template))

    async def get(self, template_id: str) -> Template | None:
        """Answer a template."""
        row = await self._templates.find_one({"_id": template_id})
        return _template(row) if row else None

    async def list(
        self, *, state: TemplateState | None, after: str, limit: int
    ) -> Sequence[Template]:
        """Answer templates, newest first, those below ``after`` if it is not empty."""
        query: dict[str, Any] = {}
        if state is not None:
            query["state"] = state.value
        if after:
            query["_id"] = {"$lt": after}
        rows = await self._templates.find(query, sort=[("_id", -1)], limit=limit)
        return [_template(row) for row in rows]

    async def change(self, template: Template, *, was: Template) -> bool:
        """Keep the new form if it still is as it ``was``; tell whether it was."""
        done = await self._templates.replace_one({"_id": was.id, "v": was.v}, _row(template))
        return done.matched == 1


def _row(template: Template) -> Document:
    row = template.model_dump(exclude={"id", "audience", "form"})
    audience = template.audience
    row |= {
        "_id": template.id,
        "kind": template.kind.value,
        "priority": template.priority.value,
        "mode": template.mode.value,
        "state": template.state.value,
        "audience": audience.model_dump(mode="json") if audience else None,
        "form": [field.model_dump(mode="json") for field in template.form],
    }
    return row


def _template(row: Document) -> Template:
    kept = {name: value for name, value in row.items() if name in Template.model_fields}
    return Template(id=row["_id"], **kept)
