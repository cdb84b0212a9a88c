"""Commands about the server, its databases, collections and indexes."""

# ruff: noqa: S608 - table names are made of integers

from __future__ import annotations

import os
from typing import Any

import bson
from bson import Int64

from storage.embedded.commands.core import Command, Engine, Kind, Request
from storage.embedded.commands.reads import reply_with
from storage.embedded.context import Context
from storage.embedded.cursors import FIRST_BATCH, HeldCursor
from storage.embedded.errors import Refused, unsupported
from storage.embedded.match import compile_filter
from storage.embedded.values import Doc

# MongoDB 7.0; the commands and errors are modelled after it.
VERSION = (7, 0, 0)
HELLO: Doc = {
    "isWritablePrimary": True,
    "maxBsonObjectSize": 16_777_216,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "logicalSessionTimeoutMinutes": 30,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
}
_OK: Doc = {"ok": 1.0}
_ID_INDEX: Doc = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


def hello(context: Context, request: Request, _: Engine) -> Doc:
    """What a driver asks first."""
    old = {"ismaster": True} if request.name.lower() == "ismaster" else {}
    return {**HELLO, **old, "connectionId": 1, "localTime": context.now, **_OK}


def _ping(_: Context, __: Request, ___: Engine) -> Doc:
    return _OK


def _build_info(_: Context, __: Request, ___: Engine) -> Doc:
    return {
        "version": ".".join(map(str, VERSION)) + "-embedded",
        "versionArray": [*VERSION, 0],
        "bits": 64,
        "maxBsonObjectSize": HELLO["maxBsonObjectSize"],
        **_OK,
    }


def _server_status(_: Context, __: Request, engine: Engine) -> Doc:
    return {"pid": Int64(os.getpid()), **engine.status(), **_OK}


def _create(context: Context, request: Request, _: Engine) -> Doc:
    context.catalogue.create(context.name(request.body["create"]))
    return _OK


def _drop(context: Context, request: Request, _: Engine) -> Doc:
    name = context.name(request.body["drop"])
    gone = context.catalogue.drop(name)
    return {"nIndexesWas": len(gone.indexes) + 1, "ns": name, **_OK}


def _drop_database(context: Context, _: Request, __: Engine) -> Doc:
    start = context.database + "."
    for name in [name for name in context.catalogue.collections if name.startswith(start)]:
        context.catalogue.drop(name)
    return {"dropped": context.database, **_OK}


def _rename(context: Context, request: Request, _: Engine) -> Doc:
    body = request.body
    source, target = body["renameCollection"], body.get("to")
    if not isinstance(source, str) or not isinstance(target, str) or "." not in target:
        raise Refused(73, f"Invalid namespace specified '{source}' or '{target}'")
    if source.split(".", 1)[0] != target.split(".", 1)[0]:
        raise unsupported("renaming a collection into another database")
    context.catalogue.rename(source, target, drop_target=bool(body.get("dropTarget")))
    return _OK


def _create_indexes(context: Context, request: Request, _: Engine) -> Doc:
    name = context.name(request.body["createIndexes"])
    specs = request.documents("indexes")
    if not specs:
        raise Refused(2, "Must specify at least one index to create")
    is_new = context.catalogue.get(name) is None
    collection = context.catalogue.ensure(name)
    before = len(collection.indexes) + 1
    for spec in specs:
        context.catalogue.create_index(collection, spec)
    return {
        "numIndexesBefore": before,
        "numIndexesAfter": len(collection.indexes) + 1,
        "createdCollectionAutomatically": is_new,
        **_OK,
    }


def _drop_indexes(context: Context, request: Request, _: Engine) -> Doc:
    name = context.name(request.body[request.name])
    collection = context.catalogue.get(name)
    if collection is None:
        raise Refused(26, f"ns not found {name}")
    which = request.body.get("index")
    before = len(collection.indexes) + 1
    for item in which if isinstance(which, list) else [which]:
        context.catalogue.drop_indexes(collection, item)
    return {"nIndexesWas": before, **_OK}


def _listed(context: Context, request: Request, engine: Engine, name: str, docs: list[Doc]) -> Doc:
    size = (request.body.get("cursor") or {}).get("batchSize", FIRST_BATCH)
    cursor = HeldCursor(name, map(bson.encode, docs))
    return reply_with(cursor, context, engine, max(int(size), 1))


def _list_indexes(context: Context, request: Request, engine: Engine) -> Doc:
    name = context.name(request.body["listIndexes"])
    collection = context.catalogue.get(name)
    if collection is None:
        raise Refused(26, f"ns does not exist: {name}")
    specs = [index.spec for index in collection.indexes.values()]
    ordered = ("v", "key", "name")
    docs = [{**{key: spec[key] for key in ordered}, **spec} for spec in specs]
    return _listed(context, request, engine, name, [_ID_INDEX, *docs])


def _list_collections(context: Context, request: Request, engine: Engine) -> Doc:
    matches = compile_filter(request.body.get("filter"))
    start = context.database + "."
    docs: list[Doc] = [
        {
            "name": name.removeprefix(start),
            "type": "collection",
            "options": {},
            "info": {"readOnly": False},
            "idIndex": _ID_INDEX,
        }
        for name in sorted(context.catalogue.collections)
        if name.startswith(start)
    ]
    full = f"{context.database}.$cmd.listCollections"
    return _listed(context, request, engine, full, [doc for doc in docs if matches(doc)])


def _list_databases(context: Context, request: Request, _: Engine) -> Doc:
    matches = compile_filter(request.body.get("filter"))
    names = sorted({name.split(".", 1)[0] for name in context.catalogue.collections})
    docs: list[Doc] = [{"name": name, "sizeOnDisk": Int64(0), "empty": False} for name in names]
    return {"databases": [doc for doc in docs if matches(doc)], "totalSize": Int64(0), **_OK}


def _size_of(context: Context, table: str) -> tuple[int, int]:
    sql = f"SELECT COUNT(*), COALESCE(SUM(LENGTH(doc)), 0) FROM {table}"
    count, size = context.db.execute(sql).fetchone()
    return int(count), int(size)


def _collection_stats(context: Context, request: Request, _: Engine) -> Doc:
    name = context.name(request.body[request.name])
    collection = context.catalogue.get(name)
    count, size = (0, 0) if collection is None else _size_of(context, collection.table)
    indexes = 0 if collection is None else len(collection.indexes) + 1
    return {"ns": name, "count": count, "size": Int64(size), "nindexes": indexes, **_OK}


def _database_stats(context: Context, _: Request, __: Engine) -> Doc:
    start = context.database + "."
    chosen = [
        item for name, item in context.catalogue.collections.items() if name.startswith(start)
    ]
    sizes = [_size_of(context, collection.table) for collection in chosen]
    return {
        "db": context.database,
        "collections": len(chosen),
        "objects": Int64(sum(count for count, _ in sizes)),
        "dataSize": float(sum(size for _, size in sizes)),
        "indexes": sum(len(collection.indexes) + 1 for collection in chosen),
        **_OK,
    }


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _plain(run: Any, options: str = "") -> Command:
    return Command(run, Kind.PLAIN, _names(options))


_HELLO = _plain(
    hello,
    "helloOk client compression loadBalanced saslSupportedMechs speculativeAuthenticate "
    "hostInfo topologyVersion maxAwaitTimeMS",
)
_DROP_INDEXES = Command(_drop_indexes, Kind.SHRINK, _names("index"))
_CREATE_OPTIONS = _names(
    "capped size max autoIndexId storageEngine validator validationLevel validationAction "
    "indexOptionDefaults viewOn pipeline collation timeseries expireAfterSeconds clusteredIndex "
    "changeStreamPreAndPostImages encryptedFields"
)

COMMANDS: dict[str, Command] = {
    **dict.fromkeys(("hello", "isMaster", "ismaster"), _HELLO),
    "ping": _plain(_ping),
    "endSessions": _plain(_ping),
    "killSessions": _plain(_ping),
    "refreshSessions": _plain(_ping),
    "buildInfo": _plain(_build_info),
    "buildinfo": _plain(_build_info),
    "serverStatus": _plain(_server_status),
    "create": Command(_create, Kind.WRITE, empty=_CREATE_OPTIONS),
    "drop": Command(_drop, Kind.SHRINK),
    "dropDatabase": Command(_drop_database, Kind.SHRINK),
    "renameCollection": Command(_rename, Kind.WRITE, _names("to dropTarget")),
    "createIndexes": Command(
        _create_indexes, Kind.WRITE, _names("indexes"), _names("commitQuorum")
    ),
    "dropIndexes": _DROP_INDEXES,
    "deleteIndexes": _DROP_INDEXES,
    "listIndexes": Command(_list_indexes, options=_names("cursor")),
    "listCollections": Command(
        _list_collections, options=_names("filter cursor nameOnly authorizedCollections")
    ),
    "listDatabases": Command(
        _list_databases, options=_names("filter nameOnly authorizedDatabases")
    ),
    "collStats": Command(_collection_stats, Kind.LONG, _names("scale")),
    "collstats": Command(_collection_stats, Kind.LONG, _names("scale")),
    "dbStats": Command(_database_stats, Kind.LONG, _names("scale")),
    "dbstats": Command(_database_stats, Kind.LONG, _names("scale")),
}
