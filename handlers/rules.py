"""The rules of the congress, for everybody: ``/api/v1/rules``."""

from __future__ import annotations

from datetime import date, datetime
from typing import Self

from pydantic import BaseModel

from domain.errors import NotFound
from domain.rules import RuleParam, Unit
from handlers.base import ApiHandler
from handlers.instants import Instant
from handlers.operation import SIGNED_IN, operation
from handlers.routing import route
from handlers.text import Draft, Key

RuleValue = bool | int | str | list[str] | None


class RuleView(BaseModel):
    """One row: the value of a rule from a day on, with the article it comes from.

    ``valid_to`` is the first day on which the next row holds, or null.
    """

    key: str
    value: RuleValue
    unit: Unit
    valid_from: date
    since: datetime
    valid_to: date | None
    source: str
    note: str

    @classmethod
    def of(cls, row: RuleParam) -> Self:
        """Show a row."""
        shown = row.model_dump(exclude={"change_id", "value"})
        value = list(row.value) if isinstance(row.value, tuple) else row.value
        return cls(value=value, **shown)


class RulesView(BaseModel):
    """Every rule in force at an instant."""

    at: datetime
    rules: list[RuleView]


class RuleHistoryView(BaseModel):
    """Every row of one rule, oldest first; those to come included."""

    key: str
    rows: list[RuleView]


class RulesQuery(Draft):
    """``?at=2026-09-28T00:00:00+08:00``; by default now."""

    at: Instant | None = None


class RulesHandler(ApiHandler):
    """``/api/v1/rules``."""

    @operation(SIGNED_IN)
    async def get(self, query: RulesQuery) -> RulesView:
        """Show the rules in force, each with its source."""
        table = await self.services.administration.rules.table()
        at = query.at or self.web.clock()
        return RulesView(at=at, rules=[RuleView.of(row) for row in table.in_force(at)])


class RuleHandler(ApiHandler):
    """``/api/v1/rules/{key}``."""

    @operation(SIGNED_IN)
    async def get(self, key: Key) -> RuleHistoryView:
        """Show how a rule came to be what it is."""
        table = await self.services.administration.rules.table()
        if key not in table:
            raise NotFound
        return RuleHistoryView(key=key, rows=[RuleView.of(row) for row in table.history(key)])


ROUTES = [
    route(r"/api/v1/rules", RulesHandler),
    route(r"/api/v1/rules/(?P<key>[a-z0-9_.-]{1,64})", RuleHandler),
]
