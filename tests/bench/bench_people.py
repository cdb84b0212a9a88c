"""Searching the directory (F15-4): how long a search takes with 2,000 cards.

``python -m tests.bench.bench_people [--cards 2000] [--searches 1000] [--callers 1 10]``

The hub, its embedded engine (a child process, file on disk) and the callers share this machine;
times are those of whole HTTP calls. F15-4 asks for p95 ≤ 150 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

from pydantic import SecretStr
from tornado.httpclient import AsyncHTTPClient
from tornado.testing import bind_unused_port

from demo.names import names
from domain.clock import new_ulid
from domain.people import Grant, Person
from domain.permissions import Role
from domain.roster import Card, Kind
from server.assembly import assemble
from server.config import Env, Limit, Log, Mongo, Settings
from server.lifecycle import serve
from storage.names import name_keys
from storage.people import PeopleStore
from tests.bench.rig import machine, table
from tests.engines import embedded
from tests.integration.conftest import MintedSessions

DISTRICTS = 17


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=2_000)
    parser.add_argument("--searches", type=int, default=1_000)
    parser.add_argument("--callers", type=int, nargs="*", default=[1, 10])
    given = parser.parse_args()
    machine()
    with embedded() as engine, tempfile.TemporaryDirectory() as home:
        rows = asyncio.run(measure(engine.uri, Path(home), given))
    head = ["what is typed", "callers", "searches/s", "p50 ms", "p95 ms", "p99 ms", "F15-4"]
    table(f"Search in {given.cards:,} cards ({given.searches} each)", head, rows)


async def measure(uri: str, home: Path, given: argparse.Namespace) -> list[list[str]]:
    rng = random.Random(15)
    settings = Settings(
        _env_file=None,
        env=Env.TEST,
        data_dir=home,
        mongo=Mongo(uri=SecretStr(uri), name=f"b{secrets.token_hex(4)}"),
        limit=Limit(**dict.fromkeys(Limit.model_fields, 1_000_000)),
        log=Log(access=False),
    )
    rows = []
    async with AsyncExitStack() as stack:
        hub = await assemble(settings, stack)
        people = cards(rng, given.cards)
        await PeopleStore(hub.db).add_many(people)
        sessions = MintedSessions(hub.services.sessions)
        object.__setattr__(hub.services, "sessions", sessions)
        sessions.minted["bench"] = Person(
            id=people[0].id, name=people[0].name, grants=(Grant(role=Role.DEPUTY),)
        )
        socket, port = bind_unused_port()
        await serve(hub, stack, [socket])
        client = AsyncHTTPClient(force_instance=True, max_clients=200)
        stack.callback(client.close)
        url = f"http://127.0.0.1:{port}/api/v1/people?limit=20&q="
        for what, queries in typed(rng, people, given.searches).items():
            for callers in given.callers:
                await search(client, url, queries[:50], callers)
                began = time.perf_counter()
                taken = sorted(await search(client, url, queries, callers))
                rows.append(row(what, callers, taken, len(queries) / (time.perf_counter() - began)))
    return rows


def cards(rng: random.Random, count: int) -> list[Card]:
    """Answer invented deputies of all districts."""
    invented = names(rng, set())
    return [
        Card(
            id=new_ulid(),
            kind=Kind.DEPUTY,
            name=next(invented),
            deputy_no=f"B{number:05}",
            delegation_id=f"d{number % DISTRICTS}",
            group_id=f"g{number % (3 * DISTRICTS)}",
            office_phone="021-10000000",
        )
        for number in range(count)
    ]


def typed(rng: random.Random, people: list[Card], count: int) -> dict[str, list[str]]:
    """Answer what people type: of each kind ``count`` searches."""
    some = [rng.choice(people).name for _ in range(count)]
    keys = [name_keys(name) for name in some]
    return {
        "whole name": some,
        "surname": [name[0] for name in some],
        "initials": [key.initials for key in keys],
        "half the pinyin": [key.py[: max(2, len(key.py) // 2)] for key in keys],
        "one letter": [key.py[0] for key in keys],
        "nothing (the list)": [""] * count,
    }


async def search(
    client: AsyncHTTPClient, url: str, queries: list[str], callers: int
) -> list[float]:
    """Search for everything, ``callers`` at a time; answer the milliseconds of each."""
    waiting, taken = iter(queries), []

    async def call() -> None:
        for query in waiting:
            began = time.perf_counter()
            await client.fetch(url + quote(query), headers={"Authorization": "Bearer bench"})
            taken.append((time.perf_counter() - began) * 1_000)

    await asyncio.gather(*(call() for _ in range(callers)))
    return taken


def row(what: str, callers: int, taken: list[float], speed: float) -> list[str]:
    at = {share: taken[int(share * (len(taken) - 1))] for share in (0.5, 0.95, 0.99)}
    verdict = "ok" if at[0.95] <= 150 else "too slow"
    return [what, str(callers), f"{speed:.0f}", *(f"{ms:.1f}" for ms in at.values()), verdict]


if __name__ == "__main__":
    main()
