"""Commands that read: find, getMore, count, distinct, aggregate, explain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import bson
from bson import Int64
from bson.raw_bson import RawBSONDocument

from storage.embedded import scan
from storage.embedded.catalogue import Collection
from storage.embedded.commands.core import Command, Engine, Kind, Request, integer
from storage.embedded.context import Context
from storage.embedded.cursors import FIRST_BATCH, Cursor, HeldCursor, ScanCursor
from storage.embedded.documents import Output
from storage.embedded.errors import Refused, unsupported
from storage.embedded.keys import distinct
from storage.embedded.match import compile_filter
from storage.embedded.order import Order, parse_order
from storage.embedded.paths import leaves
from storage.embedded.planner import explained, plan
from storage.embedded.project import compile_projection
from storage.embedded.stages import Run, check_pipeline, run_pipeline
from storage.embedded.values import MAX_DOCUMENT, MISSING, Doc, check_depth

ALL = 1 << 40


def reply_with(
    cursor: Cursor, context: Context, engine: Engine, count: int, *, single: bool = False
) -> Doc:
    """The first batch, and the cursor's number if there may be more."""
    batch, more = cursor.batch(context, count)
    number = engine.cursors.keep(cursor) if more and not single else 0
    return _batch_reply("firstBatch", batch, number, cursor.name)


def _batch_reply(key: str, batch: list[bytes], number: int, name: str) -> Doc:
    docs = [RawBSONDocument(raw) for raw in batch]
    return {"cursor": {key: docs, "id": Int64(number), "ns": name}, "ok": 1.0}


def _find(context: Context, request: Request, engine: Engine) -> Doc:
    body = request.body
    query, order = body.get("filter") or {}, parse_order(body.get("sort"))
    skip, limit, single = _limits(body)
    cursor = _find_cursor(context, body, query, order, (skip, limit))
    first = integer(body, "batchSize", max(limit, FIRST_BATCH) if limit else FIRST_BATCH)
    return reply_with(cursor, context, engine, first, single=single)


def _limits(body: Doc) -> tuple[int, int, bool]:
    """Skip, limit and whether there is to be one batch only; a negative limit asks for that."""
    limit = body.get("limit") or 0
    single = bool(body.get("singleBatch")) or limit < 0
    return integer(body, "skip"), abs(int(limit)), single


def _find_cursor(
    context: Context, body: Doc, query: Any, order: Order, limits: tuple[int, int]
) -> Cursor:
    skip, limit = limits
    name = context.name(body["find"])
    collection = context.catalogue.get(name)
    if collection is None:
        compile_filter(query)
        compile_projection(body.get("projection"), query)
        return HeldCursor(name, ())
    scan.check_query(query)
    found = plan(collection, query, order, body.get("hint"))
    if found.resume is not None and (not order or found.ordered):
        return ScanCursor(name, query, order, body=body, limit=limit, skip=skip)
    rows = scan.scan(
        context.db,
        collection,
        query,
        context.meter,
        order=order,
        limit=skip + limit if limit else 0,
        hint=body.get("hint"),
    )
    project = compile_projection(body.get("projection"), query)
    chosen = islice(rows, skip, None)
    return HeldCursor(
        name, (row.raw if project is None else bson.encode(project(row.doc)) for row in chosen)
    )


def _get_more(context: Context, request: Request, engine: Engine) -> Doc:
    number = int(request.body["getMore"])
    cursor = engine.cursors.get(number)
    if cursor.name != context.name(request.body.get("collection")):
        raise Refused(13, f"cursor {number} belongs to another collection")
    batch, more = cursor.batch(context, integer(request.body, "batchSize") or ALL)
    if not more:
        engine.cursors.close(number)
    return _batch_reply("nextBatch", batch, number if more else 0, cursor.name)


def _kill_cursors(_: Context, request: Request, engine: Engine) -> Doc:
    numbers = [Int64(number) for number in request.body.get("cursors", [])]
    killed = {number: engine.cursors.close(number) for number in numbers}
    return {
        "cursorsKilled": [number for number, was_open in killed.items() if was_open],
        "cursorsNotFound": [number for number, was_open in killed.items() if not was_open],
        "cursorsAlive": [],
        "cursorsUnknown": [],
        "ok": 1.0,
    }


def _count(context: Context, request: Request, _: Engine) -> Doc:
    body = request.body
    collection = context.collection(body["count"])
    query = body.get("query") or {}
    if collection is None:
        compile_filter(query)
        return {"n": 0, "ok": 1.0}
    skip, limit, _single = _limits(body)
    number = scan.count(
        context.db,
        collection,
        query,
        context.meter,
        hint=body.get("hint"),
        skip=skip,
        limit=limit,
    )
    return {"n": number, "ok": 1.0}


def _distinct(context: Context, request: Request, _: Engine) -> Doc:
    body = request.body
    if not isinstance(body.get("key"), str):
        raise Refused(14, "BSON field 'distinct.key' is the wrong type, expected type 'string'")
    query, parts = body.get("query") or {}, body["key"].split(".")
    collection = context.collection(body["distinct"])
    if collection is None:
        compile_filter(query)
        return {"values": [], "ok": 1.0}
    rows = scan.scan(context.db, collection, query, context.meter, hint=body.get("hint"))
    values = distinct(
        [value for row in rows for value in leaves(row.doc, parts) if value is not MISSING]
    )
    if len(bson.encode({"values": values})) > MAX_DOCUMENT:
        raise Refused(17217, "distinct too big, 16mb cap")
    return {"values": values, "ok": 1.0}


def _aggregate(context: Context, request: Request, engine: Engine) -> Doc:
    body = request.body
    pipeline = check_pipeline(body.get("pipeline"))
    for stage in pipeline:
        check_depth(stage)
    if body.get("explain"):
        raise unsupported("explain of an aggregation")
    name = body["aggregate"]
    collection = context.collection(name) if isinstance(name, str) else None
    if isinstance(name, str):
        docs, rest = _source(context, collection, pipeline, body.get("hint"))
    elif pipeline and "$documents" in pipeline[0]:
        docs, rest = iter(pipeline[0]["$documents"]), pipeline[1:]
    else:
        raise unsupported("an aggregation without a collection")
    target = Output(context, engine.writer) if engine.writer is not None else None
    run = Run(now=context.now, source=context, target=target)
    results = run_pipeline(docs, rest, run)
    full = f"{context.database}.{name if isinstance(name, str) else '$cmd.aggregate'}"
    cursor = HeldCursor(full, map(bson.encode, results))
    options = body.get("cursor")
    if not isinstance(options, dict):
        raise Refused(9, "The 'cursor' option is required, except for aggregate with explain")
    return reply_with(cursor, context, engine, integer(options, "batchSize", FIRST_BATCH))


def _source(
    context: Context, collection: Collection | None, pipeline: list[Doc], hint: Any
) -> tuple[Iterable[Doc], list[Doc]]:
    """The documents the pipeline starts from, and the stages that are left to do."""
    if collection is None:
        return iter(()), pipeline
    at, matches = 0, []
    while at < len(pipeline) and "$match" in pipeline[at]:
        matches.append(pipeline[at]["$match"])
        at += 1
    if any(not isinstance(match, dict) for match in matches):
        raise Refused(15959, "the match filter must be an expression in an object")
    query: Doc = matches[0] if len(matches) == 1 else {"$and": matches} if matches else {}
    counted = _counted(context, collection, query, pipeline[at:], hint)
    if counted is not None:
        return counted, pipeline[at + 1 :]
    order: Order = ()
    limit = 0
    if at < len(pipeline) and "$sort" in pipeline[at]:
        order = parse_order(pipeline[at]["$sort"])
        at += 1 if order else 0
        if order and at < len(pipeline) and "$limit" in pipeline[at]:
            limit = _positive(pipeline[at]["$limit"])
    rows = scan.scan(
        context.db,
        collection,
        query,
        context.meter,
        order=order,
        limit=limit,
        hint=hint,
        variables={"NOW": context.now},
    )
    return (row.doc for row in rows), pipeline[at:]


def _positive(value: Any) -> int:
    """A limit that may be applied early; anything strange is left to the stage."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _counted(
    context: Context, collection: Collection, query: Doc, rest: list[Doc], hint: Any
) -> Iterator[Doc] | None:
    """The result of a stage that only counts, without looking at documents if an index can.

    ``count_documents`` of the drivers is such a pipeline.
    """
    if not rest or "$expr" in query:
        return None
    ((name, spec),) = rest[0].items()
    if name == "$count" and isinstance(spec, str) and spec.isidentifier():
        key: Doc = {}
        field = spec
    elif rest[0] == {"$group": {"_id": 1, "n": {"$sum": 1}}}:
        key, field = {"_id": 1}, "n"
    else:
        return None
    number = scan.count(context.db, collection, query, context.meter, hint=hint)
    return iter([{**key, field: number}] if number else [])


def _explain(context: Context, request: Request, _: Engine) -> Doc:
    inner = request.body.get("explain")
    if not isinstance(inner, dict) or next(iter(inner), "") not in {"find", "count"}:
        raise unsupported("explain of anything but find and count")
    name = next(iter(inner))
    collection = context.collection(inner[name])
    query = inner.get("filter" if name == "find" else "query") or {}
    compile_filter(query)
    if collection is None:
        return {"queryPlanner": {"winningPlan": {"stage": "EOF"}}, "ok": 1.0}
    order = parse_order(inner.get("sort"))
    return explained(plan(collection, query, order, inner.get("hint")))


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMANDS: dict[str, Command] = {
    "find": Command(
        _find,
        options=_names(
            "filter sort projection skip limit batchSize singleBatch hint allowDiskUse "
            "allowPartialResults noCursorTimeout"
        ),
        empty=_names(
            "let collation min max returnKey showRecordId tailable awaitData oplogReplay "
            "includeQueryStatsMetrics"
        ),
    ),
    "getMore": Command(_get_more, options=_names("collection batchSize")),
    "killCursors": Command(_kill_cursors, Kind.PLAIN, _names("cursors")),
    "count": Command(
        _count, options=_names("query skip limit hint fields"), empty=_names("collation")
    ),
    "distinct": Command(_distinct, options=_names("key query hint"), empty=_names("collation")),
    "aggregate": Command(
        _aggregate,
        Kind.LONG,
        _names("pipeline cursor explain allowDiskUse bypassDocumentValidation hint"),
        _names("let collation"),
    ),
    "explain": Command(_explain, options=_names("verbosity")),
}
