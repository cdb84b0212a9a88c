"""A pointer that moves (M04-1, F05-3): from the console's POST to every phone in the hall.

``python -m tests.bench.bench_hall [--sizes 100 300 1000] [--moves 30] [--only alone|four]``

The real program serves, alone on the embedded engine, then with four workers and a Redis; the
phones are raw sockets in this process, each with a login of its own. M04-1 asks for p95 ≤ 500 ms
with 300 clients. Clients and server share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

from server.ground import lay
from tests.bench.bench_notices import Staff, populate
from tests.bench.rig import machine, table
from tests.cluster import Cluster
from tests.integration.hall import ITEMS, MEETING, URL
from tests.phones import Phone, everybody_connects, everybody_hears

BAR = 500.0
HEAD = ["how it runs", "phones", "what", "p50 ms", "p95 ms", "last ms", "bar"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 300, 1_000])
    parser.add_argument("--moves", type=int, default=30)
    parser.add_argument("--only", choices=["alone", "four"])
    given = parser.parse_args()
    machine()
    rows = []
    for name, processes in (("alone", 1), ("four", 4)):
        if given.only in {None, name}:
            rows += run(processes, given)
    table(f"A pointer that moves {given.moves} times", HEAD, rows)


def run(processes: int, given: argparse.Namespace) -> list[list[str]]:
    alone = processes == 1
    with tempfile.TemporaryDirectory(prefix="hub-") as home:
        hub = Cluster(Path(home), processes=processes, alone=alone)
        if not alone:
            hub.redis.start()
        try:
            hub.start()
            label = "one process, embedded" if alone else "four processes, Redis, embedded"
            return asyncio.run(measure(hub, label, given))
        finally:
            hub.stop()


async def measure(hub: Cluster, label: str, given: argparse.Namespace) -> list[list[str]]:
    people, (console, *_) = await populate(hub, max(given.sizes))
    async with AsyncExitStack() as stack:
        ground = await lay(hub.settings, stack, join=True)
        await convene(ground.db)
    rows = []
    v = 0
    client = AsyncHTTPClient(force_instance=True, max_clients=20)
    staff = Staff(hub.url, client, console)
    for size in given.sizes:
        with ExitStack() as stack:
            phones = [Phone(hub.port, token) for token in people[:size]]
            for phone in phones:
                stack.callback(phone.close)
            await everybody_connects(phones, f"mtg:{MEETING}")
            heard, answered = [], []
            for move in range(given.moves + 1):
                began = time.perf_counter()
                asked = asyncio.ensure_future(
                    staff.post(f"{URL}/pointer", {"item_id": ITEMS[move % 3], "v": v})
                )
                times = await everybody_hears(phones, "agenda.pointer", move + 1)
                await asked
                v += 1
                if move:  # the first one warms up
                    heard += [1_000 * (at - began) for at in times]
                    answered.append(1_000 * (time.perf_counter() - began))
            rows.append(row(label, size, "POST → every phone", heard, bar=True))
            rows.append(row(label, size, "POST → answer and last phone", answered, bar=False))
    client.close()
    return rows


async def convene(db) -> None:
    """A meeting in session in which every deputy takes part, driven by the administrators."""
    deputies = await db["person"].find({"kind": "deputy"}, projection={"_id": 1})
    await db["meeting"].insert_one(
        {"_id": MEETING, "kind": "npc", "state": "in_session", "title": "全体会议", "v": 1}
    )
    await db["agenda_item"].insert_many(
        [{"_id": item, "meeting_id": MEETING, "title": item, "v": 1} for item in ITEMS]
    )
    await db["participant"].insert_many(
        [
            {"_id": f"{MEETING}:{it['_id']}", "m": MEETING, "p": it["_id"], "capacity": "member"}
            for it in deputies
        ]
    )
    await db["role_grant"].update_many(
        {"role": "admin"}, {"$set": {"role": "mtg_staff", "scopes": [f"mtg:{MEETING}"]}}
    )


def row(label: str, size: int, what: str, taken: list[float], *, bar: bool) -> list[str]:
    taken.sort()
    p50, p95 = (taken[int(share * (len(taken) - 1))] for share in (0.5, 0.95))
    verdict = f"p95 ≤ {BAR:.0f}: {'ok' if p95 <= BAR else 'no'}" if bar else ""
    figures = (f"{ms:.0f}" for ms in (p50, p95, taken[-1]))
    return [label, str(size), what, *figures, verdict]


if __name__ == "__main__":
    main()
