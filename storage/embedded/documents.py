"""Writing documents: rows and index entries change together or not at all."""

# ruff: noqa: S608 - table names are made of integers, everything else is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId, Timestamp

from storage.embedded.catalogue import Catalogue, Collection
from storage.embedded.context import Context
from storage.embedded.errors import Refused, unsupported
from storage.embedded.index import Index
from storage.embedded.keys import DATE, date_key, encode
from storage.embedded.order import parse_order
from storage.embedded.paths import straight
from storage.embedded.project import compile_projection
from storage.embedded.scan import Row, scan
from storage.embedded.stages import Run, run_pipeline
from storage.embedded.update import Update
from storage.embedded.values import (
    MISSING,
    Doc,
    check_depth,
    check_size,
    decode,
    is_regex,
    millis,
)
from storage.embedded.values import encode as to_bson

EXPIRE_BATCH = 500


@dataclass
class Updated:
    """What an update did."""

    matched: int = 0
    modified: int = 0
    upserted: Any = MISSING


class Writer:
    """Changes documents through the one connection that writes."""

    def __init__(self, db: sqlite3.Connection, catalogue: Catalogue) -> None:
        self._db = db
        self._catalogue = catalogue

    def insert(self, collection: Collection, doc: Doc, raw: bytes | None = None) -> Any:
        """Store a document; ``raw`` is it as the client sent it, if that is at hand.

        Returns:
            Its ``_id``, a new ObjectId if it had none.

        Raises:
            Refused: 11000 a unique key is taken, 53 or 52 it cannot be stored, 10334 too large.
        """
        if "_id" not in doc:
            doc, raw = {"_id": ObjectId(), **doc}, None
        elif next(iter(doc)) != "_id":
            doc, raw = {"_id": doc["_id"], **doc}, None
        _check_storable(doc)
        raw = raw if raw is not None else to_bson(doc)
        check_size(raw)
        key, execute = encode(doc["_id"]), self._db.execute
        if execute(f"SELECT 1 FROM {collection.table} WHERE id = ?", (key,)).fetchone():
            raise collection.duplicate(None, doc)
        entries = [(index, index.entries(doc)) for index in collection.indexes.values()]
        for index, keys in entries:
            self._check_unique(collection, index, keys, doc, None)
        cursor = execute(f"INSERT INTO {collection.table}(id, doc) VALUES(?, ?)", (key, raw))
        for index, keys in entries:
            self._add(index, keys, cursor.lastrowid)
        return doc["_id"]

    def replace(self, collection: Collection, row: Row, new: Doc) -> bool:
        """Store another document in place of one with the same ``_id``.

        Returns:
            Whether anything changed.
        """
        _check_storable(new)
        raw = to_bson(new)
        if raw == row.raw:
            return False
        changes: list[tuple[Index, set[bytes], set[bytes]]] = []
        for index in collection.indexes.values():
            before, now = index.entries(row.doc), index.entries(new)
            self._check_unique(collection, index, now - before, new, row.rid)
            changes.append((index, before - now, now - before))
        self._db.execute(f"UPDATE {collection.table} SET doc = ? WHERE rid = ?", (raw, row.rid))
        for index, gone, come in changes:
            self._take(index, gone, row.rid)
            self._add(index, come, row.rid)
        return True

    def remove(self, collection: Collection, rid: int, doc: Doc) -> None:
        """Remove a document."""
        for index in collection.indexes.values():
            self._take(index, index.entries(doc), rid)
        self._db.execute(f"DELETE FROM {collection.table} WHERE rid = ?", (rid,))

    def _check_unique(
        self,
        collection: Collection,
        index: Index,
        keys: Iterable[bytes],
        doc: Doc,
        own: int | None,
    ) -> None:
        if not index.unique:
            return
        for key in keys:
            sql = f"SELECT rid FROM {index.table} WHERE k = ?"
            taken = self._db.execute(sql, (key,)).fetchone()
            if taken is not None and taken[0] != own:
                raise collection.duplicate(index, doc)

    def _add(self, index: Index, keys: Iterable[bytes], rid: int | None) -> None:
        self._catalogue.keep_multikey(index)
        for key in keys:
            self._db.execute(f"INSERT INTO {index.table} VALUES(?, ?)", (key, rid))

    def _take(self, index: Index, keys: Iterable[bytes], rid: int) -> None:
        sql = f"DELETE FROM {index.table} WHERE k = ? AND rid = ?"
        for key in keys:
            self._db.execute(sql, (key, rid))

    def update(
        self,
        context: Context,
        collection: Collection,
        update: Update,
        query: Doc,
        *,
        multi: bool,
        upsert: bool,
        hint: Any = None,
    ) -> Updated:
        """Apply an update to the first or to all matching documents, or insert one."""
        done = Updated()
        limit = 0 if multi else 1
        rows = scan(self._db, collection, query, context.meter, limit=limit, hint=hint)
        # Read to the end first: an update must not meet its own results.
        for row in list(rows):
            done.matched += 1
            done.modified += self.replace(collection, row, update.apply(row.doc))
        if not done.matched and upsert:
            done.matched = 1
            done.upserted = self.insert(collection, update.insertion())
        return done

    def find_and_modify(
        self, context: Context, collection: Collection, body: Doc, update: Update | None
    ) -> tuple[Doc | None, Doc]:
        """Update one document, or remove it if there is no update, and show it as ``body`` asks.

        Returns:
            The document and ``lastErrorObject``.
        """
        query, order = body.get("query") or {}, parse_order(body.get("sort"))
        project = compile_projection(body.get("fields"), query)
        found = scan(
            self._db,
            collection,
            query,
            context.meter,
            order=order,
            limit=1,
            hint=body.get("hint"),
        )
        row = next(found, None)

        def shown(doc: Doc | None) -> Doc | None:
            return project(doc) if project is not None and doc is not None else doc

        if update is None:
            if row is None:
                return None, {"n": 0}
            self.remove(collection, row.rid, row.doc)
            return shown(row.doc), {"n": 1}
        if row is not None:
            new = update.apply(row.doc)
            # Show first: a projection that fails must leave the document as it is.
            result = shown(new if body.get("new") else row.doc)
            self.replace(collection, row, new)
            return result, {"n": 1, "updatedExisting": True}
        if not body.get("upsert"):
            return None, {"n": 0, "updatedExisting": False}
        made = update.insertion()
        made = made if "_id" in made else {"_id": ObjectId(), **made}
        key = self.insert(collection, made)
        last = {"n": 1, "updatedExisting": False, "upserted": key}
        made = {"_id": key, **made}
        return (shown(made) if body.get("new") else None), last

    def expire(self, now: datetime) -> int:
        """Remove some of the documents whose time is over; how many it were."""
        removed = 0
        for collection in self._catalogue.collections.values():
            for index in collection.indexes.values():
                seconds = index.spec.get("expireAfterSeconds")
                if seconds is not None:
                    limit = millis(now - timedelta(seconds=seconds))
                    removed += self._expire(collection, index, date_key(limit))
        return removed

    def _expire(self, collection: Collection, index: Index, limit: bytes) -> int:
        rids = self._db.execute(
            f"SELECT DISTINCT rid FROM {index.table} WHERE k >= ? AND k <= ? LIMIT ?",
            (DATE, limit, EXPIRE_BATCH),
        ).fetchall()
        for (rid,) in rids:
            sql = f"SELECT doc FROM {collection.table} WHERE rid = ?"
            (raw,) = self._db.execute(sql, (rid,)).fetchone()
            self.remove(collection, rid, decode(raw))
        return len(rids)


def _check_storable(doc: Doc) -> None:
    key = doc["_id"]
    if isinstance(key, list) or is_regex(key):
        kind = "array" if isinstance(key, list) else "regex"
        raise Refused(53, f"The '_id' value cannot be of type {kind}")
    if isinstance(key, dict) and any(name.startswith("$") for name in key):
        raise Refused(52, "_id fields may not contain '$'-prefixed fields")
    for name, value in doc.items():
        if name.startswith("$"):
            raise Refused(52, f"The dollar ($) prefixed field '{name}' is not valid for storage.")
        if isinstance(value, Timestamp) and not value.time and not value.inc:
            raise unsupported("an empty Timestamp, which MongoDB would fill in")
        if isinstance(value, dict | list):
            check_depth(value)


class Output:
    """Where ``$merge`` and ``$out`` write."""

    def __init__(self, context: Context, writer: Writer) -> None:
        self._context = context
        self._writer = writer

    def merge(self, docs: Iterable[Doc], spec: Doc, run: Run) -> None:
        """Insert each document, or combine it with the one that has the same ``on`` fields."""
        context = self._context
        collection = context.catalogue.ensure(context.name(spec["into"]))
        self._check_on(collection, spec["on"])
        for doc in docs:
            made = doc if "_id" in doc else {"_id": ObjectId(), **doc}
            query = {path: {"$eq": _value(made, path)} for path in spec["on"]}
            row = next(scan(context.db, collection, query, context.meter, limit=1), None)
            if row is not None:
                self._matched(collection, row, made, spec["whenMatched"], run)
            elif spec["whenNotMatched"] == "insert":
                self._writer.insert(collection, made)
            elif spec["whenNotMatched"] == "fail":
                raise Refused(13113, "$merge could not find a matching document")

    def _check_on(self, collection: Collection, on: list[str]) -> None:
        if on == ["_id"]:
            return
        for index in collection.indexes.values():
            full = index.unique and not index.partial and not index.sparse
            if full and {path for path, _ in index.keys} == set(on):
                return
        raise Refused(51183, "Cannot find index to verify that join fields will be unique")

    def _matched(self, collection: Collection, row: Row, doc: Doc, rule: Any, run: Run) -> None:
        if rule == "keepExisting":
            return
        if rule == "fail":
            raise collection.duplicate(None, doc)
        fields = {name: value for name, value in doc.items() if name != "_id"}
        if rule == "replace":
            new = {"_id": row.doc["_id"], **fields}
        elif rule == "merge":
            new = {**row.doc, **fields}
        else:
            (new,) = run_pipeline(iter([row.doc]), rule, run.with_variables({"new": doc}))
        self._writer.replace(collection, row, new)

    def out(self, docs: Iterable[Doc], collection: str) -> None:
        """Make the documents the whole content of a collection; its indexes stay."""
        context = self._context
        target = context.catalogue.ensure(context.name(collection))
        for row in list(scan(context.db, target, {}, context.meter)):
            self._writer.remove(target, row.rid, row.doc)
        for doc in docs:
            self._writer.insert(target, doc)


def _value(doc: Doc, path: str) -> Any:
    value = straight(doc, path.split("."))
    if value is MISSING or value is None or isinstance(value, list):
        raise Refused(51132, "$merge write error: 'on' field cannot be missing, null or an array")
    return value
