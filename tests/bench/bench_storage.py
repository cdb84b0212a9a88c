"""Storage: what the gate costs and gains, how fast audit, backup, files and search are.

``python -m tests.bench.bench_storage [--uri mongodb://…] [--operations 4000] [--documents 20000]``

Without an address it runs an embedded engine of its own with its file on disk. The engine shares
the machine with this program, so CPU-microseconds of this process per operation are the numbers to
compare; the driver's own client and ours take turns within one run.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Self

from pymongo import AsyncMongoClient

from domain.audit_chain import GENESIS, chain_hash
from domain.clock import system_clock
from storage.audit import AuditStore
from storage.backup import backup, restore
from storage.client import Database
from storage.files import DiskBlobs
from storage.gridfs import GridFsBlobs
from storage.indexes import ensure_indexes
from storage.search import query_terms, search_terms
from tests.bench.rig import machine, table
from tests.engines import embedded

Rows = list[list[str]]


class Stopwatch:
    """Wall and CPU seconds of a block."""

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu

    def row(self, name: str, count: int, note: str = "") -> list[str]:
        rate, cost = count / self.wall, self.cpu / count * 1e6
        return [name, f"{count:,}", f"{rate:,.0f}", f"{cost:,.1f}", note]


async def crowd(call: Callable[[int], Awaitable[object]], tasks: int, operations: int):
    """Run ``operations`` calls from ``tasks`` tasks; answer the stopwatch and every latency."""
    latencies: list[float] = []
    left = iter(range(operations))

    async def one() -> None:
        for n in left:
            began = time.perf_counter()
            await call(n)
            latencies.append(time.perf_counter() - began)

    with Stopwatch() as watch:
        await asyncio.gather(*(one() for _ in range(tasks)))
    return watch, latencies


async def gate(uri: str, name: str, operations: int) -> Rows:
    """The driver alone and behind the gate, in turns."""
    db = await Database.connect(uri, name=name)
    client: AsyncMongoClient = AsyncMongoClient(uri, maxPoolSize=64, tz_aware=True)
    raw, ours = client[name]["thing"], db["thing"]
    await ours.insert_many([{"_id": n, "n": n, "text": "章清" * 20} for n in range(1000)])
    rows = []
    for tasks in (1, 50, 500):
        rounds: dict[str, list] = {"driver": [], "gate": []}
        for _ in range(3):
            for kind, where in (("driver", raw), ("gate", ours)):

                async def read(n: int, where=where) -> None:
                    await where.find_one({"_id": n % 1000})

                rounds[kind].append(await crowd(read, tasks, operations // 3))
        for kind, measured in rounds.items():
            cost = statistics.median(watch.cpu for watch, _ in measured) / (operations // 3) * 1e6
            rate = statistics.median((operations // 3) / watch.wall for watch, _ in measured)
            late = sorted(each for _, latencies in measured for each in latencies)
            times = [f"{late[int(len(late) * share)] * 1e3:,.1f}" for share in (0.5, 0.99)]
            rows.append([f"find_one, {tasks} tasks", kind, f"{rate:,.0f}", f"{cost:,.0f}", *times])
    await client.close()
    await db.close()
    return rows


async def audit(db: Database, entries: int) -> Rows:
    """Entries recorded by many, by one after another, and verified."""
    store = AuditStore(db, system_clock)

    async def record(n: int) -> None:
        await store.record("notice.read", by=f"p{n % 50}", obj=f"notice:{n}", detail={"n": n})

    rows = []
    watch, late = await crowd(record, 200, entries)
    late.sort()
    note = f"p99 {late[int(len(late) * 0.99)] * 1e3:.0f} ms"
    rows.append(watch.row("audit: record, 200 at once", entries, note))
    watch, _ = await crowd(record, 1, entries // 20)
    rows.append(watch.row("audit: record, one by one", entries // 20))
    with Stopwatch() as watch:
        verdict = await store.verify()
    assert verdict.sound
    rows.append(watch.row("audit: verify", verdict.checked))
    document = await db["audit"].find_one({"_id": 1}, projection={"hash": 0})
    with Stopwatch() as watch:
        for _ in range(5000):
            chain_hash(GENESIS, document)
    rows.append(watch.row("audit: hash of one entry", 5000))
    return rows


async def copies(db: Database, empty: Database, documents: int, home: Path) -> Rows:
    """Backup and restore of receipts."""
    batch = [
        {
            "_id": f"{n:08}",
            "n": f"notice-{n % 100}",
            "d": f"deputy-{n % 860}",
            "pub": system_clock(),
            "read": n % 3 == 0,
            "text": "全体会议改期" * (n % 9),
        }
        for n in range(documents)
    ]
    for start in range(0, documents, 1000):
        await db["receipt"].insert_many(batch[start : start + 1000])
    blobs = DiskBlobs(home / "blobs", reserve=0)
    with Stopwatch() as out:
        await backup(db, blobs, home / "backup")
    with Stopwatch() as back:
        done = await restore(home / "backup", empty, blobs)
    return [
        out.row("backup", done.documents),
        back.row("restore with verification", done.documents),
    ]


async def contents(db: Database, home: Path) -> Rows:
    """Files of 20 MB in and out."""
    content = random.Random(1).randbytes(20_000_000)
    rows = []
    stores = (
        ("disk", DiskBlobs(home / "files", reserve=0)),
        ("GridFS", GridFsBlobs(db, system_clock)),
    )
    for name, store in stores:
        with Stopwatch() as watch:
            async with store.writer(limit=10**8) as writer:
                for start in range(0, len(content), 65_536):
                    await writer.write(content[start : start + 65_536])
        rows.append(watch.row(f"files: write 20 MB, {name}", 20, "MB/s, µs per MB"))
        with Stopwatch() as watch:
            size = sum([len(chunk) async for chunk in store.read(writer.blob.sha256)])
        assert size == len(content)
        rows.append(watch.row(f"files: read 20 MB, {name}", 20, "MB/s, µs per MB"))
    return rows


def terms() -> Rows:
    """Terms of names, titles and queries."""
    draw = random.Random(3)
    names = ["".join(draw.choices("章清单仲良解文杰仇小敏曾国平查志远", k=3)) for _ in range(2000)]
    title = "关于加快推进本市老旧小区加装电梯工作的议案"
    cases = {
        "search: terms of a name": [lambda name=name: search_terms(name) for name in names],
        "search: terms of a title": [lambda: search_terms(title)] * 2000,
        "search: terms of a query": [lambda: query_terms("加装电梯 zhq")] * 2000,
    }
    rows = []
    for name, calls in cases.items():
        with Stopwatch() as watch:
            for call in calls:
                call()
        rows.append(watch.row(name, len(calls)))
    return rows


async def measure(uri: str, operations: int, documents: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        head = ["what", "through", "op/s", "CPU µs/op", "p50 ms", "p99 ms"]
        table(
            "One document, driver alone and behind the gate",
            head,
            await gate(uri, "bench", operations),
        )
        db = await Database.connect(uri, name="bench")
        empty = await Database.connect(uri, name="bench_restored")
        try:
            await db.drop()
            await empty.drop()
            await ensure_indexes(db)
            rows = [
                *await audit(db, operations),
                *await copies(db, empty, documents, Path(place)),
                *await contents(db, Path(place)),
                *terms(),
            ]
            table("The rest", ["what", "count", "per second", "CPU µs each", ""], rows)
        finally:
            await db.drop()
            await empty.drop()
            await db.close()
            await empty.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri")
    parser.add_argument("--operations", type=int, default=4000)
    parser.add_argument("--documents", type=int, default=20_000)
    given = parser.parse_args()
    machine()
    with nullcontext() if given.uri else embedded(on_disk=True) as engine:
        uri = given.uri or engine.uri
        asyncio.run(measure(uri, given.operations, given.documents))


if __name__ == "__main__":
    main()
