"""The catalogue: which collections and indexes there are."""

# ruff: noqa: S608 - table names are made of integers, everything else is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from storage.embedded.errors import Refused
from storage.embedded.index import Index, check_spec, keyed_alike, same_index
from storage.embedded.paths import straight
from storage.embedded.values import MISSING, Doc, decode


class Collection:
    """A collection: its table and its indexes by name, ``_id_`` not among them."""

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name
        self.table = f"c{number}"
        self.indexes: dict[str, Index] = {}

    def duplicate(self, index: Index | None, doc: Doc) -> Refused:
        """The refusal of a document whose key another one has."""
        pattern: Doc = dict(index.spec["key"]) if index else {"_id": 1}
        values = {path: straight(doc, path.split(".")) for path in pattern}
        shown = {path: None if value is MISSING else value for path, value in values.items()}
        name = index.name if index else "_id_"
        return Refused(
            11000,
            f"E11000 duplicate key error collection: {self.name} index: {name} dup key: {shown}",
            keyPattern=pattern,
            keyValue=shown,
        )


class Catalogue:
    """Everything the file holds, kept in memory; a roll-back makes it read itself again."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.version = 0
        self.collections: dict[str, Collection] = {}
        self.load()

    def load(self) -> None:
        """Read the catalogue from the file."""
        self.version = self._stored_version()
        self.collections = {}
        numbers: dict[int, Collection] = {}
        for number, name in self._db.execute("SELECT number, name FROM collections"):
            numbers[number] = self.collections[name] = Collection(number, name)
        rows = self._db.execute(
            "SELECT number, collection, name, spec FROM indexes ORDER BY number"
        )
        for number, collection, name, spec in rows:
            numbers[collection].indexes[name] = Index(number, name, decode(spec))

    def refresh(self) -> None:
        """Read it again if another connection has changed it."""
        if self._stored_version() != self.version:
            self.load()

    def _stored_version(self) -> int:
        row = self._db.execute("SELECT value FROM meta WHERE name = 'catalogue'").fetchone()
        return int(row[0])

    def _changed(self) -> None:
        self._db.execute("UPDATE meta SET value = value + 1 WHERE name = 'catalogue'")
        self.version += 1

    def get(self, name: str) -> Collection | None:
        """The collection with this full name, if there is one."""
        return self.collections.get(name)

    def ensure(self, name: str) -> Collection:
        """The collection with this full name, made if need be."""
        return self.collections.get(name) or self.create(name)

    def create(self, name: str) -> Collection:
        """Make an empty collection.

        Raises:
            Refused: 48 it exists, 73 the name cannot be used.
        """
        if name in self.collections:
            raise Refused(48, f"Collection {name} already exists.")
        database, _, collection = name.partition(".")
        if not database or not collection or len(name) > 255:
            raise Refused(73, f"Invalid namespace specified '{name}'")
        if "\0" in name or "$" in name or collection.startswith(("system.", ".")):
            raise Refused(73, f"Invalid collection name: {name}")
        cursor = self._db.execute("INSERT INTO collections(name) VALUES(?)", (name,))
        made = Collection(int(cursor.lastrowid or 0), name)
        self._db.execute(
            f"CREATE TABLE {made.table}"
            "(rid INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, doc BLOB NOT NULL)"
        )
        self.collections[name] = made
        self._changed()
        return made

    def drop(self, name: str) -> Collection:
        """Remove a collection with everything in it.

        Raises:
            Refused: 26, there is none.
        """
        gone = self.collections.pop(name, None)
        if gone is None:
            raise Refused(26, "ns not found")
        for index in gone.indexes.values():
            self._db.execute(f"DROP TABLE {index.table}")
        self._db.execute(f"DROP TABLE {gone.table}")
        self._db.execute("DELETE FROM indexes WHERE collection = ?", (gone.number,))
        self._db.execute("DELETE FROM collections WHERE number = ?", (gone.number,))
        self._changed()
        return gone

    def rename(self, name: str, to: str, *, drop_target: bool) -> None:
        """Give a collection another name.

        Raises:
            Refused: 26 there is none, 48 the name is taken.
        """
        if name not in self.collections:
            raise Refused(26, f"Source collection {name} does not exist")
        if to in self.collections:
            if not drop_target:
                raise Refused(48, "target namespace exists")
            self.drop(to)
        collection = self.collections.pop(name)
        collection.name = to
        self.collections[to] = collection
        self._db.execute(
            "UPDATE collections SET name = ? WHERE number = ?", (to, collection.number)
        )
        self._changed()

    def create_index(self, collection: Collection, spec: Mapping[str, Any]) -> bool:
        """Make an index and fill it.

        Returns:
            Whether it is new.

        Raises:
            Refused: 85 or 86 another index is in the way, 11000 the documents are not unique.
        """
        checked = check_spec(spec)
        name = checked.get("name")
        if not isinstance(name, str) or not name:
            raise Refused(9, "The 'name' field is a required property of an index specification")
        if list(checked["key"]) == ["_id"]:
            if name == "_id_" or not set(checked) - {"key", "name", "v"}:
                return False
            raise Refused(197, "The field 'unique' is not valid for an _id index specification.")
        for index in collection.indexes.values():
            if index.name == name and same_index(index.spec, checked):
                return False
            if index.name == name:
                raise Refused(
                    86,
                    "An existing index has the same name as the requested index. When index names "
                    "are not specified, they are auto generated and can cause conflicts. "
                    f"Requested index: {name}",
                )
            if keyed_alike(index.spec, checked["key"]) and same_index(index.spec, checked):
                raise Refused(85, f"Index already exists with a different name: {index.name}")
        collection.indexes[name] = self._build(collection, name, checked)
        self._changed()
        return True

    def _build(self, collection: Collection, name: str, spec: Doc) -> Index:
        cursor = self._db.execute(
            "INSERT INTO indexes(collection, name, spec) VALUES(?, ?, ?)",
            (collection.number, name, b""),
        )
        index = Index(int(cursor.lastrowid or 0), name, spec)
        primary = "k" if index.unique else "k, rid"
        self._db.execute(
            f"CREATE TABLE {index.table}"
            f"(k BLOB NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY({primary})) WITHOUT ROWID"
        )
        for rid, raw in self._db.execute(f"SELECT rid, doc FROM {collection.table}"):
            doc = decode(raw)
            for key in index.entries(doc):
                try:
                    self._db.execute(f"INSERT INTO {index.table} VALUES(?, ?)", (key, rid))
                except sqlite3.IntegrityError:
                    raise collection.duplicate(index, doc) from None
        self._store(index)
        return index

    def _store(self, index: Index) -> None:
        self._db.execute(
            "UPDATE indexes SET spec = ? WHERE number = ?", (index.stored(), index.number)
        )
        index.dirty = False

    def keep_multikey(self, index: Index) -> None:
        """Write down that an index holds several entries of one document."""
        if index.dirty:
            self._store(index)
            self._changed()

    def drop_indexes(self, collection: Collection, which: Any) -> None:
        """Remove indexes by name, by keys, or all with ``*``.

        Raises:
            Refused: 27 there is no such index, 72 it is that of ``_id``.
        """
        if which in ("_id_", {"_id": 1}):
            raise Refused(72, "cannot drop _id index")
        names = [
            name
            for name, index in collection.indexes.items()
            if which in ("*", name) or (isinstance(which, dict) and keyed_alike(index.spec, which))
        ]
        if not names and which != "*":
            raise Refused(27, f"index not found with name [{which}]")
        for name in names:
            index = collection.indexes.pop(name)
            self._db.execute(f"DROP TABLE {index.table}")
            self._db.execute("DELETE FROM indexes WHERE number = ?", (index.number,))
        self._changed()
