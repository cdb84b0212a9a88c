"""The one door to MongoDB: a client with a queue before it, time-outs, and errors in our words.

Every call of every store goes through one first-come-first-served gate of 32 places. Without it
the driver hands its connections out unfairly, and under load some callers wait for the whole run.
Datetimes come back aware, in UTC. The client finds a server that went away and came back by itself.
"""

# ruff: noqa: A002 - the parameter is called filter in every MongoDB manual
from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Self

from pymongo import (
    AsyncMongoClient,
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    ReturnDocument,
    UpdateMany,
    UpdateOne,
)
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError

from storage.errors import Duplicate, duplicates, translated
from storage.gate import Gate

__all__ = ["Collection", "Database", "Document", "Duplicate", "Filter", "Sort", "Updated"]

Document = dict[str, Any]
Filter = Mapping[str, Any]
Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Sort = Sequence[tuple[str, int]]
Write = InsertOne[Document] | UpdateOne | UpdateMany | ReplaceOne[Document] | DeleteOne | DeleteMany

BOUND = 10_000
"""Most documents that ``find``, ``aggregate`` answer at once when no limit is given."""


class Unbounded(RuntimeError):
    """A query without a limit met more than ``BOUND`` documents: use ``stream`` or a limit."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did."""

    matched: int
    modified: int
    upserted_id: Any = None


class Database:
    """One database of one server; one object per process, made inside the running loop."""

    def __init__(self, client: AsyncMongoClient[Document], name: str, gate: Gate) -> None:
        self._client = client
        self._gate = gate
        self._raw = client[name]
        self.name = name

    @classmethod
    async def connect(
        cls,
        uri: str,
        *,
        name: str = "daibiao",
        places: int = 32,
        patience: float = 5.0,
        selection: float = 3.0,
        timeout: float = 10.0,
    ) -> Self:
        """Reach the server and answer its database.

        Args:
            uri: ``mongodb://…``; options in it win over the defaults here.
            name: Name of the database.
            places: Calls with the driver at once.
            patience: Seconds a call may wait for its place.
            selection: Seconds to find the server.
            timeout: Seconds one call may take, with everything the driver repeats.

        Raises:
            UpstreamDown: The server does not answer.
        """
        client: AsyncMongoClient[Document] = AsyncMongoClient(
            uri,
            tz_aware=True,
            tzinfo=UTC,
            appname="daibiao",
            maxPoolSize=2 * places,
            serverSelectionTimeoutMS=round(selection * 1000),
            connectTimeoutMS=round(selection * 1000),
            # The driver's own ``timeoutMS`` would repeat a read until it is used up, so a server
            # that is away would hold its callers for all of it.
            socketTimeoutMS=round(timeout * 1000),
            # A standalone server confirms before the journal is on disk unless it is asked.
            w=1,
            journal=True,
        )
        database = cls(
            client, name, Gate(places, patience=patience, waiting=100 * places, timeout=timeout)
        )
        try:
            await database.ping()
        except BaseException:
            await client.close()
            raise
        return database

    def __getitem__(self, name: str) -> Collection:
        """Answer the collection called ``name``; it need not exist yet."""
        return Collection(self._raw[name], self._gate)

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[AsyncDatabase[Document]]:
        """Hold a place in the queue and the driver's own database; for backup and GridFS only."""
        async with self._gate.turn():
            yield self._raw

    @property
    def queued(self) -> int:
        """How many calls wait for a place now."""
        return self._gate.queued

    async def ping(self) -> None:
        """Return if the server answers.

        Raises:
            UpstreamDown: It does not.
        """
        async with self._gate.turn():
            await self._client.admin.command("ping")

    async def collections(self) -> list[str]:
        """Answer the names of the existing collections, sorted, without the server's own."""
        async with self._gate.turn():
            names = await self._raw.list_collection_names()
        return sorted(name for name in names if not name.startswith("system."))

    async def drop(self) -> None:
        """Remove the database with everything in it."""
        async with self._gate.turn():
            await self._client.drop_database(self.name)

    async def close(self) -> None:
        """Let every connection go."""
        await self._client.close()


class Collection:
    """One collection. Every method waits at the gate and may raise what ``translated`` says."""

    def __init__(self, raw: AsyncCollection[Document], gate: Gate) -> None:
        self._raw = raw
        self._gate = gate

    async def find_one(
        self,
        filter: Filter,
        *,
        projection: Any = None,
        sort: Sort | None = None,
    ) -> Document | None:
        """Answer one document that matches, the first by ``sort``, or ``None``."""
        async with self._gate.turn():
            return await self._raw.find_one(filter, projection, sort=sort)

    async def find(
        self,
        filter: Filter,
        *,
        projection: Any = None,
        sort: Sort | None = None,
        limit: int = 0,
    ) -> list[Document]:
        """Answer the documents that match.

        Raises:
            Unbounded: There are more than ``BOUND`` and no limit was given.
        """
        async with self._gate.turn():
            cursor = self._raw.find(filter, projection, sort=sort, limit=limit or BOUND + 1)
            found = await cursor.to_list()
        if not limit and len(found) > BOUND:
            raise Unbounded(f"{self._raw.name}: more than {BOUND} documents match {dict(filter)}")
        return found

    async def stream(
        self,
        filter: Filter,
        *,
        projection: Any = None,
        sort: Sort | None = None,
        batch: int = 500,
    ) -> AsyncIterator[Document]:
        """Yield every document that matches, fetching ``batch`` at a time.

        A place in the queue is held only while a batch is fetched, so the reader may call others.
        """
        cursor = self._raw.find(filter, projection, sort=sort, batch_size=batch)
        try:
            while True:
                async with self._gate.turn():
                    documents = await cursor.to_list(batch)
                for document in documents:
                    yield document
                if not documents:
                    return
        finally:
            with translated():
                await cursor.close()

    async def insert_one(self, document: Document) -> None:
        """Insert a document that carries its own ``_id``."""
        _need_ids((document,))
        async with self._gate.turn():
            await self._raw.insert_one(document)

    async def insert_many(self, documents: Sequence[Document], *, ordered: bool = True) -> None:
        """Insert documents that carry their own ``_id``; unordered goes on after a refusal."""
        if not documents:
            return
        _need_ids(documents)
        async with self._gate.turn():
            await self._raw.insert_many(documents, ordered=ordered)

    async def insert_new(self, documents: Sequence[Document]) -> set[Any]:
        """Insert documents but for those whose key is there; answer the ids of the inserted."""
        if not documents:
            return set()
        _need_ids(documents)
        there: set[int] = set()
        async with self._gate.turn():
            try:
                await self._raw.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                there = duplicates(error)
        return {document["_id"] for at, document in enumerate(documents) if at not in there}

    async def update_one(
        self,
        filter: Filter,
        update: Update,
        *,
        upsert: bool = False,
    ) -> Updated:
        """Change one document that matches."""
        async with self._gate.turn():
            done = await self._raw.update_one(filter, update, upsert=upsert)
        return Updated(done.matched_count, done.modified_count, done.upserted_id)

    async def update_many(self, filter: Filter, update: Update) -> Updated:
        """Change every document that matches."""
        async with self._gate.turn():
            done = await self._raw.update_many(filter, update)
        return Updated(done.matched_count, done.modified_count)

    async def replace_one(
        self,
        filter: Filter,
        document: Document,
        *,
        upsert: bool = False,
    ) -> Updated:
        """Put ``document`` in the place of one that matches."""
        async with self._gate.turn():
            done = await self._raw.replace_one(filter, document, upsert=upsert)
        return Updated(done.matched_count, done.modified_count, done.upserted_id)

    async def find_one_and_update(
        self,
        filter: Filter,
        update: Update,
        *,
        upsert: bool = False,
        after: bool = True,
        sort: Sort | None = None,
        projection: Any = None,
    ) -> Document | None:
        """Change one document and answer it as it was ``after`` or before, or ``None``."""
        async with self._gate.turn():
            return await self._raw.find_one_and_update(
                filter,
                update,
                projection,
                sort,
                upsert=upsert,
                return_document=ReturnDocument.AFTER if after else ReturnDocument.BEFORE,
            )

    async def find_one_and_delete(
        self,
        filter: Filter,
        *,
        sort: Sort | None = None,
    ) -> Document | None:
        """Remove one document and answer it, or ``None``."""
        async with self._gate.turn():
            return await self._raw.find_one_and_delete(filter, sort=sort)

    async def delete_one(self, filter: Filter) -> int:
        """Remove one document that matches and answer how many that were."""
        async with self._gate.turn():
            return (await self._raw.delete_one(filter)).deleted_count

    async def delete_many(self, filter: Filter) -> int:
        """Remove every document that matches and answer how many."""
        async with self._gate.turn():
            return (await self._raw.delete_many(filter)).deleted_count

    async def count(self, filter: Filter, *, limit: int = 0) -> int:
        """Count the documents that match, up to ``limit`` if there is one."""
        bound: dict[str, Any] = {"limit": limit} if limit else {}
        async with self._gate.turn():
            return await self._raw.count_documents(filter, **bound)

    async def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
        """Answer what the pipeline yields.

        Raises:
            Unbounded: That is more than ``BOUND`` documents.
        """
        async with self._gate.turn():
            cursor = await self._raw.aggregate(pipeline)
            async with cursor:
                found = await cursor.to_list(BOUND + 1)
        if len(found) > BOUND:
            raise Unbounded(f"{self._raw.name}: a pipeline yields more than {BOUND} documents")
        return found

    async def distinct(self, key: str, filter: Filter) -> list[Any]:
        """Answer the different values of ``key`` among the documents that match."""
        async with self._gate.turn():
            return await self._raw.distinct(key, filter)

    async def bulk(self, writes: Sequence[Write], *, ordered: bool = False) -> None:
        """Do many writes in one call; unordered goes on after a refusal and then raises it."""
        if not writes:
            return
        async with self._gate.turn():
            await self._raw.bulk_write(writes, ordered=ordered)


def _need_ids(documents: Sequence[Document]) -> None:
    """Refuse what would get an id from the driver: repeating it would store it twice.

    Raises:
        ValueError: A document has no ``_id``.
    """
    if not all("_id" in document for document in documents):
        raise ValueError("a document needs its own _id")
