"""The planner: from a query and a sort to the SQL that yields the candidates.

A plan never decides what matches; it only narrows what the matcher looks at. The fuzz test compares
every plan with a scan of the whole collection.
"""

# ruff: noqa: S608 - table names are made of integers, everything else is a parameter

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from storage.embedded.bounds import MAX_RANGES, Bounds, Points, Span, bounds_of, conditions
from storage.embedded.catalogue import Collection
from storage.embedded.errors import Refused, unsupported
from storage.embedded.index import Index, keyed_alike
from storage.embedded.keys import NULL, after, same
from storage.embedded.match import compile_filter
from storage.embedded.order import Order
from storage.embedded.predicates import is_operators
from storage.embedded.values import MISSING, Doc


@dataclass(frozen=True)
class Plan:
    """How the candidates of a query are found.

    Attributes:
        name: For the log and ``explain``: COLLSCAN, IDHACK, or IXSCAN with the index.
        sql: Selects ``rid, doc`` and, if resumable, the scan's position.
        ordered: Whether the candidates come in the order that was asked for.
        resume: SQL that continues after a position, or ``None`` if the scan must be read at once.
        rids: SQL for the row numbers alone, for a union of plans.
        count: SQL for the number of matches, if the index alone tells it.
    """

    name: str
    sql: str
    values: tuple[Any, ...] = ()
    ordered: bool = False
    resume: str | None = None
    rids: str = ""
    count: str | None = None


def plan(collection: Collection, query: Any, order: Order = (), hint: Any = None) -> Plan:
    """The cheapest way the planner knows.

    Raises:
        Refused: 2 the hinted index does not exist, 238 it cannot answer this query.
    """
    fields, whole = conditions(query)
    if hint is not None:
        return _hinted(collection, fields, order, hint)
    by_id = _by_id(collection, fields, order, whole=whole)
    if by_id is not None:
        return by_id
    candidates = [
        _Scan(index, fields, order, whole=whole)
        for index in collection.indexes.values()
        if _holds_all(index, fields)
    ]
    useful = [scan for scan in candidates if scan.score]
    best = max(useful, key=lambda scan: scan.score, default=None)
    if best is None or not best.narrows:
        union = _union(collection, query)
        if union is not None:
            return union
    if best is not None:
        return best.plan(collection)
    if len(order) == 1 and order[0][0] == "_id":
        return _id_scan(collection, "", (), order[0][1])
    return _collection_scan(collection)


def _collection_scan(collection: Collection) -> Plan:
    select = f"SELECT rid, doc, rid FROM {collection.table}"
    return Plan(
        "COLLSCAN",
        f"{select} ORDER BY rid",
        resume=f"{select} WHERE rid > ? ORDER BY rid",
        rids=f"SELECT rid FROM {collection.table}",
    )


def _by_id(
    collection: Collection, fields: Mapping[str, Any], order: Order, *, whole: bool
) -> Plan | None:
    if "_id" not in fields:
        return None
    table, bounds = collection.table, bounds_of(fields["_id"])
    exact = whole and len(fields) == 1
    if isinstance(bounds, Points) and len(bounds.keys) <= MAX_RANGES:
        where = f"WHERE id IN ({','.join('?' * len(bounds.keys))})"
        return Plan(
            "IDHACK",
            f"SELECT rid, doc FROM {table} {where}",
            bounds.keys,
            ordered=len(bounds.keys) <= 1,
            rids=f"SELECT rid FROM {table} {where}",
            count=f"SELECT COUNT(*) FROM {table} {where}" if exact and bounds.exact else None,
        )
    if isinstance(bounds, Span):
        direction = order[0][1] if len(order) == 1 and order[0][0] == "_id" else 0
        found = _id_scan(collection, "id >= ? AND id < ?", (bounds.low, bounds.high), direction)
        if exact and bounds.exact:
            return replace(found, count=f"SELECT COUNT(*) FROM {table} WHERE id >= ? AND id < ?")
        return found
    return None


def _id_scan(collection: Collection, where: str, values: tuple[Any, ...], direction: int) -> Plan:
    select = f"SELECT rid, doc, id FROM {collection.table}"
    also = f" AND {where}" if where else ""
    how = "id DESC" if direction < 0 else "id"
    return Plan(
        "IXSCAN _id_",
        f"{select}{' WHERE ' if where else ''}{where} ORDER BY {how}",
        values,
        ordered=direction != 0,
        resume=f"{select} WHERE id {'<' if direction < 0 else '>'} ?{also} ORDER BY {how}",
        rids=f"SELECT rid FROM {collection.table}{' WHERE ' if where else ''}{where}",
    )


def _hinted(collection: Collection, fields: Mapping[str, Any], order: Order, hint: Any) -> Plan:
    if hint in ("_id_", {"_id": 1}):
        direction = order[0][1] if len(order) == 1 and order[0][0] == "_id" else 0
        return _by_id(collection, fields, order, whole=False) or _id_scan(
            collection, "", (), direction
        )
    if hint in ("$natural", {"$natural": 1}):
        return _collection_scan(collection)
    for index in collection.indexes.values():
        if hint == index.name or (isinstance(hint, dict) and keyed_alike(index.spec, hint)):
            if not _holds_all(index, fields):
                raise unsupported("a hint on a sparse or partial index that leaves documents out")
            return _Scan(index, fields, order, whole=False).plan(collection)
    raise Refused(2, "hint provided does not correspond to an existing index")


def _union(collection: Collection, query: Any) -> Plan | None:
    """A plan for ``$or``, if every branch has an index."""
    if not isinstance(query, dict) or "$or" not in query:
        return None
    others = {name: value for name, value in query.items() if name != "$or"}
    parts: list[Plan] = []
    for branch in query["$or"]:
        fields, _ = conditions({"$and": [branch, others]} if others else branch)
        part = _branch(collection, fields)
        if part is None:
            return None
        parts.append(part)
    rids = " UNION ".join(part.rids for part in parts)
    values = tuple(value for part in parts for value in part.values)
    if len(values) > MAX_RANGES * 2:
        return None
    names = ", ".join(dict.fromkeys(part.name for part in parts))
    table = collection.table
    return Plan(
        f"OR {names}", f"SELECT rid, doc FROM {table} WHERE rid IN ({rids}) ORDER BY rid", values
    )


def _branch(collection: Collection, fields: Mapping[str, Any]) -> Plan | None:
    by_id = _by_id(collection, fields, (), whole=False)
    if by_id is not None:
        return by_id
    scans = [
        _Scan(index, fields, (), whole=False)
        for index in collection.indexes.values()
        if _holds_all(index, fields)
    ]
    best = max((s for s in scans if s.narrows), key=lambda scan: scan.score, default=None)
    return best.plan(collection) if best else None


def _holds_all(index: Index, fields: Mapping[str, Any]) -> bool:
    """Whether every document that meets the conditions has an entry in the index."""
    if index.sparse and not any(
        path in fields and _needs_value(fields[path]) for path, _ in index.keys
    ):
        return False
    return all(_implies(fields, path, value) for path, value in (index.partial or {}).items())


def _needs_value(condition: Any) -> bool:
    bounds = bounds_of(condition)
    if isinstance(bounds, Points):
        return NULL not in bounds.keys
    return bounds is not None


def _implies(fields: Mapping[str, Any], path: str, wanted: Any) -> bool:
    """Whether the query's condition on a field is at least as narrow as the index's."""
    given = fields.get(path, MISSING)
    if given is MISSING:
        return False
    if not is_operators(wanted):
        value = given.get("$eq", MISSING) if is_operators(given) else given
        return value is not MISSING and not isinstance(value, list) and same(value, wanted)
    if is_operators(given):
        if set(given) != {"$eq"}:
            # Operators on one field are a conjunction: more of them only narrow it further.
            return all(name in given and given[name] == value for name, value in wanted.items())
        given = given["$eq"]
    if given is None or not _is_point(given):
        return False
    return compile_filter({"v": wanted})({"v": given})


def _is_point(value: Any) -> bool:
    return isinstance(bounds_of(value), Points)


class _Scan:
    """The use of one index for a query: an equality prefix, a range, an order."""

    _span: Span | None = None

    def __init__(
        self, index: Index, fields: Mapping[str, Any], order: Order, *, whole: bool
    ) -> None:
        self._index = index
        self._prefixes: list[bytes] = [b""]
        self._fixed = 0
        self._exact = whole and not index.multikey
        self._single: set[str] = set()
        for path, _ in index.keys:
            if path not in fields or not self._take(path, bounds_of(fields[path])):
                break
        used = self._fixed + (1 if self._span else 0)
        names = {path for path, _ in index.keys[:used]}
        self._exact = self._exact and names == set(fields) and not index.sparse
        self.narrows = used > 0
        self._backwards = False
        self._ordered = bool(order) and self._gives(order)
        full = index.unique and self._fixed == len(index.keys)
        self.score = self._fixed * 10 + 5 * bool(self._span) + 3 * self._ordered + full

    def _take(self, path: str, bounds: Bounds | None) -> bool:
        """Narrow the scan by one more field; false if it ends here."""
        if bounds is None:
            return False
        if isinstance(bounds, Points):
            if len(self._prefixes) * len(bounds.keys) > MAX_RANGES:
                return False
            self._prefixes = [start + key for start in self._prefixes for key in bounds.keys]
            self._fixed += 1
            self._exact = self._exact and bounds.exact
            if len(bounds.keys) == 1:
                self._single.add(path)
            return True
        if self._index.multikey and bounds.has_low and bounds.has_high:
            # One element may meet the lower bound and another the upper one.
            bounds = replace(bounds, high=bytes([bounds.low[0] + 1]))
        self._span = bounds
        self._exact = self._exact and bounds.exact
        return False

    def _gives(self, order: Order) -> bool:
        """Whether the scan yields the order, forwards or backwards."""
        if self._index.multikey or len(self._prefixes) > 1:
            return False
        wanted = [(path, to) for path, to in order if path not in self._single]
        rest = [path for path, _ in self._index.keys[self._fixed :]]
        if [path for path, _ in wanted] != rest[: len(wanted)]:
            return False
        if len({to for _, to in wanted}) > 1:
            return False
        self._backwards = bool(wanted) and wanted[0][1] < 0
        return True

    def plan(self, collection: Collection) -> Plan:
        """The scan as SQL."""
        index = self._index
        where, values = self._where()
        condition = f" WHERE {where}" if where else ""
        rids = f"SELECT rid FROM {index.table} x{condition}"
        name = f"IXSCAN {index.name}"
        if index.multikey:
            sql = f"SELECT rid, doc FROM {collection.table} WHERE rid IN ({rids}) ORDER BY rid"
            return Plan(name, sql, values, rids=rids)
        select = (
            f"SELECT c.rid, c.doc, x.k, x.rid FROM {index.table} x "
            f"CROSS JOIN {collection.table} c ON c.rid = x.rid"
        )
        compare, how = ("<", " DESC") if self._backwards else (">", "")
        ordering = f" ORDER BY x.k{how}, x.rid{how}"
        also = f" AND ({where})" if where else ""
        return Plan(
            name,
            select + condition + ordering,
            values,
            ordered=self._ordered,
            resume=f"{select} WHERE (x.k, x.rid) {compare} (?, ?){also}{ordering}",
            rids=rids,
            count=f"SELECT COUNT(*) FROM {index.table} x{condition}" if self._exact else None,
        )

    def _where(self) -> tuple[str, tuple[bytes, ...]]:
        if not self._prefixes:
            return "0", ()
        values: list[bytes] = []
        for start in self._prefixes:
            if self._span:
                values += (start + self._span.low, start + self._span.high)
            elif start:
                values += (start, after(start))
        return " OR ".join(["(x.k >= ? AND x.k < ?)"] * (len(values) // 2)), tuple(values)


def explained(found: Plan) -> Doc:
    """The answer to ``explain``."""
    return {
        "queryPlanner": {
            "winningPlan": {
                "stage": found.name.split(" ", 1)[0],
                "plan": found.name,
                "sortedByIndex": found.ordered,
                "countedByIndex": found.count is not None,
            }
        },
        "ok": 1.0,
    }
