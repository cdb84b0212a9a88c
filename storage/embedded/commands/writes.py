"""Commands that write documents: insert, update, delete, findAndModify."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from storage.embedded import scan
from storage.embedded.commands.core import (
    Command,
    Engine,
    Kind,
    Request,
    check_fields,
)
from storage.embedded.context import Context
from storage.embedded.documents import Writer
from storage.embedded.errors import Refused
from storage.embedded.match import compile_filter
from storage.embedded.update import Update
from storage.embedded.values import MISSING, Doc, decode

MAX_STATEMENTS = 100_000


def _writer(engine: Engine) -> Writer:
    if engine.writer is None:
        raise Refused(20, "this connection only reads")
    return engine.writer


def _each(request: Request, statements: list[Any], run: Callable[[int, Any], None]) -> list[Doc]:
    """Run every statement; the errors of those that failed.

    An ordered command ends at its first error. What was done before it stays done, as in MongoDB.
    """
    if not statements:
        raise Refused(16, "Write batch sizes must be between 1 and 100000. Got 0 operations.")
    if len(statements) > MAX_STATEMENTS:
        raise Refused(16, "Write batch sizes must be between 1 and 100000.")
    errors = []
    for index, statement in enumerate(statements):
        try:
            run(index, statement)
        except Refused as refusal:
            errors.append(refusal.write_error(index))
            if request.body.get("ordered", True):
                break
    return errors


def _with_errors(reply: Doc, errors: list[Doc]) -> Doc:
    return {**reply, **({"writeErrors": errors} if errors else {}), "ok": 1.0}


def _insert(context: Context, request: Request, engine: Engine) -> Doc:
    writer = _writer(engine)
    collection = context.catalogue.ensure(context.name(request.body["insert"]))
    stored = 0

    def insert(_: int, statement: Any) -> None:
        nonlocal stored
        if isinstance(statement, bytes):
            writer.insert(collection, decode(statement), statement)
        else:
            writer.insert(collection, statement)
        stored += 1

    statements: list[Any] = list(request.sequences.get("documents", ()))
    errors = _each(request, statements or list(request.documents("documents")), insert)
    return _with_errors({"n": stored}, errors)


_UPDATE_FIELDS = {"q", "u", "multi", "upsert", "arrayFilters", "hint"}


def _update(context: Context, request: Request, engine: Engine) -> Doc:
    writer, name = _writer(engine), context.name(request.body["update"])
    totals = {"n": 0, "nModified": 0}
    upserted: list[Doc] = []

    def update(index: int, statement: Doc) -> None:
        check_fields("update.updates", statement, _UPDATE_FIELDS, {"collation", "c"})
        query, multi = statement.get("q") or {}, bool(statement.get("multi"))
        change = Update(
            statement.get("u"),
            query=query,
            array_filters=statement.get("arrayFilters"),
            now=context.now,
        )
        if multi and change.is_replacement:
            raise Refused(9, "multi update is not supported for replacement-style update")
        collection = context.catalogue.get(name)
        if collection is None:
            compile_filter(query)
            if not statement.get("upsert"):
                return
            collection = context.catalogue.ensure(name)
        done = writer.update(
            context,
            collection,
            change,
            query,
            multi=multi,
            upsert=bool(statement.get("upsert")),
            hint=statement.get("hint"),
        )
        totals["n"] += done.matched
        totals["nModified"] += done.modified
        if done.upserted is not MISSING:
            upserted.append({"index": index, "_id": done.upserted})

    errors = _each(request, request.documents("updates"), update)
    reply: Doc = {**totals, **({"upserted": upserted} if upserted else {})}
    return _with_errors(reply, errors)


def _delete(context: Context, request: Request, engine: Engine) -> Doc:
    writer = _writer(engine)
    collection = context.collection(request.body["delete"])
    removed = 0

    def delete(_: int, statement: Doc) -> None:
        nonlocal removed
        check_fields("delete.deletes", statement, {"q", "limit", "hint"}, {"collation"})
        query = statement.get("q") or {}
        if statement.get("limit") not in (0, 1):
            raise Refused(9, "The limit field in delete objects must be 0 or 1")
        if collection is None:
            compile_filter(query)
            return
        rows = scan.scan(
            context.db,
            collection,
            query,
            context.meter,
            limit=int(statement["limit"]),
            hint=statement.get("hint"),
        )
        for row in list(rows):
            writer.remove(collection, row.rid, row.doc)
            removed += 1

    errors = _each(request, request.documents("deletes"), delete)
    return _with_errors({"n": removed}, errors)


def _find_and_modify(context: Context, request: Request, engine: Engine) -> Doc:
    body = request.body
    name, remove = context.name(body[request.name]), bool(body.get("remove"))
    if remove == ("update" in body):
        raise Refused(9, "Either an update or remove=true must be specified")
    if remove and (body.get("upsert") or body.get("new")):
        raise Refused(9, "Cannot specify both upsert=true or new=true and remove=true")
    update = None
    if not remove:
        update = Update(
            body["update"],
            query=body.get("query") or {},
            array_filters=body.get("arrayFilters"),
            now=context.now,
        )
    collection = context.catalogue.get(name)
    if collection is None:
        compile_filter(body.get("query"))
        if not body.get("upsert"):
            last = {"n": 0} if remove else {"n": 0, "updatedExisting": False}
            return {"lastErrorObject": last, "value": None, "ok": 1.0}
        collection = context.catalogue.ensure(name)
    value, last = _writer(engine).find_and_modify(context, collection, body, update)
    return {"lastErrorObject": last, "value": value, "ok": 1.0}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MODIFY = Command(
    _find_and_modify,
    Kind.WRITE,
    _names("query sort remove update new fields upsert arrayFilters bypassDocumentValidation hint"),
    _names("let collation"),
)
_WRITE = _names("ordered bypassDocumentValidation")

COMMANDS: dict[str, Command] = {
    "insert": Command(_insert, Kind.WRITE, _WRITE | {"documents"}),
    "update": Command(_update, Kind.WRITE, _WRITE | {"updates"}, _names("let")),
    "delete": Command(_delete, Kind.SHRINK, _WRITE | {"deletes"}, _names("let")),
    "findAndModify": _MODIFY,
    "findandmodify": _MODIFY,
}
