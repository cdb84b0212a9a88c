"""One collection as files in mongodump's layout, and its checksum.

``<coll>.bson`` holds the documents one after the other, in the order of ``_id``;
``<coll>.metadata.json`` holds the indexes in extended JSON. The checksum of a collection is the
sha256 of its ``.bson`` file, and can be computed from a database without writing one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bson import json_util
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel
from pymongo.asynchronous.collection import AsyncCollection

from storage.client import Database

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_BATCH = 500
_BATCH_BYTES = 8 * 1024 * 1024
_LARGEST = 16 * 1024 * 1024 + 16 * 1024


class DumpDamaged(RuntimeError):
    """A file of a dump is not what it should be; the sentence says which."""


@dataclass(frozen=True)
class Sum:
    """What a collection amounts to."""

    documents: int
    size: int
    sha256: str


class _Tally:
    """Adds documents up."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._documents = 0
        self._size = 0

    def add(self, documents: Sequence[bytes]) -> None:
        for document in documents:
            self._hash.update(document)
            self._size += len(document)
        self._documents += len(documents)

    @property
    def sum(self) -> Sum:
        return Sum(self._documents, self._size, self._hash.hexdigest())


async def checksum(db: Database, name: str) -> Sum:
    """Answer what a collection amounts to as it is now."""
    tally = _Tally()
    async for batch in _batches(db, name):
        await asyncio.to_thread(tally.add, batch)
    return tally.sum


async def dump(db: Database, name: str, directory: Path) -> Sum:
    """Write a collection with its indexes into ``directory`` and answer what it amounts to."""
    tally = _Tally()

    def write(file: BinaryIO, batch: Sequence[bytes]) -> None:
        tally.add(batch)
        file.writelines(batch)

    file = await asyncio.to_thread((directory / f"{name}.bson").open, "xb")
    try:
        async for batch in _batches(db, name):
            await asyncio.to_thread(write, file, batch)
        await asyncio.to_thread(_sync, file)
    finally:
        file.close()
    metadata = {
        "options": {},
        "indexes": await _index_rows(db, name),
        "uuid": "",
        "collectionName": name,
        "type": "collection",
    }
    text = json_util.dumps(metadata, json_options=json_util.CANONICAL_JSON_OPTIONS)
    await asyncio.to_thread(write_synced, directory / f"{name}.metadata.json", text.encode())
    return tally.sum


async def load(db: Database, name: str, directory: Path) -> int:
    """Insert a dumped collection and answer how many documents there were; no indexes yet.

    Raises:
        DumpDamaged: The file ends within a document.
    """
    count = 0
    with (directory / f"{name}.bson").open("rb") as file:
        while batch := await asyncio.to_thread(_read, file, directory / f"{name}.bson"):
            async with db.raw() as raw:
                collection = raw.get_collection(name, codec_options=_RAW)
                await collection.insert_many([RawBSONDocument(document) for document in batch])
            count += len(batch)
    if not count:
        async with db.raw() as raw:
            await raw.create_collection(name)
    return count


async def load_indexes(db: Database, name: str, directory: Path) -> None:
    """Make the indexes of a dumped collection."""
    text = await asyncio.to_thread((directory / f"{name}.metadata.json").read_text)
    models = [_model(row) for row in json_util.loads(text)["indexes"] if row["name"] != "_id_"]
    if models:
        async with db.raw() as raw:
            await raw[name].create_indexes(models)


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file and bring it to the disk."""
    with path.open("xb") as file:
        file.write(content)
        _sync(file)


async def _batches(db: Database, name: str) -> AsyncIterator[list[bytes]]:
    async with db.raw() as raw:
        collection: AsyncCollection[Any] = raw.get_collection(name, codec_options=_RAW)
        cursor = collection.find({}, sort=[("_id", 1)], batch_size=_BATCH)
    try:
        while True:
            async with db.raw():
                documents = await cursor.to_list(_BATCH)
            if not documents:
                return
            yield [document.raw for document in documents]
    finally:
        async with db.raw():
            await cursor.close()


async def _index_rows(db: Database, name: str) -> list[Mapping[str, Any]]:
    async with db.raw() as raw:
        cursor = await raw[name].list_indexes()
        return [dict(row) for row in await cursor.to_list()]


def _model(row: Mapping[str, Any]) -> IndexModel:
    options = {key: part for key, part in row.items() if key not in {"v", "key", "ns"}}
    return IndexModel([(field, int(way)) for field, way in row["key"].items()], **options)


def _read(file: BinaryIO, path: Path) -> list[bytes]:
    """Answer the next documents of a ``.bson`` file, some megabytes at most; empty at its end."""
    batch: list[bytes] = []
    size = 0
    while len(batch) < _BATCH and size < _BATCH_BYTES:
        head = file.read(4)
        if not head:
            break
        length = struct.unpack("<i", head)[0] if len(head) == 4 else 0
        if not 5 <= length <= _LARGEST:
            raise DumpDamaged(f"{path} is damaged")
        document = head + file.read(length - 4)
        if len(document) != length or document[-1]:
            raise DumpDamaged(f"{path} ends within a document")
        batch.append(document)
        size += length
    return batch


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
