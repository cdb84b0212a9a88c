"""The embedded engine: how soon it answers, operations a second, CPU on either side of the socket.

``python -m tests.bench.bench_embedded [--operations 4000] [--tasks 32]``
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
from pymongo import AsyncMongoClient

from storage.embedded.process import EmbeddedServer

Operation = Callable[[int], Awaitable[object]]


async def measure(name: str, run: Operation, count: int, tasks: int, child: int) -> str:
    """One line: operations a second, CPU-µs of this process and of the engine for each."""
    engine, hub = psutil.Process(child), psutil.Process()
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await run(number)

    before, began = (_cpu(hub), _cpu(engine)), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(tasks)))
    seconds = time.perf_counter() - began
    ours, theirs = (
        (now - then) / count * 1e6
        for now, then in zip((_cpu(hub), _cpu(engine)), before, strict=True)
    )
    return f"{name:24} {count / seconds:8.0f}/s {ours:8.0f} µs {theirs:8.0f} µs"


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def main(count: int, tasks: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as home:
        server = EmbeddedServer(Path(home), reserve_bytes=0)
        began = time.perf_counter()
        uri = await server.start()
        empty = time.perf_counter() - began
        client: AsyncMongoClient = AsyncMongoClient(uri, maxPoolSize=64)
        coll = client.bench.docs
        await coll.create_index([("group", 1), ("at", -1)])
        assert server.pid is not None
        operations: dict[str, Operation] = {
            "insert_one": lambda n: coll.insert_one({"_id": n, "group": n % 50, "at": n, "v": 1}),
            "find_one by _id": lambda n: coll.find_one({"_id": n}),
            "find newest 20": lambda n: (
                coll.find({"group": n % 50}).sort("at", -1).limit(20).to_list(None)
            ),
            "update_one by _id": lambda n: coll.update_one({"_id": n}, {"$inc": {"v": 1}}),
            "count by index": lambda n: coll.count_documents({"group": n % 50}),
        }
        print(f"{'operation':24} {'rate':>10} {'hub CPU':>11} {'engine CPU':>11}")
        for name, run in operations.items():
            print(await measure(name, run, count, tasks, server.pid))
        await client.close()
        await server.stop()
        began = time.perf_counter()
        await server.start()
        print(f"start to ping: {empty * 1e3:.0f} ms empty,", end=" ")
        print(f"{(time.perf_counter() - began) * 1e3:.0f} ms with {count} documents")
        await server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=4000)
    parser.add_argument("--tasks", type=int, default=32)
    options = parser.parse_args()
    asyncio.run(main(options.operations, options.tasks))
