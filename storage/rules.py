"""Rules of the congress, dated, and the changes that led to them.

::

    rule_param  {_id: "<key>@<valid_from>", key, value, unit, valid_from: "2016-01-01", since,
                 source, note, change_id}     never updated
    rule_change {_id, key, value, unit, valid_from, source, note, reason, state, before,
                 proposed_by, proposed_at, asked_by, asked_at, decided_by, decided_at, decision, v}

Days are texts, so that they stay days in every time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import UpdateOne

from domain.errors import Conflict
from domain.listing import Slice
from domain.rule_changes import ChangeState, RuleChange
from domain.rules import RuleParam
from storage.client import Database
from storage.errors import Duplicate
from storage.sorting import sliced


class RuleStore:
    """Keeps rules and their changes; implements ``domain.rule_changes.ChangeStore``."""

    def __init__(self, db: Database) -> None:
        self._params = db["rule_param"]
        self._changes = db["rule_change"]

    async def rows(self) -> Sequence[RuleParam]:
        """Answer every row, by key and day."""
        rows = await self._params.find({}, sort=[("_id", 1)])
        return [RuleParam.model_validate(_known(row, RuleParam.model_fields)) for row in rows]

    async def add(self, row: RuleParam) -> None:
        """Keep a new row; adding the row of one change twice is harmless.

        Raises:
            Conflict: The rule already has a row from that day.
        """
        document = _param(row)
        try:
            await self._params.insert_one(document)
        except Duplicate as duplicate:
            there = await self._params.find_one({"_id": document["_id"]})
            if there is None or row.change_id is None or there["change_id"] != row.change_id:
                raise Conflict("该规则在这一天已有新值，请选择其他生效日期") from duplicate

    async def seed(self, rows: Sequence[RuleParam]) -> None:
        """Keep rows, each unless it is there already."""
        await self._params.bulk(
            [
                UpdateOne({"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True)
                for document in map(_param, rows)
            ]
        )

    async def change(self, change_id: str) -> RuleChange | None:
        """Answer one proposed change."""
        row = await self._changes.find_one({"_id": change_id})
        return _change(row) if row else None

    async def changes(
        self, *, key: str | None, state: ChangeState | None, part: Slice
    ) -> Sequence[RuleChange]:
        """Answer one part of the changes."""
        query: dict[str, Any] = {}
        if key is not None:
            query["key"] = key
        if state is not None:
            query["state"] = state.value
        return [_change(row) for row in await sliced(self._changes, query, part)]

    async def add_change(self, change: RuleChange) -> None:
        """Keep a new change."""
        await self._changes.insert_one(_written(change))

    async def settle(self, change: RuleChange, *, was: RuleChange) -> bool:
        """Keep the new form of a change if it still is as it ``was``; tell whether it was."""
        result = await self._changes.replace_one(
            {"_id": was.id, "state": was.state.value, "v": was.v}, _written(change)
        )
        return result.matched == 1


def _param(row: RuleParam) -> dict[str, Any]:
    document = row.model_dump(exclude={"valid_to"})
    document["valid_from"] = row.valid_from.isoformat()
    document["unit"] = row.unit.value
    document["value"] = list(row.value) if isinstance(row.value, tuple) else row.value
    document["_id"] = f"{row.key}@{document['valid_from']}"
    return document


def _written(change: RuleChange) -> dict[str, Any]:
    document = change.model_dump(exclude={"id"})
    document["_id"] = change.id
    document["valid_from"] = change.valid_from.isoformat()
    document["unit"], document["state"] = change.unit.value, change.state.value
    for name in ("value", "before"):
        if isinstance(document[name], tuple):
            document[name] = list(document[name])
    return document


def _change(row: Mapping[str, Any]) -> RuleChange:
    return RuleChange.model_validate({**_known(row, RuleChange.model_fields), "id": row["_id"]})


def _known(row: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in fields if name in row}
